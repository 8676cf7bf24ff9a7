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

/// The piece ahead of an answer that takes the place of what was told before it.
const AGAIN: &str = "\n\n[The answer begins again.]\n\n";

/// The piece between the text beside tool calls and the text after them.
const GOES_ON: &str = "\n\n";

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
    told: Told,
}

/// The place of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unbegun,
    Begun,
    Over,
}

/// The text of the answer that was sent.
#[derive(Default)]
struct Told {
    text: String,
    /// The piece to send ahead of more text: what was sent is not part of it.
    ahead: Option<&'static str>,
    /// `true` if tools were called, or a message came, after the text.
    goes_on: bool,
}

impl Told {
    /// Notes a fact of the step whose text is the answer.
    fn note(&mut self, kind: &EventKind) {
        if self.text.is_empty() {
            return;
        }
        match kind {
            EventKind::ToolCallStarted { .. } | EventKind::MessageReceived { .. } => {
                self.goes_on = true;
            }
            EventKind::ModelRequestStarted { purpose: None, .. } if self.goes_on => {
                self.ahead = Some(GOES_ON);
            }
            EventKind::ModelRequestStarted { purpose: None, .. }
            | EventKind::ModelRequestRetrying { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::StepSkipped { .. } => self.ahead = Some(AGAIN),
            _ => {}
        }
    }

    /// Returns the piece to send for more text of the answer.
    fn piece(&mut self, content: &str) -> String {
        let ahead = self.ahead.take().unwrap_or_default();
        if !ahead.is_empty() {
            *self = Self::default();
        }
        self.text.push_str(content);
        format!("{ahead}{content}")
    }

    /// Returns the piece that completes the answer.
    fn rest(&self, output: &RunOutput) -> String {
        let answer = said(output);
        if self.text.is_empty() {
            return answer;
        }
        let is_same = || {
            let told = serde_json::from_str::<Value>(&self.text);
            !output.is_paused() && told.is_ok_and(|told| told == output.content.to_value())
        };
        match answer.strip_prefix(&*self.text) {
            Some(rest) if self.ahead.is_none() => rest.to_owned(),
            // JSON that is written in another way is the same answer.
            _ if self.ahead.is_none() && is_same() => String::new(),
            _ => format!("{AGAIN}{answer}"),
        }
    }
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
        told: Told::default(),
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
        let is_last = event.path.as_str() == &*self.last;
        if is_last || event.path.caller_str() == Some(&*self.last) {
            self.told.note(&event.kind);
        }
        match &event.kind {
            EventKind::RunContent { content } if is_last => {
                let content = self.told.piece(content);
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
                    self.told = Told::default();
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
        self.stage = Stage::Over;
        let output = match self.runs.get(run).await {
            Ok(output) => output,
            Err(error) => return self.failed(&error.into()),
        };
        let mut text = String::new();
        let rest = self.told.rest(&output);
        if !rest.is_empty() {
            text.push_str(&self.piece(run, &json!({"content": rest}), &Value::Null));
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
