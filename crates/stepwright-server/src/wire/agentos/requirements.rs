//! Pending requests as `AgentOS` writes them, and the answers in what clients send back.

use super::fault::Fault;
use super::index::step_index;
use serde_json::{Map, Value, json};
use stepwright_core::plan::Plan;
use stepwright_core::requirement::RequirementKind as K;
use stepwright_core::{Answer, Content, Requirement, RunOutput};

/// Returns the pending requests of a run. The id of a request is its `step_id`.
pub(super) fn of(output: &RunOutput, plan: Option<&Plan>) -> Vec<Value> {
    let asked = output.requirements.iter().filter(|asked| asked.needs_person());
    asked.map(|asked| one(asked, plan)).collect()
}

/// Returns a pending request.
pub(super) fn one(asked: &Requirement, plan: Option<&Plan>) -> Value {
    let is_form = matches!(asked.kind, K::UserInput { .. } | K::Wait { .. });
    let is_route = matches!(asked.kind, K::RouteSelection { .. });
    let is_review = matches!(asked.kind, K::OutputReview { .. } | K::IterationReview { .. });
    let confirms = !is_form && !is_route && !is_review;
    let message = |is: bool| is.then(|| asked.message.clone());
    let (choices, multiple) = match &asked.kind {
        K::RouteSelection { choices, multiple } => (json!(choices), *multiple),
        _ => (Value::Null, false),
    };
    let (attempts, output) = match &asked.kind {
        K::OutputReview { attempts, output, .. } => (*attempts, Some(output.content.to_value())),
        K::IterationReview { content, .. } => (0, Some(content.to_value())),
        _ => (0, None),
    };
    let mut all = json!({
        "step_id": asked.id,
        "step_name": asked.path.name(),
        "step_index": step_index(plan, &asked.path),
        "step_type": if is_route { "Router" } else { "Step" },
        "requires_confirmation": confirms,
        "confirmation_message": message(confirms),
        "confirmed": null,
        "on_reject": "skip",
        "requires_user_input": is_form,
        "user_input_message": message(is_form || is_route),
        "user_input": null,
        "requires_route_selection": is_route,
        "available_choices": choices,
        "allow_multiple_selections": multiple,
        "selected_choices": null,
        "requires_output_review": is_review,
        "output_review_message": message(is_review),
        "is_post_execution": is_review,
        "rejection_feedback": null,
        "retry_count": attempts.saturating_sub(1),
        "max_retries": 3,
        "timeout_at": asked.due.map(stepwright_core::Timestamp::to_rfc3339),
        "on_timeout": "cancel",
    });
    if let K::UserInput { schema } = &asked.kind {
        all["user_input_schema"] = fields(schema);
    }
    if let Some(content) = output {
        all["step_output"] = json!({"content": content, "step_name": asked.path.name()});
    }
    all
}

/// Returns a JSON Schema of an object as the list of fields that Agno has.
fn fields(schema: &Value) -> Value {
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

/// Reads the answers in the requests that a client sends back.
pub(super) fn answers(text: &str, output: &RunOutput) -> Result<Vec<(String, Answer)>, Fault> {
    let all: Value = serde_json::from_str(text)
        .map_err(|_| Fault::bad("Invalid JSON in step_requirements field"))?;
    let wrong = |why: &str| {
        Fault::bad(format!("Invalid structure or content for step_requirements: {why}"))
    };
    let all = all.as_array().ok_or_else(|| wrong("it is no array"))?;
    let mut answers = Vec::new();
    for given in all {
        let id = given["step_id"].as_str().ok_or_else(|| wrong("`step_id` is missing"))?;
        let asked = output.requirements.iter().find(|asked| *asked.id == *id);
        let asked = asked.ok_or_else(|| wrong(&format!("the run does not wait for `{id}`")))?;
        if let Some(answer) = answer(asked, given) {
            answers.push((id.to_owned(), answer));
        }
    }
    if answers.is_empty() {
        return Err(wrong("no requirement has an answer"));
    }
    Ok(answers)
}

/// Returns the answer to a request, if the client has given one.
fn answer(asked: &Requirement, given: &Value) -> Option<Answer> {
    if given["confirmed"] == json!(false) {
        let feedback = given["rejection_feedback"].as_str().map(Into::into);
        return Some(Answer::Reject { feedback });
    }
    if let Some(edited) = given.get("edited_output").filter(|edited| !edited.is_null()) {
        let content = edited.get("content").unwrap_or(edited).clone();
        return Some(Answer::Edit { content: Content::from(content) });
    }
    match &asked.kind {
        K::UserInput { .. } | K::Wait { .. } => {
            if let Some(value) = given.get("user_input").filter(|value| !value.is_null()) {
                return Some(Answer::Submit { value: value.clone() });
            }
            let fields = given["user_input_schema"].as_array()?;
            let filled = fields.iter().filter(|field| !field["value"].is_null());
            let values: Map<String, Value> = filled
                .filter_map(|field| Some((field["name"].as_str()?.into(), field["value"].clone())))
                .collect();
            (!values.is_empty()).then(|| Answer::Submit { value: values.into() })
        }
        K::RouteSelection { .. } => {
            let chosen = given["selected_choices"].as_array()?;
            Some(Answer::select(chosen.iter().filter_map(Value::as_str)))
        }
        _ if given["confirmed"] == json!(true) => {
            let known = asked.answers();
            Some(if known.contains(&"approve") {
                Answer::Approve
            } else if known.contains(&"retry") {
                Answer::Retry
            } else {
                Answer::Skip
            })
        }
        _ => None,
    }
}
