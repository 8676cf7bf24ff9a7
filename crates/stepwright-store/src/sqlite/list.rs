//! Looking runs up, and listing runs and sessions.

use super::errors::Failure;
use super::sessions;
use crate::rows::from_column;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use stepwright_core::store::{RunFilter, RunRow, SessionFilter, page};
use stepwright_core::{
    RunId, RunStatus, Session, SessionId, StoreError, Timestamp, UserId, WorkflowId,
};

// A run that has ended gets no more facts, and its row was written at the end. Before that its last
// fact tells when it was recorded: one more seek for each run under way that is read, instead of
// one more row for each fact that is written.
const SELECT_RUNS: &str = "SELECT run_id, session_id, user_id, workflow_id, digest, status, \
    created_at, CASE WHEN status IN ('COMPLETED', 'CANCELLED', 'ERROR') THEN updated_at
      ELSE (SELECT at FROM journal WHERE run = runs.id ORDER BY seq DESC LIMIT 1) END
    FROM runs";

pub(super) fn run(connection: &Connection, id: &RunId) -> Result<Option<RunRow>, Failure> {
    connection
        .prepare_cached(&format!("{SELECT_RUNS} WHERE run_id = ?1"))?
        .query_row([id.as_str()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

pub(super) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>, Failure> {
    let mut query = Query::new(SELECT_RUNS);
    query.only("session_id", filter.session_id.as_ref().map(SessionId::as_str));
    query.only("user_id", filter.user_id.as_ref().map(UserId::as_str));
    query.only("workflow_id", filter.workflow_id.as_ref().map(WorkflowId::as_str));
    query.only("status", filter.status.map(RunStatus::as_str));
    // By the order in which they began, which is the order of the rows: clocks go back.
    query.page("id DESC", filter.limit, filter.offset);
    query.all(connection, read)
}

pub(super) fn sessions(
    connection: &Connection,
    filter: &SessionFilter,
) -> Result<Vec<Session>, Failure> {
    let mut query = Query::new(sessions::SELECT);
    query.only("user_id", filter.user_id.as_ref().map(UserId::as_str));
    query.only("workflow_id", filter.workflow_id.as_ref().map(WorkflowId::as_str));
    query.page("updated_at DESC, session_id", filter.limit, filter.offset);
    query.all(connection, sessions::read)
}

/// A query whose conditions are known when it is asked. There are few shapes of it, and each is
/// prepared once.
struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    fn new(select: &str) -> Self {
        Self { sql: select.to_owned(), values: Vec::new() }
    }

    fn only(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.sql.push_str(if self.values.is_empty() { " WHERE " } else { " AND " });
            self.sql.push_str(column);
            self.sql.push_str(" = ?");
            self.values.push(value.to_owned().into());
        }
    }

    fn page(&mut self, order: &str, limit: usize, offset: usize) {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ? OFFSET ?");
        let number = |number| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        self.values.extend([number(page(limit)), number(offset)]);
    }

    fn all<T>(
        self,
        connection: &Connection,
        read: impl Fn(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut found = statement.query(params_from_iter(self.values))?;
        let mut all = Vec::new();
        while let Some(row) = found.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }
}

/// The run of a row of [`SELECT_RUNS`].
fn read(row: &Row<'_>) -> Result<RunRow, Failure> {
    let name: String = row.get(0)?;
    let run_id = RunId::new(&name).map_err(|error| StoreError::Unavailable {
        what: format!("the database has a run with the name `{}`", name.escape_debug()),
        source: error.into(),
        hint: None,
    })?;
    let corrupt = |what: String| StoreError::Corrupt {
        run: run_id.clone(),
        sequence: 0,
        path: None,
        what: format!("in its row, {what}"),
    };
    let (session, user): (String, Option<String>) = (row.get(1)?, row.get(2)?);
    let (workflow, digest): (String, String) = (row.get(3)?, row.get(4)?);
    let status: String = row.get(5)?;
    let updated_at: Option<i64> = row.get(7)?;
    Ok(RunRow {
        session_id: SessionId::new(session).map_err(|error| corrupt(error.to_string()))?,
        user_id: user.map(UserId::new).transpose().map_err(|error| corrupt(error.to_string()))?,
        workflow_id: WorkflowId::new(workflow).map_err(|error| corrupt(error.to_string()))?,
        digest: digest.into(),
        status: RunStatus::from_word(&status)
            .ok_or_else(|| corrupt(format!("`{status}` is no status")))?,
        created_at: Timestamp(from_column(row.get(6)?)),
        updated_at: Timestamp(from_column(
            updated_at.ok_or_else(|| corrupt("it has no facts".to_owned()))?,
        )),
        run_id,
    })
}
