//! Sessions in their table.

use super::database::Database;
use super::errors::Failure;
use crate::errors::missing;
use crate::query::SELECT_SESSIONS;
use crate::rows::{SessionColumns, WrittenSession, apply};
use crate::sums::Sums;
use rusqlite::{OptionalExtension, Row, params};
use stepwright_core::{Patch, Session, SessionId, Timestamp, UserId};

const INSERT: &str = "INSERT INTO sessions (session_id, user_id, workflow_id, name, state, \
    version, metrics, created_at, updated_at, sum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (session_id) DO NOTHING";

const UPDATE: &str = "UPDATE sessions SET name = ?2, state = ?3, version = ?4, metrics = ?5, \
    updated_at = ?6, sum = ?7 WHERE session_id = ?1";

pub(super) fn find(connection: &Database, id: &SessionId) -> Result<Option<Session>, Failure> {
    connection
        .prepare_cached(&format!("{SELECT_SESSIONS} WHERE session_id = ?1"))?
        .query_row([id.as_str()], |row| Ok(read(row, connection.sums)))
        .optional()?
        .transpose()
}

/// Whether there is such a session; refuses if it is another user's. As `Session::belongs_to` has
/// it, without reading a state that may be large.
pub(super) fn exists_for(
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

/// Does nothing if there is one of that name.
pub(super) fn open(connection: &Database, session: &Session) -> Result<(), Failure> {
    let written = WrittenSession::of(session, connection.sums)?;
    connection.prepare_cached(INSERT)?.execute(params![
        session.session_id.as_str(),
        session.user_id.as_ref().map(UserId::as_str),
        session.workflow_id.as_str(),
        session.name,
        written.state,
        written.version,
        written.metrics,
        written.created_at,
        written.updated_at,
        written.sum,
    ])?;
    Ok(())
}

/// Writes what may change in a session.
pub(super) fn save(connection: &Database, session: &Session) -> Result<(), Failure> {
    let written = WrittenSession::of(session, connection.sums)?;
    connection.prepare_cached(UPDATE)?.execute(params![
        session.session_id.as_str(),
        session.name,
        written.state,
        written.version,
        written.metrics,
        written.updated_at,
        written.sum,
    ])?;
    Ok(())
}

pub(super) fn rename(
    connection: &Database,
    id: &SessionId,
    name: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut session = find(connection, id)?.ok_or_else(|| missing(id))?;
    session.name = Some(name.to_owned());
    session.updated_at = session.updated_at.max(now);
    save(connection, &session)
}

pub(super) fn patch(
    connection: &Database,
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
pub(super) fn delete(connection: &Database, id: &SessionId) -> Result<bool, Failure> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([id.as_str()]);
    execute(UNUSE_BLOBS)?;
    connection.prepare_cached("DELETE FROM blobs WHERE uses <= 0")?.execute([])?;
    execute("DELETE FROM journal WHERE run IN (SELECT id FROM runs WHERE session_id = ?1)")?;
    execute("DELETE FROM inbox WHERE run IN (SELECT id FROM runs WHERE session_id = ?1)")?;
    execute("DELETE FROM runs WHERE session_id = ?1")?;
    Ok(execute("DELETE FROM sessions WHERE session_id = ?1")? > 0)
}

/// The session of a row of [`SELECT_SESSIONS`].
pub(super) fn read(row: &Row<'_>, sums: Sums) -> Result<Session, Failure> {
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
        sum: row.get(9)?,
    };
    Ok(columns.session(sums)?)
}
