//! Looking runs up, and listing runs and sessions.

use super::errors::Failure;
use super::sessions;
use crate::query::{Query, SELECT_RUNS, Value, WAITING};
use crate::rows::{RunColumns, moment};
use crate::sums::Sums;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use stepwright_core::store::{RunFilter, RunRow, SessionFilter};
use stepwright_core::{RunId, Session, Timestamp, WorkflowId};

pub(super) async fn run(
    connection: &mut PgConnection,
    id: &RunId,
) -> Result<Option<RunRow>, Failure> {
    let row = sqlx::query(AssertSqlSafe(format!("{SELECT_RUNS} WHERE run_id = $1")))
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn runs(
    connection: &mut PgConnection,
    filter: &RunFilter,
) -> Result<Vec<RunRow>, Failure> {
    all(connection, Query::runs(filter)).await?.iter().map(read).collect()
}

pub(super) async fn waiting(
    connection: &mut PgConnection,
    workflow: &WorkflowId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RunRow>, Failure> {
    let rows = sqlx::query(AssertSqlSafe(format!("{SELECT_RUNS}{WAITING}")))
        .bind(workflow.as_str())
        .bind(moment(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn sessions(
    connection: &mut PgConnection,
    filter: &SessionFilter,
) -> Result<Vec<Session>, Failure> {
    all(connection, Query::sessions(filter)).await?.iter().map(sessions::read).collect()
}

async fn all(connection: &mut PgConnection, query: Query) -> Result<Vec<PgRow>, Failure> {
    let mut asked = sqlx::query(AssertSqlSafe(query.sql));
    for value in query.values {
        asked = match value {
            Value::Text(text) => asked.bind(text),
            Value::Number(number) => asked.bind(number),
        };
    }
    Ok(asked.fetch_all(connection).await?)
}

/// The run of a row of [`SELECT_RUNS`].
fn read(row: &PgRow) -> Result<RunRow, Failure> {
    let columns = RunColumns {
        run_id: row.try_get(0)?,
        session_id: row.try_get(1)?,
        user_id: row.try_get(2)?,
        workflow_id: row.try_get(3)?,
        digest: row.try_get(4)?,
        status: row.try_get(5)?,
        created_at: row.try_get(6)?,
        updated_at: row.try_get(7)?,
        wake_at: row.try_get(8)?,
        background: row.try_get(9)?,
        driver: row.try_get(10)?,
        stored_at: row.try_get(11)?,
        facts: row.try_get(12)?,
        sum: row.try_get(13)?,
        status_sum: row.try_get(14)?,
        driver_sum: row.try_get(15)?,
    };
    Ok(columns.row(Sums::SERVER)?)
}
