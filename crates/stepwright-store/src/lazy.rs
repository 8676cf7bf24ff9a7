//! Stores that are opened at their first use.

use std::fmt;
use std::sync::Arc;
use stepwright_core::journal::Append;
use stepwright_core::store::{
    Claim, Claimed, Compacted, DeleteRun, DeletedRun, Entered, FirstClaim, Heard, HeldSlot, Inbox,
    Leases, MemoryFilter, MemoryUpdate, MemoryUser, Queued, RequestClaim, RequestTurn, RunFilter,
    RunRow, RunStore, SeenDriver, SessionFilter, SessionStore, SharedValue, Signal, SlotClaim,
    UserMemory, ValueChange, Verified, Waiting, WaitingFilter, Watched,
};
use stepwright_core::{
    AnyStore, BoxFuture, Event, Patch, RunId, Session, SessionId, Store, StoreError, StoredMedia,
    Timestamp, WorkflowId,
};
use tokio::sync::{Notify, OnceCell};

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

type Open = dyn Fn() -> Answer<'static, AnyStore> + Send + Sync;

/// A store that is opened at its first use. Cheap to clone; clones share the store.
///
/// If it cannot be opened, the call fails, and the next one tries again.
///
/// ```
/// use stepwright_core::store::RunStore as _;
/// use stepwright_core::{Memory, StoreError};
/// use stepwright_store::LazyStore;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = LazyStore::new(|| async { Ok(Memory::default()) });
/// assert!(store.runs(Default::default()).await?.is_empty());
/// # Ok::<(), StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct LazyStore(Arc<Lazy>);

struct Lazy {
    open: Box<Open>,
    store: OnceCell<AnyStore>,
    /// Notified when the store was opened.
    opened: Arc<Notify>,
}

impl LazyStore {
    /// Creates a store that `open` opens. It is called once, and again after each failure.
    pub fn new<S, F>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        S: Store,
        F: Future<Output = Result<S, StoreError>> + Send + 'static,
    {
        let open = move || -> Answer<'static, AnyStore> {
            let opening = open();
            Box::pin(async move { opening.await.map(AnyStore::new) })
        };
        let (store, opened) = (OnceCell::new(), Arc::default());
        Self(Arc::new(Lazy { open: Box::new(open), store, opened }))
    }

    async fn store(&self) -> Result<&AnyStore, StoreError> {
        let Lazy { open, store, opened } = &*self.0;
        if let Some(store) = store.get() {
            return Ok(store);
        }
        let found = store.get_or_try_init(open).await?;
        opened.notify_waiters();
        Ok(found)
    }
}

impl fmt::Debug for LazyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyStore").field("store", &self.0.store.get()).finish_non_exhaustive()
    }
}

impl RunStore for LazyStore {
    fn append(&self, append: Append) -> Answer<'_, ()> {
        Box::pin(async move { self.store().await?.append(append).await })
    }

    fn load<'a>(&'a self, run: &'a RunId, from: u64, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(async move { self.store().await?.load(run, from, limit).await })
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, Option<RunRow>> {
        Box::pin(async move { self.store().await?.run(run).await })
    }

    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> {
        Box::pin(async move { self.store().await?.runs(filter).await })
    }

    fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.store().await?.remember_plan(digest, plan).await })
    }

    fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(async move { self.store().await?.plan(digest).await })
    }

    /// `true`, because it is not known before the store is opened.
    fn is_shared(&self) -> bool {
        self.0.store.get().is_none_or(RunStore::is_shared)
    }

    /// As [`LazyStore::is_shared`]: every store that is opened late keeps media.
    fn keeps_media(&self) -> bool {
        self.0.store.get().is_none_or(RunStore::keeps_media)
    }

    fn media<'a>(&'a self, stored: &'a StoredMedia) -> Answer<'a, Option<Arc<[u8]>>> {
        Box::pin(async move { self.store().await?.media(stored).await })
    }

    fn verify<'a>(&'a self, run: &'a RunId) -> Answer<'a, Verified> {
        Box::pin(async move { self.store().await?.verify(run).await })
    }

    fn delete_run(&self, delete: DeleteRun) -> Answer<'_, Option<DeletedRun>> {
        Box::pin(async move { self.store().await?.delete_run(delete).await })
    }

    fn compact(&self) -> Answer<'_, Compacted> {
        Box::pin(async move { self.store().await?.compact().await })
    }
}

impl SessionStore for LazyStore {
    fn session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Option<Session>> {
        Box::pin(async move { self.store().await?.session(session).await })
    }

    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
        Box::pin(async move { self.store().await?.sessions(filter).await })
    }

    fn open_session(&self, session: Session) -> Answer<'_, bool> {
        Box::pin(async move { self.store().await?.open_session(session).await })
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(async move { self.store().await?.rename_session(session, name, now).await })
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> Answer<'a, Session> {
        Box::pin(async move { self.store().await?.patch_session(session, patches, now).await })
    }

    fn delete_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, bool> {
        Box::pin(async move { self.store().await?.delete_session(session).await })
    }

    fn memories(&self, filter: MemoryFilter) -> Answer<'_, Vec<UserMemory>> {
        Box::pin(async move { self.store().await?.memories(filter).await })
    }

    fn memory_users(&self, limit: usize, offset: usize) -> Answer<'_, Vec<MemoryUser>> {
        Box::pin(async move { self.store().await?.memory_users(limit, offset).await })
    }

    fn update_memories(&self, update: MemoryUpdate) -> Answer<'_, u64> {
        Box::pin(async move { self.store().await?.update_memories(update).await })
    }
}

impl Inbox for LazyStore {
    fn submit(&self, signal: Signal) -> Answer<'_, bool> {
        Box::pin(async move { self.store().await?.submit(signal).await })
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<Signal>> {
        Box::pin(async move { self.store().await?.inbox(run).await })
    }

    fn unread<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Vec<Signal>> {
        Box::pin(async move { self.store().await?.unread(session).await })
    }

    fn forward<'a>(
        &'a self,
        run: &'a RunId,
        id: &'a str,
        to: Option<&'a RunId>,
    ) -> Answer<'a, bool> {
        Box::pin(async move { self.store().await?.forward(run, id, to).await })
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        match self.0.store.get() {
            Some(store) => store.changed(watched),
            // Before it is opened, nothing of it was read that could change.
            None => Box::pin(self.0.opened.clone().notified_owned()),
        }
    }
}

impl Leases for LazyStore {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move { self.store().await?.claim(claim).await })
    }

    fn release<'a>(&'a self, run: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.store().await?.release(run, driver).await })
    }

    fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard> {
        Box::pin(async move { self.store().await?.heartbeat(driver, now).await })
    }

    fn drivers<'a>(&'a self, workflow: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>> {
        Box::pin(async move { self.store().await?.drivers(workflow).await })
    }

    fn waiting(&self, filter: WaitingFilter) -> Answer<'_, Waiting> {
        Box::pin(async move { self.store().await?.waiting(filter).await })
    }

    fn enter(&self, claim: SlotClaim) -> Answer<'_, Entered> {
        Box::pin(async move { self.store().await?.enter(claim).await })
    }

    fn leave<'a>(&'a self, scope: &'a str, holder: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.store().await?.leave(scope, holder).await })
    }

    fn queued(&self) -> Answer<'_, Vec<Queued>> {
        Box::pin(async move { self.store().await?.queued().await })
    }

    fn slots_of<'a>(&'a self, holder: &'a str) -> Answer<'a, Vec<HeldSlot>> {
        Box::pin(async move { self.store().await?.slots_of(holder).await })
    }

    fn first(&self, claim: FirstClaim) -> Answer<'_, Option<Arc<str>>> {
        Box::pin(async move { self.store().await?.first(claim).await })
    }

    fn begin_request(&self, claim: RequestClaim) -> Answer<'_, RequestTurn> {
        Box::pin(async move { self.store().await?.begin_request(claim).await })
    }

    fn end_request<'a>(&'a self, scope: &'a str, holder: &'a str, counts: bool) -> Answer<'a, ()> {
        Box::pin(async move { self.store().await?.end_request(scope, holder, counts).await })
    }

    fn close_requests<'a>(&'a self, scope: &'a str, until: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move { self.store().await?.close_requests(scope, until).await })
    }

    fn shared_value<'a>(&'a self, kind: &'a str, key: &'a str) -> Answer<'a, Option<SharedValue>> {
        Box::pin(async move { self.store().await?.shared_value(kind, key).await })
    }

    fn shared_values<'a>(
        &'a self,
        kind: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<SharedValue>> {
        Box::pin(async move { self.store().await?.shared_values(kind, after, limit).await })
    }

    fn change_value(&self, change: ValueChange) -> Answer<'_, bool> {
        Box::pin(async move { self.store().await?.change_value(change).await })
    }
}
