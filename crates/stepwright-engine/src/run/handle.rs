//! A handle to a run in the background.

use super::Live;
use crate::run::live::Outcome;
use std::fmt;
use std::sync::Arc;
use stepwright_core::{Error, ErrorKind, RunId, RunOutput, RunStatus};

/// A handle to a run in the background. Dropping it changes nothing.
///
/// ```
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let handle = workflow.run("Ada").background().await?;
/// println!("started {}", handle.run_id());
/// while !workflow.get_run(handle.run_id()).await?.is_terminal() {
///     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
/// }
/// assert_eq!(handle.output().await?.content.text(), "Hello Ada");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RunHandle {
    run: RunId,
    live: Arc<Live>,
}

impl RunHandle {
    pub(super) fn new(run: RunId, live: Arc<Live>) -> Self {
        Self { run, live }
    }

    /// Which run it is.
    pub fn run_id(&self) -> &RunId {
        &self.run
    }

    /// Where it stands: `Pending` while other runs are before it.
    pub fn status(&self) -> RunStatus {
        self.live.status()
    }

    /// Cancels the run. It takes effect at once; wait for [`RunHandle::output`] to see it.
    pub fn cancel(&self) {
        self.live.cancel.cancel();
    }

    /// Waits for the end of the run, and gives its output.
    ///
    /// # Errors
    /// As awaiting a run: if it failed or was cancelled, or if its journal was lost.
    #[doc(alias = "wait")]
    pub async fn output(&self) -> Result<RunOutput, Error> {
        match self.live.outcome().await {
            Outcome::Output(output) if output.status == RunStatus::Completed => {
                Ok((**output).clone())
            }
            Outcome::Output(output) => Err(Error::of_run((**output).clone())),
            Outcome::Lost(why) => Err(Error::new(ErrorKind::Store, why.clone())),
        }
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle")
            .field("run_id", &self.run)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
