//! How the command ends.

use std::process::ExitCode;
use stepwright::{Error, ErrorKind, RunOutput};

/// How the command ends. The numbers are a promise: scripts ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The run completed, or what was asked for was done.
    Completed = 0,
    /// The run failed, or its output could not be written.
    Failed = 1,
    /// Bad usage, a bad definition, a bad input or a bad answer.
    Usage = 2,
    /// The run waits for somebody.
    Paused = 3,
    /// The run was cancelled.
    Cancelled = 4,
    /// The database cannot be opened or written, or another process drives the run.
    Store = 5,
}

/// What a shell says of a program that Ctrl-C has stopped.
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

    /// How a run was left.
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
