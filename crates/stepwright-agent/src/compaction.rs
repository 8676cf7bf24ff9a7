//! Compaction: long conversations of an agent that stay within the window of its model.

use crate::options::SEARCH_TOOLS;
use serde_json::json;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use stepwright_core::event::Compressed;
use stepwright_core::message::{Arguments, Message, Part};
use stepwright_core::model::{AnyModel, Model as _, ModelRequest};

/// The number of latest turns that compaction leaves as they are, by default.
pub const COMPACTION_KEEP: usize = 4;

/// The largest number of latest turns that compaction may be told to leave as they are.
pub const COMPACTION_KEEP_MAX: usize = 1000;

/// The longest text of a message that the summarising model reads, in bytes. The rest is left out.
pub(crate) const SUMMARISED_TEXT_BYTES_MAX: usize = 20_000;

/// The longest tool result that is not worth clearing, in bytes.
const SHORT_RESULT_BYTES: usize = 200;

/// The text in place of a tool result that was cleared.
const CLEARED: &str =
    "[This result was removed to save space. Call the tool again if you need it.]";

/// The text in place of turns that were dropped.
const DROPPED: &str = "[Earlier turns of this conversation were left out to save space.]";

const SUMMARY_INSTRUCTIONS: &str = "You summarise a conversation between an assistant, its tools \
    and a user, so that the assistant can go on with the summary alone. Keep every fact, name, \
    number, decision, open question and result that may still be needed, and what remains to be \
    done. Leave out greetings and repetitions. Answer with the summary and nothing else.";

/// The method of a [`Compaction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Summary,
    Drop,
    ClearToolResults,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Drop => "drop",
            Self::ClearToolResults => "clear_tool_results",
        }
    }
}

/// Settings for conversations that grow longer than the window of a model: see
/// [`AgentBuilder::compaction`](crate::AgentBuilder::compaction).
///
/// Before each request, the agent estimates the tokens of its conversation: four bytes are a token,
/// or fewer if the provider has reported more tokens than that for the request before. Above the
/// limit, the turns before the latest ones are replaced. The examples, the message to the agent and
/// the latest turns stay. Each compaction is a fact,
/// [`CompressionCompleted`](stepwright_core::EventKind::CompressionCompleted), so a resumed run
/// sends the same.
///
/// ```
/// use stepwright_agent::{Agent, Compaction};
/// let agent = Agent::builder("Researcher")
///     .model("offline")?
///     .compaction(Compaction::summary(100_000).keep(6))
///     .build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Compaction {
    pub(crate) method: Method,
    pub(crate) above: u64,
    pub(crate) keep: usize,
    pub(crate) model: Option<AnyModel>,
    instructions: Option<String>,
}

impl Compaction {
    fn new(method: Method, above: u64) -> Self {
        Self { method, above, keep: COMPACTION_KEEP, model: None, instructions: None }
    }

    /// Replaces earlier turns by a summary that a model writes, once a request has more tokens
    /// than `above`.
    pub fn summary(above: u64) -> Self {
        Self::new(Method::Summary, above)
    }

    /// Drops earlier turns once a request has more tokens than `above`.
    pub fn drop_turns(above: u64) -> Self {
        Self::new(Method::Drop, above)
    }

    /// Clears the results of earlier tool calls once a request has more tokens than `above`.
    pub fn clear_tool_results(above: u64) -> Self {
        Self::new(Method::ClearToolResults, above)
    }

    /// Sets the number of latest turns that stay as they are. Default: [`COMPACTION_KEEP`].
    #[must_use]
    pub fn keep(mut self, turns: usize) -> Self {
        self.keep = turns;
        self
    }

    /// Sets the model that writes the summary. By default it is the model of the agent.
    #[must_use]
    pub fn model(mut self, model: AnyModel) -> Self {
        self.model = Some(model);
        self
    }

    /// Sets the instructions of the model that writes the summary, in place of the built-in ones.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// Returns the mistake of the settings, if they have one.
    pub(crate) fn mistake(&self) -> Option<String> {
        if self.above == 0 {
            return Some("`compaction` begins above 0 tokens; set at least 1".into());
        }
        if !(1..=COMPACTION_KEEP_MAX).contains(&self.keep) {
            let keep = self.keep;
            return Some(format!(
                "`compaction` keeps {keep} turns; set 1 to {COMPACTION_KEEP_MAX}"
            ));
        }
        let is_summary = self.method == Method::Summary;
        if !is_summary && (self.model.is_some() || self.instructions.is_some()) {
            let method = self.method.as_str();
            return Some(format!(
                "`compaction` by `{method}` asks no model; leave out its model and instructions"
            ));
        }
        None
    }

    /// Returns the settings as the fingerprint of the agent has them.
    pub(crate) fn written(&self) -> String {
        json!({
            "method": self.method.as_str(),
            "above": self.above,
            "keep": self.keep,
            "model": self.model.as_ref().map(|model| model.id().to_owned()),
            "instructions": self.instructions,
        })
        .to_string()
    }

    /// Returns the messages that can be replaced: from the end of the pinned ones, or of those that
    /// were replaced before, to the latest turns. `None` if there are none.
    pub(crate) fn cut(&self, messages: &[Message], view: &View) -> Option<Range<usize>> {
        let answers = messages.iter().enumerate().skip(view.until);
        let answers = answers.filter(|(_, message)| matches!(message, Message::Assistant(_)));
        let answers: Vec<usize> = answers.map(|(at, _)| at).collect();
        let begin = *answers.len().checked_sub(self.keep).and_then(|nth| answers.get(nth))?;
        let cut = view.until..begin;
        let worth = match self.method {
            Method::ClearToolResults => messages[cut.clone()].iter().any(has_long_result),
            _ => !cut.is_empty(),
        };
        worth.then_some(cut)
    }

    /// Returns the request for the summary of these messages.
    pub(crate) fn request(&self, messages: &[Message], view: &View) -> ModelRequest {
        let mut text = String::new();
        if let Some(summary) = &view.summary {
            let _ = writeln!(text, "Summary of the conversation so far:\n{summary}\n");
        }
        text.push_str("Conversation:\n");
        for message in messages {
            write_message(&mut text, message);
        }
        let instructions = self.instructions.as_deref().unwrap_or(SUMMARY_INSTRUCTIONS);
        ModelRequest {
            instructions: Some(instructions.to_owned()),
            messages: vec![Message::user(text)],
            ..ModelRequest::default()
        }
    }
}

/// The part of a conversation that requests have. The agent keeps the whole conversation: tools
/// that were loaded and long results are found in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The number of examples and of the message to the agent, which are always sent.
    pub(crate) pinned: usize,
    /// The first message that is sent as it is, behind the pinned ones.
    pub(crate) until: usize,
    /// The text in place of what is left out.
    summary: Option<String>,
    /// `true` if the messages before `until` are sent, with their tool results cleared.
    clears: bool,
}

impl View {
    pub(crate) fn new(pinned: usize) -> Self {
        Self { pinned, until: pinned, summary: None, clears: false }
    }

    /// Applies a recorded compaction.
    pub(crate) fn apply(&mut self, compressed: &Compressed) {
        self.until = usize::try_from(compressed.until).unwrap_or(usize::MAX).max(self.until);
        self.clears = &*compressed.method == Method::ClearToolResults.as_str();
        self.summary = compressed.summary.as_deref().map(ToOwned::to_owned);
    }

    /// Returns the messages that a request has.
    pub(crate) fn of(&self, messages: &[Message]) -> Vec<Message> {
        let until = self.until.min(messages.len());
        if until <= self.pinned {
            return messages.to_vec();
        }
        let mut sent = messages[..self.pinned].to_vec();
        if self.clears {
            sent.extend(messages[self.pinned..until].iter().map(cleared));
        } else {
            sent.push(match &self.summary {
                Some(summary) => Message::user(format!(
                    "<summary_of_earlier_turns>\n{summary}\n</summary_of_earlier_turns>"
                )),
                None => Message::user(DROPPED),
            });
        }
        sent.extend_from_slice(&messages[until..]);
        sent
    }
}

fn has_long_result(message: &Message) -> bool {
    let Message::Tool { results } = message else { return false };
    results.iter().any(|r| r.text.len() > SHORT_RESULT_BYTES && r.name != SEARCH_TOOLS)
}

fn cleared(message: &Message) -> Message {
    let mut message = message.clone();
    if let Message::Tool { results } = &mut message {
        for result in results {
            if result.text.len() > SHORT_RESULT_BYTES && result.name != SEARCH_TOOLS {
                CLEARED.clone_into(&mut result.text);
                result.media.clear();
            }
        }
    }
    message
}

/// Writes a message for the model that summarises.
fn write_message(text: &mut String, message: &Message) {
    match message {
        Message::User { .. } => {
            let _ = writeln!(text, "User: {}", short(&message.text()));
        }
        Message::Assistant(turn) => {
            let said = turn.as_text();
            if !said.trim().is_empty() {
                let _ = writeln!(text, "Assistant: {}", short(&said));
            }
            for part in &turn.parts {
                let Part::ToolCall(call) = part else { continue };
                let arguments = match &call.arguments {
                    Arguments::Json(value) => value.to_string(),
                    Arguments::Invalid(raw) => raw.clone(),
                };
                let _ = writeln!(text, "Assistant calls {}: {}", call.name, short(&arguments));
            }
        }
        Message::Tool { results } => {
            for result in results {
                let _ = writeln!(text, "Result of {}: {}", result.name, short(&result.text));
            }
        }
    }
}

fn short(text: &str) -> Cow<'_, str> {
    if text.len() <= SUMMARISED_TEXT_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(SUMMARISED_TEXT_BYTES_MAX);
    format!("{} [{} more bytes]", &text[..end], text.len() - end).into()
}
