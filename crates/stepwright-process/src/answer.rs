//! The answers of the programs that make sandboxes.

use crate::backend::Backend;
use crate::unmade::unavailable;
use std::process::{Output, Stdio};
use std::time::Duration;
use stepwright_core::StepError;

/// The time of the program of a sandbox to tell that it works. A daemon that hangs never does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the program of a backend with arguments with which it ends by itself.
///
/// # Errors
/// Fails if it cannot be started, or does not end.
pub(crate) async fn answered<S: AsRef<str>>(
    backend: Backend,
    args: &[S],
) -> Result<Output, StepError> {
    let mut command = tokio::process::Command::new(backend.program());
    command.args(args.iter().map(AsRef::as_ref));
    // As the command that is to run has them.
    command.env_clear().envs(backend.variables());
    answer(backend, command).await
}

async fn answer(
    backend: Backend,
    mut command: tokio::process::Command,
) -> Result<Output, StepError> {
    let program = backend.program();
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(ANSWER_TIMEOUT, command.output()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(unavailable(format!("`{program}` cannot be started: {error}"))
            .with_hint(format!("check the file that `command -v {program}` names"))),
        Err(_) => Err(unavailable(format!("{backend} has not answered for {ANSWER_TIMEOUT:?}"))
            .with_hint(format!("see whether `{program} info` ends, and start {backend} again"))),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Time passes as soon as nothing is left to do, so this does not wait.
    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_hangs_is_not_waited_for() {
        let mut hangs = tokio::process::Command::new("sleep");
        hangs.arg("1000");
        let error = answer(Backend::Docker, hangs).await.unwrap_err();
        assert_eq!(error.to_string(), "docker has not answered for 10s");
        assert!(error.data.hint.unwrap().contains("`docker info`"));
    }
}
