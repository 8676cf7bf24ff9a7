//! Tasks as streams of their changes.

use super::shapes::Version;
use crate::error::Problem;
use crate::state::App;
use crate::stream;
use axum::response::Response;
use futures_util::stream::{self as streams, Stream, StreamExt as _};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::{Error, Event, EventKind, Requirement, RunId, SessionId};
use stepwright_engine::Runs;

/// Writes the events of one stream.
pub(super) struct Sender {
    pub(super) runs: Runs,
    pub(super) version: Version,
    /// The id of the request.
    pub(super) id: Value,
    /// The step whose text is the output.
    pub(super) last: Arc<str>,
    pub(super) session: SessionId,
    /// `true` if a piece of the output was sent.
    pub(super) told: bool,
    pub(super) over: bool,
}

/// Returns `true` if an event is the last one before a client is asked or an event from outside
/// must come, or the last of all.
pub(super) async fn is_over(event: &Event, runs: &Runs) -> bool {
    match &event.kind {
        EventKind::WorkflowCompleted { .. }
        | EventKind::WorkflowCancelled { .. }
        | EventKind::WorkflowError { .. } => true,
        // A pause that a moment ends goes on by itself.
        EventKind::WorkflowPaused { .. } => runs.get(&event.run).await.is_ok_and(|output| {
            output.is_paused() && output.requirements.iter().any(Requirement::needs_answer)
        }),
        _ => false,
    }
}

/// Answers with a task, followed by its changes. Dropping the stream does not touch the run.
pub(super) fn answer(
    app: &App,
    sender: Sender,
    task: &Value,
    events: impl Stream<Item = Result<Event, Error>> + Send + 'static,
) -> Result<Response, Problem> {
    let first = sender.frame(&sender.version.sent(task.clone()));
    let state = (events.boxed(), sender);
    let rest = streams::unfold(state, |(mut events, mut sender)| async move {
        while !sender.over {
            let text = sender.convert(events.next().await?).await;
            if !text.is_empty() {
                return Some((text, (events, sender)));
            }
        }
        None
    });
    let frames = streams::once(async move { first }).chain(rest);
    stream::answer(app, frames, ": keep-alive\n\n", "text/event-stream")
}

impl Sender {
    async fn convert(&mut self, event: Result<Event, Error>) -> String {
        let Ok(event) = event else {
            self.over = true;
            return String::new();
        };
        if let EventKind::RunContent { content } = &event.kind
            && event.path.as_str() == &*self.last
        {
            let append = std::mem::replace(&mut self.told, true);
            return self.artifact(&event.run, &self.version.piece(content), (append, false));
        }
        let mut text = String::new();
        if is_over(&event, &self.runs).await {
            self.over = true;
            let Ok(output) = self.runs.get(&event.run).await else { return text };
            if let Some(artifact) = self.version.artifact(&output) {
                text.push_str(&self.artifact(&event.run, &artifact, (false, true)));
            }
            let at = event.time.to_rfc3339();
            text.push_str(&self.frame(&self.version.last_status(&output, &at)));
        }
        text
    }

    fn artifact(&self, run: &RunId, artifact: &Value, place: (bool, bool)) -> String {
        let ids = (run.as_str(), self.session.as_str());
        self.frame(&self.version.artifact_update(ids, artifact, place))
    }

    fn frame(&self, result: &Value) -> String {
        let frame = json!({"jsonrpc": "2.0", "id": self.id, "result": result});
        format!("data: {frame}\n\n")
    }
}
