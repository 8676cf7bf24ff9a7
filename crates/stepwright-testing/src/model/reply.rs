//! The replies of a scripted model.

use serde_json::Value;
use stepwright_core::message::{Arguments, AssistantTurn, Part, ToolCall, Usage};
use stepwright_core::model::{Completion, ModelError, ModelEvent, StopReason};

/// A reply of a scripted model: its parts in order, and its end.
///
/// ```
/// use stepwright_core::model::{ModelError, ModelErrorKind};
/// use stepwright_testing::model::Reply;
/// let plain = Reply::text("hello");
/// let busy = Reply::from(ModelError::new(ModelErrorKind::Overloaded, "too busy"));
/// let rich = Reply::reasoning("let me look")
///     .and_text("I look it up.")
///     .and_call("search", serde_json::json!({"query": "weather"}))
///     .with_tokens(120, 30);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    parts: Vec<ReplyPart>,
    end: ReplyEnd,
    stop: Option<StopReason>,
    usage: Usage,
}

#[derive(Clone, Debug, PartialEq)]
enum ReplyPart {
    Text(String),
    Reasoning(String),
    Call { name: String, arguments: Arguments },
}

#[derive(Clone, Debug, PartialEq)]
enum ReplyEnd {
    Done,
    Error(ModelError),
    Cut,
    Hang,
}

impl Reply {
    fn empty() -> Self {
        Self { parts: Vec::new(), end: ReplyEnd::Done, stop: None, usage: Usage::default() }
    }

    /// Creates a reply with one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::empty().and_text(text)
    }

    /// Creates a reply that starts with reasoning.
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self::empty().and_reasoning(text)
    }

    /// Creates a reply that calls a tool.
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::empty().and_call(name, arguments)
    }

    /// Creates a reply that calls a tool with arguments that are not JSON.
    pub fn broken_call(name: impl Into<String>, raw: impl Into<String>) -> Self {
        let mut reply = Self::empty();
        let arguments = Arguments::Invalid(raw.into());
        reply.parts.push(ReplyPart::Call { name: name.into(), arguments });
        reply
    }

    /// Adds text.
    #[must_use]
    pub fn and_text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(ReplyPart::Text(text.into()));
        self
    }

    /// Adds reasoning.
    #[must_use]
    pub fn and_reasoning(mut self, text: impl Into<String>) -> Self {
        self.parts.push(ReplyPart::Reasoning(text.into()));
        self
    }

    /// Adds a tool call.
    #[must_use]
    pub fn and_call(mut self, name: impl Into<String>, arguments: Value) -> Self {
        let arguments = Arguments::json(arguments);
        self.parts.push(ReplyPart::Call { name: name.into(), arguments });
        self
    }

    /// Ends the reply with an error after its parts.
    #[must_use]
    pub fn and_error(mut self, error: ModelError) -> Self {
        self.end = ReplyEnd::Error(error);
        self
    }

    /// Ends the stream after its parts without `Done`, as a lost connection does. This breaks the
    /// contract of models on purpose.
    #[must_use]
    pub fn and_cut(mut self) -> Self {
        self.end = ReplyEnd::Cut;
        self
    }

    /// Stays silent forever after its parts.
    #[must_use]
    pub fn and_hang(mut self) -> Self {
        self.end = ReplyEnd::Hang;
        self
    }

    /// Sets the stop reason. By default it follows from the tool calls.
    #[must_use]
    pub fn with_stop(mut self, stop: StopReason) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets the token usage. By default it is unknown.
    #[must_use]
    pub fn with_tokens(mut self, input: u64, output: u64) -> Self {
        self.usage.input_tokens = Some(input);
        self.usage.output_tokens = Some(output);
        self
    }

    /// Returns `true` if the reply never ends.
    pub(super) fn hangs(&self) -> bool {
        self.end == ReplyEnd::Hang
    }

    /// Returns the events of the reply: deltas of `chunk_chars` characters, then its end.
    pub(super) fn events(
        self,
        turn: usize,
        chunk_chars: usize,
    ) -> Vec<Result<ModelEvent, ModelError>> {
        let mut events = Vec::new();
        let mut parts = Vec::new();
        let mut calls = 0;
        for part in self.parts {
            match part {
                ReplyPart::Text(text) => {
                    events.extend(chunks(&text, chunk_chars).map(ModelEvent::TextDelta));
                    parts.push(Part::Text { text });
                }
                ReplyPart::Reasoning(text) => {
                    events.extend(chunks(&text, chunk_chars).map(ModelEvent::ReasoningDelta));
                    parts.push(Part::Reasoning { text });
                }
                ReplyPart::Call { name, arguments } => {
                    let index = calls;
                    calls += 1;
                    let json = match &arguments {
                        Arguments::Json(value) => value.to_string(),
                        Arguments::Invalid(raw) => raw.clone(),
                    };
                    events.push(ModelEvent::ToolCallStart { index, name: name.clone() });
                    let fragments = chunks(&json, chunk_chars);
                    events.extend(
                        fragments.map(|json| ModelEvent::ToolArgumentsDelta { index, json }),
                    );
                    // The same conversation produces the same ids, even after a restart.
                    let call = ToolCall { id: format!("call-{turn}-{calls}"), name, arguments };
                    events.push(ModelEvent::ToolCallReady { index, call: call.clone() });
                    parts.push(Part::ToolCall(call));
                }
            }
        }
        let mut events: Vec<_> = events.into_iter().map(Ok).collect();
        match self.end {
            ReplyEnd::Done => {
                let usual = if calls > 0 { StopReason::ToolCalls } else { StopReason::EndTurn };
                events.push(Ok(ModelEvent::Done(Completion {
                    turn: AssistantTurn { parts, native: None },
                    stop: self.stop.unwrap_or(usual),
                    usage: self.usage,
                    ..Completion::default()
                })));
            }
            ReplyEnd::Error(error) => events.push(Err(error)),
            ReplyEnd::Cut | ReplyEnd::Hang => {}
        }
        events
    }
}

fn chunks(text: &str, chars: usize) -> impl Iterator<Item = String> {
    let letters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = letters.chunks(chars.max(1)).map(|c| c.iter().collect()).collect();
    pieces.into_iter()
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<ModelError> for Reply {
    fn from(error: ModelError) -> Self {
        Self::empty().and_error(error)
    }
}
