//! Answers to pending requests, in what clients send.

use serde_json::Value;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Requirement};

/// Returns the JSON Schema of the value that a request waits for, if it has one.
pub(super) fn own_form(asked: &Requirement) -> Option<&Value> {
    let schema = match &asked.kind {
        RequirementKind::UserInput { schema } => schema,
        RequirementKind::Wait { schema: Some(schema) } => schema,
        _ => return None,
    };
    schema.is_object().then_some(&**schema)
}

/// Returns the answer in a payload: the JSON of an answer, or `true` or `false`.
pub(super) fn decided(payload: &Value) -> Option<Answer> {
    match payload {
        Value::Bool(true) => Some(Answer::Approve),
        Value::Bool(false) => Some(Answer::Reject { feedback: None }),
        _ => serde_json::from_value(payload.clone()).ok(),
    }
}
