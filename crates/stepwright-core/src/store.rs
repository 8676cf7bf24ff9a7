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
///
/// ```
/// # use stepwright_core::Event;
/// use stepwright_core::{RunStatus, store::RunRow};
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// // `fact` says that run `r-1` began, in session `s-1`.
/// let row = RunRow::begun_by(&fact).unwrap();
/// assert_eq!((row.run_id.as_str(), row.session_id.as_str()), ("r-1", "s-1"));
/// assert_eq!(row.status, RunStatus::Running);
/// ```
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
///
/// ```
/// # use stepwright_core::Event;
/// use stepwright_core::{RunStatus, store::{RunFilter, RunRow}};
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// # let row = RunRow::begun_by(&fact).unwrap();
/// // `row` is of a run that is running.
/// let failed = RunFilter { status: Some(RunStatus::Error), ..RunFilter::default() };
/// assert!(!failed.matches(&row));
/// assert!(failed.matches(&RunRow { status: RunStatus::Error, ..row }));
/// ```
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
///
/// ```
/// use stepwright_core::{Session, Timestamp, UserId, store::SessionFilter};
/// let anna = UserId::new("anna")?;
/// let hers = SessionFilter { user_id: Some(anna.clone()), limit: 20, ..Default::default() };
/// let of = |user| Session::new("s".parse().unwrap(), user, "w".parse().unwrap(), Timestamp(0));
/// assert!(hers.matches(&of(Some(anna))));
/// assert!(!hers.matches(&of(None)));
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
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
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::journal::{Append, Journal};
/// # use stepwright_core::store::{RunFilter, RunRow, SessionFilter};
/// # use stepwright_core::{Event, Memory, Patch, RunId, Session, Timestamp};
/// use std::future::ready;
/// use stepwright_core::{BoxFuture, SessionId, Store, StoreError};
/// # type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;
/// /// A store that deletes nothing.
/// struct Archive(Memory);
/// # impl Journal for Archive {
/// #     fn append(&self, append: Append) -> Answer<'_, ()> { self.0.append(append) }
/// #     fn load<'a>(&'a self, r: &'a RunId, after: u64, limit: usize) -> Answer<'a, Vec<Event>> {
/// #         self.0.load(r, after, limit)
/// #     }
/// # }
/// impl Store for Archive {
///     fn delete_session<'a>(
///         &'a self,
///         session: &'a SessionId,
///     ) -> BoxFuture<'a, Result<bool, StoreError>> {
///         let what = format!("session `{session}` cannot be deleted");
///         let source = "this store is an archive".into();
///         Box::pin(ready(Err(StoreError::Unavailable { what, source, hint: None })))
///     }
///     // The other methods ask the store within.
/// #     fn run<'a>(&'a self, r: &'a RunId) -> Answer<'a, Option<RunRow>> { self.0.run(r) }
/// #     fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> { self.0.runs(filter) }
/// #     fn session<'a>(&'a self, s: &'a SessionId) -> Answer<'a, Option<Session>> {
/// #         self.0.session(s)
/// #     }
/// #     fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
/// #         self.0.sessions(filter)
/// #     }
/// #     fn open_session(&self, s: Session) -> Answer<'_, ()> { self.0.open_session(s) }
/// #     fn rename_session<'a>(
/// #         &'a self, s: &'a SessionId, name: &'a str, now: Timestamp,
/// #     ) -> Answer<'a, ()> { self.0.rename_session(s, name, now) }
/// #     fn patch_session<'a>(
/// #         &'a self, s: &'a SessionId, patches: &'a [Patch], now: Timestamp,
/// #     ) -> Answer<'a, Session> { self.0.patch_session(s, patches, now) }
/// }
/// # let (id, store) = (SessionId::new("s-1").unwrap(), Archive(Memory::default()));
/// # let session = Session::new(id.clone(), None, "news".parse().unwrap(), Timestamp(0));
/// # store.open_session(session).now_or_never().unwrap().unwrap();
/// # let refused = store.delete_session(&id).now_or_never().unwrap().unwrap_err();
/// # assert_eq!(refused.to_string(), "session `s-1` cannot be deleted");
/// # assert!(store.session(&id).now_or_never().unwrap().unwrap().is_some());
/// ```
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
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::{AnyStore, Memory, Session, SessionId, StoreError, Timestamp};
/// let store = AnyStore::new(Memory::default());
/// let id = SessionId::new("s-1").unwrap();
/// let session = Session::new(id.clone(), None, "news".parse().unwrap(), Timestamp(0));
/// store.open_session(session).now_or_never().unwrap()?;
/// let clone = store.clone();
/// assert!(clone.session(&id).now_or_never().unwrap()?.is_some());
/// # Ok::<(), StoreError>(())
/// ```
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
///
/// ```
/// use stepwright_core::{Error, ErrorKind, StoreError};
/// let taken = StoreError::Taken { run: "r-1".parse()?, sequence: 7 };
/// assert_eq!(taken.to_string(), "run `r-1` is driven by another process: fact 7 is taken");
/// assert!(taken.hint().unwrap().starts_with("let the other process finish"));
/// assert_eq!(Error::from(taken).kind(), ErrorKind::Store);
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
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
