//! The four traits of a store, and the name for all of them.

use crate::BoxFuture;
use crate::codes::ErrorId;
use crate::event::Event;
use crate::id::{RunId, SessionId, WorkflowId};
use crate::journal::Append;
use crate::media::StoredMedia;
use crate::session::Session;
use crate::state::Patch;
use crate::store::{
    Claim, Claimed, Compacted, DeleteRun, DeletedRun, Entered, FirstClaim, Heard, HeldSlot,
    MemoryFilter, MemoryUpdate, MemoryUser, Queued, RequestClaim, RequestTurn, RunFilter, RunRow,
    SeenDriver, SessionFilter, SharedValue, Signal, SlotClaim, StoreError, UserMemory, ValueChange,
    Verified, Waiting, WaitingFilter, Watched,
};
use crate::world::Timestamp;
use std::sync::Arc;

/// The answer of a store.
type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Runs, their journals and the plans that they follow.
///
/// A journal is append-only. Only the driver of a run appends to it. After a crash, two drivers may
/// both believe that they drive the run: an append at a number that is taken is refused, and that
/// refusal is the lock.
///
/// A store of your own implements this trait, [`SessionStore`], [`Inbox`] and [`Leases`]; [`Store`]
/// comes with them. `stepwright_testing::conformance::store` checks it.
///
/// ```
/// # use stepwright_core::journal::Append;
/// # use stepwright_core::store::{RunFilter, RunRow};
/// # use stepwright_core::{Event, Memory, RunId};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use stepwright_core::{BoxFuture, StoreError, store::RunStore};
/// # type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;
/// /// Counts the facts that are appended.
/// struct Counted(Memory, AtomicUsize);
/// impl RunStore for Counted {
///     fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
///         self.1.fetch_add(append.facts.len(), Ordering::Relaxed);
///         self.0.append(append)
///     }
///     // The other methods ask the store within.
/// #     fn load<'a>(&'a self, r: &'a RunId, from: u64, limit: usize) -> Answer<'a, Vec<Event>> {
/// #         self.0.load(r, from, limit)
/// #     }
/// #     fn run<'a>(&'a self, r: &'a RunId) -> Answer<'a, Option<RunRow>> { self.0.run(r) }
/// #     fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> { self.0.runs(filter) }
/// #     fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
/// #         self.0.remember_plan(digest, plan)
/// #     }
/// #     fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
/// #         self.0.plan(digest)
/// #     }
/// #     fn is_shared(&self) -> bool { self.0.is_shared() }
/// }
/// # use futures_util::FutureExt as _;
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// # let (store, run) = (Counted(Memory::default(), AtomicUsize::new(0)), fact.run.clone());
/// # let append = Append { run: run.clone(), facts: vec![fact], close: None, driver: None };
/// # store.append(append).now_or_never().unwrap().unwrap();
/// # assert_eq!(store.1.load(Ordering::Relaxed), 1);
/// # assert_eq!(store.load(&run, 0, 9).now_or_never().unwrap().unwrap().len(), 1);
/// # assert_eq!(store.verify(&run).now_or_never().unwrap().unwrap().facts, 1);
/// ```
pub trait RunStore: Send + Sync {
    /// Appends facts. When the future is ready without an error, the facts are as safe as the store
    /// can make them.
    ///
    /// A [`EventKind::WorkflowStarted`](crate::EventKind) also creates the run, and its session if
    /// there is none of that name.
    ///
    /// A [`EventKind::WorkflowForked`](crate::EventKind), which comes alone, does the same for a
    /// fork: the first facts of its origin are its own from then on, under its id. They need not be
    /// copied, and stay if the origin is deleted.
    ///
    /// A [`EventKind::WorkflowRetried`](crate::EventKind), which comes alone, takes up a run that
    /// has ended: it has no driver, and the signals of [`Signal::void_after_retry`] are gone from
    /// its inbox.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the first number is not the next free one: another process drives
    /// this run. The driver must stop at once, and record nothing.
    /// [`StoreError::NotFound`] if the run begins in a session of another user, or if the origin of
    /// a fork does not exist or has fewer facts.
    fn append(&self, append: Append) -> Answer<'_, ()>;

    /// Loads the facts of a run numbered `from` and above, in order, at most `limit` of them.
    /// Empty for an unknown run.
    fn load<'a>(&'a self, run: &'a RunId, from: u64, limit: usize) -> Answer<'a, Vec<Event>>;

    /// Returns the row of a run.
    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, Option<RunRow>>;

    /// Lists runs, the newest first.
    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>>;

    /// Stores a plan, as JSON, under its digest.
    fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()>;

    /// Returns the plan of this digest, as JSON, if it was stored.
    fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>>;

    /// Returns `true` if other processes may use the data of this store.
    fn is_shared(&self) -> bool;

    /// Returns `true` if the store keeps the bytes of media by their hashes: an append stores the
    /// bytes of [`Media`](crate::Media) that its facts refer to, once for each hash, and they stay
    /// as long as a fact refers to them. The media of runs in another store stay in their facts.
    fn keeps_media(&self) -> bool {
        false
    }

    /// Returns the bytes of a media item that facts refer to. `None` if the store does not have
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if they do not have their hash, or cannot be read.
    fn media<'a>(&'a self, _stored: &'a StoredMedia) -> Answer<'a, Option<Arc<[u8]>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Verifies all that is stored of a run. A store with checksums compares them; without them it
    /// is verified that the journal can be read and has no gap.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such run. Otherwise the first damage that is found,
    /// as when it is read.
    fn verify<'a>(&'a self, run: &'a RunId) -> Answer<'a, Verified> {
        Box::pin(async move {
            if self.run(run).await?.is_none() {
                return Err(StoreError::NotFound(format!("run `{run}`")));
            }
            let mut facts = 0;
            loop {
                let page = self.load(run, facts, VERIFY_PAGE).await?;
                if let Some((next, _)) = (facts..).zip(&page).find(|(n, fact)| fact.sequence != *n)
                {
                    return Err(StoreError::Corrupt {
                        run: run.clone(),
                        sequence: next,
                        path: None,
                        what: "it is missing".to_owned(),
                    });
                }
                facts += page.len() as u64;
                if page.len() < VERIFY_PAGE {
                    return Ok(Verified { facts, chained: 0, head: None });
                }
            }
        })
    }

    /// Deletes a run with its journal and its inbox, and everything else that holds its payload:
    /// stored bodies that no other fact has, and what the store remembers in memory. An entry that
    /// [`Leases::first`] made stays for its time, without the name of the run. `None` if
    /// there is no such run, or if its status is one that the request does not allow. The status is
    /// checked and the run deleted in one step, so that a run which another process takes up in
    /// between stays.
    ///
    /// A store of your own that lacks it cannot be pruned.
    fn delete_run(&self, _delete: DeleteRun) -> Answer<'_, Option<DeletedRun>> {
        unsupported("delete single runs")
    }

    /// Gives the space of deleted data back, and overwrites it where the store can. It may take
    /// long, and others may have to wait meanwhile. A store without such space does nothing.
    fn compact(&self) -> Answer<'_, Compacted> {
        Box::pin(std::future::ready(Ok(Compacted::default())))
    }
}

/// Makes the error of a store that lacks an operation.
fn unsupported<T: Send + 'static>(what: &str) -> Answer<'static, T> {
    Box::pin(std::future::ready(Err(StoreError::Unavailable {
        what: format!("this store cannot {what}"),
        source: "its type does not implement it".into(),
        hint: None,
        id: ErrorId::STORE_UNAVAILABLE,
    })))
}

/// The number of facts that are read at once to verify a journal.
const VERIFY_PAGE: usize = 1_000;

/// Sessions with their state and metrics, and the memories of users.
///
/// A store does not check which user asks: the engine does, with [`Session::belongs_to`].
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::store::SessionFilter;
/// # use stepwright_core::{Memory, Patch, Session, Timestamp};
/// use std::future::ready;
/// use stepwright_core::{BoxFuture, ErrorId, SessionId, StoreError, store::SessionStore};
/// # type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;
/// /// Deletes nothing.
/// struct Archive(Memory);
/// impl SessionStore for Archive {
///     fn delete_session<'a>(
///         &'a self,
///         session: &'a SessionId,
///     ) -> BoxFuture<'a, Result<bool, StoreError>> {
///         let what = format!("session `{session}` cannot be deleted");
///         let source = "this store is an archive".into();
///         let (hint, id) = (None, ErrorId::STORE_UNAVAILABLE);
///         Box::pin(ready(Err(StoreError::Unavailable { what, source, hint, id })))
///     }
///     // The other methods ask the store within.
/// #     fn session<'a>(&'a self, s: &'a SessionId) -> Answer<'a, Option<Session>> {
/// #         self.0.session(s)
/// #     }
/// #     fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
/// #         self.0.sessions(filter)
/// #     }
/// #     fn open_session(&self, s: Session) -> Answer<'_, bool> { self.0.open_session(s) }
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
pub trait SessionStore: Send + Sync {
    /// Returns a session.
    fn session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Option<Session>>;

    /// Lists sessions, the most recently used first.
    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>>;

    /// Opens a session. Does nothing and returns `false` if there is one of that name.
    fn open_session(&self, session: Session) -> Answer<'_, bool>;

    /// Sets the display name of a session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such session.
    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> Answer<'a, ()>;

    /// Changes the state of a session, and returns the session as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such session, [`StoreError::Patch`] if a change does
    /// not fit; nothing is changed then.
    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> Answer<'a, Session>;

    /// Deletes a session with all of its runs. Returns `false` if there was none.
    fn delete_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, bool>;

    /// Lists the memories of a user, the last changed first.
    fn memories(&self, _filter: MemoryFilter) -> Answer<'_, Vec<UserMemory>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Lists the users who have memories, at most `limit` of them behind the first `offset`: those
    /// whose memories were changed last come first. A `limit` of 0 stands for
    /// [`PAGE_MAX`](super::PAGE_MAX). An export of everything asks for them.
    fn memory_users(&self, _limit: usize, _offset: usize) -> Answer<'_, Vec<MemoryUser>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Makes changes of the memories of a user together, and returns the number of memories that
    /// they added, changed or removed. The memories of other users stay as they are, whatever ids
    /// the changes name.
    ///
    /// # Errors
    /// [`too_many_memories`](super::too_many_memories) if the user would have more than
    /// [`MEMORIES_MAX`](super::MEMORIES_MAX); nothing is changed then.
    fn update_memories(&self, _update: MemoryUpdate) -> Answer<'_, u64> {
        unsupported("keep memories of users")
    }
}

/// The inboxes of runs: answers and requests to cancel that wait for the driver of a run.
///
/// Only the driver of a run appends to its journal. Every other process leaves a [`Signal`] in the
/// inbox, and the driver records a fact for it.
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::store::Watched;
/// # use stepwright_core::{Memory, RunId, Timestamp};
/// use std::future::ready;
/// use stepwright_core::{BoxFuture, StoreError, store::{Inbox, Signal, SignalKind}};
/// # type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;
/// /// Lets no run be cancelled from outside.
/// struct Uncancelled(Memory);
/// impl Inbox for Uncancelled {
///     fn submit(&self, signal: Signal) -> BoxFuture<'_, Result<bool, StoreError>> {
///         match signal.kind {
///             SignalKind::Cancel { .. } => Box::pin(ready(Ok(false))),
///             _ => self.0.submit(signal),
///         }
///     }
///     // The other methods ask the store within.
/// #     fn inbox<'a>(&'a self, r: &'a RunId) -> Answer<'a, Vec<Signal>> { self.0.inbox(r) }
/// #     fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> { self.0.changed(watched) }
/// }
/// # let store = Uncancelled(Memory::default());
/// # let signal = Signal::cancel(RunId::new("r-1").unwrap(), "too late", Timestamp(0));
/// # assert!(!store.submit(signal).now_or_never().unwrap().unwrap());
/// ```
pub trait Inbox: Send + Sync {
    /// Leaves a signal in the inbox of a run. Returns `false` if there is one of that name, or if
    /// the requirement that it answers was answered: appending a fact with a
    /// [`Reply`](crate::event::Reply) takes the name of [`Signal::answer_id`], so that later
    /// answers are refused, and marks that signal as done. So does a fact that an agent got a
    /// message: see [`Signal::settled_by`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such run.
    fn submit(&self, signal: Signal) -> Answer<'_, bool>;

    /// Returns the inbox of a run, in the order of arrival.
    fn inbox<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<Signal>>;

    /// Returns the messages in the inboxes of runs of a session that have ended and recorded no
    /// fact for them, the oldest run first.
    fn unread<'a>(&'a self, _session: &'a SessionId) -> Answer<'a, Vec<Signal>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Takes a signal that no fact was recorded for out of the inbox of a run. With `to`, leaves it
    /// in the inbox of that run, in the same transaction: see [`Signal::forwarded_to`]. Returns
    /// `false` if there is no such signal.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no run `to`.
    fn forward<'a>(
        &'a self,
        _run: &'a RunId,
        _id: &'a str,
        _to: Option<&'a RunId>,
    ) -> Answer<'a, bool> {
        unsupported("take back messages to runs")
    }

    /// Returns a future that is ready when what is watched may have changed since this call, by
    /// this process or another. It may be ready without a change.
    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()>;
}

/// Leases: the driver of each run, and the runs that need one.
///
/// ```
/// # use stepwright_core::store::{Claimed, Heard, SeenDriver, Waiting, WaitingFilter};
/// # use stepwright_core::{Memory, RunId, WorkflowId};
/// use stepwright_core::{BoxFuture, StoreError, Timestamp, store::{Claim, Leases}};
/// # type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;
/// /// Takes a run from no driver that may still be alive.
/// struct Patient(Memory);
/// impl Leases for Patient {
///     fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
///         self.0.claim(Claim { stale: Timestamp(0), ..claim })
///     }
///     // The other methods ask the store within.
/// #     fn release<'a>(&'a self, r: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
/// #         self.0.release(r, driver)
/// #     }
/// #     fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard> {
/// #         self.0.heartbeat(driver, now)
/// #     }
/// #     fn drivers<'a>(&'a self, w: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>> {
/// #         self.0.drivers(w)
/// #     }
/// #     fn waiting(&self, f: WaitingFilter) -> Answer<'_, Waiting> { self.0.waiting(f) }
/// }
/// # use futures_util::FutureExt as _;
/// # let claim = Claim {
/// #     run: RunId::new("r-1").unwrap(), driver: "d".into(), dead: None, stale: Timestamp(9),
/// # };
/// # let claimed = Patient(Memory::default()).claim(claim).now_or_never().unwrap().unwrap();
/// # assert_eq!(claimed, Claimed::Over, "there is no such run");
/// ```
pub trait Leases: Send + Sync {
    /// Gives a run to a driver, unless another driver that is alive holds it.
    ///
    /// A run belongs to the driver that began it ([`Append::driver`]), until it pauses or ends. A
    /// lease saves work; safe is the journal, which refuses an append at a taken number.
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed>;

    /// Releases a run that was claimed, without a fact.
    fn release<'a>(&'a self, run: &'a RunId, driver: &'a str) -> Answer<'a, ()>;

    /// Records that a driver is alive, and returns the signals in the inboxes of its runs that no
    /// fact was recorded for yet.
    fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard>;

    /// Returns the drivers that have background runs of a workflow under way, each once. A process
    /// that asks again and again can tell which of them are silent, by its own clock alone.
    fn drivers<'a>(&'a self, workflow: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>>;

    /// Returns runs of a workflow that may need a driver, the oldest first: paused runs whose wake
    /// time has come; paused runs with a signal that no fact was recorded for, besides messages;
    /// background runs that are under way, unless their driver is one of
    /// [`alive`](WaitingFilter::alive).
    fn waiting(&self, filter: WaitingFilter) -> Answer<'_, Waiting>;

    /// Gives a slot of a key to a holder, or keeps its place in the queue. Called again, it gives
    /// the same slot, or the one that was freed meanwhile. It is atomic: of several calls for the
    /// last slot, one gets it. See [`SlotClaim::judge`].
    fn enter(&self, _claim: SlotClaim) -> Answer<'_, Entered> {
        unsupported("limit what runs at once")
    }

    /// Removes a holder from the slots and the queue of a scope.
    fn leave<'a>(&'a self, _scope: &'a str, _holder: &'a str) -> Answer<'a, ()> {
        unsupported("limit what runs at once")
    }

    /// Returns the runs that wait for a slot, in the order of their places.
    fn queued(&self) -> Answer<'_, Vec<Queued>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Returns the slots that a holder has, and the keys of which it is the first, in the order in
    /// which they were made. Those of an empty holder are the keys of deleted runs.
    ///
    /// An export of a store of your own that lacks it has no slots.
    fn slots_of<'a>(&'a self, _holder: &'a str) -> Answer<'a, Vec<HeldSlot>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Makes a holder the first of its scope, and returns `None`; or returns the holder that was
    /// first, and whose time has not passed. It is atomic. See [`FirstClaim::judge`].
    ///
    /// The holder that is returned is empty if its run was deleted meanwhile: the key holds for its
    /// time all the same.
    fn first(&self, _claim: FirstClaim) -> Answer<'_, Option<Arc<str>>> {
        unsupported("recognise runs that are the same")
    }

    /// Lets a request to a model begin, or keeps its place in the queue. Called again, it gives the
    /// same answer, or the turn that has come meanwhile. It is atomic: of several calls for the
    /// last turn, one gets it. See [`RequestClaim::judge`].
    ///
    /// With a store of your own that lacks it, the limits of models hold in each process alone.
    fn begin_request(&self, _claim: RequestClaim) -> Answer<'_, RequestTurn> {
        Box::pin(std::future::ready(Ok(RequestTurn::Now)))
    }

    /// Ends a request of a scope, or its wait. With `counts`, one that was sent counts for its
    /// window: it is [`RequestState::Sent`](super::RequestState::Sent) then.
    fn end_request<'a>(
        &'a self,
        _scope: &'a str,
        _holder: &'a str,
        _counts: bool,
    ) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Lets no request of a scope begin before `until`, nor before a later moment that was given
    /// before.
    fn close_requests<'a>(&'a self, _scope: &'a str, _until: Timestamp) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Returns a value that the processes of the store share: see [`SharedValue`].
    fn shared_value<'a>(
        &'a self,
        _kind: &'a str,
        _key: &'a str,
    ) -> Answer<'a, Option<SharedValue>> {
        unsupported("keep values that processes share")
    }

    /// Lists shared values of a kind in the order of their keys, from the first key behind `after`
    /// and at most `limit` of them.
    fn shared_values<'a>(
        &'a self,
        _kind: &'a str,
        _after: &'a str,
        _limit: usize,
    ) -> Answer<'a, Vec<SharedValue>> {
        unsupported("keep values that processes share")
    }

    /// Changes a shared value. Returns `false`, and changes nothing, if its mark is another than
    /// the one that the caller has seen. It is atomic: of several changes of what was seen, one
    /// takes effect.
    fn change_value(&self, _change: ValueChange) -> Answer<'_, bool> {
        unsupported("keep values that processes share")
    }
}

/// A complete store: a name for [`RunStore`], [`SessionStore`], [`Inbox`] and [`Leases`] together.
///
/// Every type that implements the four is a `Store`. The methods are those of the four traits; a
/// `dyn Store`, and so an [`AnyStore`](crate::AnyStore), has all of them without an import.
///
/// Each run has rows of its own, and nothing is ever rewritten whole.
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::{Memory, Store, StoreError};
/// fn runs(store: &dyn Store) -> Result<usize, StoreError> {
///     let listed = store.runs(Default::default()).now_or_never().expect("memory does not wait")?;
///     Ok(listed.len())
/// }
/// assert_eq!(runs(&Memory::default())?, 0);
/// # Ok::<(), StoreError>(())
/// ```
pub trait Store: RunStore + SessionStore + Inbox + Leases + 'static {}

impl<T: RunStore + SessionStore + Inbox + Leases + 'static> Store for T {}
