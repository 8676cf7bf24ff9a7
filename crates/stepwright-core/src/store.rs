//! The seam to what remembers: runs, their journals, sessions.

use crate::BoxFuture;
use crate::event::{Event, EventKind};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::journal::Journal;
use crate::output::RunStatus;
use crate::path::StepPath;
use crate::session::Session;
use crate::state::{Patch, PatchError};
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// How many rows a list gives at the most.
pub const PAGE_MAX: usize = 1_000;

/// What is known of a run without reading its journal: a fold of it, kept beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The run.
    pub run_id: RunId,
    /// Its session.
    pub session_id: SessionId,
    /// The owner of the session.
    pub user_id: Option<UserId>,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The digest of the plan.
    pub digest: Arc<str>,
    /// Where it stands.
    pub status: RunStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last fact was recorded.
    pub updated_at: Timestamp,
}

impl RunRow {
    /// The row of a run that begins with this fact, if it is the beginning of one.
    pub fn begun_by(fact: &Event) -> Option<Self> {
        let EventKind::WorkflowStarted(started) = &fact.kind else { return None };
        Some(Self {
            run_id: fact.run.clone(),
            session_id: started.session_id.clone(),
            user_id: started.user_id.clone(),
            workflow_id: started.workflow_id.clone(),
            digest: started.digest.clone(),
            status: RunStatus::Running,
            created_at: fact.time,
            updated_at: fact.time,
        })
    }

    /// The status that a run has after this fact, if the fact changes it.
    pub fn status_after(fact: &Event) -> Option<RunStatus> {
        match fact.kind {
            EventKind::WorkflowStarted(_) => Some(RunStatus::Running),
            EventKind::WorkflowCompleted { .. } => Some(RunStatus::Completed),
            EventKind::WorkflowError { .. } => Some(RunStatus::Error),
            EventKind::WorkflowCancelled { .. } => Some(RunStatus::Cancelled),
            _ => None,
        }
    }
}

/// Which runs to list. The newest come first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only those of this session.
    pub session_id: Option<SessionId>,
    /// Only those of this user.
    pub user_id: Option<UserId>,
    /// Only those of this workflow.
    pub workflow_id: Option<WorkflowId>,
    /// Only those that stand here.
    pub status: Option<RunStatus>,
    /// At most this many; 0 means [`PAGE_MAX`], which is also the most.
    pub limit: usize,
    /// Pass over this many first.
    pub offset: usize,
}

impl RunFilter {
    /// Whether `row` is wanted.
    pub fn matches(&self, row: &RunRow) -> bool {
        self.session_id.as_ref().is_none_or(|id| *id == row.session_id)
            && self.user_id.as_ref().is_none_or(|id| row.user_id.as_ref() == Some(id))
            && self.workflow_id.as_ref().is_none_or(|id| *id == row.workflow_id)
            && self.status.is_none_or(|status| status == row.status)
    }
}

/// Which sessions to list. Those used last come first.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only those of this user.
    pub user_id: Option<UserId>,
    /// Only those that this workflow opened.
    pub workflow_id: Option<WorkflowId>,
    /// At most this many; 0 means [`PAGE_MAX`], which is also the most.
    pub limit: usize,
    /// Pass over this many first.
    pub offset: usize,
}

impl SessionFilter {
    /// Whether `session` is wanted.
    pub fn matches(&self, session: &Session) -> bool {
        self.user_id.as_ref().is_none_or(|id| session.user_id.as_ref() == Some(id))
            && self.workflow_id.as_ref().is_none_or(|id| *id == session.workflow_id)
    }
}

/// The length of a page: what was asked for, and at most [`PAGE_MAX`].
pub fn page(limit: usize) -> usize {
    match limit {
        0 => PAGE_MAX,
        limit => limit.min(PAGE_MAX),
    }
}

/// What remembers runs and sessions.
///
/// Each run has its own rows, and nothing is ever rewritten whole. Stores do not check who asks:
/// the engine does, with [`Session::belongs_to`].
pub trait Store: Journal + 'static {
    /// What is known of a run.
    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>>;

    /// Lists runs, the newest first.
    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>>;

    /// A session.
    fn session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Session>, StoreError>>;

    /// Lists sessions, those used last first.
    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'_, Result<Vec<Session>, StoreError>>;

    /// Opens a session; does nothing if there is one of that name.
    fn open_session(&self, session: Session) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Gives a session a name for people.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such session.
    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Changes the state of a session, and gives the session as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such session, [`StoreError::Patch`] if a change does
    /// not fit; nothing is changed then.
    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Session, StoreError>>;

    /// Deletes a session with all of its runs. `false` if there was none.
    fn delete_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// Any store, behind a cheap handle.
#[derive(Clone)]
pub struct AnyStore(Arc<dyn Store>);

impl AnyStore {
    /// Puts a store behind a handle.
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }
}

impl std::ops::Deref for AnyStore {
    type Target = dyn Store;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStore").finish_non_exhaustive()
    }
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process drives this run. Stop at once, and record nothing.
    #[error("run `{run}` is driven by another process: fact {sequence} is taken")]
    Taken {
        /// Which run.
        run: RunId,
        /// The number that is taken, or that is not the next one.
        sequence: u64,
    },
    /// There is no such thing, or not for this user.
    #[error("{0} was not found")]
    NotFound(String),
    /// A change of the session state does not fit.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// What was read makes no sense.
    #[error(
        "the journal of run `{run}` is damaged at fact {sequence}{}: {what}", at(.path.as_ref())
    )]
    Corrupt {
        /// Which run.
        run: RunId,
        /// Which fact.
        sequence: u64,
        /// Where in the run, if that can be read.
        path: Option<StepPath>,
        /// What is wrong with it.
        what: String,
    },
    /// The database cannot be opened, read or written.
    #[error("{what}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Box<dyn StdError + Send + Sync>,
        /// What to do about it.
        hint: Option<String>,
    },
}

fn at(path: Option<&StepPath>) -> String {
    path.map_or_else(String::new, |path| format!(" (`{path}`)"))
}

impl StoreError {
    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => {
                Some("let the other process finish, or stop it before resuming the run here".into())
            }
            Self::Unavailable { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}
