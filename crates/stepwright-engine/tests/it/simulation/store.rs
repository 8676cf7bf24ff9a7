//! A store in memory that takes its time, as one across a network does, and may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_core::journal::Append;
use stepwright_core::store::{
    Claim, Claimed, Entered, Heard, HeldSlot, Inbox, Leases, Queued, RunFilter, RunRow, RunStore,
    SeenDriver, SessionFilter, SessionStore, Signal, SlotClaim, Waiting, WaitingFilter, Watched,
};
use stepwright_core::{
    BoxFuture, ErrorId, Event, Memory, Patch, RunId, Session, SessionId, StoreError, Timestamp,
    WorkflowId, World,
};
use tokio::sync::Semaphore;

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store in memory. An append whose process is killed may, or may not, have happened.
#[derive(Clone)]
pub(crate) struct Slow {
    pub(crate) memory: Memory,
    /// The world whose time and chance it takes. `None` for a store that is quick.
    pub(crate) world: Option<World>,
    /// The fate of appends, if not all of them come to an end.
    pub(crate) fate: Option<Fate>,
    /// The claims of runs, if they wait for the test.
    pub(crate) claims: Option<Arc<Held>>,
    /// The claims of slots that have been carried out, if their answers wait for the test.
    pub(crate) slots: Option<Arc<Held>>,
}

/// Calls that wait until the test lets them go on.
#[derive(Debug)]
pub(crate) struct Held {
    /// One permit for each call that began.
    pub(crate) begun: Semaphore,
    /// One permit for each call that may go on.
    pub(crate) go_on: Semaphore,
}

/// The number of appends that a store carries out, and what it does with the next one.
#[derive(Clone)]
pub(crate) struct Fate {
    pub(crate) appends: Arc<AtomicUsize>,
    pub(crate) then: Then,
}

impl Default for Held {
    fn default() -> Self {
        Self { begun: Semaphore::new(0), go_on: Semaphore::new(0) }
    }
}

impl Held {
    async fn wait(&self) {
        self.begun.add_permits(1);
        self.go_on.acquire().await.expect("it stays open").forget();
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    Hangs,
    Fails,
}

impl Slow {
    pub(crate) fn quick(memory: Memory) -> Self {
        Self { memory, world: None, fate: None, claims: None, slots: None }
    }

    /// One that appends so often, and then no more.
    pub(crate) fn lasting(memory: Memory, appends: usize, then: Then) -> Self {
        let appends = Arc::new(AtomicUsize::new(appends));
        Self { fate: Some(Fate { appends, then }), ..Self::quick(memory) }
    }

    async fn fate(&self) -> Result<(), StoreError> {
        let Some(Fate { appends, then }) = &self.fate else { return Ok(()) };
        let left = |n: usize| n.checked_sub(1);
        match (appends.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left), then) {
            (Ok(_), _) => Ok(()),
            (Err(_), Then::Hangs) => std::future::pending().await,
            (Err(_), Then::Fails) => Err(StoreError::Unavailable {
                what: "the disk is full".into(),
                source: "no space left".into(),
                hint: None,
                id: ErrorId::DISK_FULL,
            }),
        }
    }

    async fn pause(&self, at_least: u64) {
        if let Some(world) = &self.world {
            world.sleep(Duration::from_millis(at_least + world.chance() % 4)).await;
        }
    }
}

impl RunStore for Slow {
    fn append(&self, append: Append) -> Answer<'_, ()> {
        Box::pin(async move {
            self.pause(1).await;
            self.fate().await?;
            self.memory.append(append).await?;
            self.pause(0).await;
            Ok(())
        })
    }

    fn load<'a>(&'a self, run: &'a RunId, after: u64, limit: usize) -> Answer<'a, Vec<Event>> {
        self.memory.load(run, after, limit)
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, Option<RunRow>> {
        Box::pin(async move {
            self.pause(0).await;
            self.memory.run(run).await
        })
    }

    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> {
        self.memory.runs(filter)
    }

    fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
        self.memory.remember_plan(digest, plan)
    }

    fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
        self.memory.plan(digest)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl SessionStore for Slow {
    fn session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Option<Session>> {
        self.memory.session(session)
    }

    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
        self.memory.sessions(filter)
    }

    fn open_session(&self, session: Session) -> Answer<'_, bool> {
        self.memory.open_session(session)
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.memory.rename_session(session, name, now)
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> Answer<'a, Session> {
        self.memory.patch_session(session, patches, now)
    }

    fn delete_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, bool> {
        self.memory.delete_session(session)
    }
}

impl Inbox for Slow {
    fn submit(&self, signal: Signal) -> Answer<'_, bool> {
        Box::pin(async move {
            self.pause(0).await;
            self.memory.submit(signal).await
        })
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<Signal>> {
        Box::pin(async move {
            self.pause(0).await;
            self.memory.inbox(run).await
        })
    }

    fn unread<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Vec<Signal>> {
        self.memory.unread(session)
    }

    fn forward<'a>(
        &'a self,
        run: &'a RunId,
        id: &'a str,
        to: Option<&'a RunId>,
    ) -> Answer<'a, bool> {
        self.memory.forward(run, id, to)
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        self.memory.changed(watched)
    }
}

impl Leases for Slow {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move {
            if let Some(claims) = &self.claims {
                claims.wait().await;
            }
            self.memory.claim(claim).await
        })
    }

    fn release<'a>(&'a self, run: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
        self.memory.release(run, driver)
    }

    fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard> {
        self.memory.heartbeat(driver, now)
    }

    fn drivers<'a>(&'a self, workflow: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>> {
        self.memory.drivers(workflow)
    }

    fn waiting(&self, filter: WaitingFilter) -> Answer<'_, Waiting> {
        self.memory.waiting(filter)
    }
    fn enter(&self, claim: SlotClaim) -> Answer<'_, Entered> {
        Box::pin(async move {
            let entered = self.memory.enter(claim).await;
            if let Some(slots) = &self.slots {
                slots.wait().await;
            }
            entered
        })
    }

    fn leave<'a>(&'a self, scope: &'a str, holder: &'a str) -> Answer<'a, ()> {
        self.memory.leave(scope, holder)
    }

    fn slots_of<'a>(&'a self, holder: &'a str) -> Answer<'a, Vec<HeldSlot>> {
        self.memory.slots_of(holder)
    }

    fn queued(&self) -> Answer<'_, Vec<Queued>> {
        self.memory.queued()
    }
}
