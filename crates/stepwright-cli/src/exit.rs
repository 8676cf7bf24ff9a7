//! The exit codes of the command.

use stepwright::{Error, ErrorKind, RunOutput};
use stepwright_core::Requirement;
use stepwright_core::requirement::RequirementKind;

/// An exit code. The numbers are stable, because scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The run completed, or the command succeeded.
    Completed = 0,
    /// The run failed, a test differs, or the output could not be written.
    Failed = 1,
    /// The usage, the definition, the input or an answer was invalid.
    Usage = 2,
    /// The run waits for an answer or a timer.
    Paused = 3,
    /// The run was cancelled.
    Cancelled = 4,
    /// The database cannot be opened or written, or another process drives the run.
    Store = 5,
    /// The run was stopped by SIGTERM, and can be resumed.
    Stopped = 6,
    /// The run waits for a decision about a step whose outcome is unknown.
    OutcomeUnknown = 7,
    /// The run did not begin, because a limit of its workflow wants that: it was skipped, or is the
    /// same as an earlier one.
    Skipped = 8,
}

/// The exit code that shells use for a program that Ctrl-C has stopped.
pub(crate) const STOPPED_AT_ONCE: i32 = 130;

/// The exit code that shells use for a program that SIGTERM has stopped.
pub(crate) const TERMINATED_AT_ONCE: i32 = 143;

impl Exit {
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Definition | ErrorKind::Usage | ErrorKind::NotFound => Self::Usage,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Store => Self::Store,
            ErrorKind::Released => Self::Stopped,
            ErrorKind::Skipped => Self::Skipped,
            _ => Self::Failed,
        }
    }

    /// Returns the exit code for the result of a run.
    pub(crate) fn of_answer(answer: &Result<RunOutput, Error>) -> Self {
        match answer {
            Ok(output) if output.is_paused() => Self::of_paused(output),
            Ok(_) => Self::Completed,
            Err(error) => Self::of(error),
        }
    }
}

impl Exit {
    /// Returns the exit code for a run that waits.
    pub(crate) fn of_paused(output: &RunOutput) -> Self {
        let is_unknown =
            |asked: &Requirement| matches!(asked.kind, RequirementKind::Interrupted { .. });
        let is_unknown = output.requirements.iter().any(is_unknown);
        if is_unknown { Self::OutcomeUnknown } else { Self::Paused }
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}
