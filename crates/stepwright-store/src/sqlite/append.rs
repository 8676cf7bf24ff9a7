//! Appending facts, in the transaction of the writer.

use super::database::Database;
use super::errors::Failure;
use crate::backend::{Attempt, Prepared};
use crate::bodies::{Blob, FactRow};
use crate::errors::{missing, missing_run, missing_session_of};
use crate::operations::media;
use crate::operations::sessions::{self, OF_RUN};
use crate::rows::{self, Effect, from_column, moment, to_column};
use crate::sums::Chain;
use rusqlite::{OptionalExtension, params};
use stepwright_core::journal::SessionClose;
use stepwright_core::store::RunRow;
use stepwright_core::{RunId, RunStatus, Session, SessionId, Timestamp, UserId};

/// The number of a run, and the number and chain hash of its last fact.
const PLACE: &str = "SELECT id, seq, chain FROM runs LEFT JOIN journal ON journal.run = runs.id
    WHERE run_id = ?1 ORDER BY seq DESC LIMIT 1";

const INSERT_FACT: &str = "INSERT INTO journal (run, seq, path, at, body, shared, blob, sum, chain)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const INSERT_BLOB: &str = "INSERT INTO blobs (hash, uses, body) VALUES (?1, ?2, ?3)
    ON CONFLICT (hash) DO UPDATE SET uses = uses + excluded.uses";

/// A driver releases its run when the run waits or has ended.
const UPDATE_RUN: &str = "UPDATE runs SET status = ?2, updated_at = ?3, wake_at = ?4,
    driver = CASE WHEN ?2 = 'RUNNING' THEN driver END, facts = ?5, status_sum = ?6,
    driver_sum = CASE WHEN ?2 = 'RUNNING' THEN driver_sum ELSE ?7 END, metrics = ?8,
    metrics_facts = ?9, metrics_sum = ?10 WHERE id = ?1";

/// Marks a requirement as answered, with or without a signal.
const ANSWER: &str = "INSERT INTO inbox (run, id, at, done, sum, done_sum)
    VALUES (?1, ?2, ?3, 1, ?4, ?5)
    ON CONFLICT (run, id) DO UPDATE SET done = 1, done_sum = excluded.done_sum";

const INSERT_RUN: &str = "INSERT INTO runs (run_id, session_id, user_id, workflow_id, digest, \
    status, created_at, updated_at, background, driver, facts, sum, status_sum, driver_sum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

pub(super) async fn append(connection: &mut Database, append: &Prepared) -> Result<(), Failure> {
    let Prepared { run, facts, effect, close, blobs, media } = append;
    let sums = connection.sums;
    let place = connection
        .prepare_cached(PLACE)?
        .query_row([run.as_str()], |row| {
            let chain = row.get_ref(2)?.as_bytes_or_null().ok().flatten().and_then(Chain::read);
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, chain))
        })
        .optional()?;
    let next = place.and_then(|(_, last, _)| last).map_or(0, |last| from_column(last) + 1);
    if let Some(taken) = rows::stray(run, next, facts) {
        return Err(taken.into());
    }
    let id: i64 = match (place, &effect.begun) {
        (Some((id, ..)), _) => id,
        (None, Some(row)) => begin(connection, row, effect).await?,
        (None, None) => return Err(missing_run(run).into()),
    };
    insert(connection, id, place.and_then(|(.., chain)| chain), facts)?;
    for Blob { hash, packed, uses } in blobs {
        connection.prepare_cached(INSERT_BLOB)?.execute((hash, uses, packed))?;
    }
    media::keep(connection, run, media).await?;
    if let Some(status) = effect.status
        && (place.is_some() || effect.rests())
    {
        let (at, wake_at) = (to_column(effect.at.0), effect.wake_at.map(moment));
        let facts = to_column(effect.facts);
        let sum = effect.status_sum(sums, run, status);
        let undriven = sums.driver(run.as_str(), None);
        let metrics = effect.metrics.as_deref();
        let metrics_sum = effect.metrics_sum(sums, run);
        connection.prepare_cached(UPDATE_RUN)?.execute(params![
            id,
            status.as_str(),
            at,
            wake_at,
            facts,
            sum,
            undriven,
            metrics,
            metrics.map(|_| facts),
            metrics_sum,
        ])?;
    }
    for answered in &effect.answered {
        let at = to_column(effect.at.0);
        let sum = sums.signal(run.as_str(), answered, None, at);
        let done = sums.done(run.as_str(), answered, true);
        let columns = (id, &**answered, at, sum, done);
        connection.prepare_cached(ANSWER)?.execute(columns)?;
    }
    if let Some(close) = close {
        close_session(connection, run, close, effect.at).await?;
    }
    Ok(())
}

/// Inserts facts. `last` is the chain hash of the fact before them.
fn insert(
    connection: &Database,
    run: i64,
    mut last: Option<Chain>,
    facts: &[FactRow],
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(INSERT_FACT)?;
    for FactRow { sequence, path, at, body, shared, blob, digest } in facts {
        let (sequence, at, sum) = (to_column(*sequence), to_column(at.0), digest.sum());
        let chain = Chain::link(last, digest);
        let path = path.as_str();
        insert.execute((run, sequence, path, at, body, shared, blob, sum, chain.bytes()))?;
        last = Some(chain);
    }
    Ok(())
}

async fn begin(connection: &mut Database, row: &RunRow, effect: &Effect) -> Result<i64, Failure> {
    let sums = connection.sums;
    if !exists_for(connection, &row.session_id, row.user_id.as_ref())? {
        let (id, workflow) = (row.session_id.clone(), row.workflow_id.clone());
        let session = Session::new(id, row.user_id.clone(), workflow, row.created_at);
        sessions::open(connection, &session, Attempt::ONLY).await?;
    }
    connection
        .prepare_cached(INSERT_RUN)?
        .insert(params![
            row.run_id.as_str(),
            row.session_id.as_str(),
            row.user_id.as_ref().map(UserId::as_str),
            row.workflow_id.as_str(),
            row.digest,
            RunStatus::Running.as_str(),
            to_column(row.created_at.0),
            to_column(effect.at.0),
            row.background,
            row.driver,
            to_column(effect.facts),
            rows::run_sum(row, sums, None),
            effect.status_sum(sums, &row.run_id, RunStatus::Running),
            sums.driver(row.run_id.as_str(), row.driver.as_deref()),
        ])
        .map_err(Failure::from)
}

/// Returns whether there is such a session; refuses if it is another user's. As
/// [`Session::belongs_to`], without reading a state that may be large.
fn exists_for(
    connection: &Database,
    id: &SessionId,
    user: Option<&UserId>,
) -> Result<bool, Failure> {
    let belongs = connection
        .prepare_cached(
            "SELECT user_id IS NULL OR user_id IS ?2 FROM sessions WHERE session_id = ?1",
        )?
        .query_row((id.as_str(), user.map(UserId::as_str)), |row| row.get(0))
        .optional()?;
    match belongs {
        Some(false) => Err(missing(id).into()),
        belongs => Ok(belongs.is_some()),
    }
}

async fn close_session(
    connection: &mut Database,
    run: &RunId,
    close: &SessionClose,
    now: Timestamp,
) -> Result<(), Failure> {
    let found = sessions::select(connection, OF_RUN, run.as_str()).await?;
    let mut session = found.ok_or_else(|| missing_session_of(run))?.session;
    rows::close(&mut session, close, now)?;
    sessions::save(connection, &session, Attempt::ONLY).await
}
