//! The seam to what remembers: runs, their journals, sessions.

use crate::BoxFuture;
use crate::event::{Event, EventKind, Reply};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::journal::Journal;
use crate::output::{RunOutput, RunStatus};
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
/// let mut row = RunRow::begun_by(&fact).unwrap();
/// assert_eq!((row.run_id.as_str(), row.session_id.as_str()), ("r-1", "s-1"));
/// assert_eq!(row.status, RunStatus::Pending);
/// row.drive(Some("somebody".into()));
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
    /// Where it stands: `Pending` while it could go on and nobody drives it.
    pub status: RunStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last fact was recorded.
    pub updated_at: Timestamp,
    /// When it goes on by itself, if it waits and does.
    pub wake_at: Option<Timestamp>,
    /// Whether it runs in the background.
    pub background: bool,
    /// Who drives it, or did when its process died.
    pub driver: Option<Arc<str>>,
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
            status: RunStatus::Pending,
            created_at: fact.time,
            updated_at: fact.time,
            wake_at: None,
            background: started.background,
            driver: None,
        })
    }

    /// Says who drives it, which decides whether it is running or pending.
    pub fn drive(&mut self, driver: Option<Arc<str>>) {
        self.status = match (self.status, &driver) {
            (RunStatus::Pending | RunStatus::Running, None) => RunStatus::Pending,
            (RunStatus::Pending | RunStatus::Running, Some(_)) => RunStatus::Running,
            (status, _) => status,
        };
        self.driver = driver;
    }

    /// Says in an output that was folded from facts what no fact says: that nobody drives the run.
    ///
    /// ```
    /// # use stepwright_core::{RunOutput, RunStatus, store::RunRow};
    /// # fn shown(row: &RunRow, output: &mut RunOutput) {
    /// row.tell(output);
    /// if row.driver.is_none() {
    ///     assert_ne!(output.status, RunStatus::Running);
    /// }
    /// # }
    /// ```
    pub fn tell(&self, output: &mut RunOutput) {
        if output.status == RunStatus::Running && self.status == RunStatus::Pending {
            output.status = self.status;
        }
    }

    /// The status that a run has after this fact, if the fact changes it. One that is `Running`
    /// then is `Pending` while nobody drives it.
    pub fn status_after(fact: &Event) -> Option<RunStatus> {
        match fact.kind {
            EventKind::WorkflowStarted(_) => Some(RunStatus::Running),
            EventKind::WorkflowCompleted { .. } => Some(RunStatus::Completed),
            EventKind::WorkflowError { .. } => Some(RunStatus::Error),
            EventKind::WorkflowCancelled { .. } => Some(RunStatus::Cancelled),
            EventKind::WorkflowPaused { .. } => Some(RunStatus::Paused),
            EventKind::WorkflowContinued { .. } => Some(RunStatus::Running),
            _ => None,
        }
    }

    /// When a run goes on by itself after this fact, if it is one that changes the status.
    pub fn wake_after(fact: &Event) -> Option<Timestamp> {
        match fact.kind {
            EventKind::WorkflowPaused { until } => until,
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

/// What somebody wants of a run that another may drive: a row of its inbox.
///
/// Only the driver of a run appends to its journal. Whoever else wants something of it leaves this,
/// and the driver makes a fact of it.
///
/// ```
/// use stepwright_core::store::{Signal, Wish};
/// use stepwright_core::{RunId, Timestamp};
/// let signal = Signal::cancel(RunId::new("r-1")?, "not needed any more", Timestamp(0));
/// assert_eq!(&*signal.id, "cancel");
/// assert!(matches!(signal.wish, Wish::Cancel { .. }));
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The run.
    pub run: RunId,
    /// Which one: the first of a name counts.
    pub id: Arc<str>,
    /// What is wanted.
    pub wish: Wish,
    /// When it was left.
    pub at: Timestamp,
}

/// What somebody wants of a run.
///
/// ```
/// use stepwright_core::store::Wish;
/// let wish: Wish = serde_json::from_str(r#"{"wish": "cancel", "reason": "too late"}"#)?;
/// assert_eq!(wish, Wish::Cancel { reason: "too late".into() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wish {
    /// That it goes on with this answer.
    Answer(Reply),
    /// That it ends.
    Cancel {
        /// Why.
        reason: Arc<str>,
    },
}

impl Signal {
    /// An answer. There is one for each requirement.
    pub fn answer(run: RunId, reply: Reply, at: Timestamp) -> Self {
        let id = Self::answer_id(&reply.requirement_id);
        Self { run, id, wish: Wish::Answer(reply), at }
    }

    /// The name of the signal that answers this requirement.
    pub fn answer_id(requirement: &str) -> Arc<str> {
        format!("answer:{requirement}").into()
    }

    /// A wish that the run ends.
    pub fn cancel(run: RunId, reason: impl Into<Arc<str>>, at: Timestamp) -> Self {
        Self { run, id: "cancel".into(), wish: Wish::Cancel { reason: reason.into() }, at }
    }
}

/// A wish to drive a run.
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::store::{Claim, Claimed, Store as _};
/// use stepwright_core::{Memory, RunId, Timestamp};
/// let (run, store) = (RunId::new("none")?, Memory::default());
/// let claim = Claim { run, driver: "me".into(), dead: None, stale: Timestamp(0) };
/// let claimed = store.claim(claim).now_or_never().unwrap().unwrap();
/// assert_eq!(claimed, Claimed::Over, "there is no such run");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which run.
    pub run: RunId,
    /// Who wants to drive it.
    pub driver: Arc<str>,
    /// Somebody who is known to be dead, and whose runs may be taken.
    pub dead: Option<Arc<str>>,
    /// Whoever was last seen before this moment counts as dead.
    pub stale: Timestamp,
}

/// What became of a [`Claim`].
///
/// ```
/// use stepwright_core::{Timestamp, store::Claimed};
/// let other = Claimed::By { driver: "them".into(), seen_at: Timestamp(7) };
/// assert_ne!(other, Claimed::Yes);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The run is theirs.
    Yes,
    /// Somebody else drives it.
    By {
        /// Who.
        driver: Arc<str>,
        /// When they were last seen.
        seen_at: Timestamp,
    },
    /// It has ended, or there is no such run.
    Over,
}

/// What a store may be watched for: see [`Store::changed`].
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::store::{Store as _, Watched};
/// use stepwright_core::{Memory, RunId};
/// let facts = Watched::Facts(RunId::new("r-1")?);
/// assert!(Memory::default().changed(facts).now_or_never().is_none(), "nothing has changed yet");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Signals for any run.
    Signals,
    /// Facts of this run.
    Facts(RunId),
}

/// What remembers runs and sessions.
///
/// Each run has its own rows, and nothing is ever rewritten whole. Stores do not check who asks:
/// the engine does, with [`Session::belongs_to`].
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::journal::{Append, Journal};
/// # use stepwright_core::store::{
/// #     Claim, Claimed, RunFilter, RunRow, SessionFilter, Signal, Watched,
/// # };
/// # use stepwright_core::{Event, Memory, Patch, RunId, Session, Timestamp, WorkflowId};
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
/// #     fn submit(&self, s: Signal) -> Answer<'_, bool> { self.0.submit(s) }
/// #     fn inbox<'a>(&'a self, r: &'a RunId) -> Answer<'a, Vec<Signal>> { self.0.inbox(r) }
/// #     fn claim(&self, claim: Claim) -> Answer<'_, Claimed> { self.0.claim(claim) }
/// #     fn release<'a>(&'a self, r: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
/// #         self.0.release(r, driver)
/// #     }
/// #     fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Vec<Signal>> {
/// #         self.0.heartbeat(driver, now)
/// #     }
/// #     fn waiting<'a>(
/// #         &'a self, w: &'a WorkflowId, now: Timestamp, limit: usize,
/// #     ) -> Answer<'a, Vec<RunRow>> { self.0.waiting(w, now, limit) }
/// #     fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
/// #         self.0.remember_plan(digest, plan)
/// #     }
/// #     fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
/// #         self.0.plan(digest)
/// #     }
/// #     fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> { self.0.changed(watched) }
/// #     fn is_shared(&self) -> bool { self.0.is_shared() }
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

    /// Leaves a signal in the inbox of a run. `false` if there is one of that name, or if what it
    /// answers was answered: appending a fact with a [`Reply`] takes the name of
    /// [`Signal::answer_id`], so that later answers are refused, and is done with that signal.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such run.
    fn submit(&self, signal: Signal) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// The inbox of a run, in the order in which it came.
    fn inbox<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>>;

    /// Makes a run somebody's to drive, unless somebody else drives it who is alive.
    ///
    /// A run belongs to whoever began it ([`Append::driver`](crate::journal::Append)), until it
    /// pauses or ends. This saves work; what makes it safe is that appending at a taken number is
    /// refused.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>>;

    /// Gives a run up that was claimed, without having recorded anything.
    fn release<'a>(
        &'a self,
        run: &'a RunId,
        driver: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Notes that a driver is alive, and gives the signals in the inboxes of the runs that it
    /// drives of which no fact was made yet.
    fn heartbeat<'a>(
        &'a self,
        driver: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>>;

    /// Runs of a workflow that may have to be taken up, the oldest first and at most `limit` of
    /// them: those that wait and whose moment has come; those that wait and have a signal of which
    /// no fact was made yet; those in the background that are under way, and those of other drivers
    /// too.
    fn waiting<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<RunRow>, StoreError>>;

    /// Remembers a plan, as JSON, by its digest.
    fn remember_plan<'a>(
        &'a self,
        digest: &'a str,
        plan: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The plan of this digest, as JSON, if it was remembered.
    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>>;

    /// Is ready when what is watched may have changed since this was called, by this process or
    /// another. It may be ready without reason.
    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()>;

    /// Whether other processes may use what this store remembers.
    fn is_shared(&self) -> bool;
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
