//! Sessions in their table.

use super::errors::Failure;
use crate::errors::missing;
use crate::query::SELECT_SESSIONS;
use crate::rows::{SessionColumns, apply, json, to_column};
use rusqlite::{Connection, OptionalExtension, Row, params};
use stepwright_core::{Patch, Session, SessionId, Timestamp, UserId};

const INSERT: &str = "INSERT INTO sessions (session_id, user_id, workflow_id, name, state, \
    version, metrics, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (session_id) DO NOTHING";

const UPDATE: &str = "UPDATE sessions SET name = ?2, state = ?3, version = ?4, metrics = ?5, \
    updated_at = ?6 WHERE session_id = ?1";

pub(super) fn find(connection: &Connection, id: &SessionId) -> Result<Option<Session>, Failure> {
    connection
        .prepare_cached(&format!("{SELECT_SESSIONS} WHERE session_id = ?1"))?
        .query_row([id.as_str()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

/// Whether there is such a session; refuses if it is another user's. As `Session::belongs_to` has
/// it, without reading a state that may be large.
pub(super) fn exists_for(
    connection: &Connection,
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

/// Does nothing if there is one of that name.
pub(super) fn open(connection: &Connection, session: &Session) -> Result<(), Failure> {
    connection.prepare_cached(INSERT)?.execute(params![
        session.session_id.as_str(),
        session.user_id.as_ref().map(UserId::as_str),
        session.workflow_id.as_str(),
        session.name,
        json(session, &session.state)?,
        to_column(session.version),
        json(session, &session.metrics)?,
        to_column(session.created_at.0),
        to_column(session.updated_at.0),
    ])?;
    Ok(())
}

/// Writes what may change in a session.
pub(super) fn save(connection: &Connection, session: &Session) -> Result<(), Failure> {
    connection.prepare_cached(UPDATE)?.execute(params![
        session.session_id.as_str(),
        session.name,
        json(session, &session.state)?,
        to_column(session.version),
        json(session, &session.metrics)?,
        to_column(session.updated_at.0),
    ])?;
    Ok(())
}

pub(super) fn rename(
    connection: &Connection,
    id: &SessionId,
    name: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let renamed = connection
        .prepare_cached(
            "UPDATE sessions SET name = ?2, updated_at = max(updated_at, ?3) WHERE session_id = ?1",
        )?
        .execute(params![id.as_str(), name, to_column(now.0)])?;
    if renamed == 0 { Err(missing(id).into()) } else { Ok(()) }
}

pub(super) fn patch(
    connection: &Connection,
    id: &SessionId,
    patches: &[Patch],
    now: Timestamp,
) -> Result<Session, Failure> {
    let mut session = find(connection, id)?.ok_or_else(|| missing(id))?;
    apply(&mut session, patches, now)?;
    save(connection, &session)?;
    Ok(session)
}

/// Counts down how many facts have the large bodies that facts of a session have.
const UNUSE_BLOBS: &str = "UPDATE blobs SET uses = uses - gone.count
    FROM (SELECT blob, count(*) AS count FROM journal
        WHERE run IN (SELECT id FROM runs WHERE session_id = ?1) AND blob IS NOT NULL
        GROUP BY blob) AS gone
    WHERE blobs.hash = gone.blob";

/// Deletes a session, its runs, their journals and inboxes, and what only they had.
pub(super) fn delete(connection: &Connection, id: &SessionId) -> Result<bool, Failure> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([id.as_str()]);
    execute(UNUSE_BLOBS)?;
    connection.prepare_cached("DELETE FROM blobs WHERE uses <= 0")?.execute([])?;
    execute("DELETE FROM journal WHERE run IN (SELECT id FROM runs WHERE session_id = ?1)")?;
    execute("DELETE FROM inbox WHERE run IN (SELECT id FROM runs WHERE session_id = ?1)")?;
    execute("DELETE FROM runs WHERE session_id = ?1")?;
    Ok(execute("DELETE FROM sessions WHERE session_id = ?1")? > 0)
}

/// The session of a row of [`SELECT_SESSIONS`].
pub(super) fn read(row: &Row<'_>) -> Result<Session, Failure> {
    let columns = SessionColumns {
        session_id: row.get(0)?,
        user_id: row.get(1)?,
        workflow_id: row.get(2)?,
        name: row.get(3)?,
        state: row.get(4)?,
        version: row.get(5)?,
        metrics: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    };
    Ok(columns.session()?)
}
