//! What goes to a language model and comes back: the form that sessions store.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::iter::Sum;
use std::ops::AddAssign;

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
    /// What a person, or the workflow in the person's name, says.
    User {
        /// Text and media, in order.
        parts: Vec<Part>,
    },
    /// What the model said.
    Assistant(AssistantTurn),
    /// What the tools answered that the model called in the turn before.
    Tool {
        /// One answer for each call, in the order of the calls.
        results: Vec<ToolOutcome>,
    },
}

impl Message {
    /// A message of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { parts: vec![Part::Text { text: text.into() }] }
    }

    /// All the text in it.
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

/// A piece of a message.
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
    /// What the model thought aloud before it answered.
    Reasoning {
        /// The thought.
        text: String,
    },
    /// An image, a sound, a file.
    Media {
        /// The medium.
        media: Media,
    },
    /// A call that the model wants made.
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

/// What a model said in one turn.
///
/// ```
/// use stepwright_core::message::{Arguments, AssistantTurn, Part, ToolCall};
/// let (id, name) = ("c-1".into(), "weather".into());
/// let arguments = Arguments::Json(serde_json::json!({ "city": "Rome" }));
/// let mut turn = AssistantTurn::text_only("I look that up.");
/// turn.parts.push(Part::ToolCall(ToolCall { id, name, arguments }));
/// assert_eq!(turn.text(), "I look that up.");
/// assert_eq!(turn.tool_calls().map(|call| &*call.name).collect::<Vec<_>>(), ["weather"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AssistantTurn {
    /// Its pieces, in order.
    pub parts: Vec<Part>,
    /// The form in which the provider gave it, for the adapter that wrote it to replay it without
    /// loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Native>,
}

impl AssistantTurn {
    /// A turn of one text.
    pub fn text_only(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text { text: text.into() }], native: None }
    }

    /// All the text in it.
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

    /// The calls that the model wants made.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// A provider's own form of a turn, opaque to everybody but the adapter that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Native {
    /// Which adapter, and which version of its form: `rig/1`.
    pub adapter: String,
    /// The form.
    pub data: Value,
}

/// A call of a tool that a model wants made.
///
/// ```
/// use stepwright_core::message::{Arguments, ToolCall};
/// let call = ToolCall {
///     id: "c-1".into(),
///     name: "weather".into(),
///     arguments: Arguments::Json(serde_json::json!({ "city": "Rome" })),
/// };
/// let Arguments::Json(arguments) = &call.arguments else { panic!("the model wrote no JSON") };
/// assert_eq!(arguments["city"], "Rome");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Which call, unique within the conversation.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// The arguments, or the raw text if the model did not write JSON.
    pub arguments: Arguments,
}

/// The arguments of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// What the model wrote, parsed.
    Json(Value),
    /// What the model wrote, which is not JSON.
    Invalid(String),
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolOutcome {
    /// Which call this answers.
    pub call_id: String,
    /// Which tool answered.
    pub name: String,
    /// The answer, as the model reads it.
    pub text: String,
    /// Whether the tool failed. The model is told, and may try something else.
    #[serde(default)]
    pub is_error: bool,
    /// `true` if the call may have had its effect, although it failed: it took too long, and is
    /// neither read-only nor idempotent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outcome_unknown: bool,
}

/// What a call of a model consumed, in tokens. `None` where the provider did not say.
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
    /// Read, cached or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Written, reasoning or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Of those read, how many came from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Of those read, how many were written to a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Of those written, how many were reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Read and written together; zero where the provider did not say.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.unwrap_or(0) + self.output_tokens.unwrap_or(0)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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
