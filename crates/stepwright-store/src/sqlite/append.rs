//! The journal in its table: appending facts, and loading them.

use super::errors::Failure;
use super::sessions;
use crate::errors::{damaged, missing};
use crate::rows::{self, Effect, FactRow, from_column, to_column};
use rusqlite::{Connection, OptionalExtension, params};
use stepwright_core::journal::SessionClose;
use stepwright_core::store::RunRow;
use stepwright_core::{Event, RunId, Session, SessionId, StoreError, Timestamp, UserId};

/// The number of a run, of its next fact, and its session.
const PLACE: &str = "SELECT id, (SELECT max(seq) FROM journal WHERE run = runs.id)
    FROM runs WHERE run_id = ?1";

const INSERT_FACT: &str =
    "INSERT INTO journal (run, seq, path, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";

const INSERT_RUN: &str = "INSERT INTO runs (run_id, session_id, user_id, workflow_id, digest, \
    status, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const LOAD: &str = "SELECT seq, path, at, body FROM journal
    WHERE run = (SELECT id FROM runs WHERE run_id = ?1) AND seq >= ?2 ORDER BY seq LIMIT ?3";

/// What is to be appended, with its JSON written already: that is work for the many that append,
/// and not for the one that writes.
pub(super) struct Prepared {
    pub(super) run: RunId,
    pub(super) facts: Vec<FactRow>,
    pub(super) effect: Effect,
    pub(super) close: Option<SessionClose>,
}

pub(super) fn append(connection: &Connection, append: &Prepared) -> Result<(), Failure> {
    let Prepared { run, facts, effect, close } = append;
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
        (None, Some(row)) => begin(connection, row)?,
        (None, None) => return Err(StoreError::NotFound(format!("run `{run}`")).into()),
    };
    let mut insert = connection.prepare_cached(INSERT_FACT)?;
    for FactRow { sequence, path, at, body } in facts {
        let columns = (id, to_column(*sequence), path.as_str(), to_column(at.0), body);
        insert.execute(columns)?;
    }
    if let Some(status) = effect.status
        && (place.is_some() || facts.len() > 1)
    {
        connection
            .prepare_cached("UPDATE runs SET status = ?2, updated_at = ?3 WHERE id = ?1")?
            .execute(params![id, status.as_str(), to_column(effect.at.0)])?;
    }
    if let Some(close) = close {
        close_session(connection, id, close, effect.at)?;
    }
    Ok(())
}

fn begin(connection: &Connection, row: &RunRow) -> Result<i64, Failure> {
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
            row.status.as_str(),
            to_column(row.created_at.0),
            to_column(row.updated_at.0),
        ])
        .map_err(Failure::from)
}

fn close_session(
    connection: &Connection,
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
    connection: &Connection,
    run: &RunId,
    after: u64,
    limit: usize,
) -> Result<Vec<Event>, Failure> {
    let from = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(LOAD)?;
    let mut found = statement.query(params![run.as_str(), from, limit])?;
    let mut facts = Vec::new();
    while let Some(row) = found.next()? {
        let expected = after + facts.len() as u64;
        let (sequence, at) = (from_column(row.get(0)?), Timestamp(from_column(row.get(2)?)));
        let (path, body) = (row.get_ref(1)?.as_bytes(), row.get_ref(3)?.as_bytes());
        let (path, body) = (path.unwrap_or_default(), body.unwrap_or_default());
        facts.push(rows::fact(run, expected, sequence, path, at, body)?);
    }
    Ok(facts)
}
