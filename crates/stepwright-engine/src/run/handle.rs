//! Handles to background runs.

use crate::local::Outcome;
use crate::runner::Runner;
use crate::runs::{Events, SendMessage};
use crate::workflow::Workflow;
use std::fmt;
use std::sync::Arc;
use stepwright_core::sent::SendMode;
use stepwright_core::store::{RunRow, Watched};
use stepwright_core::{AnyStore, Error, ErrorKind, RunId, RunOutput, RunStatus};

/// A handle to a background run. Dropping it does not affect the run.
///
/// ```
/// # use stepwright_engine::Workflow;
/// # async fn think(topic: String) -> String { topic }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Deep Research").step(think).build()?;
/// let handle = workflow.run("ants").background().await?;
/// println!("{} is {}", handle.run_id(), handle.status().await?);
/// let output = handle.wait().await?;
/// # assert_eq!(output.content.text(), "ants");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RunHandle {
    workflow: Workflow,
    run: RunId,
    /// The number of facts after which the run was resumed. A pause before is not the present one.
    resumed_after: Option<u64>,
    is_joined: bool,
}

impl RunHandle {
    pub(crate) fn new(workflow: Workflow, run: RunId) -> Self {
        Self { workflow, run, resumed_after: None, is_joined: false }
    }

    /// Returns the handle to a run that was under way and has got the input of another one.
    pub(super) fn joined(workflow: Workflow, run: RunId) -> Self {
        Self { is_joined: true, ..Self::new(workflow, run) }
    }

    /// Returns `true` if no new run began: a run of the session was under way, and has got the
    /// input as a message. See [`OnBusy`](crate::OnBusy).
    pub fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Returns the handle to a run that is resumed after so many facts.
    pub(super) fn resumed_after(self, facts: u64) -> Self {
        Self { resumed_after: Some(facts), ..self }
    }

    /// Returns the run's id.
    pub fn run_id(&self) -> &RunId {
        &self.run
    }

    /// Returns the status: `Pending` while other runs are before it, `Paused` while it waits.
    ///
    /// # Errors
    /// If the store cannot be read, or no longer has the run.
    pub async fn status(&self) -> Result<RunStatus, Error> {
        if let Some(local) = self.runner().local().get(self.run.as_str()) {
            return Ok(local.status());
        }
        let row = match self.runner().remembering() {
            Some(store) => store.run(&self.run).await?,
            None => None,
        };
        row.map(|row| row.status).ok_or_else(|| self.unknown())
    }

    /// Returns the row of the run: its status, and when it began and was last changed.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// let handle = workflow.run("Ada").background().await?;
    /// handle.wait().await?;
    /// let row = handle.row().await?;
    /// assert!(row.status.is_terminal() && row.created_at <= row.updated_at);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store cannot be read, or no longer has the run.
    pub async fn row(&self) -> Result<RunRow, Error> {
        let row = match self.runner().remembering() {
            Some(store) => store.run(&self.run).await?,
            None => None,
        };
        row.ok_or_else(|| self.unknown())
    }

    /// Cancels the run, and returns without waiting for its end: see [`RunHandle::wait`]. Returns
    /// `false` if the run has ended.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cancel(&self) -> Result<bool, Error> {
        self.workflow.cancel_run(&self.run).await
    }

    /// Prepares a message to an agent of the run, which gets it before its next request to the
    /// model: see [`SendMessage`].
    pub fn steer(&self, text: impl Into<Arc<str>>) -> SendMessage {
        self.workflow.send(&self.run, text)
    }

    /// Prepares a message to an agent of the run, which gets it when it would end. See
    /// [`SendMode::FollowUp`](stepwright_core::sent::SendMode::FollowUp).
    pub fn follow_up(&self, text: impl Into<Arc<str>>) -> SendMessage {
        self.steer(text).mode(SendMode::FollowUp)
    }

    /// Prepares a message to an agent of the run, which cuts off the answer of its model. See
    /// [`SendMode::Interrupt`](stepwright_core::sent::SendMode::Interrupt).
    pub fn interrupt(&self, text: impl Into<Arc<str>>) -> SendMessage {
        self.steer(text).mode(SendMode::Interrupt)
    }

    /// Returns the events of the run from the fact with sequence number `from` on: see
    /// [`Workflow::events`].
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn events(&self, from: u64) -> Result<Events, Error> {
        self.workflow.events(&self.run, from).await
    }

    /// Waits until the run ends, in whichever process it is driven and however often it pauses.
    /// Returns its output.
    ///
    /// # Errors
    /// The errors of awaiting a run: it failed, it was cancelled, or its journal was lost.
    #[doc(alias = "output")]
    pub async fn wait(&self) -> Result<RunOutput, Error> {
        self.until(RunStatus::is_terminal).await
    }

    /// Waits until the run ends or pauses. Returns its output. A run that was resumed in the
    /// background is first taken up: the pause that it was resumed from does not count.
    ///
    /// # Errors
    /// The errors of [`RunHandle::wait`].
    pub async fn settled(&self) -> Result<RunOutput, Error> {
        self.until(|status| status.is_terminal() || status == RunStatus::Paused).await
    }

    async fn until(&self, enough: impl Fn(RunStatus) -> bool) -> Result<RunOutput, Error> {
        loop {
            let outcome = match self.runner().local().get(self.run.as_str()) {
                Some(local) => self.runner().outcome(&self.run, &local).await,
                None => None,
            };
            let was_here = !matches!(outcome, None | Some(Outcome::Elsewhere(_)));
            match outcome {
                Some(Outcome::Output(output)) if enough(output.status) => return answer(*output),
                Some(Outcome::Lost(why)) => return Err(Error::new(ErrorKind::Store, why)),
                Some(Outcome::Output(_) | Outcome::Elsewhere(_)) | None => {}
            }
            let store = self.runner().remembering().ok_or_else(|| self.unknown())?;
            let changed = store.changed(Watched::Facts(self.run.clone()));
            let row = store.run(&self.run).await?.ok_or_else(|| self.unknown())?;
            if enough(row.status) && !self.is_old(store, row.status).await? {
                return answer(self.workflow.get_run(&self.run).await?);
            }
            if !was_here {
                changed.await;
            }
        }
    }

    /// Returns `true` for the pause from which the run was resumed, unless no driver can take the
    /// run up.
    async fn is_old(&self, store: &AnyStore, status: RunStatus) -> Result<bool, Error> {
        let Some(before) = self.resumed_after.filter(|_| status == RunStatus::Paused) else {
            return Ok(false);
        };
        if self.runner().has_refused(&self.run) {
            return Ok(false);
        }
        Ok(store.load(&self.run, before, 1).await?.is_empty())
    }

    fn unknown(&self) -> Error {
        self.runner().unknown(&self.run)
    }

    fn runner(&self) -> &Arc<Runner> {
        self.workflow.runner()
    }
}

/// Returns the result of awaiting a run with this output.
pub(super) fn answer(output: RunOutput) -> Result<RunOutput, Error> {
    match output.status {
        RunStatus::Completed | RunStatus::Paused => Ok(output),
        _ => Err(Error::of_run(output)),
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle").field("run_id", &self.run).finish_non_exhaustive()
    }
}
