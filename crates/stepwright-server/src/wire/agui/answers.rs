//! Pending requests as interrupts, and what clients answer.

use super::shapes::{ResumeEntry, ResumeStatus};
use crate::error::Problem;
use crate::v1::RequestView;
use crate::wire::answers::{decided, own_form};
use serde_json::{Value, json};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Requirement};

/// Returns a pending request as an interrupt. Its metadata is the request as `/v1` shows it.
pub(super) fn interrupt(asked: &Requirement) -> Value {
    let view = serde_json::to_value(RequestView::from(asked)).unwrap_or_default();
    let schema = own_form(asked).cloned().unwrap_or_else(|| general_form(asked));
    let mut interrupt = json!({
        "id": asked.id, "reason": view["kind"], "message": asked.message,
        "responseSchema": schema,
    });
    if let RequirementKind::ToolConfirmation { tool } = &asked.kind {
        interrupt["toolCallId"] = json!(tool.id);
    }
    if let Some(due) = asked.due {
        interrupt["expiresAt"] = json!(due.to_rfc3339());
    }
    interrupt["metadata"] = view;
    interrupt
}

/// Returns the JSON Schema of an answer to any request: that of `/v1`.
fn general_form(asked: &Requirement) -> Value {
    let mut properties = json!({"decision": {"type": "string", "enum": asked.answers()}});
    for decision in asked.answers() {
        let (name, schema) = match *decision {
            "reject" => ("feedback", json!({"type": "string"})),
            "submit" => ("value", json!({})),
            "edit" => ("content", json!({})),
            "select" => {
                let choices = match &asked.kind {
                    RequirementKind::RouteSelection { choices, .. } => json!({"enum": choices}),
                    _ => json!({"type": "string"}),
                };
                ("choices", json!({"type": "array", "items": choices}))
            }
            _ => continue,
        };
        properties[name] = schema;
    }
    json!({"type": "object", "properties": properties, "required": ["decision"]})
}

/// Returns the answers to these requests.
pub(super) fn answers(
    requests: &[Requirement],
    entries: &[ResumeEntry],
) -> Result<Vec<(String, Answer)>, Problem> {
    let answered = entries.iter().map(|entry| {
        let id = &entry.interrupt_id;
        let asked = requests.iter().find(|asked| *asked.id == **id);
        let asked = asked.ok_or_else(|| unknown(id))?;
        let answer = match entry.status {
            ResumeStatus::Cancelled => Answer::Reject { feedback: None },
            ResumeStatus::Resolved if own_form(asked).is_some() => {
                Answer::submit(entry.payload.clone())
            }
            ResumeStatus::Resolved => decided(&entry.payload).ok_or_else(|| {
                let problem = Problem::bad(format!("the payload for `{id}` is not an answer"));
                problem.with_help("send the JSON that its `responseSchema` describes")
            })?,
        };
        Ok((id.clone(), answer))
    });
    answered.collect()
}

/// Returns the problem for an interrupt of no run of the thread.
pub(super) fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("no run of this thread waits for an answer to `{id}`"))
}
