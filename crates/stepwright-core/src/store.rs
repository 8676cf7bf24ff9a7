//! Stores: runs, their journals, sessions, inboxes and leases.

mod any;
mod deleting;
mod error;
mod memories;
mod requests;
mod shared;
mod slots;
mod traits;
mod values;
mod waiting;

use crate::event::{Event, EventKind, Origin, Reply};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::output::{Metrics, RunOutput, RunStatus};
use crate::sent::{SendMode, SentMessage};
use crate::session::Session;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use crate::user_memory::{
    MEMORIES_MAX, MEMORY_BYTES_MAX, MEMORY_TOPIC_BYTES_MAX, MEMORY_TOPICS_MAX, MemoryChange,
    MemoryFilter, MemoryUpdate, MemoryUser, UserMemory,
};
pub use any::AnyStore;
pub use deleting::{Compacted, DeleteRun, DeletedRun};
pub use error::StoreError;
pub use memories::{UserMemories, too_many_memories};
pub use requests::{
    RequestChanges, RequestClaim, RequestEntry, RequestState, RequestTurn, RequestsSent,
};
pub use shared::{RequestLimits, SharedRequests};
pub use slots::{
    Entered, FirstClaim, HeldSlot, Queued, SlotChanges, SlotClaim, SlotEntry, SlotHolder,
};
pub use traits::{Inbox, Leases, RunStore, SessionStore, Store};
pub use values::{KINDS_OF_RUNS, SharedValue, ValueChange};
pub use waiting::{Heard, SeenDriver, Waiting, WaitingFilter};

/// The longest page of a list, in rows.
pub const PAGE_MAX: usize = 1_000;

/// The row of a run: a fold of its journal, stored beside it, so that lists read no journal.
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
/// row.drive(Some("host:4711".into()));
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
    /// The status: `Pending` while the run could go on and has no driver.
    pub status: RunStatus,
    /// The start.
    pub created_at: Timestamp,
    /// The time of its last fact.
    pub updated_at: Timestamp,
    /// The time at which a paused run goes on by itself.
    pub wake_at: Option<Timestamp>,
    /// `true` for a background run.
    pub background: bool,
    /// Its driver, or the last one if its process died.
    pub driver: Option<Arc<str>>,
    /// The run from which it was forked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The consumption of a run that has ended. `None` while it may go on, and if a version ended
    /// it that did not store this: then the journal has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
}

impl RunRow {
    /// Returns the row of the run or the fork that begins with this fact; `None` for any other
    /// fact.
    pub fn begun_by(fact: &Event) -> Option<Self> {
        let (session_id, user_id, workflow_id, digest, background) = match &fact.kind {
            EventKind::WorkflowStarted(begun) => (
                &begun.session_id,
                &begun.user_id,
                &begun.workflow_id,
                &begun.digest,
                begun.background,
            ),
            EventKind::WorkflowForked(begun) => (
                &begun.session_id,
                &begun.user_id,
                &begun.workflow_id,
                &begun.digest,
                begun.background,
            ),
            _ => return None,
        };
        let origin = match &fact.kind {
            EventKind::WorkflowForked(forked) => Some(forked.origin.clone()),
            _ => None,
        };
        Some(Self {
            run_id: fact.run.clone(),
            session_id: session_id.clone(),
            user_id: user_id.clone(),
            workflow_id: workflow_id.clone(),
            digest: digest.clone(),
            status: RunStatus::Pending,
            created_at: fact.time,
            updated_at: fact.time,
            wake_at: None,
            background,
            driver: None,
            origin,
            metrics: None,
        })
    }

    /// Sets the driver, which decides between running and pending.
    pub fn drive(&mut self, driver: Option<Arc<str>>) {
        self.status = match (self.status, &driver) {
            (RunStatus::Pending | RunStatus::Running, None) => RunStatus::Pending,
            (RunStatus::Pending | RunStatus::Running, Some(_)) => RunStatus::Running,
            (status, _) => status,
        };
        self.driver = driver;
    }

    /// Corrects the status of an output that was folded from facts: no fact says that a run has no
    /// driver.
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

    /// Returns the status of a run after this fact, if the fact changes it. A run that is `Running`
    /// then is `Pending` while it has no driver.
    pub fn status_after(fact: &Event) -> Option<RunStatus> {
        match fact.kind {
            EventKind::WorkflowStarted(_) => Some(RunStatus::Running),
            EventKind::WorkflowCompleted { .. } => Some(RunStatus::Completed),
            EventKind::WorkflowError { .. } => Some(RunStatus::Error),
            EventKind::WorkflowCancelled { .. } => Some(RunStatus::Cancelled),
            EventKind::WorkflowPaused { .. } => Some(RunStatus::Paused),
            EventKind::WorkflowContinued { .. }
            | EventKind::WorkflowRetried { .. }
            | EventKind::WorkflowForked(_) => Some(RunStatus::Running),
            _ => None,
        }
    }

    /// Returns the time at which a run goes on by itself after this fact.
    pub fn wake_after(fact: &Event) -> Option<Timestamp> {
        match fact.kind {
            EventKind::WorkflowPaused { until } => until,
            _ => None,
        }
    }
}

/// A filter for lists of runs. The newest come first.
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
    /// Only those with this status.
    pub status: Option<RunStatus>,
    /// Only those that began before this one, for the page behind it. None if there is no such
    /// run.
    pub before: Option<RunId>,
    /// The number of rows at most; 0 means [`PAGE_MAX`], which is also the maximum.
    pub limit: usize,
    /// The number of rows to skip.
    pub offset: usize,
}

impl RunFilter {
    /// Returns `true` if `row` passes the filter, besides [`before`](Self::before), which says
    /// where a page begins.
    pub fn matches(&self, row: &RunRow) -> bool {
        self.session_id.as_ref().is_none_or(|id| *id == row.session_id)
            && self.user_id.as_ref().is_none_or(|id| row.user_id.as_ref() == Some(id))
            && self.workflow_id.as_ref().is_none_or(|id| *id == row.workflow_id)
            && self.status.is_none_or(|status| status == row.status)
    }
}

/// A filter for lists of sessions. The most recently used come first.
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
    /// Only those behind the session with this time of its last change and this id.
    pub behind: Option<(Timestamp, SessionId)>,
    /// The number of rows at most; 0 means [`PAGE_MAX`], which is also the maximum.
    pub limit: usize,
    /// The number of rows to skip.
    pub offset: usize,
}

impl SessionFilter {
    /// Returns `true` if `session` passes the filter.
    pub fn matches(&self, session: &Session) -> bool {
        self.user_id.as_ref().is_none_or(|id| session.user_id.as_ref() == Some(id))
            && self.workflow_id.as_ref().is_none_or(|id| *id == session.workflow_id)
            && self.behind.as_ref().is_none_or(|(time, id)| {
                session.updated_at < *time
                    || (session.updated_at == *time && session.session_id > *id)
            })
    }
}

/// Returns the length of a page: the limit, at most [`PAGE_MAX`].
pub fn page(limit: usize) -> usize {
    match limit {
        0 => PAGE_MAX,
        limit => limit.min(PAGE_MAX),
    }
}

/// The beginning of the names of signals that are messages.
const MESSAGE_PREFIX: &str = "message:";

/// A row of the inbox of a run: an answer, a message or a request to cancel.
///
/// Only the driver of a run appends to its journal. Every other process leaves a signal, and the
/// driver records a fact for it.
///
/// ```
/// use stepwright_core::store::{Signal, SignalKind};
/// use stepwright_core::{RunId, Timestamp};
/// let signal = Signal::cancel(RunId::new("r-1")?, "not needed any more", Timestamp(0));
/// assert_eq!(&*signal.id, "cancel");
/// assert!(matches!(signal.kind, SignalKind::Cancel { .. }));
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The run.
    pub run: RunId,
    /// Deduplication key: the first signal of a name counts.
    pub id: Arc<str>,
    /// The request.
    pub kind: SignalKind,
    /// The time at which it was left.
    pub at: Timestamp,
}

/// The request of a [`Signal`].
///
/// ```
/// use stepwright_core::store::SignalKind;
/// let kind: SignalKind = serde_json::from_str(r#"{"wish": "cancel", "reason": "too late"}"#)?;
/// assert_eq!(kind, SignalKind::Cancel { reason: "too late".into(), request: None });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignalKind {
    /// The run goes on with this answer.
    Answer(Reply),
    /// The run ends.
    Cancel {
        /// The reason.
        reason: Arc<str>,
        /// The id of the request. A caller that repeats its request gives the same id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<Arc<str>>,
    },
    /// An agent of the run gets this message.
    Message(SentMessage),
}

impl Signal {
    /// Creates an answer. There is one for each requirement.
    pub fn answer(run: RunId, reply: Reply, at: Timestamp) -> Self {
        let id = Self::answer_id(&reply.requirement_id);
        Self { run, id, kind: SignalKind::Answer(reply), at }
    }

    /// Returns the name of the signal that answers this requirement.
    pub fn answer_id(requirement: &str) -> Arc<str> {
        format!("answer:{requirement}").into()
    }

    /// Returns the names of the signals that are void once a run is retried: requests to cancel it,
    /// and answers to these requests. A store drops them together with the retry.
    pub fn void_after_retry(withdrawn: &[Arc<str>]) -> Vec<Arc<str>> {
        let answers = withdrawn.iter().map(|id| Self::answer_id(id));
        answers.chain(["cancel".into()]).collect()
    }

    /// Creates a request to cancel the run.
    pub fn cancel(run: RunId, reason: impl Into<Arc<str>>, at: Timestamp) -> Self {
        let kind = SignalKind::Cancel { reason: reason.into(), request: None };
        Self { run, id: "cancel".into(), kind, at }
    }

    /// Creates a message to an agent of the run.
    pub fn message(run: RunId, message: SentMessage, at: Timestamp) -> Self {
        let id = Self::message_id(&message.id);
        Self { run, id, kind: SignalKind::Message(message), at }
    }

    /// Returns the name of the signal that has the message with this id.
    pub fn message_id(message: &str) -> Arc<str> {
        format!("{MESSAGE_PREFIX}{message}").into()
    }

    /// Returns the signal in the inbox of another run. A message that a run ended without is the
    /// input of the next one: whichever agent comes first gets it, before its first request.
    #[must_use]
    pub fn forwarded_to(mut self, run: RunId) -> Self {
        if let SignalKind::Message(message) = &mut self.kind {
            (message.to, message.mode) = (None, SendMode::Steer);
        }
        Self { run, ..self }
    }

    /// Returns `true` for a message. It waits for its agent, and wakes no paused run.
    pub fn is_message(&self) -> bool {
        self.id.starts_with(MESSAGE_PREFIX)
    }

    /// Returns the name of the signal that a fact was recorded for, if there is one. A store marks
    /// that signal as done together with the append of the fact.
    ///
    /// ```
    /// use stepwright_core::EventKind;
    /// use stepwright_core::sent::{SendMode, SentMessage};
    /// use stepwright_core::store::Signal;
    /// # let (id, text) = ("m-1".into(), "Be brief.".into());
    /// # let message = SentMessage { id, text, mode: SendMode::Steer, to: None, by: None };
    /// // `message` has the id `m-1`.
    /// let received = EventKind::MessageReceived { message: Box::new(message) };
    /// assert_eq!(Signal::settled_by(&received).as_deref(), Some("message:m-1"));
    /// ```
    pub fn settled_by(fact: &EventKind) -> Option<Arc<str>> {
        match fact {
            EventKind::MessageReceived { message } => Some(Self::message_id(&message.id)),
            EventKind::DeciderRecorded { fact } => Self::settled_by(fact),
            fact => Some(Self::answer_id(&fact.reply()?.requirement_id)),
        }
    }
}

/// A request to drive a run: see [`Leases::claim`].
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::store::{Claim, Claimed, Leases as _};
/// use stepwright_core::{Memory, RunId, Timestamp};
/// let (run, store) = (RunId::new("none")?, Memory::default());
/// let claim = Claim { run, driver: "me".into(), dead: None, stale: Timestamp(0) };
/// let claimed = store.claim(claim).now_or_never().unwrap().unwrap();
/// assert_eq!(claimed, Claimed::Over, "there is no such run");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The driver that asks.
    pub driver: Arc<str>,
    /// A driver that is known to be dead, whose runs may be taken.
    pub dead: Option<Arc<str>>,
    /// A driver last seen before this time counts as dead.
    pub stale: Timestamp,
}

/// The outcome of a [`Claim`].
///
/// ```
/// use stepwright_core::{Timestamp, store::Claimed};
/// let other = Claimed::By { driver: "them".into(), seen_at: Timestamp(7) };
/// assert_ne!(other, Claimed::Yes);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The run belongs to the driver that asked.
    Yes,
    /// Another driver holds it.
    By {
        /// The driver that has it.
        driver: Arc<str>,
        /// The time at which it was last seen.
        seen_at: Timestamp,
    },
    /// It has ended, or there is no such run.
    Over,
}

/// A subject to watch: see [`Inbox::changed`].
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::store::{Inbox as _, Watched};
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

/// The result of [`RunStore::verify`]: all that is stored of a run is as it was written.
///
/// ```
/// use stepwright_core::store::Verified;
/// let found = Verified { facts: 8, chained: 8, head: Some("9f86d081".into()) };
/// assert!(found.is_chained());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The number of facts.
    pub facts: u64,
    /// The number of facts, counted from the last, that are linked by chain hashes. Fewer than
    /// [`facts`](Self::facts) if an older version wrote the first ones, or if the store has none.
    pub chained: u64,
    /// The chain hash of the last fact, in hexadecimal. It stands for the whole chain: as long as
    /// it stays the same, so did every linked fact.
    pub head: Option<Arc<str>>,
}

impl Verified {
    /// Returns `true` if every fact is linked to the one before it.
    pub fn is_chained(&self) -> bool {
        self.chained == self.facts
    }
}
