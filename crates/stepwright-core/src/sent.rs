//! Messages to agents at work.

use crate::path::StepPath;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest message to an agent at work, in bytes. It becomes part of each later request to the
/// model.
///
/// ```
/// use stepwright_core::sent::SENT_BYTES_MAX;
/// assert_eq!(SENT_BYTES_MAX, 262_144);
/// ```
pub const SENT_BYTES_MAX: usize = 256 * 1024;

/// The largest number of messages that wait in the inbox of a run.
///
/// ```
/// use stepwright_core::sent::SENT_WAITING_MAX;
/// assert_eq!(SENT_WAITING_MAX, 1_000);
/// ```
pub const SENT_WAITING_MAX: usize = 1_000;

/// The moment at which an agent gets a message.
///
/// ```
/// use stepwright_core::sent::SendMode;
/// assert_eq!("follow_up".parse(), Ok(SendMode::FollowUp));
/// assert_eq!(SendMode::default(), SendMode::Steer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SendMode {
    /// Before its next request to the model: after the tool calls of the turn. An agent that is
    /// about to end goes on with the message.
    #[default]
    Steer,
    /// When the agent would end. The conversation goes on with the message.
    FollowUp,
    /// At once: the answer that the model is writing is cut off, and the agent goes on with the
    /// message. Tool calls under way are not cut off, because their outcome would be unknown.
    Interrupt,
}

impl SendMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Steer, Self::FollowUp, Self::Interrupt];

    /// Returns the name of the mode, as files and options have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Steer => "steer",
            Self::FollowUp => "follow_up",
            Self::Interrupt => "interrupt",
        }
    }
}

impl fmt::Display for SendMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no mode.
///
/// ```
/// use stepwright_core::sent::SendMode;
/// let error = "shout".parse::<SendMode>().unwrap_err();
/// assert_eq!(error.to_string(), "`shout` is not `steer`, `follow_up` or `interrupt`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `steer`, `follow_up` or `interrupt`")]
pub struct SendModeError(String);

impl FromStr for SendMode {
    type Err = SendModeError;

    fn from_str(word: &str) -> Result<Self, SendModeError> {
        let known = word.replace('-', "_");
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == known);
        mode.ok_or_else(|| SendModeError(word.to_owned()))
    }
}

/// A message to an agent at work: an entry in the inbox of its run, and then a fact of the agent.
///
/// ```
/// use stepwright_core::StepPath;
/// use stepwright_core::sent::{SendMode, SentMessage};
/// let (id, text) = ("m-1".into(), "Leave the costs out.".into());
/// let message = SentMessage { id, text, mode: SendMode::Steer, to: None, by: None };
/// assert!(message.is_for(&StepPath::from("research")));
/// // The agent that is a tool of another one is not spoken to.
/// assert!(!message.is_for(&StepPath::from("research/ask#1")));
/// let to = Some(StepPath::from("panel"));
/// let message = SentMessage { to, ..message };
/// assert!(message.is_for(&StepPath::from("panel/critic")));
/// assert!(!message.is_for(&StepPath::from("research")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// The id, which is unique in the inbox of the run.
    pub id: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// The moment at which the agent gets it.
    #[serde(default)]
    pub mode: SendMode,
    /// The path of the agent, or of a container around it. Without a path, the agent of the run
    /// that is ready for it first gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<StepPath>,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

impl SentMessage {
    /// Returns `true` if the agent at this path may get the message. An agent that works as a tool
    /// of another one gets only messages to its own path.
    pub fn is_for(&self, agent: &StepPath) -> bool {
        let is_outermost = || agent.step() == *agent;
        match &self.to {
            Some(to) => to == agent || (to.contains(agent) && is_outermost()),
            None => is_outermost(),
        }
    }
}
