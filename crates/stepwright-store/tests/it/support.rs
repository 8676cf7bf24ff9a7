//! Helpers of several tests: a run that appends, and a look into an error.

use std::time::Duration;
use stepwright_core::event::Reply;
use stepwright_core::journal::Append;
use stepwright_core::store::Signal;
use stepwright_core::{
    Answer, BoxFuture, ContainerKind, Decision, Event, EventKind, RunId, StepPath, Timestamp,
};

pub(crate) fn id(text: &str) -> RunId {
    RunId::new(text).unwrap()
}

pub(crate) fn start() -> EventKind {
    let start = serde_json::json!({
        "event": "WorkflowStarted",
        "workflow_id": "w",
        "workflow_name": "W",
        "digest": "d1",
        "session_id": "s",
        "input": {"content": "in"},
    });
    serde_json::from_value(start).unwrap()
}

pub(crate) fn steps(count: u32) -> EventKind {
    EventKind::ContainerStarted { kind: ContainerKind::Steps, decision: Decision::Count(count) }
}

pub(crate) fn completed(text: &str) -> EventKind {
    EventKind::WorkflowCompleted { content: text.into(), stopped_at: None }
}

/// An append of these kinds from a number on.
pub(crate) fn facts(run: &str, first: u64, kinds: Vec<EventKind>) -> Append {
    let fact = |(sequence, kind)| Event {
        sequence,
        delta: 0,
        time: Timestamp(1_780_000_000_000 + sequence),
        run: id(run),
        path: if sequence == 0 { StepPath::root() } else { "facts/web".into() },
        kind,
    };
    Append {
        run: id(run),
        facts: (first..).zip(kinds).map(fact).collect(),
        close: None,
        driver: None,
    }
}

/// An answer to a requirement of a run.
pub(crate) fn answer(run: &str, requirement: &str) -> Signal {
    let (requirement_id, answer) = (requirement.into(), Answer::Approve);
    let reply = Reply { requirement_id, answer, by: None, timed_out: false };
    Signal::answer(id(run), reply, Timestamp(1_780_000_000_000))
}

/// Waits until the watcher is woken; a minute is far more than that takes.
pub(crate) async fn woken(watched: BoxFuture<'static, ()>) {
    tokio::time::timeout(Duration::from_mins(1), watched).await.expect("no watcher was woken");
}

/// The attempt, the answer of the database, and the advice, with the directory taken out.
#[cfg(feature = "sqlite")]
pub(crate) fn told(error: &stepwright_core::StoreError, directory: &std::path::Path) -> String {
    use std::error::Error as _;
    assert!(matches!(error, stepwright_core::StoreError::Unavailable { .. }), "{error:?}");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let told = format!("{error}\n{source}\n{}", error.hint().unwrap_or_default());
    told.replace(&format!("{}/", directory.display()), "").replace(directory.to_str().unwrap(), ".")
}
