//! The messages to and from a language model, in the form in which they are stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::Arc;

use crate::media::Media;

/// One message of a conversation.
///
/// ```
/// use stepwright_core::message::{AssistantTurn, Message};
/// let talk = [
///     Message::user("What is the capital of Italy?"),
///     Message::Assistant(AssistantTurn::text_only("Rome.")),
/// ];
/// assert_eq!(talk[1].text(), "Rome.");
/// assert_eq!(serde_json::to_value(&talk[0]).unwrap()["role"], "user");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// A message of a person, or of the workflow on the person's behalf.
    User {
        /// The text and media, in order.
        parts: Vec<Part>,
    },
    /// An answer of the model.
    Assistant(AssistantTurn),
    /// The answers of the tools that the model called in the previous turn.
    Tool {
        /// One answer for each call, in the order of the calls.
        results: Vec<ToolOutcome>,
    },
}

impl Message {
    /// Creates a user message from a text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { parts: vec![Part::Text { text: text.into() }] }
    }

    /// Returns all text of the message.
    pub fn text(&self) -> String {
        match self {
            Self::User { parts } => join_text(parts),
            Self::Assistant(turn) => turn.text(),
            Self::Tool { results } => {
                results.iter().map(|r| r.text.as_str()).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// A part of a message.
///
/// ```
/// use stepwright_core::message::{Message, Part};
/// use stepwright_core::{Media, MediaKind};
/// let question = Part::Text { text: "What is in this picture?".into() };
/// let picture = Part::Media { media: Media::path(MediaKind::Image, "cat.png") };
/// let message = Message::User { parts: vec![question, picture] };
/// assert_eq!(message.text(), "What is in this picture?");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Reasoning of the model before its answer.
    Reasoning {
        /// The text.
        text: String,
    },
    /// An image, a video, audio or a file.
    Media {
        /// The media item.
        media: Media,
    },
    /// A tool call that the model requests.
    ToolCall(ToolCall),
}

fn join_text(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        if let Part::Text { text: piece } = part {
            text.push_str(piece);
        }
    }
    text
}

/// The output of a model in one turn.
///
/// ```
/// use stepwright_core::message::{Arguments, AssistantTurn, Part, ToolCall};
/// let (id, name) = ("c-1".into(), "weather".into());
/// let arguments = Arguments::json(serde_json::json!({ "city": "Rome" }));
/// let mut turn = AssistantTurn::text_only("I look that up.");
/// turn.parts.push(Part::ToolCall(ToolCall { id, name, arguments }));
/// assert_eq!(turn.text(), "I look that up.");
/// assert_eq!(turn.tool_calls().map(|call| &*call.name).collect::<Vec<_>>(), ["weather"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AssistantTurn {
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// The provider's own form of the turn, which lets the adapter that wrote it replay it without
    /// loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Native>,
}

impl AssistantTurn {
    /// Creates a turn from a text.
    pub fn text_only(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text { text: text.into() }], native: None }
    }

    /// Returns all text of the turn.
    pub fn text(&self) -> String {
        join_text(&self.parts)
    }

    /// All the text in it, without a copy where it is one piece.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use stepwright_core::message::AssistantTurn;
    /// let turn = AssistantTurn::text_only("Rome.");
    /// assert!(matches!(turn.as_text(), Cow::Borrowed("Rome.")));
    /// ```
    pub fn as_text(&self) -> Cow<'_, str> {
        let mut texts = self.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            _ => None,
        });
        match (texts.next(), texts.next()) {
            (only, None) => Cow::Borrowed(only.unwrap_or_default()),
            _ => Cow::Owned(self.text()),
        }
    }

    /// Returns the tool calls that the model requests.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// A turn in a provider's own form. Opaque to all code except the adapter that wrote it.
///
/// [`AssistantTurn`] has an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Native {
    /// The adapter and the version of its form, such as `rig/1`.
    pub adapter: String,
    /// The turn in that form, shared by events and history.
    pub data: Arc<Value>,
}

/// A tool call that a model requests.
///
/// ```
/// use stepwright_core::message::{Arguments, ToolCall};
/// let call = ToolCall {
///     id: "c-1".into(),
///     name: "weather".into(),
///     arguments: Arguments::json(serde_json::json!({ "city": "Rome" })),
/// };
/// let Arguments::Json(arguments) = &call.arguments else { panic!("the model wrote no JSON") };
/// assert_eq!(arguments["city"], "Rome");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id of the call, unique within the conversation.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments, or the raw text if it is not JSON.
    pub arguments: Arguments,
}

/// The arguments of a tool call.
///
/// ```
/// use stepwright_core::message::Arguments;
/// let read = Arguments::json(serde_json::json!({ "city": "Bergen" }));
/// assert!(matches!(&read, Arguments::Json(value) if value["city"] == "Bergen"));
/// let unread = Arguments::Invalid("{city:".into());
/// assert_ne!(read, unread);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// The parsed arguments. Shared, because events, history and the tool have the same call.
    Json(Arc<Value>),
    /// The text that the model wrote, which is not JSON.
    Invalid(String),
}

impl Arguments {
    /// Creates arguments from a JSON value.
    pub fn json(value: Value) -> Self {
        Self::Json(Arc::new(value))
    }
}

/// The answer of a tool.
///
/// ```
/// use stepwright_core::message::ToolOutcome;
/// let outcome: ToolOutcome = serde_json::from_value(serde_json::json!({
///     "call_id": "c-1", "name": "weather", "text": "it rains",
/// }))?;
/// assert!(!outcome.is_error);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolOutcome {
    /// The id of the call.
    pub call_id: String,
    /// The name of the tool.
    pub name: String,
    /// The answer as the model reads it.
    pub text: String,
    /// `true` if the tool failed. The model sees this and may try something else.
    #[serde(default)]
    pub is_error: bool,
    /// `true` if the failed call may still have had its effect: it timed out, and is neither
    /// read-only nor idempotent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outcome_unknown: bool,
    /// The media of the answer. Agents show them to the model in a message after the results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// The whole answer, if `text` is only its beginning. The model reads on with the tool
    /// `read_result`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Arc<str>>,
}

/// The token usage of a model request. `None` if the provider did not report it.
///
/// ```
/// use stepwright_core::message::Usage;
/// let call = Usage { input_tokens: Some(900), output_tokens: Some(100), ..Usage::default() };
/// let all: Usage = [call, call].into_iter().sum();
/// assert_eq!(all.total_tokens(), 2_000);
/// assert_eq!(all.reasoning_tokens, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The input tokens, including cached ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// The output tokens, including reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// The input tokens that were read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// The input tokens that were written to a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// The output tokens that were reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// The output tokens that were images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tokens: Option<u64>,
}

impl Usage {
    /// Returns the sum of input and output tokens. Unreported numbers count as zero.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.unwrap_or(0) + self.output_tokens.unwrap_or(0)
    }

    /// Returns `true` if nothing was reported.
    pub fn is_empty(&self) -> bool {
        // Each field by its name, so that the compiler asks about a new one.
        let Self {
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_write_tokens: None,
            reasoning_tokens: None,
            image_tokens: None,
        } = self
        else {
            return false;
        };
        true
    }

    /// Returns the usage since it was `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let since = |now: Option<u64>, before: Option<u64>| {
            now.filter(|_| now != before).map(|now| now.saturating_sub(before.unwrap_or(0)))
        };
        Self {
            input_tokens: since(self.input_tokens, before.input_tokens),
            output_tokens: since(self.output_tokens, before.output_tokens),
            cache_read_tokens: since(self.cache_read_tokens, before.cache_read_tokens),
            cache_write_tokens: since(self.cache_write_tokens, before.cache_write_tokens),
            reasoning_tokens: since(self.reasoning_tokens, before.reasoning_tokens),
            image_tokens: since(self.image_tokens, before.image_tokens),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        fn add(into: &mut Option<u64>, more: Option<u64>) {
            if let Some(more) = more {
                *into = Some(into.unwrap_or(0) + more);
            }
        }
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cache_read_tokens, other.cache_read_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
        add(&mut self.image_tokens, other.image_tokens);
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// The reason that a model stopped.
///
/// ```
/// use stepwright_core::model::{Completion, StopReason};
/// let answer = Completion { stop: StopReason::Length, ..Completion::default() };
/// let note = match answer.stop {
///     StopReason::Length => "the answer was cut off: raise `max_output_tokens`",
///     _ => "",
/// };
/// assert!(note.starts_with("the answer was cut off"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The answer is complete.
    #[default]
    EndTurn,
    /// The model waits for its tools.
    ToolCalls,
    /// The answer reached the maximum length.
    Length,
    /// The model refused to answer.
    Refused,
    /// Another reason, in the provider's words.
    Other(String),
}
