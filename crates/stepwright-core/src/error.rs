//! Errors: as data in the journal, and as one error type for callers.

use crate::output::RunOutput;
use crate::path::StepPath;
use crate::store::StoreError;
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

/// The kind of an [`Error`], for callers that handle kinds differently.
///
/// ```
/// use stepwright_core::{Error, ErrorKind};
/// fn exit_code(error: &Error) -> u8 {
///     match error.kind() {
///         ErrorKind::Definition | ErrorKind::Usage => 2,
///         ErrorKind::Cancelled => 130,
///         _ => 1,
///     }
/// }
/// assert_eq!(exit_code(&Error::usage("there is no input")), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The definition of a workflow is invalid.
    Definition,
    /// An argument is invalid, such as an empty identifier or an input that does not match the
    /// schema.
    Usage,
    /// A step failed, and so did its run.
    Run,
    /// The run was cancelled.
    Cancelled,
    /// The run does not exist, or this user has no such session.
    NotFound,
    /// The store failed, or another process drives this run.
    Store,
}

/// An error from building, running or looking up a workflow.
///
/// The error of a failed run still carries the partial result: see [`Error::output`].
///
/// ```
/// use stepwright_core::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Run, "connection lost")
///     .with_step("Facts/web".into())
///     .with_hint("raise `retries`");
/// assert_eq!(error.to_string(), "step `Facts/web` failed: connection lost");
/// assert_eq!(error.hint(), Some("raise `retries`"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    step: Option<StepPath>,
    hint: Option<String>,
    causes: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    output: Option<Box<RunOutput>>,
}

impl Error {
    /// Creates an error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            step: None,
            hint: None,
            causes: Vec::new(),
            source: None,
            output: None,
        }))
    }

    /// Creates an error about an invalid argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Sets a hint at what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the step that failed.
    #[must_use]
    pub fn with_step(mut self, step: StepPath) -> Self {
        self.0.step = Some(step);
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Creates the error of a run that ended with any status but completed.
    pub fn of_run(output: RunOutput) -> Self {
        use crate::output::RunStatus;
        let mut error = match (&output.error, output.status) {
            (Some(failure), _) => {
                let mut error = Self::new(ErrorKind::Run, failure.error.message.clone());
                error.0.step.clone_from(&failure.step);
                error.0.hint.clone_from(&failure.error.hint);
                error.0.causes.clone_from(&failure.error.causes);
                error
            }
            (None, RunStatus::Cancelled) => {
                Self::new(ErrorKind::Cancelled, format!("run `{}` was cancelled", output.run_id))
            }
            (None, status) => {
                Self::new(ErrorKind::Run, format!("run `{}` is {status}", output.run_id))
            }
        };
        error.0.output = Some(Box::new(output));
        error
    }

    /// Converts an error of a store. Borrows it, because it may be shared.
    pub fn from_store(error: &StoreError) -> Self {
        let kind = match error {
            StoreError::NotFound(_) => ErrorKind::NotFound,
            StoreError::Patch(_) => ErrorKind::Usage,
            _ => ErrorKind::Store,
        };
        let mut made = Self::new(kind, error.to_string());
        made.0.hint = error.hint();
        let mut source = error.source();
        while let Some(cause) = source {
            made.0.causes.push(cause.to_string());
            source = cause.source();
        }
        made
    }

    /// Sets the partial result of the run.
    #[must_use]
    pub fn with_output(mut self, output: RunOutput) -> Self {
        self.0.output = Some(Box::new(output));
        self
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the step that failed, if the error belongs to one.
    pub fn step(&self) -> Option<&StepPath> {
        self.0.step.as_ref()
    }

    /// Returns the hint at what to do, if there is one.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns the partial result of a run that failed or was cancelled.
    pub fn output(&self) -> Option<&RunOutput> {
        self.0.output.as_deref()
    }

    /// Returns the partial result of a run that failed or was cancelled.
    pub fn into_output(self) -> Option<RunOutput> {
        self.0.output.map(|output| *output)
    }

    /// Returns the error with its causes and its hint on several lines, for a terminal or a log.
    ///
    /// ```text
    /// error: step `Facts/web` failed: connection lost
    ///   caused by: timed out
    /// hint: raise `retries`
    /// ```
    pub fn report(&self) -> String {
        use fmt::Write as _;
        let mut text = format!("error: {self}");
        for cause in &self.0.causes {
            let _ = write!(text, "\n  caused by: {cause}");
        }
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            let _ = write!(text, "\n  caused by: {cause}");
            source = cause.source();
        }
        if let Some(hint) = self.hint() {
            let _ = write!(text, "\nhint: {hint}");
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.output().and_then(|output| output.error.as_ref()).map(|e| e.attempts);
        match (&self.0.step, attempts) {
            (Some(step), Some(attempts)) if attempts > 1 => {
                write!(f, "step `{step}` failed after {attempts} attempts: {}", self.0.message)
            }
            (Some(step), _) if self.0.kind == ErrorKind::Run => {
                write!(f, "step `{step}` failed: {}", self.0.message)
            }
            (Some(step), _) => write!(f, "step `{step}`: {}", self.0.message),
            (None, _) => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `fn main() -> Result<(), Error>` prints this.
        f.write_str(self.report().strip_prefix("error: ").unwrap_or_default())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::from_store(&error)
    }
}

impl From<crate::id::IdError> for Error {
    fn from(error: crate::id::IdError) -> Self {
        Self::usage(error.to_string())
    }
}
