//! Failures as data, as the journal stores them.

use crate::codes::ErrorId;
use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The class of a failure inside a run.
///
/// ```
/// use stepwright_core::{ErrorCode, StepError};
/// let error = StepError::terminal("`amount` is negative").with_code(ErrorCode::BadInput);
/// assert_eq!(error.data.code, ErrorCode::BadInput);
/// assert_eq!(ErrorCode::TimedOut.to_string(), "timed out");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The executor returned an error.
    #[default]
    Failed,
    /// The executor panicked.
    Panicked,
    /// A step or the run exceeded its timeout.
    TimedOut,
    /// A step cannot use its input.
    BadInput,
    /// The decision of a condition, a loop, a router or a map failed.
    Decision,
    /// A change of the session state is invalid or conflicts with another one.
    State,
    /// A model failed.
    Model,
    /// A tool failed.
    Tool,
    /// A limit was reached.
    Limit,
    /// A loop made all its turns and its condition was not met.
    Exhausted,
    /// A person rejected it, or no answer arrived in time.
    Rejected,
    /// An effect began and did not end, so it may or may not have happened.
    OutcomeUnknown,
}

impl ErrorCode {
    /// Returns the id of errors of this class that have no id of their own.
    pub fn id(self) -> ErrorId {
        match self {
            Self::Failed => ErrorId::STEP_FAILED,
            Self::Panicked => ErrorId::STEP_PANICKED,
            Self::TimedOut => ErrorId::STEP_TIMED_OUT,
            Self::BadInput => ErrorId::STEP_INPUT_UNFIT,
            Self::Decision => ErrorId::DECISION_FAILED,
            Self::State => ErrorId::STATE_CONFLICT,
            Self::Model => ErrorId::MODEL_FAILED,
            Self::Tool => ErrorId::TOOL_FAILED,
            Self::Limit => ErrorId::LIMIT_REACHED,
            Self::Exhausted => ErrorId::LOOP_EXHAUSTED,
            Self::Rejected => ErrorId::STEP_REJECTED,
            Self::OutcomeUnknown => ErrorId::OUTCOME_UNKNOWN,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed out",
            Self::BadInput => "bad input",
            Self::Decision => "decision failed",
            Self::State => "state",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Limit => "limit",
            Self::Exhausted => "exhausted",
            Self::Rejected => "rejected",
            Self::OutcomeUnknown => "outcome unknown",
        })
    }
}

/// A failure as data, as the journal stores it and events show it.
///
/// ```
/// use stepwright_core::{ErrorCode, ErrorData};
/// let stored = r#"{ "code": "model", "message": "overloaded", "retryable": true }"#;
/// let error: ErrorData = serde_json::from_str(stored)?;
/// assert_eq!((error.code, error.retryable), (ErrorCode::Model, true));
/// assert_eq!(error.to_string(), "overloaded");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The class of the failure.
    pub code: ErrorCode,
    /// The id of the kind of error, if it is a more exact one than that of the class. See
    /// [`ErrorData::id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ErrorId>,
    /// The message: a fragment without a full stop.
    pub message: String,
    /// `true` if a retry may help.
    pub retryable: bool,
    /// The causes, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The time to wait before the next try, in milliseconds, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// A hint at what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ErrorData {
    /// Returns the id of the kind of error: its own, or that of its class.
    ///
    /// ```
    /// use stepwright_core::{ErrorCode, ErrorData, ErrorId};
    /// let error = ErrorData { code: ErrorCode::TimedOut, ..ErrorData::default() };
    /// assert_eq!(error.id(), ErrorId::STEP_TIMED_OUT);
    /// ```
    pub fn id(&self) -> ErrorId {
        self.id.unwrap_or_else(|| self.code.id())
    }
}

impl fmt::Display for ErrorData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The error of a failed step. Any error converts to it, and is retryable by default.
///
/// ```
/// use stepwright_core::StepError;
/// let lost = StepError::from(std::io::Error::other("connection lost"));
/// assert!(lost.data.retryable);
/// let wrong = StepError::terminal("the account does not exist").with_hint("create it first");
/// assert!(!wrong.data.retryable);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepError {
    /// The failure as data.
    pub data: Box<ErrorData>,
}

impl StepError {
    /// Creates a retryable error. A step with retries tries again.
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { data: Box::new(ErrorData { message, retryable: true, ..ErrorData::default() }) }
    }

    /// Creates an error that is not retried.
    pub fn terminal(message: impl Into<String>) -> Self {
        let mut error = Self::new(message);
        error.data.retryable = false;
        error
    }

    /// Sets the class of the failure.
    #[must_use]
    pub fn with_code(mut self, code: ErrorCode) -> Self {
        self.data.code = code;
        self
    }

    /// Sets the id of the kind of error, if it is a more exact one than that of the class.
    #[must_use]
    pub fn with_id(mut self, id: ErrorId) -> Self {
        self.data.id = Some(id);
        self
    }

    /// Sets a hint at what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.data.hint = Some(hint.into());
        self
    }

    /// Sets the time to wait before the next try. Overrides a shorter backoff.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.data.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for StepError {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut made = Self::new(error.to_string());
        let mut cause = error.source();
        while let Some(next) = cause {
            made.data.causes.push(next.to_string());
            cause = next.source();
        }
        made
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.data.fmt(f)
    }
}
