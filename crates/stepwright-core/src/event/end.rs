//! The types that several kinds of events share: the end of a container, replies to pending
//! requests.

use crate::failure::ErrorData;
use crate::requirement::Answer;
use crate::status::StepStatus;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The end of a container. [`EventKind`](crate::EventKind) has an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The final status: completed, failed or cancelled.
    pub status: StepStatus,
    /// The error, if the container itself failed: in a decision, or in a merge of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorData>>,
}

/// The answer to a [`Requirement`](crate::Requirement).
///
/// ```
/// use stepwright_core::{Answer, event::Reply};
/// let reply: Reply = serde_json::from_str(
///     r#"{"requirement_id": "Publish!confirm", "answer": {"decision": "approve"}, "by": "anna"}"#,
/// )?;
/// assert_eq!((reply.answer, reply.timed_out), (Answer::Approve, false));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The id of the requirement.
    pub requirement_id: Arc<str>,
    /// The answer.
    pub answer: Answer,
    /// The name of the person who answered, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
    /// `true` if no answer arrived in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
}

/// An answer that arrived after the deadline of its [`Requirement`](crate::Requirement).
///
/// ```
/// use stepwright_core::{Answer, Timestamp, event::{RefusedAnswer, Reply}};
/// let reply = Reply {
///     requirement_id: "Publish!confirm".into(),
///     answer: Answer::Approve,
///     by: Some("anna".into()),
///     timed_out: false,
/// };
/// let refused = RefusedAnswer { reply, due: Timestamp(2_000), came: Timestamp(3_500) };
/// assert_eq!(
///     refused.to_string(),
///     "the answer to `Publish!confirm` came too late: its deadline was 1970-01-01 00:00:02 UTC, \
///      and `approve` by anna came at 1970-01-01 00:00:03.500 UTC",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedAnswer {
    /// The answer.
    #[serde(flatten)]
    pub reply: Reply,
    /// The deadline.
    pub due: Timestamp,
    /// The time at which the answer arrived.
    pub came: Timestamp,
}

impl fmt::Display for RefusedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reply, due, came } = self;
        let Reply { requirement_id, answer, by, .. } = reply;
        write!(f, "the answer to `{requirement_id}` came too late: its deadline was {due}, and ")?;
        write!(f, "`{answer}`")?;
        if let Some(by) = by {
            write!(f, " by {by}")?;
        }
        write!(f, " came at {came}")
    }
}

impl From<StepStatus> for End {
    fn from(status: StepStatus) -> Self {
        Self { status, error: None }
    }
}
