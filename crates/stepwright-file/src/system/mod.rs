//! The parts of this machine that steps and tools use: files, pages and commands.

pub(crate) mod acts;
mod environment;

pub(crate) use environment::{is_variable, may_read, variable};

pub(crate) use stepwright_process::command as shell;
pub(crate) use stepwright_process::is_setting;
pub(crate) use stepwright_tools::__private::folder::glob::Except;
pub(crate) use stepwright_tools::__private::folder::{Folder, Limits};
pub(crate) use stepwright_tools::__private::web::{Page, Reach, Request, check_address, fetch};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_core::StepError;
use stepwright_core::error::ErrorCode;
use stepwright_core::playback::Busy;
use stepwright_core::redact::Secrets;

/// The access of the steps and tools of a file to this machine.
pub(crate) struct Granted {
    pub(crate) folder: Arc<Folder>,
    /// The names of the environment variables that commands get, besides the usual ones.
    pub(crate) pass_env: Vec<String>,
    /// The secrets of the workflow, which no output and no event shows.
    pub(crate) secrets: Secrets,
    /// Their values by name, for models and tools that are given one.
    pub(crate) named_secrets: BTreeMap<String, String>,
    /// The folder of the tokens of logins at MCP servers.
    #[cfg_attr(not(feature = "mcp"), expect(dead_code, reason = "for MCP"))]
    pub(crate) token_dir: Option<PathBuf>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of secrets are not for logs.
        f.debug_struct("Granted").field("folder", &self.folder).finish_non_exhaustive()
    }
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

/// Returns an error that a retry with the same values would repeat.
pub(crate) fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}
