//! Sessions, for whoever looks after them.

use crate::history;
use crate::workflow::Workflow;
use stepwright_core::store::SessionFilter;
use stepwright_core::{AnyStore, Error, Exchange, Patch, Session, SessionId, Timestamp, UserId};

/// Sessions of a workflow's store, of everybody or of one user.
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
pub struct Sessions<'w> {
    workflow: &'w Workflow,
    user: Option<UserId>,
}

impl<'w> Sessions<'w> {
    pub(crate) fn of(workflow: &'w Workflow) -> Self {
        Self { workflow, user: None }
    }

    /// Only the sessions of this user: one of another user, or of none, is not found.
    ///
    /// # Errors
    /// If that cannot be the name of a user.
    pub fn of_user(mut self, user: impl AsRef<str>) -> Result<Self, Error> {
        self.user = Some(UserId::new(user)?);
        Ok(self)
    }

    pub(crate) fn owned_by(mut self, user: &UserId) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// A session.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](stepwright_core::ErrorKind) if there is none of that name, or it is
    /// another user's.
    pub async fn get(&self, session: impl AsRef<str>) -> Result<Session, Error> {
        let id = SessionId::new(session)?;
        let found = match self.workflow.remembering() {
            Some(store) => store.session(&id).await?,
            None => None,
        };
        found
            .filter(|found| self.user.is_none() || found.user_id == self.user)
            .ok_or_else(|| self.workflow.not_found(&format!("session `{id}`")))
    }

    /// What the last runs of a session that have ended were given and gave, at most `runs` of them
    /// and
    /// [`HISTORY_RUNS_MAX`](stepwright_core::session::HISTORY_RUNS_MAX), the oldest first.
    ///
    /// # Errors
    /// As [`Sessions::get`].
    #[doc(alias = "get_chat_history")]
    pub async fn history(
        &self,
        session: impl AsRef<str>,
        runs: u32,
    ) -> Result<Vec<Exchange>, Error> {
        let (store, id) = self.owned(session).await?;
        let always = Timestamp(u64::MAX);
        Ok(history::of(store, (&id, self.workflow.id()), always, (runs, false)).await?)
    }

    /// Lists sessions, those used last first.
    pub async fn list(&self) -> Result<Vec<Session>, Error> {
        let filter = SessionFilter {
            user_id: self.user.clone(),
            workflow_id: Some(self.workflow.id().clone()),
            ..SessionFilter::default()
        };
        match self.workflow.remembering() {
            Some(store) => Ok(store.sessions(filter).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Gives a session a name for people.
    pub async fn rename(&self, session: impl AsRef<str>, name: &str) -> Result<(), Error> {
        let (store, id) = self.owned(session).await?;
        Ok(store.rename_session(&id, name, self.workflow.world().now()).await?)
    }

    /// Changes the state of a session, outside of any run, and gives the session as it is then.
    #[doc(alias = "update_session_state")]
    pub async fn patch(
        &self,
        session: impl AsRef<str>,
        patches: &[Patch],
    ) -> Result<Session, Error> {
        let (store, id) = self.owned(session).await?;
        Ok(store.patch_session(&id, patches, self.workflow.world().now()).await?)
    }

    /// Deletes a session with all of its runs.
    pub async fn delete(&self, session: impl AsRef<str>) -> Result<(), Error> {
        let (store, id) = self.owned(session).await?;
        store.delete_session(&id).await?;
        Ok(())
    }

    async fn owned(&self, session: impl AsRef<str>) -> Result<(&AnyStore, SessionId), Error> {
        let found = self.get(session).await?;
        let store = self.workflow.remembering().expect("the session was found in it");
        Ok((store, found.session_id))
    }
}
