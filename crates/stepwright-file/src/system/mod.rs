//! The parts of this machine that steps and tools use: files, pages and commands.

pub(crate) mod acts;
mod environment;
mod files;
mod glob;
mod heard;
mod http;
pub(crate) mod shell;

pub(crate) use environment::{is_setting, is_variable, may_read, variable};
pub(crate) use files::{Folder, Limits, Lines};
pub(crate) use glob::Except;
pub(crate) use http::{Page, Request, address, check_address, fetch};

use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::playback::Busy;
use stepwright_core::redact::Secrets;
use stepwright_core::{ErrorId, StepError};

/// The access of the steps and tools of a file to this machine.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) folder: Arc<Folder>,
    /// The names of the environment variables that commands get, besides the usual ones.
    pub(crate) pass_env: Vec<String>,
    /// The secrets of the workflow, which no output and no event shows.
    pub(crate) secrets: Secrets,
}

/// Runs blocking work on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    // The clock of a playback stands still meanwhile.
    let _busy = Busy::begin();
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StepError::terminal(error.to_string()).with_code(ErrorCode::Panicked)),
    }
}

/// Decodes bytes as text. Returns a note if they are not valid UTF-8.
pub(crate) fn text_of(bytes: Vec<u8>) -> (String, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let note = "it is not all UTF-8: what is not was replaced by `\u{fffd}`".to_owned();
            (text, Some(note))
        }
    }
}

/// Returns an error that a retry with the same values would repeat.
pub(crate) fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

/// Returns the error of a limit that was reached.
pub(crate) fn over(message: impl Into<String>, limit: &str) -> StepError {
    StepError::terminal(message)
        .with_code(ErrorCode::Limit)
        .with_id(ErrorId::RESULT_TOO_LARGE)
        .with_hint(format!("raise `{limit}`, or ask for less"))
}
