//! Pending requests of agents as tool calls, and the answers in what clients send back.

use super::convert;
use super::fault::Fault;
use super::form::read_field;
use serde_json::{Map, Value, json};
use stepwright_core::requirement::RequirementKind as K;
use stepwright_core::{Answer, Requirement, RunOutput, StepPath};

/// Returns the id by which clients name the call of a request.
fn call_id(asked: &Requirement) -> &str {
    match &asked.kind {
        K::ToolConfirmation { tool } => &tool.id,
        _ => &asked.id,
    }
}

/// Returns a request of an agent as a tool call that waits.
pub(super) fn execution(asked: &Requirement, at: u64) -> Value {
    let (name, arguments) = match &asked.kind {
        K::ToolConfirmation { tool } => (tool.name.clone(), convert::arguments(tool)),
        K::ExternalExecution { tool, arguments } => (tool.to_string(), (**arguments).clone()),
        _ => (asked.path.name().to_owned(), json!({"message": asked.message})),
    };
    let mut call = convert::tool(call_id(asked), &name, &arguments, None, false, at);
    match &asked.kind {
        K::ExternalExecution { .. } => call["external_execution_required"] = json!(true),
        K::UserInput { schema } => {
            call["requires_user_input"] = json!(true);
            call["user_input_schema"] = fields(schema);
        }
        K::Wait { schema } => {
            call["requires_user_input"] = json!(true);
            call["user_input_schema"] = schema.as_deref().map_or_else(|| json!([]), fields);
        }
        _ => call["requires_confirmation"] = json!(true),
    }
    call
}

/// Returns a request of an agent as Agno's `RunRequirement`.
pub(super) fn requirement(asked: &Requirement, at: u64) -> Value {
    let call = execution(asked, at);
    let mut all = json!({"id": asked.id, "tool_execution": call});
    if !call["user_input_schema"].is_null() {
        all["user_input_schema"] = call["user_input_schema"].clone();
    }
    all
}

/// Returns `true` if a request is one of the agent at this path, or of one of its calls.
pub(super) fn is_of(asked: &Requirement, agent: &StepPath) -> bool {
    asked.path == *agent
        || (asked.path != asked.path.step() && asked.path.caller().as_ref() == Some(agent))
}

/// Returns the requests of a run of an agent that wait for a person.
pub(super) fn waiting(output: &RunOutput) -> impl Iterator<Item = &Requirement> {
    output.requirements.iter().filter(|asked| asked.needs_person())
}

/// Returns a JSON Schema of an object as the list of fields that Agno has.
pub(super) fn fields(schema: &Value) -> Value {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let field = |(name, about): (&String, &Value)| {
        let kind = match about["type"].as_str() {
            Some("integer") => "int",
            Some("number") => "float",
            Some("boolean") => "bool",
            Some("array") => "list",
            Some("object") => "dict",
            _ => "str",
        };
        let mut field = json!({
            "name": name, "field_type": kind, "description": about["description"],
            "value": about["default"], "required": required.contains(&json!(name)),
        });
        if let Some(allowed) = about.get("enum") {
            field["allowed_values"] = allowed.clone();
        }
        field
    };
    properties.iter().map(field).collect()
}

/// Returns the answer in a list of fields that a client has filled in.
pub(super) fn filled(fields: &Value) -> Option<Answer> {
    let filled = fields.as_array()?.iter().filter(|field| !field["value"].is_null());
    let values: Map<String, Value> = filled
        .filter_map(|field| Some((field["name"].as_str()?.into(), field["value"].clone())))
        .collect();
    (!values.is_empty()).then(|| Answer::Submit { value: values.into() })
}

/// Returns the answer that means yes.
pub(super) fn yes(asked: &Requirement) -> Answer {
    let known = asked.answers();
    if known.contains(&"approve") {
        Answer::Approve
    } else if known.contains(&"retry") {
        Answer::Retry
    } else {
        Answer::Skip
    }
}

/// Returns the answer in a tool call, or in the requirement around it.
pub(super) fn answer(asked: &Requirement, call: &Value, around: &Value) -> Option<Answer> {
    let said = |own: &str, of_call: &str| {
        let (own, of_call) = (&around[own], &call[of_call]);
        if own.is_null() { of_call.clone() } else { own.clone() }
    };
    let confirmed = said("confirmation", "confirmed");
    if confirmed == json!(false) {
        let note = said("confirmation_note", "confirmation_note");
        return Some(Answer::Reject { feedback: note.as_str().map(Into::into) });
    }
    match &asked.kind {
        K::UserInput { .. } | K::Wait { .. } => {
            filled(&call["user_input_schema"]).or_else(|| filled(&around["user_input_schema"]))
        }
        K::ExternalExecution { .. } => {
            let result = said("external_execution_result", "result");
            (!result.is_null()).then_some(Answer::Submit { value: result })
        }
        _ => (confirmed == json!(true)).then(|| yes(asked)),
    }
}

/// Reads a field that is an array of objects.
fn array(text: Option<&str>, name: &str) -> Result<Vec<Value>, Fault> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let parsed = read_field(text, name)?;
    match parsed {
        Value::Array(all) if all.iter().all(Value::is_object) => Ok(all),
        _ => {
            let what = "it is not an array of objects";
            Err(Fault::bad(format!("Invalid structure or content for {name}: {what}")))
        }
    }
}

/// Reads the answers in the tool calls, or in the requirements, that a client sends back.
pub(super) fn answers(
    calls: Option<&str>,
    requirements: Option<&str>,
    output: &RunOutput,
) -> Result<Vec<(String, Answer)>, Fault> {
    let calls = array(calls, "tools")?;
    let requirements = array(requirements, "requirements")?;
    let pairs = requirements.iter().map(|around| (&around["tool_execution"], around));
    let pairs = calls.iter().map(|call| (call, &Value::Null)).chain(pairs);
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for (call, around) in pairs {
        let named = |asked: &&Requirement| {
            around["id"] == json!(asked.id) || call["tool_call_id"] == json!(call_id(asked))
        };
        // A client sends the calls that are done, too.
        let Some(asked) = waiting(output).find(named) else { continue };
        if let Some(answer) = answer(asked, call, around) {
            answers.push((asked.id.to_string(), answer));
        }
    }
    if answers.is_empty() {
        return Err(Fault::bad("none of the tools that the run waits for has an answer"));
    }
    Ok(answers)
}
