//! Looking runs up, and listing runs and sessions.

use super::errors::Failure;
use super::sessions;
use crate::query::{Query, SELECT_RUNS, Value};
use crate::rows::RunColumns;
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use stepwright_core::store::{RunFilter, RunRow, SessionFilter};
use stepwright_core::{RunId, Session};

pub(super) fn run(connection: &Connection, id: &RunId) -> Result<Option<RunRow>, Failure> {
    connection
        .prepare_cached(&format!("{SELECT_RUNS} WHERE run_id = ?1"))?
        .query_row([id.as_str()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

pub(super) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>, Failure> {
    all(connection, &Query::runs(filter), read)
}

pub(super) fn sessions(
    connection: &Connection,
    filter: &SessionFilter,
) -> Result<Vec<Session>, Failure> {
    all(connection, &Query::sessions(filter), sessions::read)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
        }
    }
}

fn all<T>(
    connection: &Connection,
    query: &Query,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(&query.sql)?;
    let mut found = statement.query(params_from_iter(&query.values))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The run of a row of [`SELECT_RUNS`].
fn read(row: &Row<'_>) -> Result<RunRow, Failure> {
    let columns = RunColumns {
        run_id: row.get(0)?,
        session_id: row.get(1)?,
        user_id: row.get(2)?,
        workflow_id: row.get(3)?,
        digest: row.get(4)?,
        status: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
    };
    Ok(columns.row()?)
}
