//! The visible state of a running step.

use crate::excerpt::{call, cut};
use crate::text::harmless;
use std::sync::Arc;
use stepwright_core::event::Reply;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::{Arguments, ToolCall, Usage};
use stepwright_core::{Answer, StepPath, Timestamp};
use tokio::time::Instant;

/// The largest number of bytes kept of a step's text: more than fits on a line.
const TAIL_BYTES_MAX: usize = 1024;

/// The largest number of characters shown of a model's reasoning.
const THOUGHT_CHARS_MAX: usize = 160;

#[derive(Debug)]
pub(super) struct VisibleStep {
    pub(super) path: StepPath,
    pub(super) since: Instant,
    pub(super) started_at: Timestamp,
    pub(super) is_workflow: bool,
    /// The agent and its model, once known.
    pub(super) by: Vec<String>,
    /// The number of the current attempt.
    pub(super) attempt: u32,
    /// The end of the step's text.
    pub(super) tail: String,
    /// The text of the current answer.
    pub(super) said: String,
    /// The reasoning of the model, as far as it is shown.
    pub(super) thought: String,
    /// The tool calls in flight.
    pub(super) calls: Vec<RunningCall>,
    /// Calls whose arguments were edited and that have not started.
    pub(super) edited: Vec<(StepPath, String)>,
    pub(super) usage: Usage,
    /// The pending requests of the step.
    pub(super) waits: Vec<PendingRequest>,
    /// `true` if the start of the step was not seen.
    pub(super) adopted: bool,
    /// `true` if the step has a panel, or has one queued.
    pub(super) opened: bool,
}

/// A pending request of the step.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub(super) id: Arc<str>,
    pub(super) text: String,
    pub(super) since: Timestamp,
    /// The path and the call to confirm, for a tool confirmation.
    pub(super) call: Option<(StepPath, ToolCall)>,
}

#[derive(Debug)]
pub(super) struct RunningCall {
    pub(super) path: StepPath,
    pub(super) text: String,
    pub(super) since: Timestamp,
}

impl VisibleStep {
    pub(super) fn new(
        path: StepPath,
        executor_type: ExecutorType,
        name: &Arc<str>,
        at: Timestamp,
    ) -> Self {
        let is_agent = executor_type == ExecutorType::Agent;
        // A function is named after its step, or has a name that says nothing.
        let by = if is_agent { vec![name.to_string()] } else { Vec::new() };
        Self {
            path,
            since: Instant::now(),
            started_at: at,
            is_workflow: executor_type == ExecutorType::Workflow,
            by,
            attempt: 1,
            tail: String::new(),
            said: String::new(),
            thought: String::new(),
            calls: Vec::new(),
            edited: Vec::new(),
            usage: Usage::default(),
            waits: Vec::new(),
            adopted: false,
            opened: false,
        }
    }

    /// Adds a tool call, replacing an earlier one with the same path.
    pub(super) fn calls(&mut self, path: &StepPath, tool: &ToolCall, since: Timestamp) {
        let edited = self.edited.iter().position(|(edited, _)| edited == path);
        let text = edited.map_or_else(|| call(tool), |at| self.edited.remove(at).1);
        self.calls.retain(|known| known.path != *path);
        self.calls.push(RunningCall { path: path.clone(), text, since });
    }

    /// Removes an answered request. The time people needed does not count as the step's.
    pub(super) fn goes_on(&mut self, reply: &Reply, at: Timestamp) {
        let Some(place) = self.waits.iter().position(|wait| wait.id == reply.requirement_id) else {
            return;
        };
        let wait = self.waits.remove(place);
        if let (Some((path, before)), Answer::Edit { content }) = (&wait.call, &reply.answer) {
            let arguments = Arguments::json(content.to_value());
            self.edited.push((path.clone(), call(&ToolCall { arguments, ..before.clone() })));
        }
        if self.waits.is_empty() {
            self.started_at = self.started_at.plus(at.since(wait.since));
            for call in &mut self.calls {
                call.since = at;
            }
        }
    }

    /// Adds text to the tail.
    pub(super) fn hear(&mut self, text: &str) {
        self.tail.push_str(text);
        // Only the last line is shown.
        let from = self.tail.trim_end().rfind('\n').map_or(0, |at| at + 1);
        let from = from.max(self.tail.len().saturating_sub(TAIL_BYTES_MAX));
        self.tail.drain(..self.tail.ceil_char_boundary(from));
    }

    /// Adds reasoning. More than is shown is not kept.
    pub(super) fn think(&mut self, text: &str) {
        if self.thought.chars().count() <= THOUGHT_CHARS_MAX {
            self.thought.push_str(text);
        }
    }

    /// Takes the reasoning as one line.
    pub(super) fn take_thought(&mut self) -> Option<String> {
        let thought = std::mem::take(&mut self.thought);
        let thought = harmless(thought.trim());
        (!thought.is_empty()).then(|| cut(&thought, THOUGHT_CHARS_MAX))
    }
}
