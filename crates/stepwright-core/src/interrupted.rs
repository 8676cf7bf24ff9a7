//! The policy for interrupted effects, whose outcome is unknown.

use crate::failure::{ErrorCode, StepError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The policy for an interrupted effect: a step, a tool call or a [`StepContext::once`] that began
/// and did not end before its process died. The effect may or may not have happened.
///
/// Functions and agents default to `Retry`, so they run at least once. Effects that change
/// something outside default to `Ask`: commands, HTTP requests that change something, and tool
/// calls that are not marked as read-only or idempotent.
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
    /// Run the effect again.
    #[default]
    Retry,
    /// Fail with [`ErrorCode::OutcomeUnknown`].
    Fail,
    /// Pause the run with a pending request of kind
    /// [`Interrupted`](crate::requirement::RequirementKind::Interrupted).
    Ask,
}

impl OnInterrupted {
    /// Returns `true` for the default, which is left out of serialized plans.
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

/// The decision about an interrupted effect. [`OnInterrupted`] has an example.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// The effect happened, with this output.
    Done(Value),
    /// The effect did not happen or can be repeated, so run it.
    Again,
}

/// Returns the error of an interrupted effect. See [`OnInterrupted`].
pub fn outcome_unknown(effect: &str) -> StepError {
    StepError::terminal(format!("{effect} had begun and did not end: its outcome is unknown"))
        .with_code(ErrorCode::OutcomeUnknown)
        .with_hint("find out whether it was done; `on_interrupted` says what to do in such a case")
}
