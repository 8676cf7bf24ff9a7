//! Failures as data, as the journal stores them.

use crate::BoxError;
use crate::codes::ErrorId;
use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
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
    /// A guardrail refused it.
    Guardrail,
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
            Self::Guardrail => ErrorId::GUARDRAIL_REFUSED,
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
            Self::Guardrail => "guardrail",
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
    /// The error value itself, in the process in which it occurred. The journal does not have it.
    #[serde(skip)]
    pub source: LiveSource,
}

/// The error value behind a failure, for the process in which it occurred.
///
/// The journal stores the texts of a failure and not the value, so a source read from a journal is
/// empty. For the same reason all sources are equal.
///
/// ```
/// use stepwright_core::StepError;
/// let failed = StepError::from(std::io::Error::from(std::io::ErrorKind::NotFound));
/// let lost = failed.data.source.get().and_then(|e| e.downcast_ref::<std::io::Error>()).unwrap();
/// assert_eq!(lost.kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Clone, Default)]
pub struct LiveSource(Option<Arc<BoxError>>);

impl LiveSource {
    /// Keeps an error value.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(Some(Arc::new(error.into())))
    }

    /// Returns the error value, if the failure occurred in this process.
    pub fn get(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.as_ref().map(|error| &***error as _)
    }
}

impl PartialEq for LiveSource {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LiveSource {}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "LiveSource(..)" } else { "LiveSource(None)" })
    }
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

/// The error of a failed step. It is retryable, unless made by [`StepError::terminal`].
///
/// A step's function may return any error: see [`BoxError`]. A function that
/// returns a `StepError` converts other errors with `?` if they are of the standard library, and
/// with [`StepError::from_error`] otherwise. The error value stays reachable while the process
/// lives: as the [`source`](std::error::Error::source) of this error and of the
/// [`Error`](crate::Error) of the run.
///
/// ```
/// use stepwright_core::StepError;
/// let lost = StepError::from(std::io::Error::other("connection lost"));
/// assert!(lost.data.retryable);
/// let wrong = StepError::terminal("the account does not exist").with_hint("create it first");
/// assert!(!wrong.data.retryable);
/// ```
///
/// An error type of your own says what is retried by its conversion:
///
/// ```
/// # use stepwright_core::StepError;
/// #[derive(Debug)]
/// enum BankError { Busy, Closed }
/// # impl std::fmt::Display for BankError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
/// # }
/// # impl std::error::Error for BankError {}
/// impl From<BankError> for StepError {
///     fn from(error: BankError) -> Self {
///         let closed = matches!(error, BankError::Closed);
///         let made = StepError::from_error(error);
///         if closed { made.and_terminal() } else { made }
///     }
/// }
/// fn charge() -> Result<(), StepError> {
///     Err(BankError::Closed)?
/// }
/// assert!(!charge().unwrap_err().data.retryable);
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

impl StepError {
    /// Creates an error from any error, with its causes. The error stays reachable as the source.
    ///
    /// If it is a `StepError`, or one of its causes is, the policy of that error stays: its class,
    /// id and hint, and whether it is retried.
    ///
    /// ```
    /// use stepwright_core::{BoxError, StepError};
    /// fn look_up() -> Result<String, BoxError> {
    ///     Err(StepError::terminal("the account does not exist"))?
    /// }
    /// let error = StepError::from_error(look_up().unwrap_err());
    /// assert!(!error.data.retryable);
    /// ```
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        let error = match error.into().downcast::<Self>() {
            Ok(same) => return *same,
            Err(other) => other,
        };
        let mut data = ErrorData { retryable: true, ..ErrorData::default() };
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            if let Some(inner) = cause.downcast_ref::<Self>() {
                data = (*inner.data).clone();
                causes.push(inner.data.message.clone());
                causes.append(&mut data.causes);
                break;
            }
            causes.push(cause.to_string());
            next = cause.source();
        }
        data.causes = causes;
        data.message = error.to_string();
        data.source = LiveSource::new(error);
        Self { data: Box::new(data) }
    }

    /// Makes the error one that is not retried.
    #[must_use]
    pub fn and_terminal(mut self) -> Self {
        self.data.retryable = false;
        self
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.data.fmt(f)
    }
}

impl StdError for StepError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.data.source.get()
    }
}

impl From<ErrorData> for StepError {
    fn from(data: ErrorData) -> Self {
        Self { data: Box::new(data) }
    }
}

macro_rules! converted {
    ($($error:ty),* $(,)?) => { $(
        impl From<$error> for StepError {
            fn from(error: $error) -> Self {
                Self::from_error(error)
            }
        }
    )* }
}

// One conversion for every error is impossible beside the trait `Error`: it would cover
// `StepError` itself.
converted! {
    BoxError, String, &str, std::borrow::Cow<'_, str>, serde_json::Error,
    std::array::TryFromSliceError, std::cell::BorrowError, std::cell::BorrowMutError,
    std::char::CharTryFromError, std::char::ParseCharError, std::env::VarError, std::fmt::Error,
    std::io::Error, std::net::AddrParseError, std::num::ParseFloatError,
    std::num::ParseIntError, std::num::TryFromIntError, std::path::StripPrefixError,
    std::str::ParseBoolError, std::str::Utf8Error, std::string::FromUtf8Error,
    std::sync::mpsc::RecvError, std::time::SystemTimeError,
}
