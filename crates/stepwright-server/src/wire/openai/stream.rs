//! Chats as streams of pieces.

use super::fault::Fault;
use super::shapes::{TokenUsage, answer_id, said};
use crate::auth::Who;
use crate::followed;
use crate::state::{App, Served};
use crate::stream;
use axum::response::Response;
use futures_util::stream::{self as streams, StreamExt as _};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::event::EventKind;
use stepwright_core::{Event, Requirement, RunId, RunOutput};
use stepwright_engine::{Run, Runs};

/// The last line of a stream.
const DONE: &str = "data: [DONE]\n\n";

/// A stream under way.
struct Pieces {
    runs: Runs,
    model: String,
    created: u64,
    /// The step whose text is the answer.
    last: Arc<str>,
    with_usage: bool,
    stage: Stage,
}

/// The place of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unbegun,
    Begun,
    /// A piece of the answer was sent.
    Told,
    Over,
}

/// Answers with the pieces of a run. A client that leaves cancels the run.
pub(super) async fn answer(
    app: &App,
    who: &Who,
    served: &Served,
    run: Run,
    with_usage: bool,
) -> Result<Response, Fault> {
    let slot = app.stream_slot()?;
    let last = served.workflow.plan().body.last();
    let pieces = Pieces {
        runs: app.seen_by(who)?,
        model: served.workflow.id().to_string(),
        created: app.started.seconds(),
        last: last.map_or_else(|| "".into(), |node| node.name.clone()),
        with_usage,
        stage: Stage::Unbegun,
    };
    let (handle, events) = run.followed().await?;
    let events = followed::until_left(app, &handle, events).boxed();
    let frames = streams::unfold((events, pieces), |(mut events, mut pieces)| async move {
        while pieces.stage != Stage::Over {
            let text = match events.next().await? {
                Ok(event) => pieces.of_event(&event).await,
                Err(error) => pieces.failed(&error.into()),
            };
            if !text.is_empty() {
                return Some((text, (events, pieces)));
            }
        }
        None
    });
    let media_type = "text/event-stream; charset=utf-8";
    Ok(stream::answer_in(app, slot, frames, ": keep-alive\n\n", media_type))
}

fn line(data: &Value) -> String {
    format!("data: {data}\n\n")
}

impl Pieces {
    async fn of_event(&mut self, event: &Event) -> String {
        let mut text = String::new();
        if self.stage == Stage::Unbegun {
            self.stage = Stage::Begun;
            self.created = event.time.seconds();
            let delta = json!({"role": "assistant", "content": ""});
            text.push_str(&self.piece(&event.run, &delta, &Value::Null));
        }
        match &event.kind {
            EventKind::RunContent { content } if event.path.as_str() == &*self.last => {
                self.stage = Stage::Told;
                text.push_str(&self.piece(&event.run, &json!({"content": content}), &Value::Null));
            }
            EventKind::WorkflowCompleted { .. } => text.push_str(&self.end(&event.run).await),
            EventKind::WorkflowPaused { .. } => {
                let output = self.runs.get(&event.run).await;
                // A pause that a moment ends goes on by itself.
                let waits = output.is_ok_and(|output| {
                    output.is_paused() && output.requirements.iter().any(Requirement::needs_answer)
                });
                if waits {
                    // The question comes after what was told.
                    self.stage = Stage::Begun;
                    text.push_str(&self.end(&event.run).await);
                }
            }
            EventKind::WorkflowError { error, .. } => {
                let code = Some(error.id().to_string());
                text.push_str(&self.failed(&Fault::of_run(error.message.as_str(), code)));
            }
            EventKind::WorkflowCancelled { reason } => {
                let what = format!("the run was cancelled: {reason}");
                text.push_str(&self.failed(&Fault::of_run(what, None)));
            }
            _ => {}
        }
        text
    }

    fn failed(&mut self, fault: &Fault) -> String {
        self.stage = Stage::Over;
        let view = serde_json::to_value(fault.view()).unwrap_or_default();
        line(&view) + DONE
    }

    async fn end(&mut self, run: &RunId) -> String {
        let told = self.stage == Stage::Told;
        self.stage = Stage::Over;
        let output = match self.runs.get(run).await {
            Ok(output) => output,
            Err(error) => return self.failed(&error.into()),
        };
        let mut text = String::new();
        if !told {
            text.push_str(&self.piece(run, &json!({"content": said(&output)}), &Value::Null));
        }
        text.push_str(&self.piece(run, &json!({}), &json!("stop")));
        if self.with_usage {
            text.push_str(&self.usage(&output));
        }
        text + DONE
    }

    fn piece(&self, run: &RunId, delta: &Value, reason: &Value) -> String {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        line(&self.chunk(run, &json!([choice]), &Value::Null))
    }

    fn usage(&self, output: &RunOutput) -> String {
        let usage = TokenUsage::from(output.metrics.usage);
        let usage = serde_json::to_value(usage).unwrap_or_default();
        line(&self.chunk(&output.run_id, &json!([]), &usage))
    }

    fn chunk(&self, run: &RunId, choices: &Value, usage: &Value) -> Value {
        let mut chunk = json!({
            "id": answer_id(run), "object": "chat.completion.chunk", "created": self.created,
            "model": self.model, "choices": choices,
        });
        if self.with_usage {
            chunk["usage"] = usage.clone();
        }
        chunk
    }
}
