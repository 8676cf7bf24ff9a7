//! Any store behind one type.

use crate::BoxFuture;
use crate::event::Event;
use crate::id::{RunId, SessionId, WorkflowId};
use crate::journal::Append;
use crate::media::StoredMedia;
use crate::session::Session;
use crate::state::Patch;
use crate::store::{
    Claim, Claimed, Compacted, DeleteRun, DeletedRun, Entered, FirstClaim, Heard, HeldSlot, Inbox,
    Leases, MemoryFilter, MemoryUpdate, MemoryUser, Queued, RequestClaim, RequestTurn, RunFilter,
    RunRow, RunStore, SeenDriver, SessionFilter, SessionStore, SharedValue, Signal, SlotClaim,
    Store, StoreError, UserMemory, ValueChange, Verified, Waiting, WaitingFilter, Watched,
};
use crate::world::Timestamp;
use std::fmt;
use std::sync::Arc;

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Any store, behind a cheap handle. Clones share the store.
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
///
/// It is a [`Store`] itself, so that a function that takes one takes this as well:
///
/// ```
/// use stepwright_core::{AnyStore, Memory, Store};
/// fn attach(_: impl Store) {}
/// attach(AnyStore::new(Memory::default()));
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

impl RunStore for AnyStore {
    fn append(&self, append: Append) -> Answer<'_, ()> {
        self.0.append(append)
    }

    fn load<'a>(&'a self, run: &'a RunId, from: u64, limit: usize) -> Answer<'a, Vec<Event>> {
        self.0.load(run, from, limit)
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, Option<RunRow>> {
        self.0.run(run)
    }

    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> {
        self.0.runs(filter)
    }

    fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
        self.0.remember_plan(digest, plan)
    }

    fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
        self.0.plan(digest)
    }

    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn keeps_media(&self) -> bool {
        self.0.keeps_media()
    }

    fn media<'a>(&'a self, stored: &'a StoredMedia) -> Answer<'a, Option<Arc<[u8]>>> {
        self.0.media(stored)
    }

    fn verify<'a>(&'a self, run: &'a RunId) -> Answer<'a, Verified> {
        self.0.verify(run)
    }

    fn delete_run(&self, delete: DeleteRun) -> Answer<'_, Option<DeletedRun>> {
        self.0.delete_run(delete)
    }

    fn compact(&self) -> Answer<'_, Compacted> {
        self.0.compact()
    }
}

impl SessionStore for AnyStore {
    fn session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Option<Session>> {
        self.0.session(session)
    }

    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
        self.0.sessions(filter)
    }

    fn open_session(&self, session: Session) -> Answer<'_, bool> {
        self.0.open_session(session)
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.0.rename_session(session, name, now)
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> Answer<'a, Session> {
        self.0.patch_session(session, patches, now)
    }

    fn delete_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, bool> {
        self.0.delete_session(session)
    }

    fn memories(&self, filter: MemoryFilter) -> Answer<'_, Vec<UserMemory>> {
        self.0.memories(filter)
    }

    fn memory_users(&self, limit: usize, offset: usize) -> Answer<'_, Vec<MemoryUser>> {
        self.0.memory_users(limit, offset)
    }

    fn update_memories(&self, update: MemoryUpdate) -> Answer<'_, u64> {
        self.0.update_memories(update)
    }
}

impl Inbox for AnyStore {
    fn submit(&self, signal: Signal) -> Answer<'_, bool> {
        self.0.submit(signal)
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<Signal>> {
        self.0.inbox(run)
    }

    fn unread<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Vec<Signal>> {
        self.0.unread(session)
    }

    fn forward<'a>(
        &'a self,
        run: &'a RunId,
        id: &'a str,
        to: Option<&'a RunId>,
    ) -> Answer<'a, bool> {
        self.0.forward(run, id, to)
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        self.0.changed(watched)
    }
}

impl Leases for AnyStore {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.0.claim(claim)
    }

    fn release<'a>(&'a self, run: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
        self.0.release(run, driver)
    }

    fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard> {
        self.0.heartbeat(driver, now)
    }

    fn drivers<'a>(&'a self, workflow: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>> {
        self.0.drivers(workflow)
    }

    fn waiting(&self, filter: WaitingFilter) -> Answer<'_, Waiting> {
        self.0.waiting(filter)
    }

    fn enter(&self, claim: SlotClaim) -> Answer<'_, Entered> {
        self.0.enter(claim)
    }

    fn leave<'a>(&'a self, scope: &'a str, holder: &'a str) -> Answer<'a, ()> {
        self.0.leave(scope, holder)
    }

    fn queued(&self) -> Answer<'_, Vec<Queued>> {
        self.0.queued()
    }

    fn slots_of<'a>(&'a self, holder: &'a str) -> Answer<'a, Vec<HeldSlot>> {
        self.0.slots_of(holder)
    }

    fn first(&self, claim: FirstClaim) -> Answer<'_, Option<Arc<str>>> {
        self.0.first(claim)
    }

    fn begin_request(&self, claim: RequestClaim) -> Answer<'_, RequestTurn> {
        self.0.begin_request(claim)
    }

    fn end_request<'a>(&'a self, scope: &'a str, holder: &'a str, counts: bool) -> Answer<'a, ()> {
        self.0.end_request(scope, holder, counts)
    }

    fn close_requests<'a>(&'a self, scope: &'a str, until: Timestamp) -> Answer<'a, ()> {
        self.0.close_requests(scope, until)
    }

    fn shared_value<'a>(&'a self, kind: &'a str, key: &'a str) -> Answer<'a, Option<SharedValue>> {
        self.0.shared_value(kind, key)
    }

    fn shared_values<'a>(
        &'a self,
        kind: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<SharedValue>> {
        self.0.shared_values(kind, after, limit)
    }

    fn change_value(&self, change: ValueChange) -> Answer<'_, bool> {
        self.0.change_value(change)
    }
}
