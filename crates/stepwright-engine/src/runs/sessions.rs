//! Sessions: find, list, rename, change and delete them.

use super::{Runs, history, not_found};
use crate::gate::refuse_rules;
use crate::owned::is_below;
use stepwright_core::store::SessionFilter;
use stepwright_core::{
    Error, ErrorId, Exchange, Patch, Session, SessionId, Timestamp, UserId, WorkflowId,
};

/// The sessions in a store, of all users or of one user.
///
/// ```
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// workflow.run("Ada").session_id("s-1").user_id("ada").await?;
/// let hers = workflow.sessions().of_user("ada")?;
/// hers.rename("s-1", "First words").await?;
/// assert_eq!(hers.list().await?[0].name.as_deref(), Some("First words"));
/// assert_eq!(hers.history("s-1", 3).await?[0].output.text(), "Hello Ada");
///
/// hers.delete("s-1").await?;
/// assert!(workflow.sessions().get("s-1").await.is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    /// `None` if the workflow has no store and nothing has been kept in memory yet.
    runs: Option<Runs>,
}

impl Sessions {
    pub(crate) fn of(runs: Option<Runs>) -> Self {
        Self { runs }
    }

    /// Limits the sessions to those of one user: a session of another user, or of none, is not
    /// found.
    ///
    /// # Errors
    /// If `user` is not a valid user id.
    pub fn of_user(self, user: impl AsRef<str>) -> Result<Self, Error> {
        Ok(self.owned_by(&UserId::new(user)?))
    }

    pub(crate) fn owned_by(mut self, user: &UserId) -> Self {
        if let Some(runs) = &mut self.runs {
            runs.user = Some(user.clone());
        }
        self
    }

    /// Returns a session.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](stepwright_core::ErrorKind) if there is no session with this id, or
    /// it belongs to another user.
    pub async fn get(&self, session: impl AsRef<str>) -> Result<Session, Error> {
        Ok(self.owned(session).await?.1)
    }

    /// Returns the inputs and outputs of the last runs of a session that have ended, the oldest
    /// first: at most `runs` of them, and at most
    /// [`HISTORY_RUNS_MAX`](stepwright_core::session::HISTORY_RUNS_MAX).
    ///
    /// # Errors
    /// The errors of [`Sessions::get`].
    #[doc(alias = "get_chat_history")]
    pub async fn history(
        &self,
        session: impl AsRef<str>,
        runs: u32,
    ) -> Result<Vec<Exchange>, Error> {
        let (reader, found) = self.owned(session).await?;
        let of = (&found.session_id, reader.workflow.as_ref());
        let always = Timestamp(u64::MAX);
        Ok(history::of(&reader.store, of, always, (runs, false), None).await?)
    }

    /// Lists the sessions, the last used first.
    pub async fn list(&self) -> Result<Vec<Session>, Error> {
        self.find(SessionFilter::default()).await
    }

    /// Lists the sessions that match a filter, the last used first. The workflow and the user of
    /// this value override those of the filter.
    pub async fn find(&self, mut filter: SessionFilter) -> Result<Vec<Session>, Error> {
        let Some(runs) = &self.runs else { return Ok(Vec::new()) };
        if runs.workflow.is_some() {
            filter.workflow_id.clone_from(&runs.workflow);
        }
        if runs.user.is_some() {
            filter.user_id.clone_from(&runs.user);
        }
        Ok(runs.store.sessions(filter).await?)
    }

    /// Opens a session without runs for a workflow, and returns it. Without an `id` it gets a new
    /// one. `None` if there is a session with this id.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let memory = stepwright_core::Memory::default();
    /// let workflow = Workflow::builder("Greeting").store(memory).step(greet).build()?;
    /// let sessions = workflow.sessions();
    /// let session = sessions.open(workflow.id(), Some("s-1"), Some("ada")).await?.unwrap();
    /// assert_eq!(session.user_id.unwrap().as_str(), "ada");
    /// assert!(sessions.open(workflow.id(), Some("s-1"), None).await?.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If an id is not valid. If the sessions are those of one user, and `id` is not below the name
    /// of that user, or `user` is another one. If there is no store.
    pub async fn open(
        &self,
        workflow: &WorkflowId,
        id: Option<&str>,
        user: Option<&str>,
    ) -> Result<Option<Session>, Error> {
        let Some(runs) = &self.runs else {
            let error =
                Error::usage("a workflow without a store opens a session with its first run");
            return Err(error.with_hint("add a store with `.store(…)`"));
        };
        let user = user.map(UserId::new).transpose()?;
        let id = id.map(SessionId::new).transpose()?;
        if let Some(owner) = &runs.user {
            let is_other = user.as_ref().is_some_and(|user| user != owner);
            if is_other || id.as_ref().is_some_and(|id| !is_below(id.as_str(), owner)) {
                let error = Error::usage(format!("user `{owner}` cannot open this session"));
                let hint = format!("begin its id with `{owner}:`, or leave it out");
                return Err(error.with_id(ErrorId::USER_REFUSED).with_hint(hint));
            }
        }
        let user = user.or_else(|| runs.user.clone());
        let id = id.unwrap_or_else(|| runs.world.session_id());
        if runs.store.session(&id).await?.is_some() {
            return Ok(None);
        }
        let session = Session::new(id, user, workflow.clone(), runs.world.now());
        // Another caller may have opened it meanwhile.
        let is_mine = runs.store.open_session(session.clone()).await?;
        Ok(is_mine.then_some(session))
    }

    /// Gives a session a name for people.
    pub async fn rename(&self, session: impl AsRef<str>, name: &str) -> Result<(), Error> {
        let (runs, found) = self.owned(session).await?;
        Ok(runs.store.rename_session(&found.session_id, name, runs.world.now()).await?)
    }

    /// Changes the state of a session outside of any run, and returns the changed session. Fails
    /// with [`ErrorId::STATE_CHANGE_INVALID`] if a change adds to the permissions of the session.
    ///
    /// ```
    /// # use stepwright_core::Patch;
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// workflow.run("Ada").session_id("s-1").await?;
    /// let session = workflow.sessions().patch("s-1", &[Patch::set("language", "de")]).await?;
    /// assert_eq!(session.state["language"], "de");
    /// # Ok(()) }
    /// ```
    #[doc(alias = "update_session_state")]
    pub async fn patch(
        &self,
        session: impl AsRef<str>,
        patches: &[Patch],
    ) -> Result<Session, Error> {
        refuse_rules(patches)?;
        let (runs, found) = self.owned(session).await?;
        Ok(runs.store.patch_session(&found.session_id, patches, runs.world.now()).await?)
    }

    /// Deletes a session with all of its runs.
    pub async fn delete(&self, session: impl AsRef<str>) -> Result<(), Error> {
        let (runs, found) = self.owned(session).await?;
        runs.store.delete_session(&found.session_id).await?;
        Ok(())
    }

    async fn owned(&self, session: impl AsRef<str>) -> Result<(&Runs, Session), Error> {
        let id = SessionId::new(session)?;
        let Some(runs) = &self.runs else {
            return Err(not_found("session", &id, true));
        };
        let found = runs.store.session(&id).await?;
        found
            .filter(|found| runs.user.is_none() || found.user_id == runs.user)
            .map(|found| (runs, found))
            .ok_or_else(|| runs.not_found("session", &id))
    }
}
