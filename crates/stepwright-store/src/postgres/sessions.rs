//! Sessions in their table.

use super::errors::Failure;
use crate::errors::{Said, damaged, missing};
use crate::query::SELECT_SESSIONS;
use crate::rows::{SessionColumns, WrittenSession, apply};
use crate::sums::Sums;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use stepwright_core::{Patch, RunId, Session, SessionId, StoreError, Timestamp, UserId};

const SUMS: Sums = Sums::SERVER;

const INSERT: &str = "INSERT INTO sessions (session_id, user_id, workflow_id, name, state, \
    version, metrics, created_at, updated_at, token, sum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
    $9, $10, $11) ON CONFLICT (session_id) DO NOTHING";

const UPDATE: &str = "UPDATE sessions SET name = $2, state = $3, version = $4, metrics = $5, \
    updated_at = $6, token = $7, sum = $8 WHERE session_id = $1";

const OF_RUN: &str = "session_id = (SELECT session_id FROM runs WHERE run_id = $1)";

/// A session, and the mark of its last change.
pub(super) struct Kept {
    pub(super) session: Session,
    pub(super) token: i64,
}

pub(super) async fn find(
    connection: &mut PgConnection,
    id: &SessionId,
) -> Result<Option<Session>, Failure> {
    let kept = select(connection, "session_id = $1", id.as_str()).await?;
    Ok(kept.map(|kept| kept.session))
}

/// The session of a run.
pub(super) async fn of_run(
    connection: &mut PgConnection,
    run: &RunId,
) -> Result<Option<Kept>, Failure> {
    select(connection, OF_RUN, run.as_str()).await
}

/// As [`of_run`], and keeps others from changing it until the transaction is over.
pub(super) async fn of_run_locked(
    connection: &mut PgConnection,
    run: &RunId,
) -> Result<Option<Kept>, Failure> {
    select(connection, &format!("{OF_RUN} FOR NO KEY UPDATE"), run.as_str()).await
}

async fn select(
    connection: &mut PgConnection,
    which: &str,
    value: &str,
) -> Result<Option<Kept>, Failure> {
    let columns = SELECT_SESSIONS.replace(" FROM", ", token FROM");
    let row = sqlx::query(AssertSqlSafe(format!("{columns} WHERE {which}")))
        .bind(value)
        .fetch_optional(connection)
        .await?;
    let kept = |row: PgRow| Ok(Kept { session: read(&row)?, token: row.try_get(10)? });
    row.map(kept).transpose()
}

/// Does nothing if there is one of that name.
pub(super) async fn open(
    connection: &mut PgConnection,
    session: &Session,
    token: i64,
) -> Result<(), Failure> {
    let written = WrittenSession::of(session, SUMS)?;
    sqlx::query(INSERT)
        .bind(session.session_id.as_str())
        .bind(session.user_id.as_ref().map(UserId::as_str))
        .bind(session.workflow_id.as_str())
        .bind(name(session)?)
        .bind(written.state)
        .bind(written.version)
        .bind(written.metrics)
        .bind(written.created_at)
        .bind(written.updated_at)
        .bind(token)
        .bind(written.sum)
        .execute(connection)
        .await?;
    Ok(())
}

/// The name of a session as its column has it.
fn name(session: &Session) -> Result<Option<String>, StoreError> {
    let name = session.name.as_ref().map(serde_json::to_string).transpose();
    name.map_err(|error| damaged(session.session_id.as_str(), error))
}

/// Writes what may change in a session. The caller has locked its row.
pub(super) async fn save(
    connection: &mut PgConnection,
    session: &Session,
    token: i64,
) -> Result<(), Failure> {
    let written = WrittenSession::of(session, SUMS)?;
    sqlx::query(UPDATE)
        .bind(session.session_id.as_str())
        .bind(name(session)?)
        .bind(written.state)
        .bind(written.version)
        .bind(written.metrics)
        .bind(written.updated_at)
        .bind(token)
        .bind(written.sum)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn rename(
    connection: &mut PgConnection,
    id: &SessionId,
    name: &str,
    now: Timestamp,
    token: i64,
) -> Result<(), Failure> {
    let mut changes = connection.begin().await?;
    match rename_locked(&mut changes, id, name, now, token).await {
        Ok(()) => Ok(changes.commit().await?),
        Err(failure) => {
            changes.rollback().await?;
            Err(failure)
        }
    }
}

async fn rename_locked(
    connection: &mut PgConnection,
    id: &SessionId,
    name: &str,
    now: Timestamp,
    token: i64,
) -> Result<(), Failure> {
    let found = select(connection, "session_id = $1 FOR NO KEY UPDATE", id.as_str()).await?;
    let Kept { mut session, .. } = found.ok_or_else(|| missing(id))?;
    session.name = Some(name.to_owned());
    session.updated_at = session.updated_at.max(now);
    save(connection, &session, token).await
}

/// A change of a session that is on its way, and may have to be tried again.
pub(super) struct Patching {
    pub(super) id: SessionId,
    pub(super) patches: Vec<Patch>,
    pub(super) now: Timestamp,
    pub(super) token: i64,
    /// The mark of the session that the last try has changed, as far as it knows.
    pub(super) seen: Option<i64>,
}

impl Patching {
    /// Changes the state of a session, and gives the session as it is then.
    pub(super) async fn patch(
        &mut self,
        connection: &mut PgConnection,
        lost: bool,
    ) -> Result<Session, Failure> {
        let mut changes = connection.begin().await?;
        match self.patch_locked(&mut changes, lost).await {
            Ok(session) => {
                changes.commit().await?;
                Ok(session)
            }
            Err(failure) => {
                changes.rollback().await?;
                Err(failure)
            }
        }
    }

    async fn patch_locked(
        &mut self,
        connection: &mut PgConnection,
        lost: bool,
    ) -> Result<Session, Failure> {
        let which = "session_id = $1 FOR NO KEY UPDATE";
        let found = select(connection, which, self.id.as_str()).await?;
        let Kept { mut session, token } = found.ok_or_else(|| missing(&self.id))?;
        match self.seen {
            // The earlier try got through, and only its answer did not.
            Some(_) if lost && token == self.token => return Ok(session),
            Some(seen) if lost && token != seen => return Err(self.unknown().into()),
            _ => self.seen = Some(token),
        }
        apply(&mut session, &self.patches, self.now)?;
        save(connection, &session, self.token).await?;
        Ok(session)
    }

    /// Others have changed the session since, so nobody can tell any more.
    fn unknown(&self) -> StoreError {
        StoreError::Unavailable {
            what: format!("it is not known whether session `{}` was changed", self.id),
            source: Box::new(Said("the connection was lost before the server answered".to_owned())),
            hint: Some("look at the state of the session before changing it again".to_owned()),
        }
    }
}

/// Counts down how many facts have the large bodies that facts of a session have.
const UNUSE_BLOBS: &str = "UPDATE blobs SET uses = blobs.uses - gone.count
    FROM (SELECT blob, count(*) AS count FROM journal
        WHERE run IN (SELECT id FROM runs WHERE session_id = $1) AND blob IS NOT NULL
        GROUP BY blob) AS gone
    WHERE blobs.hash = gone.blob";

/// Deletes a session, its runs, their journals and inboxes, and what only they had.
pub(super) async fn delete(connection: &mut PgConnection, id: &SessionId) -> Result<bool, Failure> {
    // From the outside in: no run begins in it, then no run of it appends, then nothing is left.
    let mut changes = connection.begin().await?;
    let there = sqlx::query("SELECT FROM sessions WHERE session_id = $1 FOR UPDATE")
        .bind(id.as_str())
        .fetch_optional(&mut *changes)
        .await?;
    for delete in [
        "SELECT FROM runs WHERE session_id = $1 FOR UPDATE",
        UNUSE_BLOBS,
        "DELETE FROM journal WHERE run IN (SELECT id FROM runs WHERE session_id = $1)",
        "DELETE FROM inbox WHERE run IN (SELECT id FROM runs WHERE session_id = $1)",
        "DELETE FROM runs WHERE session_id = $1",
        "DELETE FROM sessions WHERE session_id = $1",
    ] {
        sqlx::query(delete).bind(id.as_str()).execute(&mut *changes).await?;
    }
    sqlx::query("DELETE FROM blobs WHERE uses <= 0").execute(&mut *changes).await?;
    changes.commit().await?;
    Ok(there.is_some())
}

/// The session of a row of [`SELECT_SESSIONS`].
pub(super) fn read(row: &PgRow) -> Result<Session, Failure> {
    let session_id: String = row.try_get(0)?;
    let name: Option<String> = row.try_get(3)?;
    let name = name.map(|name| serde_json::from_str(&name)).transpose();
    let columns = SessionColumns {
        name: name.map_err(|error| damaged(&session_id, error))?,
        session_id,
        user_id: row.try_get(1)?,
        workflow_id: row.try_get(2)?,
        state: row.try_get(4)?,
        version: row.try_get(5)?,
        metrics: row.try_get(6)?,
        created_at: row.try_get(7)?,
        updated_at: row.try_get(8)?,
        sum: row.try_get(9)?,
    };
    Ok(columns.session(SUMS)?)
}
