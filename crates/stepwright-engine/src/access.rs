//! Access to the runs and sessions of one user only.

use crate::run::{Fork, IntoInput, Resume, Retry, Run, RunHandle};
use crate::runs::{Emit, Events, SendMessage, Sessions};
use crate::workflow::Workflow;
use std::sync::Arc;
use stepwright_core::session::SessionMetrics;
use stepwright_core::state::State;
use stepwright_core::store::{RunFilter, RunRow};
use stepwright_core::{Answer, Error, RunId, RunOutput, Session, UserId};

/// A workflow as one of its users may see it: see [`Workflow::as_user`].
///
/// Each method does what the method of the same name of [`Workflow`] does. For a run or session of
/// another user, or of no user, the error is the same as for one that does not exist.
///
/// ```
/// # use stepwright_core::{Answer, ErrorKind, HumanReview, Memory};
/// # use stepwright_engine::{Step, Workflow};
/// # async fn pay(bill: String) -> String { format!("paid {bill}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let asked = HumanReview::new().requires_confirmation("Pay?");
/// # let pay = Step::new("Pay", pay).human_review(asked);
/// # let workflow = Workflow::builder("Bills").store(Memory::default()).step(pay).build()?;
/// let (anna, ben) = (workflow.as_user("anna")?, workflow.as_user("ben")?);
/// let paused = anna.run("5 EUR").await?;
/// let answers = [("Pay", Answer::Approve)];
/// let error = ben.continue_run(&paused.run_id, answers.clone()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(anna.continue_run(&paused.run_id, answers).await?.content.text(), "paid 5 EUR");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct UserAccess {
    workflow: Workflow,
    user: UserId,
}

impl Workflow {
    /// Returns the workflow as this user may see it. A server handles the requests of a user with
    /// it. The methods of [`Workflow`] itself take no user and see every run: they are for the
    /// owner of the process.
    ///
    /// # Errors
    /// If `user` is not a valid user id.
    pub fn as_user(&self, user: impl AsRef<str>) -> Result<UserAccess, Error> {
        Ok(UserAccess { workflow: self.clone(), user: UserId::new(user)? })
    }

    /// Checks that a run belongs to this user. No other code decides this.
    ///
    /// # Errors
    /// The error for a run that does not exist.
    pub(crate) async fn permit(&self, run: &RunId, user: Option<&UserId>) -> Result<(), Error> {
        let Some(user) = user else { return Ok(()) };
        let local = self.runner().local().get(run.as_str()).and_then(|local| local.output());
        let owner = match (local, self.runner().remembering()) {
            (Some(output), _) => output.user_id,
            (None, Some(store)) => store.run(run).await?.and_then(|row| row.user_id),
            (None, None) => None,
        };
        if owner.as_ref() == Some(user) {
            return Ok(());
        }
        Err(self.runner().unknown(run))
    }
}

impl UserAccess {
    /// Returns the user.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    async fn permit(&self, run: &str) -> Result<RunId, Error> {
        let run = RunId::new(run)?;
        self.workflow.permit(&run, Some(&self.user)).await?;
        Ok(run)
    }

    /// Prepares a run of this user: see [`Workflow::run`]. If you name a session, it must be new or
    /// the user's own.
    #[doc(alias = "arun")]
    pub fn run(&self, input: impl IntoInput) -> Run {
        self.workflow.run(input).owned_by(&self.user)
    }

    /// Returns the output of a run of the user: see [`Workflow::get_run`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](stepwright_core::ErrorKind) if the user has no run of that name.
    pub async fn get_run(&self, run: impl AsRef<str>) -> Result<RunOutput, Error> {
        self.workflow.get_run(self.permit(run.as_ref()).await?).await
    }

    /// Returns the output of the user's newest run: see [`Workflow::get_last_run_output`].
    pub async fn get_last_run_output(&self) -> Result<Option<RunOutput>, Error> {
        let newest = RunFilter { limit: 1, ..RunFilter::default() };
        match self.runs(newest).await?.first() {
            Some(row) => self.get_run(&row.run_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lists runs of the user, the newest first: see [`Workflow::runs`]. A user in the filter has
    /// no effect.
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, Error> {
        let user_id = Some(self.user.clone());
        self.workflow.runs(RunFilter { user_id, ..filter }).await
    }

    /// Prepares a message to an agent of a run of the user: see [`Workflow::send`]. The journal
    /// names the user as the sender, unless [`SendMessage::by`] gives another name.
    pub fn send(&self, run: impl AsRef<str>, text: impl Into<Arc<str>>) -> SendMessage {
        let run = RunId::new(run).map_err(Error::from);
        let runs = match &run {
            Ok(run) => self.workflow.runner().reader(run),
            Err(error) => Err(Error::usage(error.to_string())),
        };
        let runs = runs.and_then(|runs| runs.as_user(&self.user));
        SendMessage::new(runs, run, text).by(self.user.as_str())
    }

    /// Prepares an event from outside, for the runs of the user: see [`Workflow::emit`].
    pub fn emit(&self, name: impl Into<Arc<str>>) -> Emit {
        self.workflow.emit(name).of_user(&self.user)
    }

    /// Cancels a run of the user: see [`Workflow::cancel_run`]. Returns `false` if there is nothing
    /// to cancel: the run has ended, or the user has none of that name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cancel_run(&self, run: impl AsRef<str>) -> Result<bool, Error> {
        match self.permit(run.as_ref()).await {
            Ok(run) => self.workflow.cancel_run(run).await,
            Err(error) if error.kind() == stepwright_core::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Resumes a run of the user: see [`Workflow::resume`].
    pub fn resume(&self, run: impl AsRef<str>) -> Resume {
        self.workflow.resume(run).owned_by(&self.user)
    }

    /// Takes up a failed run of the user: see [`Workflow::retry`].
    pub fn retry(&self, run: impl AsRef<str>) -> Retry {
        self.workflow.retry(run).owned_by(&self.user)
    }

    /// Begins a new run that shares the beginning of a run of the user: see [`Workflow::fork`].
    pub fn fork(&self, run: impl AsRef<str>) -> Fork {
        self.workflow.fork(run).owned_by(&self.user)
    }

    /// Answers pending requests of a run of the user: see [`Workflow::continue_run`]. The journal
    /// names the user as the one who answered, unless [`Resume::answered_by`] gives another name.
    pub fn continue_run<R: AsRef<str>>(
        &self,
        run: impl AsRef<str>,
        answers: impl IntoIterator<Item = (R, Answer)>,
    ) -> Resume {
        let resumed = self.workflow.continue_run(run, answers).owned_by(&self.user);
        resumed.answered_by(self.user.as_str())
    }

    /// Returns a handle to a run of the user: see [`Workflow::handle`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](stepwright_core::ErrorKind) if the user has no run of that name.
    pub async fn handle(&self, run: impl AsRef<str>) -> Result<RunHandle, Error> {
        self.workflow.handle(self.permit(run.as_ref()).await?).await
    }

    /// Returns the events of a run of the user from the fact with sequence number `from` on: see
    /// [`Workflow::events`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](stepwright_core::ErrorKind) if the user has no run of that name, or
    /// the run is not stored.
    pub async fn events(&self, run: impl AsRef<str>, from: u64) -> Result<Events, Error> {
        self.workflow.events(self.permit(run.as_ref()).await?, from).await
    }

    /// Returns the user's sessions, to find, list, rename, change and delete them: see
    /// [`Workflow::sessions`].
    pub fn sessions(&self) -> Sessions {
        self.workflow.sessions().owned_by(&self.user)
    }

    /// Returns a session of the user: see [`Workflow::get_session`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](stepwright_core::ErrorKind) if the user has no session of that name.
    pub async fn get_session(&self, session: impl AsRef<str>) -> Result<Session, Error> {
        self.sessions().get(session).await
    }

    /// Returns the state of a session of the user: see [`UserAccess::get_session`].
    pub async fn get_session_state(&self, session: impl AsRef<str>) -> Result<State, Error> {
        Ok(self.get_session(session).await?.state)
    }

    /// Returns the metrics of all runs of a session of the user: see [`UserAccess::get_session`].
    pub async fn get_session_metrics(
        &self,
        session: impl AsRef<str>,
    ) -> Result<SessionMetrics, Error> {
        Ok(self.get_session(session).await?.metrics)
    }

    /// Deletes a session of the user with all of its runs.
    ///
    /// # Errors
    /// The errors of [`UserAccess::get_session`].
    pub async fn delete_session(&self, session: impl AsRef<str>) -> Result<(), Error> {
        self.sessions().delete(session).await
    }
}
