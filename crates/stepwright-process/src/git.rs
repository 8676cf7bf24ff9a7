//! Git, as steps use it: without the programs that a repository may name.

use crate::environment::passed;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// The settings that keep a repository of another author from starting programs.
const SETTINGS: [&str; 4] = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"];

/// The reason why Git did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitError {
    /// It is not in `PATH`.
    Missing,
    /// It could not be started, or it failed. The text is what it said.
    Failed(String),
}

/// Runs Git in a folder, and returns what it writes. It gets the usual variables of the
/// environment, asks nothing at the terminal, and starts no hook and no file monitor. It blocks its
/// thread.
///
/// ```
/// use std::path::Path;
/// let version = stepwright_process::git::git(Path::new("."), &["--version"]);
/// assert!(version.is_ok_and(|text| text.starts_with("git version")));
/// ```
///
/// # Errors
/// Fails if Git is missing, or if it fails.
pub fn git(dir: &Path, words: &[&str]) -> Result<String, GitError> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(SETTINGS).args(words);
    // No repository that the environment names, and no secret of it.
    command.env_clear().envs(passed(&[]));
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
    let done = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => GitError::Missing,
        _ => GitError::Failed(format!("it cannot be started: {error}")),
    })?;
    if done.status.success() {
        let not_text = |_| GitError::Failed("a path is not UTF-8 text".to_owned());
        return String::from_utf8(done.stdout).map_err(not_text);
    }
    Err(GitError::Failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
}
