//! The events of a call.

use crate::elicit::Question;
use rmcp::model::{CallToolResult, ElicitResult, ErrorData, InputRequiredResult};
use tokio::sync::oneshot;

/// The progress of a call.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) done: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: Option<String>,
}

/// An event of a call.
#[derive(Debug)]
pub(crate) enum CallEvent {
    Progress(Progress),
    Asks { question: Question, reply: oneshot::Sender<ElicitResult> },
    Ended(Box<Ended>),
}

/// The end of a call.
#[derive(Debug)]
pub(crate) enum Ended {
    Answered(CallToolResult),
    /// The server needs input, and then wants the call again.
    InputRequired(InputRequiredResult),
    /// The server refused the call.
    Refused(ErrorData),
    /// The call did not reach the server.
    NotSent(String),
    /// The call may have been done.
    Unknown(String),
}
