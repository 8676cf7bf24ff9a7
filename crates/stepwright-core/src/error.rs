//! What went wrong: as data in the journal, and as one error at the rim.

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
    /// The executor gave an error.
    #[default]
    Failed,
    /// The executor panicked.
    Panicked,
    /// A step or the run took longer than allowed.
    TimedOut,
    /// A step cannot work with what it was given.
    BadInput,
    /// The decision of a condition, a loop, a router or a map failed.
    Decision,
    /// A change of the session state does not fit, or contradicts another.
    State,
    /// A model failed.
    Model,
    /// A tool failed.
    Tool,
    /// A limit was reached.
    Limit,
    /// A loop made all its turns, and its condition was not met.
    Exhausted,
    /// A person rejected it, or nobody answered in time.
    Rejected,
    /// An effect had begun and did not end: it may have happened, or not.
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

/// A failure as data: what the journal keeps and events show.
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
    /// Its class.
    pub code: ErrorCode,
    /// What happened: a fragment without a full stop.
    pub message: String,
    /// Whether trying again may help.
    pub retryable: bool,
    /// What caused it, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// How long to wait before trying again, in milliseconds, if somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for ErrorData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a step failed. Made from any error, and retryable unless it says otherwise.
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
    /// A failure that may go away by itself: a step with retries tries again.
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { data: Box::new(ErrorData { message, retryable: true, ..ErrorData::default() }) }
    }

    /// A failure that will not go away by itself: it is not retried.
    pub fn terminal(message: impl Into<String>) -> Self {
        let mut error = Self::new(message);
        error.data.retryable = false;
        error
    }

    /// Says what class of failure it is.
    #[must_use]
    pub fn with_code(mut self, code: ErrorCode) -> Self {
        self.data.code = code;
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.data.hint = Some(hint.into());
        self
    }

    /// Says how long to wait before trying again. Overrides a shorter backoff.
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

/// What kind of [`Error`] it is: what a caller can tell apart.
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
    /// The definition of a workflow has mistakes.
    Definition,
    /// A call was made with something that cannot be right: an empty identifier, an input that does
    /// not fit the schema.
    Usage,
    /// A step failed, and so did its run.
    Run,
    /// The run was cancelled.
    Cancelled,
    /// There is no such run, or no such session of this user.
    NotFound,
    /// The store failed, or another process drives this run.
    Store,
}

/// Why a workflow could not be built, run or looked up.
///
/// A failed run is an error that still carries what was done: see [`Error::output`].
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
    /// An error of this kind.
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

    /// A call that cannot be right.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says which step it is about.
    #[must_use]
    pub fn with_step(mut self, step: StepPath) -> Self {
        self.0.step = Some(step);
        self
    }

    /// Says what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The error of a run that ended as `output` says, which is anything but completed.
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

    /// The error of a store, which somebody else may hold too.
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

    /// Says what was done before.
    #[must_use]
    pub fn with_output(mut self, output: RunOutput) -> Self {
        self.0.output = Some(Box::new(output));
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which step it is about, if any.
    pub fn step(&self) -> Option<&StepPath> {
        self.0.step.as_ref()
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What was done before the run failed or was cancelled.
    pub fn output(&self) -> Option<&RunOutput> {
        self.0.output.as_deref()
    }

    /// What was done before the run failed or was cancelled.
    pub fn into_output(self) -> Option<RunOutput> {
        self.0.output.map(|output| *output)
    }

    /// Everything that is known, over several lines, for a terminal or a log.
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
        // What `fn main() -> Result<(), Error>` prints.
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
