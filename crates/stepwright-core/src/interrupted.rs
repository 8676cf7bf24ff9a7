//! The policy for effects whose outcome is unknown.

use crate::error::{ErrorCode, StepError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a resumed run does with an effect (a step, a tool call, a [`StepContext::once`]) that had
/// begun and not ended when its process died. The effect may have happened, or not.
///
/// The default of functions and agents is `Retry`: they run at least once. Effects that act on the
/// outside by themselves (commands, requests that change something, tool calls that are not marked
/// as read-only or idempotent) default to `Ask`.
///
/// ```
/// use stepwright_core::OnInterrupted;
/// let policy: OnInterrupted = serde_json::from_str("\"ask\"")?;
/// assert_eq!(policy, OnInterrupted::Ask);
/// assert_eq!(OnInterrupted::Retry.to_string(), "retry");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [`StepContext::once`]: crate::StepContext::once
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInterrupted {
    /// Runs it again.
    #[default]
    Retry,
    /// Fails it with [`ErrorCode::OutcomeUnknown`].
    Fail,
    /// Pauses the run with a request of kind
    /// [`Interrupted`](crate::requirement::RequirementKind::Interrupted).
    Ask,
}

impl OnInterrupted {
    /// `true` if it is the default, which plans do not write down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over in this way")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for OnInterrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Retry => "retry",
            Self::Fail => "fail",
            Self::Ask => "ask",
        })
    }
}

/// The decision about an effect whose outcome is unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// It has happened, and this is its output.
    Done(Value),
    /// It has not happened, or can be repeated: do it.
    Again,
}

/// The failure of an effect that had begun and did not end.
pub fn outcome_unknown(effect: &str) -> StepError {
    StepError::terminal(format!("{effect} had begun and did not end: its outcome is unknown"))
        .with_code(ErrorCode::OutcomeUnknown)
        .with_hint("find out whether it was done; `on_interrupted` says what to do in such a case")
}
