//! The updates of a conversation, as events.

use crate::event::{Act, HarnessEvent, Message, Question, TurnEnd};
use crate::prompts::diff;
use agent_client_protocol::v1::schema::{
    ContentBlock, ContentChunk, Plan, SessionUpdate, ToolCall, ToolCallContent, ToolCallStatus,
    ToolCallUpdate, ToolKind,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use stepwright_core::message::{AssistantTurn, StopReason, Usage};
use stepwright_core::permission::CommandLine;

/// The number of calls of one turn that are kept. Others are told without what they are.
const CALLS_MAX: usize = 10_000;

/// The names under which agents pass the path of a file.
const PATH_KEYS: [&str; 5] = ["file_path", "filePath", "filepath", "path", "abs_path"];

/// The state of a conversation.
#[derive(Default)]
pub(super) struct Updates {
    /// `true` while an earlier conversation is told again.
    pub(super) is_replay: bool,
    calls: BTreeMap<String, Call>,
    /// All text of the turn, and the part after its last tool call.
    said: String,
    said_last: String,
    /// The message that the text belongs to.
    message: Option<String>,
    /// The cost of the whole conversation.
    usd: Option<f64>,
}

/// A tool call.
#[derive(Default)]
struct Call {
    title: String,
    name: Option<String>,
    kind: ToolKind,
    input: Option<Value>,
    output: Option<Value>,
    content: Vec<ToolCallContent>,
    paths: Vec<PathBuf>,
    is_started: bool,
    is_ended: bool,
}

impl Updates {
    /// Begins a turn.
    pub(super) fn begin(&mut self) {
        *self = Self { usd: self.usd, ..Self::default() };
    }

    /// Returns the events of an update.
    pub(super) fn of(&mut self, update: SessionUpdate) -> Vec<HarnessEvent> {
        if self.is_replay {
            return Vec::new();
        }
        match update {
            SessionUpdate::AgentMessageChunk(chunk) => self.says(chunk),
            SessionUpdate::AgentThoughtChunk(chunk) => match text_of(&chunk.content) {
                Some(text) => vec![HarnessEvent::Reasoning(text)],
                None => Vec::new(),
            },
            SessionUpdate::ToolCall(call) => self.called(call),
            SessionUpdate::ToolCallUpdate(update) => self.changed(update),
            SessionUpdate::Plan(plan) => vec![HarnessEvent::Note(plan_text(&plan))],
            SessionUpdate::UsageUpdate(usage) => {
                if let Some(cost) = usage.cost.filter(|cost| cost.currency == "USD") {
                    self.usd = Some(cost.amount);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn says(&mut self, chunk: ContentChunk) -> Vec<HarnessEvent> {
        let Some(mut text) = text_of(&chunk.content) else { return Vec::new() };
        let message = chunk.message_id.map(|id| id.0.to_string());
        if message.is_some() && message != self.message {
            // Another message stands in a paragraph of its own.
            if self.message.is_some() && !self.said_last.is_empty() {
                text = format!("\n\n{text}");
            }
            self.message = message;
        }
        self.said.push_str(&text);
        self.said_last.push_str(&text);
        vec![HarnessEvent::Text(text)]
    }

    fn called(&mut self, call: ToolCall) -> Vec<HarnessEvent> {
        let id = call.tool_call_id.0.to_string();
        if self.calls.len() >= CALLS_MAX {
            return Vec::new();
        }
        let known = self.calls.entry(id.clone()).or_default();
        known.title = call.title;
        known.name = call.name.or(known.name.take());
        known.kind = call.kind;
        known.input = call.raw_input.or(known.input.take());
        known.output = call.raw_output.or(known.output.take());
        if !call.content.is_empty() {
            known.content = call.content;
        }
        if !call.locations.is_empty() {
            known.paths = call.locations.into_iter().map(|it| it.path).collect();
        }
        self.events(&id, call.status)
    }

    fn changed(&mut self, update: ToolCallUpdate) -> Vec<HarnessEvent> {
        let id = update.tool_call_id.0.to_string();
        let fields = update.fields;
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&id) {
            return Vec::new();
        }
        let known = self.calls.entry(id.clone()).or_default();
        if let Some(title) = fields.title {
            known.title = title;
        }
        known.name = fields.name.or(known.name.take());
        known.kind = fields.kind.unwrap_or(known.kind);
        // A started call keeps what it began with.
        if !known.is_started {
            known.input = fields.raw_input.or(known.input.take());
        }
        known.output = fields.raw_output.or(known.output.take());
        if let Some(content) = fields.content {
            known.content = content;
        }
        if let Some(locations) = fields.locations.filter(|all| !all.is_empty()) {
            known.paths = locations.into_iter().map(|it| it.path).collect();
        }
        self.events(&id, fields.status.unwrap_or_default())
    }

    /// Returns the events of a call that has changed.
    fn events(&mut self, id: &str, status: ToolCallStatus) -> Vec<HarnessEvent> {
        let Some(call) = self.calls.get_mut(id) else { return Vec::new() };
        let mut events = Vec::new();
        // A pending call may still get its input.
        if !call.is_started && status != ToolCallStatus::Pending {
            events.push(call.started(id));
            self.said_last.clear();
        }
        let is_over = matches!(status, ToolCallStatus::Completed | ToolCallStatus::Failed);
        // Some agents tell the end twice.
        if is_over && !call.is_ended {
            call.is_ended = true;
            let is_error = status == ToolCallStatus::Failed;
            let (id, text) = (id.to_owned(), call.outcome(is_error));
            events.push(HarnessEvent::CallEnded { id, text, is_error });
        }
        events
    }

    /// Returns the question about a call, and the events ahead of it.
    pub(super) fn asked(&mut self, update: ToolCallUpdate) -> (Vec<HarnessEvent>, Question) {
        let id = update.tool_call_id.0.to_string();
        let mut events = self.changed(update);
        let none = Call::default();
        let call = match self.calls.get_mut(&id) {
            Some(call) => {
                if !call.is_started {
                    events.push(call.started(&id));
                    self.said_last.clear();
                }
                &*call
            }
            None => &none,
        };
        let question = Question {
            call: Some(id),
            tool: call.tool(),
            act: call.act(),
            arguments: call.arguments(),
        };
        (events, question)
    }

    /// Returns the end of a turn.
    pub(super) fn end(&mut self, answer: &Value) -> TurnEnd {
        let (stop, error) = match answer["stopReason"].as_str() {
            Some("end_turn") => (StopReason::EndTurn, None),
            Some("max_tokens") => (StopReason::Length, None),
            Some("refusal") => (StopReason::Refused, None),
            Some("cancelled") => {
                (StopReason::EndTurn, Some("the agent cancelled its turn".to_owned()))
            }
            Some(other) => {
                (StopReason::EndTurn, Some(format!("the agent did not finish: `{other}`")))
            }
            None => {
                let why = "the answer of the agent is not the end of a turn".to_owned();
                (StopReason::EndTurn, Some(why))
            }
        };
        let mut end = self.over(stop, error);
        end.last.usage = usage(&answer["usage"]);
        end
    }

    /// Returns the end of a turn that the agent answered with an error.
    pub(super) fn failed(&mut self, why: &str) -> TurnEnd {
        self.over(StopReason::EndTurn, Some(why.to_owned()))
    }

    fn over(&mut self, stop: StopReason, error: Option<String>) -> TurnEnd {
        let said = if self.said_last.trim().is_empty() { &self.said } else { &self.said_last };
        let answer = AssistantTurn::text_only(self.said.clone());
        let last = Message { answer, ..Message::default() };
        let (text, usd) = (said.trim().to_owned(), self.usd);
        TurnEnd { text, last, stop, usd, error, is_total: true }
    }
}

/// Returns the usage of a turn, which some agents tell.
fn usage(value: &Value) -> Usage {
    let count = |key: &str| value[key].as_u64();
    let (read, write) = (count("cachedReadTokens"), count("cachedWriteTokens"));
    Usage {
        input_tokens: count("inputTokens")
            .map(|input| input + read.unwrap_or(0) + write.unwrap_or(0)),
        output_tokens: count("outputTokens"),
        cache_read_tokens: read,
        cache_write_tokens: write,
        reasoning_tokens: count("thoughtTokens"),
        ..Usage::default()
    }
}

fn is_empty(input: &Value) -> bool {
    input.is_null() || input.as_object().is_some_and(Map::is_empty)
}

impl Call {
    fn started(&mut self, id: &str) -> HarnessEvent {
        self.is_started = true;
        let (id, name) = (id.to_owned(), self.tool());
        HarnessEvent::CallStarted { id, name, arguments: self.arguments() }
    }

    /// Returns the name of the tool: its own, or the kind of work that it does.
    fn tool(&self) -> String {
        if let Some(name) = self.name.as_ref().filter(|name| !name.is_empty()) {
            return name.clone();
        }
        match serde_json::to_value(self.kind) {
            Ok(Value::String(kind)) => kind,
            _ => "other".to_owned(),
        }
    }

    fn arguments(&self) -> Value {
        match &self.input {
            Some(input) if !is_empty(input) => input.clone(),
            _ if self.paths.is_empty() => json!({ "title": self.title }),
            _ => json!({ "title": self.title, "paths": self.paths }),
        }
    }

    fn act(&self) -> Act {
        let input = self.input.as_ref();
        let paths = || {
            let keys = PATH_KEYS.iter().filter_map(|key| input?.get(*key)?.as_str());
            let mut paths: Vec<PathBuf> = keys.map(PathBuf::from).collect();
            let diffs = self.content.iter().filter_map(|it| match it {
                ToolCallContent::Diff(diff) => Some(diff.path.clone()),
                _ => None,
            });
            paths.extend(self.paths.iter().cloned().chain(diffs));
            paths.sort();
            paths.dedup();
            paths
        };
        match self.kind {
            // A title is for people: the command may be another one.
            ToolKind::Execute => self.command().map_or(Act::Other, Act::Command),
            ToolKind::Read | ToolKind::Search => Act::Read(paths()),
            ToolKind::Edit | ToolKind::Delete | ToolKind::Move => Act::Write(paths()),
            _ => Act::Other,
        }
    }

    fn command(&self) -> Option<String> {
        let input = self.input.as_ref()?;
        match input.get("command").or_else(|| input.get("cmd"))? {
            Value::String(line) => Some(line.clone()),
            Value::Array(words) => {
                let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
                match words?.as_slice() {
                    // A shell behind a list of words has its line in the last of them.
                    [_, "-c" | "-lc", line] => Some((*line).to_owned()),
                    words => Some(CommandLine::of_words(words.iter().copied()).shown),
                }
            }
            _ => None,
        }
    }

    fn outcome(&self, is_error: bool) -> String {
        let parts = self.content.iter().filter_map(|part| match part {
            ToolCallContent::Content(content) => text_of(&content.content),
            ToolCallContent::Diff(it) => Some(diff(&it.path, it.old_text.as_deref(), &it.new_text)),
            _ => None,
        });
        let parts: Vec<String> = parts.filter(|text| !text.trim().is_empty()).collect();
        if !parts.is_empty() {
            return parts.join("\n");
        }
        match &self.output {
            Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
            Some(output @ (Value::Object(_) | Value::Array(_))) => output.to_string(),
            _ if is_error => "it failed".to_owned(),
            _ => "done".to_owned(),
        }
    }
}

fn text_of(content: &ContentBlock) -> Option<String> {
    match content {
        ContentBlock::Text(text) => Some(text.text.clone()),
        ContentBlock::ResourceLink(link) => Some(format!("[{}]({})", link.name, link.uri)),
        ContentBlock::Image(_) => Some("[an image]".to_owned()),
        ContentBlock::Audio(_) => Some("[a sound]".to_owned()),
        ContentBlock::Resource(_) => Some("[a resource]".to_owned()),
        _ => None,
    }
}

fn plan_text(plan: &Plan) -> String {
    let done = |entry: &Value| entry["status"] == "completed";
    let entries: Vec<Value> = plan.entries.iter().map(|entry| json!(entry)).collect();
    let current = entries.iter().find(|entry| entry["status"] == "in_progress");
    let current = current.and_then(|entry| entry["content"].as_str()).unwrap_or_default();
    let count = entries.iter().filter(|entry| done(entry)).count();
    format!("{count} of {} steps of its plan: {current}", entries.len())
}
