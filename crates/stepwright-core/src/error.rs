//! The one error type for callers.

use crate::BoxError;
use crate::codes::ErrorId;
pub use crate::failure::{ErrorCode, ErrorData, LiveSource, StepError};
use crate::output::RunOutput;
use crate::path::StepPath;
use crate::report::Report;
use crate::store::StoreError;
use std::error::Error as StdError;
use std::fmt;

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
    /// The run was left so that it can be resumed, in this process or another.
    Released,
    /// The run did not begin, because a limit of its workflow wants that: as many runs are under
    /// way as there may be, or the same run has begun before.
    Skipped,
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
///
/// The error value that a step returned is the [`source`](std::error::Error::source) of the run's
/// error, in the process in which the step failed. So a caller can handle its own errors:
///
/// ```
/// use std::error::Error as _;
/// use std::io;
/// fn is_busy(error: &stepwright_core::Error) -> bool {
///     let lost = error.source().and_then(|source| source.downcast_ref::<io::Error>());
///     lost.is_some_and(|lost| lost.kind() == io::ErrorKind::ResourceBusy)
/// }
/// # assert!(!is_busy(&stepwright_core::Error::usage("there is no input")));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    id: Option<ErrorId>,
    message: String,
    step: Option<StepPath>,
    hint: Option<String>,
    causes: Vec<String>,
    source: Source,
    output: Option<Box<RunOutput>>,
}

enum Source {
    None,
    Cause(BoxError),
    /// The error of the step that failed. The message and the causes are its texts already.
    Live(LiveSource),
}

impl Error {
    /// Creates an error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            id: None,
            message: message.into(),
            step: None,
            hint: None,
            causes: Vec::new(),
            source: Source::None,
            output: None,
        }))
    }

    /// Creates an error about an invalid argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Sets the id of the kind of error, if it is a more exact one than that of [`ErrorKind`].
    #[must_use]
    pub fn with_id(mut self, id: ErrorId) -> Self {
        self.0.id = Some(id);
        self
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
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Source::Cause(source.into());
        self
    }

    /// Creates the error of a run that ended with any status but completed.
    pub fn of_run(output: RunOutput) -> Self {
        use crate::output::RunStatus;
        let mut error = match (&output.error, output.status) {
            (Some(failure), _) => {
                let mut error = Self::new(ErrorKind::Run, failure.error.message.clone());
                error.0.id = Some(failure.error.id());
                error.0.step.clone_from(&failure.step);
                error.0.hint.clone_from(&failure.error.hint);
                error.0.causes.clone_from(&failure.error.causes);
                error.0.source = Source::Live(failure.error.source.clone());
                error
            }
            (None, RunStatus::Cancelled) => {
                Self::new(ErrorKind::Cancelled, format!("run `{}` was cancelled", output.run_id))
            }
            (None, status) => {
                Self::new(ErrorKind::Run, format!("run `{}` is {status}", output.run_id))
                    .with_id(ErrorId::RUN_NOT_COMPLETED)
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
        made.0.id = Some(error.id());
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

    /// Returns the id of the kind of error: the one that was set, or that of [`Error::kind`].
    ///
    /// ```
    /// use stepwright_core::{Error, ErrorId, StoreError};
    /// assert_eq!(Error::usage("no input").id(), ErrorId::ARGUMENT_INVALID);
    /// let missing = StoreError::NotFound("run `r-7`".into());
    /// assert_eq!(Error::from(missing).id(), ErrorId::NOT_FOUND);
    /// ```
    pub fn id(&self) -> ErrorId {
        self.0.id.unwrap_or(match self.0.kind {
            ErrorKind::Definition => ErrorId::DEFINITION_INVALID,
            ErrorKind::Usage => ErrorId::ARGUMENT_INVALID,
            ErrorKind::Run => ErrorId::STEP_FAILED,
            ErrorKind::Cancelled => ErrorId::RUN_CANCELLED,
            ErrorKind::NotFound => ErrorId::NOT_FOUND,
            ErrorKind::Store => ErrorId::STORE_UNAVAILABLE,
            ErrorKind::Released => ErrorId::RUN_RELEASED,
            ErrorKind::Skipped => ErrorId::RUN_SKIPPED,
        })
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
    /// error[SW0401]: step `Facts/web` failed: connection lost
    ///   caused by: timed out
    /// help: raise `retries`
    /// ```
    pub fn report(&self) -> String {
        self.to_report().to_string()
    }

    /// Returns the error as data, as events show it.
    ///
    /// ```
    /// use stepwright_core::{Error, ErrorId};
    /// let data = Error::usage("there is no input").with_hint("pass one").to_data();
    /// assert_eq!((data.id(), &*data.message), (ErrorId::ARGUMENT_INVALID, "there is no input"));
    /// ```
    pub fn to_data(&self) -> ErrorData {
        ErrorData {
            id: Some(self.id()),
            message: self.to_string(),
            causes: self.causes(),
            hint: self.0.hint.clone(),
            ..ErrorData::default()
        }
    }

    /// Returns the report, to add causes or help to it.
    pub fn to_report(&self) -> Report {
        let mut report = Report::new(self.id(), self.to_string());
        for cause in self.causes() {
            report = report.cause(cause);
        }
        for step in self.output().into_iter().flat_map(RunOutput::also_failed) {
            let path = &step.path;
            report = report.also(match &step.error {
                Some(error) => format!("step `{path}` failed: {error}"),
                None => format!("step `{path}` was stopped"),
            });
        }
        match self.hint() {
            Some(hint) => report.help(hint),
            None => report,
        }
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = self.0.causes.clone();
        let mut source = match &self.0.source {
            Source::Cause(cause) => Some(&**cause as &(dyn StdError + 'static)),
            Source::None | Source::Live(_) => None,
        };
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        causes
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
        self.to_report().write_plain(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Source::None => None,
            Source::Cause(cause) => Some(&**cause),
            Source::Live(source) => source.get(),
        }
    }
}

/// The id and the hint stay: a step that runs another workflow tells what that one told.
impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        let (id, hint) = (error.id(), error.0.hint.clone());
        let mut made = Self::from_error(error);
        made.data.id = made.data.id.or(Some(id));
        made.data.hint = made.data.hint.take().or(hint);
        made
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        let (id, hint) = (error.id(), error.hint());
        let mut made = Self::from_error(error).with_id(id);
        made.data.hint = hint;
        made
    }
}

impl From<crate::id::IdError> for StepError {
    fn from(error: crate::id::IdError) -> Self {
        Self::from_error(error).with_id(ErrorId::ID_INVALID)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::from_store(&error)
    }
}

impl From<crate::id::IdError> for Error {
    fn from(error: crate::id::IdError) -> Self {
        Self::usage(error.to_string()).with_id(ErrorId::ID_INVALID)
    }
}
