//! The store itself, once for every database.

use crate::backend::{Backend, Prepared, Told};
use crate::bodies::{self, FactRow};
use crate::operations::{
    deleting, journal, media, memories, opening, requests, runs, sessions, signals, slots, values,
    verify,
};
use crate::rows::Effect;
use crate::shared::Texts;
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
    BoxFuture, Event, Patch, RunId, Session, SessionId, StoreError, StoredMedia, Timestamp,
    WorkflowId,
};

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store in an SQL database. Cheap to clone; clones share their connections.
///
/// Name it by its database: `Sqlite` or `Postgres`. Both have the same operations; `B` is the way
/// to the database.
///
/// ```
/// use stepwright_core::store::RunStore;
/// use stepwright_store::SqlStore;
/// async fn count<B>(store: &SqlStore<B>) -> Result<usize, stepwright_core::StoreError>
/// where
///     SqlStore<B>: RunStore,
/// {
///     Ok(store.runs(Default::default()).await?.len())
/// }
/// ```
pub struct SqlStore<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    backend: B,
    texts: Texts,
}

impl<B> Clone for SqlStore<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<B: fmt::Debug> fmt::Debug for SqlStore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.backend.fmt(f)
    }
}

impl<B> SqlStore<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self { shared: Arc::new(Shared { backend, texts: Texts::default() }) }
    }

    pub(crate) fn backend(&self) -> &B {
        &self.shared.backend
    }
}

impl<B: Backend> RunStore for SqlStore<B> {
    fn append(&self, append: Append) -> Answer<'_, ()> {
        Box::pin(async move {
            let Shared { backend, texts } = &*self.shared;
            backend.check_process()?;
            let Append { run, facts, close, driver } = append;
            let used = close.as_ref().and_then(|close| close.run);
            let Some(effect) = Effect::of(&facts, driver, used) else { return Ok(()) };
            let void = opening::void_signals(&facts);
            let media = media::of(&facts)?;
            let mut facts = FactRow::all(&facts, backend.sums())?;
            if void.is_some() {
                // Texts of another run of that name, or of a journal that another process went on
                // with, must not be taken for known ones.
                texts.forget(&run);
            }
            let places = texts.share(&run, &mut facts);
            let (facts, blobs) = bodies::apart(facts).await?;
            let (name, rests) = (run.clone(), effect.rests());
            let told = Told::Those(Watched::Facts(run.clone()));
            let prepared = Prepared { run, facts, effect, close, blobs, media };
            if let Some(void) = void {
                return backend.write(told, opening::Opening { prepared, void }).await;
            }
            let appended = backend.write(told, prepared).await;
            match appended {
                Ok(()) if !rests => texts.learn(&name, places),
                _ => texts.forget(&name),
            }
            appended
        })
    }

    fn load<'a>(&'a self, run: &'a RunId, from: u64, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(self.backend().read(journal::Load { run: run.clone(), from, limit }))
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, Option<RunRow>> {
        Box::pin(self.backend().read(runs::Find(run.clone())))
    }

    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> {
        Box::pin(self.backend().read(runs::List(filter)))
    }

    fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            // It is nearly always stored, and then nothing waits for the disk.
            if self.plan(digest).await?.is_some() {
                return Ok(());
            }
            let (digest, plan) = (digest.to_owned(), plan.to_owned());
            self.backend().write(Told::None, runs::RememberPlan { digest, plan }).await
        })
    }

    fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(self.backend().read(runs::Plan(digest.to_owned())))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn keeps_media(&self) -> bool {
        true
    }

    fn media<'a>(&'a self, stored: &'a StoredMedia) -> Answer<'a, Option<Arc<[u8]>>> {
        Box::pin(self.backend().read(media::Load(stored.clone())))
    }

    fn verify<'a>(&'a self, run: &'a RunId) -> Answer<'a, Verified> {
        Box::pin(self.backend().read(verify::Verify(run.clone())))
    }

    fn delete_run(&self, delete: DeleteRun) -> Answer<'_, Option<DeletedRun>> {
        Box::pin(async move {
            let Shared { backend, texts } = &*self.shared;
            let run = delete.run.clone();
            if delete.dry_run {
                return backend.read(deleting::Delete(delete)).await;
            }
            let told = Told::Those(Watched::Facts(run.clone()));
            let deleted = backend.write(told, deleting::Delete(delete)).await;
            // Also after an error: the run may be gone all the same.
            texts.forget(&run);
            backend.forget(&run);
            deleted
        })
    }

    fn compact(&self) -> Answer<'_, Compacted> {
        Box::pin(self.backend().compact())
    }
}

impl<B: Backend> SessionStore for SqlStore<B> {
    fn session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Option<Session>> {
        Box::pin(self.backend().read(sessions::Find(session.clone())))
    }

    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
        Box::pin(self.backend().read(sessions::List(filter)))
    }

    fn open_session(&self, session: Session) -> Answer<'_, bool> {
        Box::pin(self.backend().write(Told::None, sessions::Open(session)))
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        let rename = sessions::Rename { id: session.clone(), name: name.to_owned(), now };
        Box::pin(self.backend().write(Told::None, rename))
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> Answer<'a, Session> {
        let (id, patches) = (session.clone(), patches.to_vec());
        let patch = sessions::PatchState { id, patches, now, seen: None };
        Box::pin(self.backend().write(Told::None, patch))
    }

    fn delete_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, bool> {
        Box::pin(self.backend().write(Told::All, sessions::Delete(session.clone())))
    }

    fn memories(&self, filter: MemoryFilter) -> Answer<'_, Vec<UserMemory>> {
        Box::pin(self.backend().read(memories::List(filter)))
    }

    fn memory_users(&self, limit: usize, offset: usize) -> Answer<'_, Vec<MemoryUser>> {
        Box::pin(self.backend().read(memories::Users { limit, offset }))
    }

    fn update_memories(&self, update: MemoryUpdate) -> Answer<'_, u64> {
        Box::pin(self.backend().write(Told::None, memories::Update(update)))
    }
}

impl<B: Backend> Inbox for SqlStore<B> {
    fn submit(&self, signal: Signal) -> Answer<'_, bool> {
        let told = Told::Those(Watched::Signals);
        Box::pin(self.backend().write(told, signals::Submit(signal)))
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<Signal>> {
        Box::pin(self.backend().read(signals::Inbox(run.clone())))
    }

    fn unread<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Vec<Signal>> {
        Box::pin(self.backend().read(signals::Unread(session.clone())))
    }

    fn forward<'a>(
        &'a self,
        run: &'a RunId,
        id: &'a str,
        to: Option<&'a RunId>,
    ) -> Answer<'a, bool> {
        let forward = signals::Forward { run: run.clone(), id: id.to_owned(), to: to.cloned() };
        Box::pin(self.backend().write(Told::Those(Watched::Signals), forward))
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        self.backend().changed(watched)
    }
}

impl<B: Backend> Leases for SqlStore<B> {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(self.backend().write(Told::None, signals::ClaimRun(claim)))
    }

    fn release<'a>(&'a self, run: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
        let release = signals::Release { run: run.clone(), driver: driver.to_owned() };
        Box::pin(self.backend().write(Told::None, release))
    }

    fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard> {
        let heartbeat = signals::Heartbeat { driver: driver.to_owned(), now };
        Box::pin(async move {
            let (backend, sums) = (self.backend(), self.backend().sums());
            let mut heard = Heard::default();
            for columns in backend.write(Told::None, heartbeat).await? {
                match columns.signal(sums) {
                    Ok(signal) => heard.signals.push(signal),
                    Err(error) => heard.damaged.push(error),
                }
            }
            Ok(heard)
        })
    }

    fn drivers<'a>(&'a self, workflow: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>> {
        Box::pin(self.backend().read(runs::Drivers(workflow.clone())))
    }

    fn waiting(&self, filter: WaitingFilter) -> Answer<'_, Waiting> {
        Box::pin(self.backend().read(runs::FindWaiting::new(filter)))
    }

    fn enter(&self, claim: SlotClaim) -> Answer<'_, Entered> {
        Box::pin(self.backend().write(Told::None, slots::Enter(claim)))
    }

    fn leave<'a>(&'a self, scope: &'a str, holder: &'a str) -> Answer<'a, ()> {
        let leave = slots::Leave { scope: scope.to_owned(), holder: holder.to_owned() };
        Box::pin(self.backend().write(Told::None, leave))
    }

    fn queued(&self) -> Answer<'_, Vec<Queued>> {
        Box::pin(self.backend().read(slots::Waiting))
    }

    fn slots_of<'a>(&'a self, holder: &'a str) -> Answer<'a, Vec<HeldSlot>> {
        Box::pin(self.backend().read(slots::Of(holder.to_owned())))
    }

    fn first(&self, claim: FirstClaim) -> Answer<'_, Option<Arc<str>>> {
        Box::pin(self.backend().write(Told::None, slots::First(claim)))
    }

    fn begin_request(&self, claim: RequestClaim) -> Answer<'_, RequestTurn> {
        Box::pin(self.backend().write(Told::None, requests::Begin(claim)))
    }

    fn end_request<'a>(&'a self, scope: &'a str, holder: &'a str, counts: bool) -> Answer<'a, ()> {
        let end = requests::End { scope: scope.to_owned(), holder: holder.to_owned(), counts };
        Box::pin(self.backend().write(Told::None, end))
    }

    fn close_requests<'a>(&'a self, scope: &'a str, until: Timestamp) -> Answer<'a, ()> {
        let close = requests::Close { scope: scope.to_owned(), until };
        Box::pin(self.backend().write(Told::None, close))
    }

    fn shared_value<'a>(&'a self, kind: &'a str, key: &'a str) -> Answer<'a, Option<SharedValue>> {
        let find = values::Find { kind: kind.to_owned(), key: key.to_owned() };
        Box::pin(self.backend().read(find))
    }

    fn shared_values<'a>(
        &'a self,
        kind: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<SharedValue>> {
        let (kind, after) = (kind.to_owned(), after.to_owned());
        Box::pin(self.backend().read(values::List { kind, after, limit }))
    }

    fn change_value(&self, change: ValueChange) -> Answer<'_, bool> {
        Box::pin(self.backend().write(Told::None, values::Change(change)))
    }
}
