//! The journal in its table: appending facts, and loading them.

use super::database::Database;
use super::errors::Failure;
use super::sessions;
use crate::bodies::{self, Blob, FactRow, corrupt};
use crate::errors::{damaged, missing, missing_run};
use crate::query::SELECT_JOURNAL;
use crate::rows::{self, Effect, JournalColumns, from_column, moment, to_column};
use crate::shared;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::borrow::Cow;
use stepwright_core::journal::SessionClose;
use stepwright_core::store::RunRow;
use stepwright_core::{Event, RunId, RunStatus, Session, SessionId, Timestamp, UserId};

/// The number of a run, of its next fact, and its session.
const PLACE: &str = "SELECT id, (SELECT max(seq) FROM journal WHERE run = runs.id)
    FROM runs WHERE run_id = ?1";

const INSERT_FACT: &str = "INSERT INTO journal (run, seq, path, at, body, shared, blob, sum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const INSERT_BLOB: &str = "INSERT INTO blobs (hash, uses, body) VALUES (?1, ?2, ?3)
    ON CONFLICT (hash) DO UPDATE SET uses = uses + excluded.uses";

/// Who drives a run gives it up when it waits or has ended.
const UPDATE_RUN: &str = "UPDATE runs SET status = ?2, updated_at = ?3, wake_at = ?4,
    driver = CASE WHEN ?2 = 'RUNNING' THEN driver END, facts = ?5, status_sum = ?6,
    driver_sum = CASE WHEN ?2 = 'RUNNING' THEN driver_sum ELSE ?7 END WHERE id = ?1";

/// What was answered is answered, whether there was a signal or not.
const ANSWER: &str = "INSERT INTO inbox (run, id, at, done, sum, done_sum)
    VALUES (?1, ?2, ?3, 1, ?4, ?5)
    ON CONFLICT (run, id) DO UPDATE SET done = 1, done_sum = excluded.done_sum";

const INSERT_RUN: &str = "INSERT INTO runs (run_id, session_id, user_id, workflow_id, digest, \
    status, created_at, updated_at, background, driver, facts, sum, status_sum, driver_sum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

const LOAD: &str = "SELECT seq, path, at, body, shared, blob, run, sum FROM journal
    WHERE run = (SELECT id FROM runs WHERE run_id = ?1) AND seq >= ?2 ORDER BY seq LIMIT ?3";

/// What is to be appended, with its JSON written already: that is work for the many that append,
/// and not for the one that writes.
pub(super) struct Prepared {
    pub(super) run: RunId,
    pub(super) facts: Vec<FactRow>,
    pub(super) effect: Effect,
    pub(super) close: Option<SessionClose>,
    pub(super) blobs: Vec<Blob>,
}

pub(super) fn append(connection: &Database, append: &Prepared) -> Result<(), Failure> {
    let Prepared { run, facts, effect, close, blobs } = append;
    let sums = connection.sums;
    let place = connection
        .prepare_cached(PLACE)?
        .query_row([run.as_str()], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    let next = place.and_then(|(_, last)| last).map_or(0, |last| from_column(last) + 1);
    if let Some(taken) = rows::stray(run, next, facts) {
        return Err(taken.into());
    }
    let id: i64 = match (place, &effect.begun) {
        (Some((id, _)), _) => id,
        (None, Some(row)) => begin(connection, row, effect)?,
        (None, None) => return Err(missing_run(run).into()),
    };
    let mut insert = connection.prepare_cached(INSERT_FACT)?;
    for FactRow { sequence, path, at, body, shared, blob, sum } in facts {
        let (sequence, at) = (to_column(*sequence), to_column(at.0));
        insert.execute((id, sequence, path.as_str(), at, body, shared, blob, sum))?;
    }
    for Blob { hash, packed, uses } in blobs {
        connection.prepare_cached(INSERT_BLOB)?.execute((hash, uses, packed))?;
    }
    if let Some(status) = effect.status
        && (place.is_some() || effect.rests())
    {
        let (at, wake_at) = (to_column(effect.at.0), effect.wake_at.map(moment));
        let facts = to_column(effect.facts);
        let sum = effect.status_sum(sums, run, status);
        let undriven = sums.driver(run.as_str(), None);
        let columns = (id, status.as_str(), at, wake_at, facts, sum, undriven);
        connection.prepare_cached(UPDATE_RUN)?.execute(columns)?;
    }
    for answered in &effect.answered {
        let at = to_column(effect.at.0);
        let sum = sums.signal(run.as_str(), answered, None, at);
        let done = sums.done(run.as_str(), answered, true);
        let columns = (id, &**answered, at, sum, done);
        connection.prepare_cached(ANSWER)?.execute(columns)?;
    }
    if let Some(close) = close {
        close_session(connection, id, close, effect.at)?;
    }
    Ok(())
}

fn begin(connection: &Database, row: &RunRow, effect: &Effect) -> Result<i64, Failure> {
    let sums = connection.sums;
    if !sessions::exists_for(connection, &row.session_id, row.user_id.as_ref())? {
        let (id, workflow) = (row.session_id.clone(), row.workflow_id.clone());
        let session = Session::new(id, row.user_id.clone(), workflow, row.created_at);
        sessions::open(connection, &session)?;
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
            rows::run_sum(row, sums),
            effect.status_sum(sums, &row.run_id, RunStatus::Running),
            sums.driver(row.run_id.as_str(), row.driver.as_deref()),
        ])
        .map_err(Failure::from)
}

fn close_session(
    connection: &Database,
    run: i64,
    close: &SessionClose,
    now: Timestamp,
) -> Result<(), Failure> {
    let id: String = connection
        .prepare_cached("SELECT session_id FROM runs WHERE id = ?1")?
        .query_row([run], |row| row.get(0))?;
    let id = SessionId::new(&id).map_err(|error| damaged(&id, error))?;
    // A session goes with its runs, so a run has one.
    let mut session = sessions::find(connection, &id)?.ok_or_else(|| missing(&id))?;
    rows::close(&mut session, close, now)?;
    sessions::save(connection, &session)
}

pub(super) fn load(
    connection: &Database,
    run: &RunId,
    after: u64,
    limit: usize,
) -> Result<Vec<Event>, Failure> {
    let (from, wanted) = (i64::try_from(after).unwrap_or(i64::MAX), limit);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(LOAD)?;
    let mut found = statement.query(params![run.as_str(), from, limit])?;
    let mut facts = Vec::new();
    while let Some(row) = found.next()? {
        let expected = after + facts.len() as u64;
        let (sequence, at) = (from_column(row.get(0)?), Timestamp(from_column(row.get(2)?)));
        let path = row.get_ref(1)?.as_bytes().unwrap_or_default();
        let place = (row.get(6)?, sequence);
        let kept = row.get_ref(3)?.as_bytes_or_null().ok().flatten().unwrap_or_default();
        let body = whole_body(connection, run, path, place, (kept, row.get(4)?, row.get(5)?))?;
        let sum = row.get(7)?;
        facts.push(rows::fact(run, expected, (sequence, path, at), &body, connection.sums, sum)?);
    }
    if facts.len() < wanted {
        check_end(connection, run)?;
    }
    Ok(facts)
}

/// A body in its row, where its texts are, and its name if it is kept apart.
type KeptBody<'b> = (&'b [u8], Option<String>, Option<String>);

/// The body of a fact as it was appended. `place` is its run (`runs.id`) and its number.
pub(super) fn whole_body<'b>(
    connection: &Connection,
    run: &RunId,
    path: &[u8],
    place: (i64, u64),
    kept: KeptBody<'b>,
) -> Result<Cow<'b, [u8]>, Failure> {
    match kept {
        (body, None, None) => Ok(Cow::Borrowed(body)),
        (body, shared, blob) => whole(connection, place, body, shared, blob)
            .map(Cow::Owned)
            .map_err(|odd| odd.named(run, place.1, path)),
    }
}

/// Refuses a journal whose last facts are missing.
fn check_end(connection: &Database, run: &RunId) -> Result<(), Failure> {
    let read = |row: &Row<'_>| {
        Ok(JournalColumns {
            status: row.get(0)?,
            updated_at: row.get(1)?,
            wake_at: row.get(2)?,
            facts: row.get(3)?,
            status_sum: row.get(4)?,
            last: row.get(5)?,
        })
    };
    let found =
        connection.prepare_cached(SELECT_JOURNAL)?.query_row([run.as_str()], read).optional()?;
    match found {
        Some(columns) => Ok(columns.check(run, connection.sums)?),
        None => Ok(()),
    }
}

/// Why the body of a fact cannot be put together.
enum Odd {
    Damaged(String),
    Failed(Failure),
}

impl From<String> for Odd {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

impl From<rusqlite::Error> for Odd {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Odd {
    fn named(self, run: &RunId, sequence: u64, path: &[u8]) -> Failure {
        match self {
            Self::Damaged(what) => corrupt(run, sequence, path, what).into(),
            Self::Failed(failure) => failure,
        }
    }
}

/// The body of the fact of a run (`runs.id`) and a number, as it was appended.
fn whole(
    connection: &Connection,
    (run, sequence): (i64, u64),
    body: &[u8],
    shared: Option<String>,
    blob: Option<String>,
) -> Result<Vec<u8>, Odd> {
    let body = match blob {
        Some(hash) => unpack(connection, &hash)?,
        None => body.to_vec(),
    };
    let Some(shared) = shared else { return Ok(body) };
    shared::whole(sequence, &body, &shared, |source| {
        let found = connection
            .prepare_cached("SELECT body, blob FROM journal WHERE run = ?1 AND seq = ?2")?
            .query_row((run, to_column(source)), |row| {
                Ok((row.get_ref(0)?.as_bytes()?.to_vec(), row.get::<_, Option<String>>(1)?))
            })
            .optional()?;
        match found {
            Some((_, Some(hash))) => unpack(connection, &hash),
            Some((body, None)) => Ok(body),
            None => Err(format!("a text of it was in fact {source}, which is missing").into()),
        }
    })
}

fn unpack(connection: &Connection, hash: &str) -> Result<Vec<u8>, Odd> {
    let packed = connection
        .prepare_cached("SELECT body FROM blobs WHERE hash = ?1")?
        .query_row([hash], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    Ok(bodies::unpack(hash, packed.as_deref())?)
}
