//! The first fact of a fork, and the fact with which a run is retried.

use super::lineage::{self, ORIGINS_MAX};
use super::{media, sessions};
use crate::backend::{Attempt, Columns as _, Connection, Prepared, Value, Work};
use crate::bodies::{Blob, FactRow};
use crate::errors::{Failure, Said, missing, missing_run};
use crate::rows::{self, from_column, to_column};
use crate::sums::Chain;
use std::sync::Arc;
use stepwright_core::event::Origin;
use stepwright_core::store::{RunRow, Signal};
use stepwright_core::{ErrorId, Event, EventKind, RunId, RunStatus, Session, StoreError, UserId};

/// An append that takes a run up: it is the beginning of a fork, or a retry.
pub(crate) struct Opening {
    pub(crate) prepared: Prepared,
    /// The ids of the signals that no longer count.
    pub(crate) void: Vec<Arc<str>>,
}

/// Returns the ids of the signals that no longer count, if these facts take a run up.
pub(crate) fn void_signals(facts: &[Event]) -> Option<Vec<Arc<str>>> {
    match facts {
        [Event { kind: EventKind::WorkflowForked(_), .. }] => Some(Vec::new()),
        [Event { kind: EventKind::WorkflowRetried { withdrawn, .. }, .. }] => {
            Some(Signal::void_after_retry(withdrawn))
        }
        _ => None,
    }
}

const INSERT_BLOB: &str = "INSERT INTO blobs (hash, uses, body) VALUES ($1, $2, $3)
    ON CONFLICT (hash) DO UPDATE SET uses = blobs.uses + excluded.uses";

macro_rules! insert_run {
    ($background:literal) => {
        concat!(
            "INSERT INTO runs (run_id, session_id, user_id, workflow_id, digest, status, \
             created_at, updated_at, driver, facts, sum, status_sum, driver_sum, origin, \
             origin_run, origin_until, background)
             VALUES ($1, $2, $3, $4, $5, 'RUNNING', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, ",
            $background,
            ")"
        )
    };
}

const UPDATE_RUN: &str = "UPDATE runs SET status = 'RUNNING', updated_at = $1, wake_at = NULL,
    driver = $2, facts = $3, status_sum = $4, driver_sum = $5 WHERE id = $6";

impl<C: Connection> Work<C> for Opening {
    type Made = ();
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        self.prepared.media.is_empty()
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<(), Failure<C::Error>> {
        let Some(fact) = self.prepared.facts.first() else { return Ok(()) };
        match self.prepared.effect.begun.as_ref() {
            Some(row) => match &row.origin {
                Some(origin) => self.fork(c, fact, (row, origin), attempt).await?,
                None => return Err(missing_run(&self.prepared.run).into()),
            },
            None => self.retry(c, fact, attempt).await?,
        }
        for Blob { hash, packed, uses } in &self.prepared.blobs {
            let values = [(&**hash).into(), (*uses).into(), Value::Bytes(packed)];
            c.execute(INSERT_BLOB, &values).await?;
        }
        media::keep(c, &self.prepared.run, &self.prepared.media).await
    }
}

impl Opening {
    fn taken(&self, fact: &FactRow) -> StoreError {
        StoreError::Taken { run: self.prepared.run.clone(), sequence: fact.sequence }
    }

    async fn fork<C: Connection>(
        &self,
        c: &mut C,
        fact: &FactRow,
        (row, origin): (&RunRow, &Origin),
        attempt: Attempt,
    ) -> Result<(), Failure<C::Error>> {
        let (sums, run) = (c.sums(), &self.prepared.run);
        // The origin must not be deleted before this fork is seen to share its facts.
        let lock = format!("SELECT id FROM runs WHERE run_id = $1{}", C::DIALECT.lock);
        let read = |row: &C::Row<'_>| row.number(0);
        let shared = c.select(lock, &[origin.run.as_str().into()], read).await?.pop();
        let shared = shared.ok_or_else(|| missing_run(&origin.run))?;
        let parts = lineage::parts(c, &origin.run).await?;
        if parts.len() > ORIGINS_MAX {
            return Err(too_deep(&origin.run).into());
        }
        let last = origin.until.checked_sub(1).ok_or_else(|| missing_run(&origin.run))?;
        let part = parts.iter().find(|part| (part.first..part.until).contains(&last));
        let part = part.ok_or_else(|| missing_run(&origin.run))?;
        let chain = "SELECT chain FROM journal WHERE run = $1 AND seq = $2";
        let read = |row: &C::Row<'_>| Ok(row.maybe_blob(0)?.as_deref().and_then(Chain::read));
        let chain = c.select(chain, &[part.journal.into(), to_column(last).into()], read).await?;
        let chain = *chain.first().ok_or_else(|| missing_run(&origin.run))?;
        if fact.sequence != origin.until {
            return Err(self.taken(fact).into());
        }
        if let Some(id) = number_of(c, run).await? {
            let mine = attempt.lost && is_recorded(c, id, fact).await?;
            return if mine { Ok(()) } else { Err(self.taken(fact).into()) };
        }
        match sessions::select(c, "session_id = $1", row.session_id.as_str()).await? {
            Some(kept) if !kept.session.belongs_to(row.user_id.as_ref()) => {
                return Err(missing(&row.session_id).into());
            }
            Some(_) => {}
            None => {
                let (id, workflow) = (row.session_id.clone(), row.workflow_id.clone());
                let session = Session::new(id, row.user_id.clone(), workflow, row.created_at);
                sessions::open(c, &session, attempt).await?;
            }
        }
        let effect = &self.prepared.effect;
        let identity = rows::run_sum(row, sums, Some(shared));
        let values = [
            run.as_str().into(),
            row.session_id.as_str().into(),
            row.user_id.as_ref().map(UserId::as_str).into(),
            row.workflow_id.as_str().into(),
            (&*row.digest).into(),
            to_column(row.created_at.0).into(),
            to_column(effect.at.0).into(),
            row.driver.as_deref().into(),
            to_column(effect.facts).into(),
            identity.into(),
            effect.status_sum(sums, run, RunStatus::Running).into(),
            sums.driver(run.as_str(), row.driver.as_deref()).into(),
            shared.into(),
            origin.run.as_str().into(),
            to_column(origin.until).into(),
        ];
        let insert = if row.background { insert_run!("TRUE") } else { insert_run!("FALSE") };
        c.execute(insert, &values).await?;
        let id = number_of(c, run).await?.ok_or_else(|| missing_run(run))?;
        insert_fact(c, id, fact, chain, attempt).await
    }

    async fn retry<C: Connection>(
        &self,
        c: &mut C,
        fact: &FactRow,
        attempt: Attempt,
    ) -> Result<(), Failure<C::Error>> {
        let (sums, run) = (c.sums(), &self.prepared.run);
        let lock = format!("SELECT id FROM runs WHERE run_id = $1{}", C::DIALECT.lock);
        let read = |row: &C::Row<'_>| row.number(0);
        let id = c.select(lock, &[run.as_str().into()], read).await?.pop();
        let id = id.ok_or_else(|| missing_run(run))?;
        let last = "SELECT seq, chain FROM journal WHERE run = $1 ORDER BY seq DESC LIMIT 1";
        let read = |row: &C::Row<'_>| {
            let chain = row.maybe_blob(1)?.as_deref().and_then(Chain::read);
            Ok((from_column(row.number(0)?), chain))
        };
        let found = c.select(last, &[id.into()], read).await?.pop();
        let (last, chain) = found.ok_or_else(|| missing_run(run))?;
        if fact.sequence != last + 1 {
            let mine = attempt.lost && is_recorded(c, id, fact).await?;
            return if mine { Ok(()) } else { Err(self.taken(fact).into()) };
        }
        insert_fact(c, id, fact, chain, attempt).await?;
        let effect = &self.prepared.effect;
        let values = [
            to_column(effect.at.0).into(),
            Value::MaybeText(None),
            to_column(effect.facts).into(),
            effect.status_sum(sums, run, RunStatus::Running).into(),
            sums.driver(run.as_str(), None).into(),
            id.into(),
        ];
        c.execute(UPDATE_RUN, &values).await?;
        for signal in &self.void {
            let values = [id.into(), (&**signal).into()];
            c.execute("DELETE FROM inbox WHERE run = $1 AND id = $2", &values).await?;
        }
        Ok(())
    }
}

async fn number_of<C: Connection>(
    c: &mut C,
    run: &RunId,
) -> Result<Option<i64>, Failure<C::Error>> {
    let read = |row: &C::Row<'_>| row.number(0);
    let sql = "SELECT id FROM runs WHERE run_id = $1";
    Ok(c.select(sql, &[run.as_str().into()], read).await?.pop())
}

/// Returns `true` if the journal has exactly this fact: an earlier attempt has got through.
async fn is_recorded<C: Connection>(
    c: &mut C,
    journal: i64,
    fact: &FactRow,
) -> Result<bool, Failure<C::Error>> {
    let read = |row: &C::Row<'_>| row.maybe_number(0);
    let sql = "SELECT sum FROM journal WHERE run = $1 AND seq = $2";
    let values = [journal.into(), to_column(fact.sequence).into()];
    Ok(c.select(sql, &values, read).await?.pop().flatten() == Some(fact.digest.sum()))
}

async fn insert_fact<C: Connection>(
    c: &mut C,
    journal: i64,
    fact: &FactRow,
    last: Option<Chain>,
    attempt: Attempt,
) -> Result<(), Failure<C::Error>> {
    let chain = Chain::link(last, &fact.digest);
    let mut values: Vec<Value<'_>> = vec![
        journal.into(),
        to_column(fact.sequence).into(),
        fact.path.as_str().into(),
        to_column(fact.at.0).into(),
        (&*fact.body).into(),
        fact.blob.as_deref().into(),
        fact.digest.sum().into(),
        Value::Bytes(chain.bytes()),
    ];
    values.extend(attempt.token.map(Value::from));
    c.execute(C::DIALECT.insert_fact, &values).await?;
    Ok(())
}

fn too_deep(run: &RunId) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot fork run `{run}`"),
        source: Box::new(Said(format!(
            "it is a fork of a fork, {ORIGINS_MAX} times; that is the limit"
        ))),
        hint: Some("fork one of its origins".to_owned()),
        id: ErrorId::STORE_UNAVAILABLE,
    }
}
