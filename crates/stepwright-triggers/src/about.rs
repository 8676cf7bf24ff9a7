//! The contents of a delivery, from the journal of its run.

use crate::delivery::State;
use crate::notification::RunEvent;
use serde_json::{Map, Value, json};
use stepwright_core::{AnyStore, Error, Event, EventKind, Requirement};
use stepwright_engine::Runs;

/// The parts that the default body leaves out of its `data`: they stand around it, or are for
/// bodies that ask for them.
const NOT_IN_DATA: [&str; 4] = ["delivery", "event", "at", "output"];

/// The fact of a delivery in the journal, or the reason that there is none.
pub(crate) enum About {
    /// The fact, and the open requests that a pause is the first to tell of.
    Fact(Box<Event>, Vec<Requirement>),
    /// The journal does not have the fact yet, and may never have it.
    NotYet,
    /// There is nothing to say: the fact is another one, or the pause has no new request that
    /// still waits for a person.
    Nothing,
}

/// Looks for the fact of a delivery.
pub(crate) async fn find(store: &AnyStore, delivery: &State) -> Result<About, Error> {
    let facts = store.load(&delivery.run, delivery.sequence, 1).await?;
    let Some(fact) = facts.first() else { return Ok(About::NotYet) };
    if RunEvent::of(fact) != Some(delivery.event) {
        return Ok(About::Nothing);
    }
    let mut requests = Vec::new();
    if delivery.event == RunEvent::Paused {
        let run = Runs::of(store.clone()).load(&delivery.run).await?;
        if !run.status().is_terminal() {
            requests = run.unanswered();
            // A request is told once, by the first pause after it was made. The run may pause
            // again, and may be under way meanwhile.
            requests.retain(|asked| run.paused_at(&asked.id) == Some(delivery.sequence));
        }
        if requests.is_empty() {
            return Ok(About::Nothing);
        }
    }
    Ok(About::Fact(Box::new(fact.clone()), requests))
}

/// Returns the values that a body is made of. Each request has its link, if it has one.
pub(crate) async fn values(
    store: &AnyStore,
    (id, delivery): (&str, &State),
    fact: &Event,
    requests: Vec<(Requirement, Option<String>)>,
) -> Result<Value, Error> {
    let row = Runs::of(store.clone()).row(&delivery.run).await?;
    let (mut output, mut error) = (Value::Null, Value::Null);
    match &fact.kind {
        EventKind::WorkflowCompleted { content, .. } => output = content.to_value(),
        EventKind::WorkflowError { error: failed, .. } => {
            error = json!({
                "code": failed.code, "id": failed.id, "message": failed.message,
                "hint": failed.hint,
            });
        }
        EventKind::WorkflowCancelled { reason } => error = json!({"message": reason}),
        _ => {}
    }
    let requests: Vec<Value> =
        requests.iter().map(|(asked, url)| request(asked, url.as_deref())).collect();
    Ok(json!({
        "delivery": id,
        "event": delivery.event,
        "at": delivery.at.to_rfc3339(),
        "run_id": delivery.run,
        "workflow_id": delivery.workflow,
        "session_id": row.session_id,
        "user_id": row.user_id,
        "error": error,
        "requests": requests,
        "output": output,
    }))
}

fn request(asked: &Requirement, url: Option<&str>) -> Value {
    let kind = serde_json::to_value(&asked.kind).unwrap_or_default();
    json!({
        "id": asked.id,
        "path": asked.path,
        "requires": kind["requires"],
        "message": asked.message,
        "due": asked.due.map(stepwright_core::Timestamp::to_rfc3339),
        "answer_url": url,
    })
}

/// Returns the default body.
pub(crate) fn body(values: &Value) -> Value {
    let members = values.as_object().into_iter().flatten();
    let data = members.filter(|(name, _)| !NOT_IN_DATA.contains(&name.as_str()));
    let data: Map<String, Value> =
        data.map(|(name, value)| (name.clone(), value.clone())).collect();
    let event = values["event"].as_str().unwrap_or_default();
    json!({"type": format!("run.{event}"), "timestamp": values["at"], "data": data})
}
