//! A store in the memory of this process: for tests, and for runs that end with the process.

mod leases;
mod media;
mod memories;
mod messages;
mod requests;
mod slots;
mod values;

use crate::BoxFuture;
use crate::event::{Event, EventKind, Origin};
use crate::id::{RunId, SessionId, WorkflowId};
use crate::journal::Append;
use crate::media::StoredMedia;
use crate::session::Session;
use crate::state::Patch;
use crate::status::RunStatus;
use crate::store::{
    Claim, Claimed, DeleteRun, DeletedRun, Entered, FirstClaim, Heard, HeldSlot, Inbox, Leases,
    MemoryFilter, MemoryUpdate, MemoryUser, Queued, RequestClaim, RequestTurn, RunFilter, RunRow,
    RunStore, SeenDriver, SessionFilter, SessionStore, SharedValue, Signal, SlotClaim, StoreError,
    UserMemory, ValueChange, Waiting, WaitingFilter, Watched, page,
};
use crate::world::Timestamp;
use media::MediaIndex;
use memories::Memories;
use requests::Requests;
use slots::Slots;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;
use values::Values;

/// The number of runs that are kept by default; the oldest that have ended go first.
pub const RUNS_KEPT: usize = 10_000;

/// A store in the memory of this process. Clones share it.
///
/// ```
/// use stepwright_core::Memory;
/// let store = Memory::default().keeping(100);
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    shared: Arc<Mutex<Tables>>,
    keep: usize,
}

#[derive(Debug, Default)]
struct Tables {
    runs: HashMap<RunId, (RunRow, u64)>,
    /// The journals by number. A run that was deleted leaves its journal while forks share it.
    journals: HashMap<u64, Journal>,
    /// The number of the next journal.
    next: u64,
    order: VecDeque<RunId>,
    sessions: HashMap<SessionId, Session>,
    memories: Memories,
    inboxes: HashMap<RunId, Vec<Letter>>,
    drivers: HashMap<Arc<str>, Timestamp>,
    plans: HashMap<String, String>,
    slots: Slots,
    requests: Requests,
    values: Values,
    media: MediaIndex,
    /// Is cancelled at the next signal; the watchers wait for that.
    signalled: Option<CancellationToken>,
    /// Is cancelled at the next facts of a run; the watchers wait for that.
    followed: HashMap<RunId, CancellationToken>,
}

/// The facts that a run has of its own.
#[derive(Debug)]
struct Journal {
    facts: Vec<Event>,
    /// The journal whose facts come before them, and how many of those.
    origin: Option<(u64, u64)>,
    /// The number of forks that share these facts.
    forks: usize,
    /// `true` once its run was deleted.
    deleted: bool,
}

/// A signal in an inbox.
#[derive(Debug)]
struct Letter {
    id: Arc<str>,
    /// `None` if a fact came before any signal.
    signal: Option<Signal>,
    /// `true` once a fact was recorded for it.
    done: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { shared: Arc::default(), keep: RUNS_KEPT }
    }
}

impl Memory {
    /// Sets the number of runs to keep. Beyond it, the oldest that have ended are dropped.
    #[must_use]
    pub fn keeping(mut self, runs: usize) -> Self {
        self.keep = runs.max(1);
        self
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    // Checks everything before it changes anything, so that a refused append leaves no trace.
    fn append(&mut self, append: Append, keep: usize) -> Result<(), StoreError> {
        let Append { run, mut facts, close, driver } = append;
        self.media.share(&mut facts)?;
        let (Some(first), Some(last)) = (facts.first(), facts.last()) else { return Ok(()) };
        let begun = RunRow::begun_by(first).filter(|_| !self.runs.contains_key(&run));
        let origin = begun.as_ref().and_then(|row| row.origin.as_ref());
        let origin = origin.map(|origin| self.shared(origin)).transpose()?;
        let next = match self.runs.get(&run) {
            Some((_, journal)) => self.length(*journal),
            None => origin.map_or(0, |(_, until)| until),
        };
        if let Some((_, stray)) = (next..).zip(&facts).find(|(next, f)| f.sequence != *next) {
            return Err(StoreError::Taken { run, sequence: stray.sequence });
        }
        let Some(row) = begun.as_ref().or(self.runs.get(&run).map(|(row, _)| row)) else {
            return Err(StoreError::NotFound(format!("run `{run}`")));
        };
        let touched = begun.is_some() || close.is_some();
        let session = self.sessions.get(&row.session_id).filter(|_| touched);
        if begun.is_some() && session.is_some_and(|s| !s.belongs_to(row.user_id.as_ref())) {
            return Err(missing(&row.session_id));
        }
        let mut session = session.cloned();
        if session.is_none() && begun.is_some() {
            session = Some(Session::new(
                row.session_id.clone(),
                row.user_id.clone(),
                row.workflow_id.clone(),
                row.created_at,
            ));
        }
        let metrics = close.as_ref().and_then(|close| close.run);
        if let (Some(close), Some(session)) = (close, &mut session) {
            patch(session, &close.patches, last.time)?;
            close.count(&mut session.metrics);
        }
        if let Some(session) = session {
            self.sessions.insert(session.session_id.clone(), session);
        }
        if let Some(mut row) = begun {
            row.drive(driver);
            self.order.push_back(run.clone());
            let number = self.next;
            self.next += 1;
            if let Some(shared) = origin.and_then(|(shared, _)| self.journals.get_mut(&shared)) {
                shared.forks += 1;
            }
            let journal = Journal { facts: Vec::new(), origin, forks: 0, deleted: false };
            self.journals.insert(number, journal);
            self.runs.insert(run.clone(), (row, number));
            self.forget(keep);
        }
        if let EventKind::WorkflowRetried { withdrawn, .. } = &first.kind
            && let Some(inbox) = self.inboxes.get_mut(&run)
        {
            let void = Signal::void_after_retry(withdrawn);
            inbox.retain(|letter| !void.contains(&letter.id));
        }
        if let Some((row, number)) = self.runs.get_mut(&run) {
            row.updated_at = last.time;
            let told = facts.iter().rev().find(|fact| RunRow::status_after(fact).is_some());
            if let Some(told) = told {
                row.status = RunRow::status_after(told).unwrap_or(row.status);
                row.wake_at = RunRow::wake_after(told);
                row.metrics = metrics.filter(|_| row.status.is_terminal());
                let driver = row.driver.take().filter(|_| row.status == RunStatus::Running);
                row.drive(driver);
            }
            for id in facts.iter().filter_map(|fact| Signal::settled_by(&fact.kind)) {
                let inbox = self.inboxes.entry(run.clone()).or_default();
                match inbox.iter_mut().find(|letter| letter.id == id) {
                    Some(letter) => letter.done = true,
                    None => inbox.push(Letter { id, signal: None, done: true }),
                }
            }
            if let Some(journal) = self.journals.get_mut(number) {
                journal.facts.extend(facts);
            }
        }
        if !self.followed.is_empty()
            && let Some(followed) = self.followed.remove(&run)
        {
            followed.cancel();
        }
        Ok(())
    }

    /// Returns the journal that a fork shares, and the number of facts.
    fn shared(&self, origin: &Origin) -> Result<(u64, u64), StoreError> {
        match self.runs.get(&origin.run) {
            Some((_, journal)) if self.length(*journal) >= origin.until => {
                Ok((*journal, origin.until))
            }
            _ => Err(StoreError::NotFound(format!("run `{}`", origin.run))),
        }
    }

    /// Returns the number of facts of a journal, with those that it shares.
    fn length(&self, journal: u64) -> u64 {
        self.journals.get(&journal).map_or(0, |journal| {
            journal.origin.map_or(0, |(_, until)| until) + journal.facts.len() as u64
        })
    }

    /// Returns facts of a run, with those that it shares.
    fn load(&self, run: &RunId, from: u64, limit: usize) -> Vec<Event> {
        // The journals from the run's own back to the first, each with the numbers of its facts.
        let mut parts = Vec::new();
        let mut journal = self.runs.get(run).map(|(_, journal)| *journal);
        let mut until = u64::MAX;
        while let Some(found) = journal.and_then(|number| self.journals.get(&number)) {
            let first = found.origin.map_or(0, |(_, until)| until);
            parts.push((first, until, &found.facts));
            if from >= first {
                break;
            }
            journal = found.origin.map(|(origin, _)| origin);
            // A fork may leave where its origin had no facts of its own.
            until = until.min(first);
        }
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let facts = parts.into_iter().rev().flat_map(|(first, until, facts)| {
            let begin = place(from.saturating_sub(first)).min(facts.len());
            let end = place(until.saturating_sub(first)).min(facts.len());
            facts.get(begin..end).unwrap_or_default()
        });
        let named = |fact: &Event| Event { run: run.clone(), ..fact.clone() };
        facts.take(limit).map(named).collect()
    }

    /// Drops the journal of a run, unless forks share it. Then it goes with the last of them.
    fn drop_journal(&mut self, journal: u64) {
        let mut next = Some(journal);
        if let Some(journal) = self.journals.get_mut(&journal) {
            journal.deleted = true;
        }
        while let Some(number) = next {
            let unused = |journal: &Journal| journal.deleted && journal.forks == 0;
            if !self.journals.get(&number).is_some_and(unused) {
                return;
            }
            let origin = self.journals.remove(&number).and_then(|journal| journal.origin);
            next = origin.map(|(origin, _)| origin);
            if let Some(origin) = next.and_then(|origin| self.journals.get_mut(&origin)) {
                origin.forks -= 1;
            }
        }
    }

    fn open_signals(&self, run: &RunId) -> impl Iterator<Item = &Signal> {
        let inbox = self.inboxes.get(run).map_or(&[][..], |inbox| inbox);
        inbox.iter().filter(|letter| !letter.done).filter_map(|letter| letter.signal.as_ref())
    }

    fn submit(&mut self, signal: Signal) -> Result<bool, StoreError> {
        if !self.runs.contains_key(&signal.run) {
            return Err(StoreError::NotFound(format!("run `{}`", signal.run)));
        }
        let inbox = self.inboxes.entry(signal.run.clone()).or_default();
        if inbox.iter().any(|letter| letter.id == signal.id) {
            return Ok(false);
        }
        inbox.push(Letter { id: signal.id.clone(), signal: Some(signal), done: false });
        if let Some(signalled) = self.signalled.take() {
            signalled.cancel();
        }
        Ok(true)
    }

    fn forget(&mut self, keep: usize) {
        while self.order.len() > keep {
            let ended =
                |run: &RunId| self.runs.get(run).is_none_or(|(r, _)| r.status.is_terminal());
            let Some(place) = self.order.iter().position(ended) else { break };
            if let Some(run) = self.order.remove(place) {
                if let Some((_, journal)) = self.runs.remove(&run) {
                    self.drop_journal(journal);
                }
                self.inboxes.remove(&run);
            }
        }
    }
}

fn patch(session: &mut Session, patches: &[Patch], now: Timestamp) -> Result<(), StoreError> {
    if !patches.is_empty() {
        let mut state = session.state.clone();
        for patch in patches {
            patch.apply(&mut state)?;
        }
        session.state = state;
        session.version += 1;
    }
    session.updated_at = session.updated_at.max(now);
    Ok(())
}

fn missing(session: &SessionId) -> StoreError {
    StoreError::NotFound(format!("session `{session}`"))
}

impl Tables {
    fn delete_run(&mut self, delete: &DeleteRun) -> Option<DeletedRun> {
        let run = &delete.run;
        let (_, number) = self.runs.get(run).filter(|(row, _)| delete.allows(row.status))?;
        let (number, journal) = (*number, self.journals.get(number)?);
        let facts = journal.facts.len() as u64;
        let bytes =
            |fact: &Event| serde_json::to_vec(&fact.kind).map_or(0, |body| body.len() as u64);
        let signals = self.inboxes.get(run).map_or(0, |inbox| inbox.len() as u64);
        let deleted = match journal.forks {
            0 => {
                let bytes = journal.facts.iter().map(bytes).sum();
                DeletedRun { facts, signals, bytes, shared: 0 }
            }
            _ => DeletedRun { facts: 0, signals, bytes: 0, shared: facts },
        };
        if !delete.dry_run {
            self.runs.remove(run);
            self.drop_journal(number);
            self.order.retain(|kept| kept != run);
            self.inboxes.remove(run);
            self.slots.forget(|holder| holder != run.as_str());
            if let Some(followed) = self.followed.remove(run) {
                followed.cancel();
            }
        }
        Some(deleted)
    }
}

impl RunStore for Memory {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(self.tables().append(append, self.keep)))
    }

    fn load<'a>(
        &'a self,
        run: &'a RunId,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>> {
        Box::pin(ready(Ok(self.tables().load(run, from, limit))))
    }

    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>> {
        Box::pin(ready(Ok(self.tables().runs.get(run).map(|(row, _)| row.clone()))))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        let tables = self.tables();
        let behind = match &filter.before {
            None => tables.order.len(),
            Some(before) => tables.order.iter().position(|run| run == before).unwrap_or(0),
        };
        let newest = tables.order.iter().take(behind).rev();
        let newest = newest.filter_map(|run| tables.runs.get(run));
        let wanted = newest.map(|(row, _)| row).filter(|row| filter.matches(row));
        let rows = wanted.skip(filter.offset).take(page(filter.limit)).cloned().collect();
        Box::pin(ready(Ok(rows)))
    }

    fn remember_plan<'a>(
        &'a self,
        digest: &'a str,
        plan: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.tables().plans.entry(digest.to_owned()).or_insert_with(|| plan.to_owned());
        Box::pin(ready(Ok(())))
    }

    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        Box::pin(ready(Ok(self.tables().plans.get(digest).cloned())))
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn keeps_media(&self) -> bool {
        true
    }

    fn media<'a>(
        &'a self,
        stored: &'a StoredMedia,
    ) -> BoxFuture<'a, Result<Option<Arc<[u8]>>, StoreError>> {
        Box::pin(ready(Ok(self.tables().media.get(&stored.sha256))))
    }

    fn delete_run(
        &self,
        delete: DeleteRun,
    ) -> BoxFuture<'_, Result<Option<DeletedRun>, StoreError>> {
        Box::pin(ready(Ok(self.tables().delete_run(&delete))))
    }
}

impl SessionStore for Memory {
    fn session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Session>, StoreError>> {
        Box::pin(ready(Ok(self.tables().sessions.get(session).cloned())))
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'_, Result<Vec<Session>, StoreError>> {
        let tables = self.tables();
        let mut wanted: Vec<&Session> =
            tables.sessions.values().filter(|session| filter.matches(session)).collect();
        wanted.sort_by_key(|session| (Reverse(session.updated_at), session.session_id.clone()));
        let rows = wanted.into_iter().skip(filter.offset).take(page(filter.limit));
        Box::pin(ready(Ok(rows.cloned().collect())))
    }

    fn open_session(&self, session: Session) -> BoxFuture<'_, Result<bool, StoreError>> {
        let mut tables = self.tables();
        let is_new = !tables.sessions.contains_key(&session.session_id);
        if is_new {
            tables.sessions.insert(session.session_id.clone(), session);
        }
        Box::pin(ready(Ok(is_new)))
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut tables = self.tables();
        let renamed = tables.sessions.get_mut(session).map(|found| {
            found.name = Some(name.to_owned());
            found.updated_at = found.updated_at.max(now);
        });
        Box::pin(ready(renamed.ok_or_else(|| missing(session))))
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Session, StoreError>> {
        let mut tables = self.tables();
        let patched = match tables.sessions.get_mut(session) {
            Some(found) => patch(found, patches, now).map(|()| found.clone()),
            None => Err(missing(session)),
        };
        Box::pin(ready(patched))
    }

    fn delete_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut guard = self.tables();
        let tables = &mut *guard;
        let existed = tables.sessions.remove(session).is_some();
        let (mut gone, mut gone_runs) = (Vec::new(), Vec::new());
        tables.runs.retain(|run, (row, journal)| {
            let stays = row.session_id != *session;
            if !stays {
                gone_runs.push(run.clone());
                gone.push(*journal);
            }
            stays
        });
        for journal in gone {
            tables.drop_journal(journal);
        }
        tables.order.retain(|run| tables.runs.contains_key(run));
        tables.inboxes.retain(|run, _| tables.runs.contains_key(run));
        tables.slots.forget(|holder| !gone_runs.iter().any(|run| run.as_str() == holder));
        for (_, followed) in tables.followed.drain() {
            followed.cancel();
        }
        Box::pin(ready(Ok(existed)))
    }

    fn memories(&self, filter: MemoryFilter) -> BoxFuture<'_, Result<Vec<UserMemory>, StoreError>> {
        Box::pin(ready(Ok(self.tables().memories.list(&filter))))
    }

    fn memory_users(
        &self,
        limit: usize,
        offset: usize,
    ) -> BoxFuture<'_, Result<Vec<MemoryUser>, StoreError>> {
        Box::pin(ready(Ok(self.tables().memories.users(limit, offset))))
    }

    fn update_memories(&self, update: MemoryUpdate) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(ready(self.tables().memories.update(&update)))
    }
}

impl Inbox for Memory {
    fn submit(&self, signal: Signal) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(ready(self.tables().submit(signal)))
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>> {
        let tables = self.tables();
        let inbox = tables.inboxes.get(run).map_or(&[][..], |inbox| inbox);
        let signals = inbox.iter().filter_map(|letter| letter.signal.clone()).collect();
        Box::pin(ready(Ok(signals)))
    }

    fn unread<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>> {
        Box::pin(ready(Ok(self.tables().unread(session))))
    }

    fn forward<'a>(
        &'a self,
        run: &'a RunId,
        id: &'a str,
        to: Option<&'a RunId>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(ready(self.tables().forward(run, id, to)))
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        let mut tables = self.tables();
        let changed = match watched {
            Watched::Signals => tables.signalled.get_or_insert_default().clone(),
            Watched::Facts(run) => tables.followed.entry(run).or_default().clone(),
        };
        Box::pin(changed.cancelled_owned())
    }
}

impl Leases for Memory {
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        Box::pin(ready(Ok(self.tables().claim(claim))))
    }

    fn release<'a>(
        &'a self,
        run: &'a RunId,
        driver: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if let Some((row, _)) = self.tables().runs.get_mut(run)
            && row.driver.as_deref() == Some(driver)
        {
            row.drive(None);
        }
        Box::pin(ready(Ok(())))
    }

    fn heartbeat<'a>(
        &'a self,
        driver: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Heard, StoreError>> {
        Box::pin(ready(Ok(self.tables().heartbeat(driver, now))))
    }

    fn drivers<'a>(
        &'a self,
        workflow: &'a WorkflowId,
    ) -> BoxFuture<'a, Result<Vec<SeenDriver>, StoreError>> {
        Box::pin(ready(Ok(self.tables().drivers(workflow))))
    }

    fn waiting(&self, filter: WaitingFilter) -> BoxFuture<'_, Result<Waiting, StoreError>> {
        Box::pin(ready(Ok(self.tables().waiting(&filter))))
    }

    fn enter(&self, claim: SlotClaim) -> BoxFuture<'_, Result<Entered, StoreError>> {
        Box::pin(ready(Ok(self.tables().enter(&claim))))
    }

    fn leave<'a>(
        &'a self,
        scope: &'a str,
        holder: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.tables().slots.leave(scope, holder);
        Box::pin(ready(Ok(())))
    }

    fn queued(&self) -> BoxFuture<'_, Result<Vec<Queued>, StoreError>> {
        Box::pin(ready(Ok(self.tables().slots.queued())))
    }

    fn slots_of<'a>(&'a self, holder: &'a str) -> BoxFuture<'a, Result<Vec<HeldSlot>, StoreError>> {
        Box::pin(ready(Ok(self.tables().slots.of(holder))))
    }

    fn first(&self, claim: FirstClaim) -> BoxFuture<'_, Result<Option<Arc<str>>, StoreError>> {
        Box::pin(ready(Ok(self.tables().first(&claim))))
    }
    fn begin_request(&self, claim: RequestClaim) -> BoxFuture<'_, Result<RequestTurn, StoreError>> {
        Box::pin(ready(Ok(self.tables().begin_request(&claim))))
    }

    fn end_request<'a>(
        &'a self,
        scope: &'a str,
        holder: &'a str,
        counts: bool,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.tables().requests.end(scope, holder, counts);
        Box::pin(ready(Ok(())))
    }

    fn close_requests<'a>(
        &'a self,
        scope: &'a str,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.tables().requests.close(scope, until);
        Box::pin(ready(Ok(())))
    }

    fn shared_value<'a>(
        &'a self,
        kind: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<SharedValue>, StoreError>> {
        Box::pin(ready(Ok(self.tables().values.find(kind, key))))
    }

    fn shared_values<'a>(
        &'a self,
        kind: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SharedValue>, StoreError>> {
        Box::pin(ready(Ok(self.tables().values.list(kind, after, page(limit)))))
    }

    fn change_value(&self, change: ValueChange) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(ready(Ok(self.tables().values.change(change))))
    }
}
