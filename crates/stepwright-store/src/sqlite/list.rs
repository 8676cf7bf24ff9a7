//! Looking runs up, and listing runs and sessions.

use super::database::Database;
use super::errors::Failure;
use super::sessions;
use crate::query::{Query, SELECT_RUNS, Value, WAITING};
use crate::rows::{RunColumns, moment};
use crate::sums::Sums;
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{OptionalExtension, Row, params_from_iter};
use stepwright_core::store::{RunFilter, RunRow, SessionFilter};
use stepwright_core::{RunId, Session, Timestamp, WorkflowId};

pub(super) fn run(connection: &Database, id: &RunId) -> Result<Option<RunRow>, Failure> {
    connection
        .prepare_cached(&format!("{SELECT_RUNS} WHERE run_id = ?1"))?
        .query_row([id.as_str()], |row| Ok(read(row, connection.sums)))
        .optional()?
        .transpose()
}

pub(super) fn runs(connection: &Database, filter: &RunFilter) -> Result<Vec<RunRow>, Failure> {
    all(connection, &Query::runs(filter), read)
}

pub(super) fn waiting(
    connection: &Database,
    workflow: &WorkflowId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RunRow>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&format!("{SELECT_RUNS}{WAITING}"))?;
    let mut found = statement.query((workflow.as_str(), moment(now), limit))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row, connection.sums)?);
    }
    Ok(rows)
}

pub(super) fn sessions(
    connection: &Database,
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
    connection: &Database,
    query: &Query,
    read: impl Fn(&Row<'_>, Sums) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(&query.sql)?;
    let mut found = statement.query(params_from_iter(&query.values))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row, connection.sums)?);
    }
    Ok(all)
}

/// The run of a row of [`SELECT_RUNS`].
fn read(row: &Row<'_>, sums: Sums) -> Result<RunRow, Failure> {
    let columns = RunColumns {
        run_id: row.get(0)?,
        session_id: row.get(1)?,
        user_id: row.get(2)?,
        workflow_id: row.get(3)?,
        digest: row.get(4)?,
        status: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        wake_at: row.get(8)?,
        background: row.get(9)?,
        driver: row.get(10)?,
        stored_at: row.get(11)?,
        facts: row.get(12)?,
        sum: row.get(13)?,
        status_sum: row.get(14)?,
        driver_sum: row.get(15)?,
    };
    Ok(columns.row(sums)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::open_signals;
    use rusqlite::Connection;

    /// What is asked again and again never reads the table of the runs, however many wait.
    #[test]
    fn what_is_asked_of_waiting_runs_has_an_index() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut connection, "memory".as_ref()).unwrap();
        let plan = |sql: &str| -> String {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = plan.raw_query().mapped(|row| row.get::<_, String>(3));
            lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
        };
        let waiting = plan(&format!("{SELECT_RUNS}{WAITING}"));
        let open = plan(&open_signals());
        for (plan, index) in [
            (&waiting, "SEARCH runs USING INDEX runs_wake (workflow_id=? AND wake_at>?"),
            (&waiting, "SCAN inbox USING INDEX inbox_open"),
            (&waiting, "runs_background (workflow_id=?)"),
            (&waiting, "SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)"),
            (&open, "SEARCH runs USING INDEX runs_driver (driver=?)"),
            (&open, "SEARCH inbox USING INDEX"),
        ] {
            assert!(plan.contains(index), "`{index}` is not in\n{plan}");
        }
        assert!(!waiting.contains("SCAN runs") && !open.contains("SCAN runs"), "{waiting}\n{open}");
    }
}
