//! Requests of runs as questions to the person at the client.

use crate::names::hashed;
use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputResponses,
};
use serde_json::{Value, json};
use stepwright_core::json::parse_if_json;
use stepwright_core::requirement::{RequirementId, RequirementKind};
use stepwright_core::{Answer, Content, Requirement};

/// Returns the form of a request, if it has one that the protocol can express: a flat object.
fn own_form(request: &Requirement) -> Option<ElicitationSchema> {
    let schema = match &request.kind {
        RequirementKind::UserInput { schema } => schema,
        RequirementKind::Wait { schema: Some(schema) } => schema,
        _ => return None,
    };
    let is_object = schema.get("type") == Some(&json!("object"));
    let schema = is_object.then(|| serde_json::from_value((**schema).clone()).ok());
    schema.flatten()
}

/// Returns a form for any request: a decision, and a text that goes with it.
fn general_form(request: &Requirement) -> Option<ElicitationSchema> {
    let about = match &request.kind {
        RequirementKind::RouteSelection { choices, .. } => {
            let names: Vec<&str> = choices.iter().map(|choice| &**choice).collect();
            format!("For `select`: one of {}, or several with commas.", names.join(", "))
        }
        RequirementKind::UserInput { schema } => format!("For `submit`: JSON for {schema}"),
        RequirementKind::Wait { schema: Some(schema) } => {
            format!("For `submit`: JSON for {schema}")
        }
        _ => "For `reject`: the reason. For `submit` and `edit`: the text, or JSON.".to_owned(),
    };
    let form = json!({
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": request.answers()},
            "text": {"type": "string", "description": about},
        },
        "required": ["decision"],
    });
    serde_json::from_value(form).ok()
}

/// Returns the question of a request.
pub(super) fn question(request: &Requirement) -> Option<ElicitRequestParams> {
    let requested_schema = own_form(request).or_else(|| general_form(request))?;
    let message = match &request.kind {
        RequirementKind::OutputReview { output, .. } => {
            format!("{}\n\n{}", request.message, output.content.pretty())
        }
        RequirementKind::Confirmation { input } if !input.is_empty() => {
            format!("{}\n\n{}", request.message, input.pretty())
        }
        RequirementKind::IterationReview { content, .. } => {
            format!("{}\n\n{}", request.message, content.pretty())
        }
        RequirementKind::ToolConfirmation { tool } => {
            format!("{}\n\n{}", request.message, json!(tool.arguments))
        }
        RequirementKind::ExternalExecution { arguments, .. } => {
            format!("{}\n\n{arguments}", request.message)
        }
        _ => request.message.to_string(),
    };
    Some(ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema })
}

/// Returns the key of a question. It is that of this question alone: a request that asks again,
/// about something else, has another one, so that an old answer does not answer it.
pub(super) fn key(request: &Requirement) -> String {
    format!("{}~{}", request.id, hashed(&json!(request).to_string()))
}

/// Returns the name of a question, for the client: that of the question, or of its step.
pub(super) fn name(request: &Requirement) -> String {
    let id = RequirementId::parse(&request.id, &request.path);
    let named = id.and_then(|id| id.name);
    let step = request.path.as_str().rsplit('/').next().unwrap_or_default();
    named.as_deref().unwrap_or(step).to_owned()
}

/// Returns the answers to these requests. Responses to other questions, such as those that have
/// been answered, are passed over.
///
/// # Errors
/// If a response cannot answer its question.
pub(super) fn answers(
    requests: &[Requirement],
    responses: &InputResponses,
) -> Result<Vec<(String, Answer)>, String> {
    let mut answers = Vec::new();
    for request in requests {
        let key = key(request);
        let Some(response) = responses.get(&key) else { continue };
        let result: ElicitResult = serde_json::from_value(response.clone()).map_err(|error| {
            format!("the response `{key}` is no result of an elicitation: {error}")
        })?;
        match answer(request, &result) {
            Some(answer) => answers.push((request.id.to_string(), answer)),
            // A person who gives no answer leaves the question open.
            None if result.action != ElicitationAction::Accept => {}
            None => return Err(format!("the response `{key}` does not fit its question")),
        }
    }
    Ok(answers)
}

/// Returns the answer of a person. `None` if the person gave none, or one that does not fit.
pub(super) fn answer(request: &Requirement, result: &ElicitResult) -> Option<Answer> {
    let can_reject = request.answers().contains(&"reject");
    let answer = match result.action {
        ElicitationAction::Accept => given(request, result.content.as_ref()?)?,
        ElicitationAction::Decline if can_reject => Answer::Reject { feedback: None },
        _ => return None,
    };
    request.check(&answer).is_ok().then_some(answer)
}

fn given(request: &Requirement, content: &Value) -> Option<Answer> {
    if own_form(request).is_some() {
        return Some(Answer::submit(content.clone()));
    }
    let decision = content.get("decision")?.as_str()?;
    let text = content.get("text").and_then(Value::as_str).unwrap_or_default();
    decided(decision, text).ok()
}

/// Returns the answer that a word and a text mean.
///
/// # Errors
/// If there is no such word, or if the text is JSON that cannot be used.
pub(super) fn decided(decision: &str, text: &str) -> Result<Answer, String> {
    let value = || match parse_if_json(text) {
        Ok(value) => Ok(value.unwrap_or_else(|| text.into())),
        Err(error) => Err(format!("the text of the decision cannot be used: {error}")),
    };
    Ok(match decision {
        "approve" => Answer::Approve,
        "always" => Answer::Always,
        "reject" if text.is_empty() => Answer::Reject { feedback: None },
        "reject" => Answer::reject(text),
        "edit" => Answer::edit(Content::from(value()?)),
        "submit" => Answer::submit(value()?),
        "select" => Answer::select(text.split(',').map(|name| name.trim().to_owned())),
        "retry" => Answer::Retry,
        "skip" => Answer::Skip,
        _ => return Err(format!("`{decision}` is not a decision")),
    })
}
