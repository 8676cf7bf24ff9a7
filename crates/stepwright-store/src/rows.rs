//! Conversion between the types of the core and the columns of tables.

use crate::bodies::FactRow;
use crate::errors::{damaged, damaged_plan, damaged_signal, sealed};
use crate::sums::{RunIdentity, RunState, SessionValues, Sums};
use serde::Serialize;
use std::sync::Arc;
use stepwright_core::event::Origin;
use stepwright_core::journal::{FACTS_MAX, SessionClose};
use stepwright_core::store::{Claimed, RunRow, Signal};
use stepwright_core::{
    ErrorId, Event, EventKind, Metrics, Patch, RunId, RunStatus, Session, SessionId, StepPath,
    StoreError, Timestamp, UserId, WorkflowId,
};

// The largest number of a fact fits into the signed integers of a database.
const _: () = assert!(FACTS_MAX < i64::MAX as u64);

/// The effect of the facts of one append on the row of their run.
#[derive(Debug)]
pub(crate) struct Effect {
    /// The row to make, if the first fact begins a run.
    pub(crate) begun: Option<RunRow>,
    /// The status that the run has afterwards, if it changes.
    pub(crate) status: Option<RunStatus>,
    /// When the run goes on by itself. Counts if the status changes.
    pub(crate) wake_at: Option<Timestamp>,
    /// The signals of which these facts were made, or to which they come first.
    pub(crate) answered: Vec<Arc<str>>,
    /// When the last fact was recorded.
    pub(crate) at: Timestamp,
    /// The number of facts the run has afterwards.
    pub(crate) facts: u64,
    /// The consumption of the run, as JSON, if it ends.
    pub(crate) metrics: Option<String>,
}

impl Effect {
    /// `None` if there are no facts. `driver` drives the run that begins with them, and `used` is
    /// the consumption of the run that ends with them.
    pub(crate) fn of(
        facts: &[Event],
        driver: Option<Arc<str>>,
        used: Option<Metrics>,
    ) -> Option<Self> {
        let (first, last) = (facts.first()?, facts.last()?);
        let told = facts.iter().rev().find(|fact| RunRow::status_after(fact).is_some());
        let mut answered: Vec<_> =
            facts.iter().filter_map(|fact| Signal::settled_by(&fact.kind)).collect();
        answered.sort_unstable();
        answered.dedup();
        let status = told.and_then(RunRow::status_after);
        let used = used.filter(|_| status.is_some_and(RunStatus::is_terminal));
        Some(Self {
            begun: RunRow::begun_by(first).map(|row| RunRow { driver, ..row }),
            status,
            wake_at: told.and_then(RunRow::wake_after),
            answered,
            at: last.time,
            facts: last.sequence.saturating_add(1),
            metrics: used.and_then(|used| serde_json::to_string(&used).ok()),
        })
    }
}

impl Effect {
    /// The checksum of the status that the run has afterwards.
    pub(crate) fn status_sum(&self, sums: Sums, run: &RunId, status: RunStatus) -> i64 {
        let state = RunState {
            status: status.as_str(),
            updated_at: to_column(self.at.0),
            wake_at: self.wake_at.map(moment),
            facts: to_column(self.facts),
        };
        sums.status(run.as_str(), &state)
    }

    /// The checksum of the consumption of the run.
    pub(crate) fn metrics_sum(&self, sums: Sums, run: &RunId) -> Option<i64> {
        let metrics = self.metrics.as_deref()?;
        Some(sums.metrics(run.as_str(), to_column(self.facts), metrics))
    }

    /// Returns `true` if the run waits or has ended afterwards.
    pub(crate) fn rests(&self) -> bool {
        self.status.is_some_and(|status| status != RunStatus::Running)
    }
}

/// Returns an error if these facts cannot be appended where `next` is the next number.
pub(crate) fn stray(run: &RunId, next: u64, facts: &[FactRow]) -> Option<StoreError> {
    let (_, stray) = (next..).zip(facts).find(|(next, fact)| fact.sequence != *next)?;
    Some(StoreError::Taken { run: run.clone(), sequence: stray.sequence })
}

/// The fact of a row. `expected` is the number that must come next, `sum` the checksum of the row.
/// `stored` is the run whose fact it was first.
pub(crate) fn fact(
    (run, stored): (&RunId, &RunId),
    expected: u64,
    (sequence, path, at): (u64, &[u8], Timestamp),
    body: &[u8],
    sums: Sums,
    sum: Option<i64>,
) -> Result<Event, StoreError> {
    let checked = sums.verify(sum, || sums.fact(stored, sequence, path, at, body).sum());
    let path = str::from_utf8(path).map(StepPath::from);
    let corrupt = |sequence, path: Option<&StepPath>, what| StoreError::Corrupt {
        run: run.clone(),
        sequence,
        path: path.cloned(),
        what,
    };
    if sequence != expected {
        return Err(corrupt(expected, None, format!("it is missing, {sequence} follows")));
    }
    let path = path.map_err(|error| corrupt(sequence, None, format!("its path: {error}")))?;
    checked.map_err(|what| corrupt(sequence, Some(&path), what))?;
    let kind: EventKind = serde_json::from_slice(body)
        .map_err(|error| corrupt(sequence, Some(&path), error.to_string()))?;
    Ok(Event { sequence, delta: 0, time: at, run: run.clone(), path, kind })
}

/// A number of ours as an integer of a database, which has a sign. [`from_column`] undoes it.
pub(crate) fn to_column(number: u64) -> i64 {
    number.cast_signed()
}

/// Undoes [`to_column`].
pub(crate) fn from_column(number: i64) -> u64 {
    number.cast_unsigned()
}

/// A moment that databases compare with others: one that is beyond their numbers is the last.
pub(crate) fn moment(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// The columns of a run, as they are read.
pub(crate) struct RunColumns {
    pub(crate) run_id: String,
    pub(crate) session_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) workflow_id: String,
    pub(crate) digest: String,
    pub(crate) status: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
    pub(crate) wake_at: Option<i64>,
    pub(crate) background: bool,
    pub(crate) driver: Option<String>,
    /// As it is in the row; `updated_at` may be of the last fact.
    pub(crate) stored_at: i64,
    pub(crate) facts: Option<i64>,
    pub(crate) sum: Option<i64>,
    pub(crate) status_sum: Option<i64>,
    pub(crate) driver_sum: Option<i64>,
    pub(crate) origin: Option<i64>,
    pub(crate) origin_run: Option<String>,
    pub(crate) origin_until: Option<i64>,
    pub(crate) metrics: Option<String>,
    /// The number of facts that are in `metrics`.
    pub(crate) metrics_facts: Option<i64>,
    pub(crate) metrics_sum: Option<i64>,
}

/// The columns of a run that describe its journal.
pub(crate) struct JournalColumns {
    pub(crate) status: String,
    pub(crate) updated_at: i64,
    pub(crate) wake_at: Option<i64>,
    pub(crate) facts: Option<i64>,
    pub(crate) status_sum: Option<i64>,
    /// The number of the last fact that is there.
    pub(crate) last: Option<i64>,
}

impl JournalColumns {
    /// Refuses a journal whose end is missing.
    pub(crate) fn check(self, run: &RunId, sums: Sums) -> Result<(), StoreError> {
        let there = self.last.map_or(0, |last| from_column(last).saturating_add(1));
        let corrupt =
            |what| StoreError::Corrupt { run: run.clone(), sequence: there, path: None, what };
        let facts = self.facts.unwrap_or_default();
        let state = RunState {
            status: &self.status,
            updated_at: self.updated_at,
            wake_at: self.wake_at,
            facts,
        };
        sums.verify(self.status_sum, || sums.status(run.as_str(), &state))
            .map_err(|what| corrupt(format!("in its row of `runs`: {what}")))?;
        if there < from_column(facts) {
            return Err(corrupt(format!("it is missing, as is all up to {}", facts - 1)));
        }
        Ok(())
    }
}

impl RunColumns {
    /// Returns the origin of a fork: the number of its journal, its name, and the number of facts.
    fn origin(&self) -> Option<(i64, &str, i64)> {
        Some((self.origin?, self.origin_run.as_deref()?, self.origin_until?))
    }

    /// Compares its checksums.
    fn check(&self, sums: Sums) -> Result<(), String> {
        let identity = RunIdentity {
            run_id: &self.run_id,
            session_id: &self.session_id,
            user_id: self.user_id.as_deref(),
            workflow_id: &self.workflow_id,
            digest: &self.digest,
            created_at: self.created_at,
            background: self.background,
            origin: self.origin(),
        };
        let state = RunState {
            status: &self.status,
            updated_at: self.stored_at,
            wake_at: self.wake_at,
            facts: self.facts.unwrap_or_default(),
        };
        sums.verify(self.sum, || sums.run(&identity))?;
        sums.verify(self.status_sum, || sums.status(&self.run_id, &state))?;
        sums.verify(self.driver_sum, || sums.driver(&self.run_id, self.driver.as_deref()))
    }

    /// Returns the consumption of a run that has ended. If a program took the run up that does not
    /// know this column, the numbers of facts differ, and the journal tells it.
    fn metrics(&self, sums: Sums, status: RunStatus) -> Result<Option<Metrics>, String> {
        let is_whole = status.is_terminal() && self.metrics_facts == self.facts;
        let Some(text) = self.metrics.as_deref().filter(|_| is_whole) else { return Ok(None) };
        let facts = self.metrics_facts.unwrap_or_default();
        sums.verify(self.metrics_sum, || sums.metrics(&self.run_id, facts, text))?;
        serde_json::from_str(text).map(Some).map_err(|error| format!("its metrics: {error}"))
    }

    pub(crate) fn row(self, sums: Sums) -> Result<RunRow, StoreError> {
        let run_id = RunId::new(&self.run_id).map_err(|error| StoreError::Unavailable {
            what: format!("the database has a run with the name `{}`", self.run_id.escape_debug()),
            source: error.into(),
            hint: None,
            id: ErrorId::ROW_DAMAGED,
        })?;
        let corrupt = |what: String| StoreError::Corrupt {
            run: run_id.clone(),
            sequence: 0,
            path: None,
            what: format!("in its row of `runs`: {what}"),
        };
        self.check(sums).map_err(&corrupt)?;
        let odd = |error: stepwright_core::IdError| corrupt(error.to_string());
        let origin = match self.origin() {
            Some((_, run, until)) => {
                Some(Origin { run: RunId::new(run).map_err(odd)?, until: from_column(until) })
            }
            None => None,
        };
        let status = RunStatus::from_word(&self.status)
            .ok_or_else(|| corrupt(format!("unknown run status `{}`", self.status)))?;
        let metrics = self.metrics(sums, status).map_err(&corrupt)?;
        let mut row = RunRow {
            session_id: SessionId::new(self.session_id).map_err(odd)?,
            user_id: self.user_id.map(UserId::new).transpose().map_err(odd)?,
            workflow_id: WorkflowId::new(self.workflow_id).map_err(odd)?,
            digest: self.digest.into(),
            status,
            created_at: Timestamp(from_column(self.created_at)),
            updated_at: Timestamp(from_column(
                self.updated_at.ok_or_else(|| corrupt("it has no facts".to_owned()))?,
            )),
            wake_at: self.wake_at.map(|at| Timestamp(from_column(at))),
            background: self.background,
            driver: None,
            origin,
            metrics,
            run_id,
        };
        row.drive(self.driver.map(Into::into));
        Ok(row)
    }
}

/// The columns of a signal, as they are read. `wish` is JSON.
pub(crate) struct SignalColumns {
    pub(crate) run_id: String,
    pub(crate) id: String,
    pub(crate) wish: String,
    pub(crate) at: i64,
    pub(crate) done: bool,
    pub(crate) sum: Option<i64>,
    pub(crate) done_sum: Option<i64>,
    pub(crate) key_id: Option<String>,
}

impl SignalColumns {
    pub(crate) fn signal(self, sums: Sums) -> Result<Signal, StoreError> {
        let (run, id) = (&self.run_id, &self.id);
        if let Some(key) = &self.key_id {
            return Err(sealed(format_args!("signal `{id}` of run `{run}`"), key));
        }
        sums.verify(self.sum, || sums.signal(run, id, Some(&self.wish), self.at))
            .and_then(|()| sums.verify(self.done_sum, || sums.done(run, id, self.done)))
            .map_err(|what| damaged_signal(run, id, what))?;
        Ok(Signal {
            run: RunId::new(run).map_err(|error| damaged_signal(run, id, error))?,
            kind: serde_json::from_str(&self.wish)
                .map_err(|error| damaged_signal(run, id, error))?,
            at: Timestamp(from_column(self.at)),
            id: self.id.into(),
        })
    }
}

/// The values of a signal that is inserted.
pub(crate) struct SignalValues<'s> {
    pub(crate) run: &'s str,
    pub(crate) id: &'s str,
    pub(crate) wish: &'s str,
    pub(crate) at: i64,
    pub(crate) sum: i64,
    pub(crate) done_sum: i64,
}

/// Returns the request of a signal as its column has it.
pub(crate) fn wish(signal: &Signal) -> Result<String, StoreError> {
    serde_json::to_string(&signal.kind).map_err(|error| StoreError::Unavailable {
        what: format!("signal `{}` for run `{}` cannot be written as JSON", signal.id, signal.run),
        source: error.into(),
        hint: None,
        id: ErrorId::FACT_UNWRITABLE,
    })
}

/// Returns a plan after comparing its checksum.
pub(crate) fn checked_plan(
    digest: &str,
    plan: String,
    sum: Option<i64>,
    sums: Sums,
) -> Result<String, StoreError> {
    match sums.verify(sum, || sums.plan(digest, &plan)) {
        Ok(()) => Ok(plan),
        Err(what) => Err(damaged_plan(digest, what)),
    }
}

/// Returns the driver that keeps a run from being claimed.
pub(crate) fn driven_by(driver: Option<String>, seen_at: i64) -> Claimed {
    let driver = driver.unwrap_or_default().into();
    Claimed::By { driver, seen_at: Timestamp(from_column(seen_at)) }
}

/// The columns of a session, as they are read. `state` and `metrics` are JSON.
pub(crate) struct SessionColumns {
    pub(crate) session_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) workflow_id: String,
    pub(crate) name: Option<String>,
    pub(crate) state: String,
    pub(crate) version: i64,
    pub(crate) metrics: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) sum: Option<i64>,
    pub(crate) key_id: Option<String>,
}

/// The columns of a session, as they are written, without names.
pub(crate) struct WrittenSession {
    pub(crate) state: String,
    pub(crate) version: i64,
    pub(crate) metrics: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) sum: i64,
}

impl WrittenSession {
    pub(crate) fn of(session: &Session, sums: Sums) -> Result<Self, StoreError> {
        let (state, metrics) = (json(session, &session.state)?, json(session, &session.metrics)?);
        let values = SessionValues {
            session_id: session.session_id.as_str(),
            user_id: session.user_id.as_ref().map(UserId::as_str),
            workflow_id: session.workflow_id.as_str(),
            name: session.name.as_deref(),
            state: &state,
            version: to_column(session.version),
            metrics: &metrics,
            created_at: to_column(session.created_at.0),
            updated_at: to_column(session.updated_at.0),
        };
        let sum = sums.session(&values);
        let SessionValues { version, created_at, updated_at, .. } = values;
        Ok(Self { state, version, metrics, created_at, updated_at, sum })
    }
}

impl SessionColumns {
    pub(crate) fn session(self, sums: Sums) -> Result<Session, StoreError> {
        if let Some(key) = &self.key_id {
            return Err(sealed(format_args!("session `{}`", self.session_id), key));
        }
        let values = SessionValues {
            session_id: &self.session_id,
            user_id: self.user_id.as_deref(),
            workflow_id: &self.workflow_id,
            name: self.name.as_deref(),
            state: &self.state,
            version: self.version,
            metrics: &self.metrics,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        sums.verify(self.sum, || sums.session(&values))
            .map_err(|what| damaged(&self.session_id, what))?;
        let name = self.session_id;
        let odd = |error: stepwright_core::IdError| damaged(&name, error);
        Ok(Session {
            session_id: SessionId::new(&name).map_err(odd)?,
            user_id: self.user_id.map(UserId::new).transpose().map_err(odd)?,
            workflow_id: WorkflowId::new(self.workflow_id).map_err(odd)?,
            name: self.name,
            state: serde_json::from_str(&self.state).map_err(|error| damaged(&name, error))?,
            version: from_column(self.version),
            metrics: serde_json::from_str(&self.metrics).map_err(|error| damaged(&name, error))?,
            created_at: Timestamp(from_column(self.created_at)),
            updated_at: Timestamp(from_column(self.updated_at)),
        })
    }
}

/// The checksum of the row of a run that begins.
///
/// `shared` is the journal that a fork shares.
pub(crate) fn run_sum(row: &RunRow, sums: Sums, shared: Option<i64>) -> i64 {
    let origin = shared.zip(row.origin.as_ref());
    sums.run(&RunIdentity {
        run_id: row.run_id.as_str(),
        session_id: row.session_id.as_str(),
        user_id: row.user_id.as_ref().map(UserId::as_str),
        workflow_id: row.workflow_id.as_str(),
        digest: &row.digest,
        created_at: to_column(row.created_at.0),
        background: row.background,
        origin: origin.map(|(id, origin)| (id, origin.run.as_str(), to_column(origin.until))),
    })
}

/// Returns a part of a session as its column has it.
fn json(session: &Session, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| damaged(session.session_id.as_str(), error))
}

/// Changes the state of a session that was read. A change that does not fit leaves it half changed;
/// it must not be saved then.
pub(crate) fn apply(
    session: &mut Session,
    patches: &[Patch],
    now: Timestamp,
) -> Result<(), StoreError> {
    for patch in patches {
        patch.apply(&mut session.state)?;
    }
    session.version += u64::from(!patches.is_empty());
    session.updated_at = session.updated_at.max(now);
    Ok(())
}

/// Applies the end of a run to a session. As [`apply`].
pub(crate) fn close(
    session: &mut Session,
    close: &SessionClose,
    now: Timestamp,
) -> Result<(), StoreError> {
    apply(session, &close.patches, now)?;
    close.count(&mut session.metrics);
    Ok(())
}
