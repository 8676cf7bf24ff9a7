//! The assignment of a process, and its channels.

use crate::event::HarnessEvent;
use crate::kind::HarnessKind;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// The assignment of a process.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) kind: HarnessKind,
    /// The conversation to continue.
    pub(crate) resume: Option<String>,
    /// The id of a new conversation, for agents that take one.
    pub(crate) fresh: String,
    pub(crate) dir: PathBuf,
}

/// The channels between a process and its step.
pub(crate) struct Talk {
    pub(crate) events: mpsc::Sender<HarnessEvent>,
    /// The messages to the agent. No more come when the channel is closed.
    pub(crate) prompts: mpsc::UnboundedReceiver<String>,
}
