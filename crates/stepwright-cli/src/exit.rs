//! The exit codes of the command.

use std::process::ExitCode;
use stepwright::{Error, ErrorKind, RunOutput};

/// An exit code. The numbers are stable, because scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The run completed, or the command succeeded.
    Completed = 0,
    /// The run failed, or its output could not be written.
    Failed = 1,
    /// The usage, the definition, the input or an answer was invalid.
    Usage = 2,
    /// The run waits for an answer or a timer.
    Paused = 3,
    /// The run was cancelled.
    Cancelled = 4,
    /// The database cannot be opened or written, or another process drives the run.
    Store = 5,
}

/// The exit code that shells use for a program that Ctrl-C has stopped.
pub(crate) const STOPPED_AT_ONCE: i32 = 130;

impl Exit {
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Definition | ErrorKind::Usage | ErrorKind::NotFound => Self::Usage,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Store => Self::Store,
            _ => Self::Failed,
        }
    }

    /// Returns the exit code for the result of a run.
    pub(crate) fn of_answer(answer: &Result<RunOutput, Error>) -> Self {
        match answer {
            Ok(output) if output.is_paused() => Self::Paused,
            Ok(_) => Self::Completed,
            Err(error) => Self::of(error),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
