//! A store in the memory of this process: for tests, and for what need not outlive the process.

use crate::BoxFuture;
use crate::event::Event;
use crate::id::{RunId, SessionId};
use crate::journal::{Append, Journal};
use crate::session::Session;
use crate::state::Patch;
use crate::store::{RunFilter, RunRow, SessionFilter, Store, StoreError, page};
use crate::world::Timestamp;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many runs are kept, unless said otherwise: the oldest that have ended go first.
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
    runs: HashMap<RunId, (RunRow, Vec<Event>)>,
    order: VecDeque<RunId>,
    sessions: HashMap<SessionId, Session>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { shared: Arc::default(), keep: RUNS_KEPT }
    }
}

impl Memory {
    /// Keeps `runs` runs; beyond them, the oldest that have ended are forgotten.
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
    // Checks everything before it changes anything: what is refused leaves no trace.
    fn append(&mut self, append: Append, keep: usize) -> Result<(), StoreError> {
        let Append { run, facts, close } = append;
        let (Some(first), Some(last)) = (facts.first(), facts.last()) else { return Ok(()) };
        let next = self.runs.get(&run).map_or(0, |(_, facts)| facts.len() as u64);
        if let Some((_, stray)) = (next..).zip(&facts).find(|(next, f)| f.sequence != *next) {
            return Err(StoreError::Taken { run, sequence: stray.sequence });
        }
        let begun = match self.runs.get(&run) {
            Some(_) => None,
            None => RunRow::begun_by(first),
        };
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
        if let (Some(close), Some(session)) = (close, &mut session) {
            patch(session, &close.patches, last.time)?;
            session.metrics.add(&close.metrics);
        }
        if let Some(session) = session {
            self.sessions.insert(session.session_id.clone(), session);
        }
        if let Some(row) = begun {
            self.order.push_back(run.clone());
            self.runs.insert(run.clone(), (row, Vec::new()));
            self.forget(keep);
        }
        if let Some((row, journal)) = self.runs.get_mut(&run) {
            row.updated_at = last.time;
            row.status = facts.iter().rev().find_map(RunRow::status_after).unwrap_or(row.status);
            journal.extend(facts);
        }
        Ok(())
    }

    fn forget(&mut self, keep: usize) {
        while self.order.len() > keep {
            let ended =
                |run: &RunId| self.runs.get(run).is_none_or(|(r, _)| r.status.is_terminal());
            let Some(place) = self.order.iter().position(ended) else { break };
            if let Some(run) = self.order.remove(place) {
                self.runs.remove(&run);
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

impl Journal for Memory {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(self.tables().append(append, self.keep)))
    }

    fn load<'a>(
        &'a self,
        run: &'a RunId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>> {
        let tables = self.tables();
        let facts = tables.runs.get(run).map_or(&[][..], |(_, facts)| facts);
        let after = usize::try_from(after).unwrap_or(usize::MAX).min(facts.len());
        Box::pin(ready(Ok(facts[after..].iter().take(limit).cloned().collect())))
    }
}

impl Store for Memory {
    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>> {
        Box::pin(ready(Ok(self.tables().runs.get(run).map(|(row, _)| row.clone()))))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        let tables = self.tables();
        let newest = tables.order.iter().rev().filter_map(|run| tables.runs.get(run));
        let wanted = newest.map(|(row, _)| row).filter(|row| filter.matches(row));
        let rows = wanted.skip(filter.offset).take(page(filter.limit)).cloned().collect();
        Box::pin(ready(Ok(rows)))
    }

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

    fn open_session(&self, session: Session) -> BoxFuture<'_, Result<(), StoreError>> {
        self.tables().sessions.entry(session.session_id.clone()).or_insert(session);
        Box::pin(ready(Ok(())))
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
        tables.runs.retain(|_, (row, _)| row.session_id != *session);
        tables.order.retain(|run| tables.runs.contains_key(run));
        Box::pin(ready(Ok(existed)))
    }
}
