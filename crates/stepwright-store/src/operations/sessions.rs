//! Sessions.

use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::{Failure, Said, damaged, missing};
use crate::operations::deleting::{Runs, delete_runs};
use crate::query::Query;
use crate::rows::{SessionColumns, WrittenSession, apply};
use crate::sums::Sums;
use stepwright_core::store::SessionFilter;
use stepwright_core::{ErrorId, Patch, Session, SessionId, StoreError, Timestamp, UserId};

/// A session, and the mark of its last change where there are marks.
pub(crate) struct Kept {
    pub(crate) session: Session,
    pub(crate) token: Option<i64>,
}

/// Reads a row of [`Dialect::select_sessions`](crate::backend::Dialect).
fn kept<C: Connection>(row: &C::Row<'_>, sums: Sums) -> Result<Kept, Failure<C::Error>> {
    let session_id = row.text(0)?;
    let mut name = row.maybe_text(3)?;
    if let Some(json) = name.as_mut().filter(|_| C::DIALECT.json_names) {
        *json = serde_json::from_str(json).map_err(|error| damaged(&session_id, error))?;
    }
    let columns = SessionColumns {
        name,
        session_id,
        user_id: row.maybe_text(1)?,
        workflow_id: row.text(2)?,
        state: row.text(4)?,
        version: row.number(5)?,
        metrics: row.text(6)?,
        created_at: row.number(7)?,
        updated_at: row.number(8)?,
        sum: row.maybe_number(9)?,
        key_id: row.maybe_text(10)?,
    };
    Ok(Kept { session: columns.session(sums)?, token: row.maybe_number(11)? })
}

/// Selects the session for which `condition` with its parameter `$1` holds.
pub(crate) async fn select<C: Connection>(
    c: &mut C,
    condition: &str,
    value: &str,
) -> Result<Option<Kept>, Failure<C::Error>> {
    let (sql, sums) = (format!("{} WHERE {condition}", C::DIALECT.select_sessions), c.sums());
    Ok(c.select(sql, &[value.into()], |row| kept::<C>(row, sums)).await?.pop())
}

/// The condition for the session of run `$1`. A session goes with its runs, so a run has one.
pub(crate) const OF_RUN: &str = "session_id = (SELECT session_id FROM runs WHERE run_id = $1)";

/// Selects a session, and keeps others from changing it until the transaction is over.
async fn select_locked<C: Connection>(
    c: &mut C,
    id: &SessionId,
) -> Result<Kept, Failure<C::Error>> {
    let condition = format!("session_id = $1{}", C::DIALECT.lock);
    let found = select(c, &condition, id.as_str()).await?;
    Ok(found.ok_or_else(|| missing(id))?)
}

/// Returns the name of a session as its column has it.
fn name<C: Connection>(session: &Session) -> Result<Option<String>, StoreError> {
    let Some(name) = &session.name else { return Ok(None) };
    if !C::DIALECT.json_names {
        return Ok(Some(name.clone()));
    }
    let json = serde_json::to_string(name);
    json.map(Some).map_err(|error| damaged(session.session_id.as_str(), error))
}

/// Opens a session. Does nothing if there is one of that name.
pub(crate) async fn open<C: Connection>(
    c: &mut C,
    session: &Session,
    attempt: Attempt,
) -> Result<bool, Failure<C::Error>> {
    let (written, name) = (WrittenSession::of(session, c.sums())?, name::<C>(session)?);
    let mut values: Vec<Value<'_>> = vec![
        session.session_id.as_str().into(),
        session.user_id.as_ref().map(UserId::as_str).into(),
        session.workflow_id.as_str().into(),
        name.as_deref().into(),
        (&*written.state).into(),
        written.version.into(),
        (&*written.metrics).into(),
        written.created_at.into(),
        written.updated_at.into(),
        written.sum.into(),
    ];
    values.extend(attempt.token.map(Value::from));
    Ok(c.execute(C::DIALECT.insert_session, &values).await? > 0)
}

/// Updates a session. The caller has locked its row.
pub(crate) async fn save<C: Connection>(
    c: &mut C,
    session: &Session,
    attempt: Attempt,
) -> Result<(), Failure<C::Error>> {
    let (written, name) = (WrittenSession::of(session, c.sums())?, name::<C>(session)?);
    let mut values: Vec<Value<'_>> = vec![
        name.as_deref().into(),
        (&*written.state).into(),
        written.version.into(),
        (&*written.metrics).into(),
        written.updated_at.into(),
        written.sum.into(),
        session.session_id.as_str().into(),
    ];
    values.extend(attempt.token.map(Value::from));
    c.execute(C::DIALECT.update_session, &values).await?;
    Ok(())
}

/// Finds a session.
pub(crate) struct Find(pub(crate) SessionId);

impl<C: Connection> Work<C> for Find {
    type Made = Option<Session>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let found = select(c, "session_id = $1", self.0.as_str()).await?;
        Ok(found.map(|kept| kept.session))
    }
}

/// Lists sessions.
pub(crate) struct List(pub(crate) SessionFilter);

impl<C: Connection> Work<C> for List {
    type Made = Vec<Session>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let query = Query::sessions(&self.0, C::DIALECT.select_sessions);
        let sums = c.sums();
        c.select(query.sql, &query.values, |row| Ok(kept::<C>(row, sums)?.session)).await
    }
}

/// Opens a session.
pub(crate) struct Open(pub(crate) Session);

impl<C: Connection> Work<C> for Open {
    type Made = bool;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<bool, Failure<C::Error>> {
        if open(c, &self.0, attempt).await? {
            return Ok(true);
        }
        // The earlier attempt may have opened it, and only its answer was lost.
        Ok(attempt.lost && select_locked(c, &self.0.session_id).await?.token == attempt.token)
    }
}

/// Sets the name of a session.
pub(crate) struct Rename {
    pub(crate) id: SessionId,
    pub(crate) name: String,
    pub(crate) now: Timestamp,
}

impl<C: Connection> Work<C> for Rename {
    type Made = ();
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<(), Failure<C::Error>> {
        let Kept { mut session, .. } = select_locked(c, &self.id).await?;
        session.name = Some(self.name.clone());
        session.updated_at = session.updated_at.max(self.now);
        save(c, &session, attempt).await
    }
}

/// Changes the state of a session, and returns the session as it is then.
pub(crate) struct PatchState {
    pub(crate) id: SessionId,
    pub(crate) patches: Vec<Patch>,
    pub(crate) now: Timestamp,
    /// The mark of the session that the last attempt has changed.
    pub(crate) seen: Option<i64>,
}

impl<C: Connection> Work<C> for PatchState {
    type Made = Session;
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<Session, Failure<C::Error>> {
        let Kept { mut session, token } = select_locked(c, &self.id).await?;
        match self.seen {
            // The earlier attempt got through, and only its answer did not.
            Some(_) if attempt.lost && token == attempt.token => return Ok(session),
            Some(seen) if attempt.lost && token != Some(seen) => return Err(self.unknown().into()),
            _ => self.seen = token,
        }
        apply(&mut session, &self.patches, self.now)?;
        save(c, &session, attempt).await?;
        Ok(session)
    }
}

impl PatchState {
    /// Another change came since, so that the outcome of the lost attempt cannot be seen any more.
    fn unknown(&self) -> StoreError {
        StoreError::Unavailable {
            what: format!("it is not known whether session `{}` was changed", self.id),
            source: Box::new(Said("the connection was lost before the server answered".to_owned())),
            hint: Some("look at the state of the session before changing it again".to_owned()),
            id: ErrorId::CHANGE_UNKNOWN,
        }
    }
}

/// Deletes a session, its runs, their journals and inboxes, and the bodies that only they had.
pub(crate) struct Delete(pub(crate) SessionId);

impl<C: Connection> Work<C> for Delete {
    type Made = bool;
    const TOGETHER: bool = true;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<bool, Failure<C::Error>> {
        let id = [self.0.as_str().into()];
        for sql in C::DIALECT.lock_session {
            c.execute(sql, &id).await?;
        }
        delete_runs(c, Runs::OfSession, self.0.as_str()).await?;
        let deleted = c.execute("DELETE FROM sessions WHERE session_id = $1", &id).await?;
        Ok(deleted > 0)
    }
}
