//! A step that runs, as far as people want to know.

use crate::text::harmless;
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::event::Reply;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::{Arguments, ToolCall, Usage};
use stepwright_core::{Answer, StepPath, Timestamp};
use tokio::time::Instant;

/// How many bytes are kept of what a step says: more than fits into a line.
const TAIL_BYTES_MAX: usize = 1024;

/// How many characters are shown of what a model thinks aloud.
const THOUGHT_CHARS_MAX: usize = 160;

/// How many characters are shown of the arguments of a tool.
const ARGUMENTS_CHARS_MAX: usize = 60;

#[derive(Debug)]
pub(super) struct Step {
    pub(super) path: StepPath,
    pub(super) since: Instant,
    pub(super) started_at: Timestamp,
    pub(super) is_workflow: bool,
    /// The agent and its model, once they are known.
    pub(super) by: Vec<String>,
    /// Which attempt it is.
    pub(super) attempt: u32,
    /// The last words of what it says.
    pub(super) tail: String,
    /// What it has said in this answer.
    pub(super) said: String,
    /// What its model thinks aloud, as far as that is shown.
    pub(super) thought: String,
    /// The tools that it waits for.
    pub(super) calls: Vec<Call>,
    /// Calls that people have changed, and that have not begun.
    pub(super) edited: Vec<(StepPath, String)>,
    pub(super) usage: Usage,
    /// What it waits for.
    pub(super) waits: Vec<Wait>,
    /// Whether its beginning was not seen.
    pub(super) adopted: bool,
    /// Whether it has a panel, or will have when its turn comes.
    pub(super) opened: bool,
}

/// A requirement that is open.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) id: Arc<str>,
    pub(super) text: String,
    pub(super) since: Timestamp,
    /// The call that is to be allowed, if it is one, and its address.
    pub(super) call: Option<(StepPath, ToolCall)>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) path: StepPath,
    pub(super) text: String,
    pub(super) since: Timestamp,
}

impl Step {
    pub(super) fn new(
        path: StepPath,
        executor_type: ExecutorType,
        name: &Arc<str>,
        at: Timestamp,
    ) -> Self {
        let is_agent = executor_type == ExecutorType::Agent;
        // A function has the name of its step, or one that says nothing.
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

    /// A tool is called, or called again.
    pub(super) fn calls(&mut self, path: &StepPath, tool: &ToolCall, since: Timestamp) {
        let edited = self.edited.iter().position(|(edited, _)| edited == path);
        let text = edited.map_or_else(|| call(tool), |at| self.edited.remove(at).1);
        self.calls.retain(|known| known.path != *path);
        self.calls.push(Call { path: path.clone(), text, since });
    }

    /// What it waited for is there. What people take is not what the step takes.
    pub(super) fn goes_on(&mut self, reply: &Reply, at: Timestamp) {
        let Some(place) = self.waits.iter().position(|wait| wait.id == reply.requirement_id) else {
            return;
        };
        let wait = self.waits.remove(place);
        if let (Some((path, before)), Answer::Edit { content }) = (&wait.call, &reply.answer) {
            let arguments = Arguments::Json(content.to_value());
            self.edited.push((path.clone(), call(&ToolCall { arguments, ..before.clone() })));
        }
        if self.waits.is_empty() {
            self.started_at = self.started_at.plus(at.since(wait.since));
            for call in &mut self.calls {
                call.since = at;
            }
        }
    }

    /// Notes the last words.
    pub(super) fn hear(&mut self, text: &str) {
        self.tail.push_str(text);
        // The last line is what is shown.
        let from = self.tail.trim_end().rfind('\n').map_or(0, |at| at + 1);
        let from = from.max(self.tail.len().saturating_sub(TAIL_BYTES_MAX));
        self.tail.drain(..self.tail.ceil_char_boundary(from));
    }

    /// Notes what its model thinks aloud. More than is shown is not kept.
    pub(super) fn think(&mut self, text: &str) {
        if self.thought.chars().count() <= THOUGHT_CHARS_MAX {
            self.thought.push_str(text);
        }
    }

    /// What was thought, on a line.
    pub(super) fn take_thought(&mut self) -> Option<String> {
        let thought = std::mem::take(&mut self.thought);
        let thought = harmless(thought.trim());
        (!thought.is_empty()).then(|| cut(&thought, THOUGHT_CHARS_MAX))
    }
}

/// `search(query: "weather")`.
pub(crate) fn call(call: &ToolCall) -> String {
    let arguments = match &call.arguments {
        Arguments::Json(Value::Object(members)) => {
            let members = members.iter().map(|(key, value)| format!("{key}: {value}"));
            members.collect::<Vec<_>>().join(", ")
        }
        Arguments::Json(Value::Null) => String::new(),
        Arguments::Json(value) => value.to_string(),
        Arguments::Invalid(raw) => raw.clone(),
    };
    format!("{}({})", harmless(&call.name), cut(&harmless(&arguments), ARGUMENTS_CHARS_MAX))
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}
