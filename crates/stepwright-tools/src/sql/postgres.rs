//! PostgreSQL: a query runs in a read-only transaction, as a part of a `SELECT`.

use super::{Rows, shortened};
use crate::kit::mistake;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use std::time::Duration;
use stepwright_core::Error;
use stepwright_core::tool::ToolError;

pub(super) const SCHEMA: &str = "SELECT table_schema, table_name, string_agg(column_name || ' ' || \
                                 data_type, ', ' ORDER BY ordinal_position) AS columns FROM \
                                 information_schema.columns WHERE table_schema NOT IN \
                                 ('pg_catalog', 'information_schema') GROUP BY 1, 2 ORDER BY 1, 2";

/// Asks whether the user reaches beyond the database: as a superuser, or with a role that may use
/// files or programs of the server. A read-only transaction is not enough for such a user.
const REACHES_BEYOND: &str = "SELECT rolsuper OR pg_has_role(current_user, \
                              'pg_execute_server_program', 'USAGE') OR pg_has_role(current_user, \
                              'pg_write_server_files', 'USAGE') OR pg_has_role(current_user, \
                              'pg_read_server_files', 'USAGE') FROM pg_roles WHERE rolname = \
                              current_user";

fn options(url: &str) -> Result<PgConnectOptions, String> {
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| error.to_string())?;
    // The text of a query may hold data.
    Ok(options.disable_statement_logging())
}

pub(super) fn check(url: &str) -> Result<(), Error> {
    let is_address = url.starts_with("postgres://") || url.starts_with("postgresql://");
    // The address may hold a password, so no error repeats it.
    if !is_address || options(url).is_err() {
        let error = mistake("the address of the PostgreSQL database is not valid");
        return Err(error.with_hint("write one such as `postgres://reader@localhost/sales`"));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: sqlx::Error) -> ToolError {
    let text = match &error {
        sqlx::Error::Database(error) => {
            // 25006: a statement that writes, in a read-only transaction.
            let refused = error.code().is_some_and(|code| code == "25006");
            let text = if refused { "the database refuses this statement: " } else { "" };
            format!("{text}{}", error.message())
        }
        error => format!("the database cannot be asked: {error}"),
    };
    ToolError::Failed(text)
}

async fn connected(url: &str) -> Result<PgConnection, ToolError> {
    let options = options(url).map_err(ToolError::Failed)?;
    PgConnection::connect_with(&options).await.map_err(told)
}

/// Returns the statement that limits the time of the others, on the server.
fn time(limit: Duration) -> String {
    format!("SET LOCAL statement_timeout = {}", limit.as_millis().clamp(1, 2_000_000_000))
}

pub(super) async fn query(
    url: &str,
    sql: &str,
    most: usize,
    limit: Duration,
) -> Result<Rows, ToolError> {
    let mut connection = connected(url).await?;
    let beyond = sqlx::query(REACHES_BEYOND).fetch_one(&mut connection).await.map_err(told)?;
    if beyond.try_get::<bool, _>(0).map_err(told)? {
        let text = "the database user is a superuser, or may use files and programs of the server; \
                    a read-only transaction does not keep it from them. Queries need another user";
        return Err(ToolError::Failed(text.into()));
    }
    connection.execute("BEGIN READ ONLY").await.map_err(told)?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(time(limit)))).await.map_err(told)?;
    // A prepared statement is one statement, and within a `SELECT` there can be none that changes
    // data. The line break ends a comment.
    let wrapped = format!(
        "SELECT row_to_json(rows)::text FROM (\n{sql}\n) AS rows LIMIT {}",
        most.saturating_add(1)
    );
    let found = sqlx::query(AssertSqlSafe(wrapped)).fetch_all(&mut connection).await;
    let mut rows = Vec::new();
    for row in found.map_err(told)? {
        let text: Option<String> = row.try_get(0).map_err(told)?;
        let value = serde_json::from_str(text.as_deref().unwrap_or("null"));
        let value = value.map_err(|error| ToolError::Failed(error.to_string()))?;
        rows.push(short(value));
    }
    let more = rows.len() > most;
    rows.truncate(most);
    // Nothing is kept. Where this is not reached, the end of the connection does the same.
    connection.execute("ROLLBACK").await.map_err(told)?;
    let _ = connection.close().await;
    Ok(Rows { rows, more })
}

pub(super) async fn execute(url: &str, sql: &str, limit: Duration) -> Result<u64, ToolError> {
    let mut connection = connected(url).await?;
    connection.execute("BEGIN").await.map_err(told)?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(time(limit)))).await.map_err(told)?;
    // Prepared, so that it is one statement.
    let statement = sqlx::query(AssertSqlSafe(sql.to_owned()));
    let done = statement.execute(&mut connection).await.map_err(told)?;
    connection.execute("COMMIT").await.map_err(told)?;
    let _ = connection.close().await;
    Ok(done.rows_affected())
}

/// Shortens the texts of a row.
fn short(row: Value) -> Value {
    match row {
        Value::Object(cells) => {
            let cells = cells.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, shortened(&text).into()),
                value => (name, value),
            });
            Value::Object(cells.collect())
        }
        other => other,
    }
}
