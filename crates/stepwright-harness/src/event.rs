//! The events of a coding agent at work, in one form for all protocols.

use serde_json::Value;
use std::path::PathBuf;
use stepwright_core::message::{AssistantTurn, StopReason, Usage};
use tokio::sync::oneshot;

/// An event of a coding agent.
#[derive(Debug)]
pub(crate) enum HarnessEvent {
    /// The conversation is known.
    Session {
        id: String,
        loads: bool,
    },
    Text(String),
    Reasoning(String),
    /// Something to tell about the work.
    Note(String),
    CallStarted {
        id: String,
        name: String,
        arguments: Value,
    },
    CallEnded {
        id: String,
        text: String,
        is_error: bool,
    },
    Asks {
        question: Question,
        reply: oneshot::Sender<Decision>,
    },
    /// One of the models' answers of a turn is complete, and the turn goes on.
    Answered(Message),
    Ended(Box<TurnEnd>),
    /// The agent cannot do the turn, and has not begun it.
    Refused(Refusal),
    /// The process has ended, or does not speak its protocol.
    Lost(String),
}

/// The reason that a turn does not begin.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The conversation is not known, or cannot be continued.
    Session(String),
    Failed(String),
}

/// An answer of the model behind a coding agent.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) answer: AssistantTurn,
    pub(crate) usage: Usage,
    /// The model, in the words of the agent.
    pub(crate) model: Option<String>,
}

/// The end of a turn.
#[derive(Debug)]
pub(crate) struct TurnEnd {
    /// The last answer.
    pub(crate) text: String,
    /// The answer of the model that no `Answered` has told.
    pub(crate) last: Message,
    pub(crate) stop: StopReason,
    /// The cost in US dollars, if the agent says it.
    pub(crate) usd: Option<f64>,
    /// `true` if the cost is that of the whole conversation, and not of the turn.
    pub(crate) is_total: bool,
    /// The reason, if the turn failed.
    pub(crate) error: Option<String>,
}

/// A question about the permission of a tool call.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The call, if it is known.
    pub(crate) call: Option<String>,
    pub(crate) tool: String,
    pub(crate) act: Act,
    pub(crate) arguments: Value,
}

/// The kind of act that a tool call is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Command(String),
    Read(Vec<PathBuf>),
    Write(Vec<PathBuf>),
    Other,
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    Allow,
    Refuse(String),
}
