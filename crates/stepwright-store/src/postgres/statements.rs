//! The statements that the operations run on a connection.

use super::append;
use super::errors::Failure;
use super::link::Link;
use crate::backend::{Attempt, Columns, Connection, Dialect, Prepared, Value};
use crate::query::select_sessions;
use crate::rows::SignalValues;
use crate::sums::Sums;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Error as SqlError, Postgres, Row as _};
use std::borrow::Cow;

/// Inserts a signal, and notifies those who listen. The row of the run is locked against being
/// deleted.
const SUBMIT: &str = "WITH found AS (
    SELECT id FROM runs WHERE run_id = $1 FOR KEY SHARE
), submitted AS (
    INSERT INTO inbox (run, id, wish, at, done, token, sum, done_sum)
    SELECT found.id, $2, $3, $4, false, $5, $7, $8 FROM found
    ON CONFLICT (run, id) DO NOTHING RETURNING 1
)
SELECT EXISTS (SELECT FROM found), (SELECT count(pg_notify($6, '')) FROM submitted) > 0";

const SUBMITTED: &str = "SELECT FROM inbox
    WHERE run = (SELECT id FROM runs WHERE run_id = $1) AND id = $2 AND token = $3";

fn query<'v>(sql: Cow<'static, str>, values: &[Value<'v>]) -> Query<'v, Postgres, PgArguments> {
    let mut query = match sql {
        Cow::Borrowed(sql) => sqlx::query(sql),
        Cow::Owned(sql) => sqlx::query(AssertSqlSafe(sql)),
    };
    for value in values {
        query = match *value {
            Value::Text(text) => query.bind(text),
            Value::MaybeText(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Numbers(list) => query.bind(list),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Texts(list) => query.bind(list),
        };
    }
    query
}

impl Connection for Link {
    type Error = SqlError;
    type Row<'r> = PgRow;

    const DIALECT: Dialect = Dialect {
        lock: " FOR NO KEY UPDATE",
        select_sessions: select_sessions!("token"),
        insert_session: "INSERT INTO sessions (session_id, user_id, workflow_id, name, state, \
            version, metrics, created_at, updated_at, sum, token)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (session_id) DO NOTHING",
        update_session: "UPDATE sessions SET name = $1, state = $2, version = $3, metrics = $4, \
            updated_at = $5, sum = $6, token = $8 WHERE session_id = $7",
        json_names: true,
        // No run begins in it, then no run of it appends, then nothing is left.
        lock_session: &[
            "SELECT FROM sessions WHERE session_id = $1 FOR UPDATE",
            "SELECT FROM runs WHERE session_id = $1 FOR UPDATE",
        ],
        lock_scope: &["SELECT pg_advisory_xact_lock(hashtextextended(
            current_schema() || ':slots:' || $1, 0))"],
        is_alive: "driver = ANY($5)",
        forget_drivers: "DELETE FROM drivers WHERE driver IN (
            SELECT driver FROM drivers WHERE seen_at < $1
              AND NOT EXISTS (SELECT FROM runs WHERE runs.driver = drivers.driver)
            FOR UPDATE SKIP LOCKED)",
        insert_fact: "INSERT INTO journal (run, seq, path, at, body, blob, sum, chain, token)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        select_sources: "SELECT seq, body, blob, key_id FROM journal
            WHERE run = $1 AND seq = ANY($2)",
        select_blobs: "SELECT hash, body, key_id FROM blobs WHERE hash = ANY($1)",
    };

    fn sums(&self) -> Sums {
        Sums::SERVER
    }

    async fn select<T: Send>(
        &mut self,
        sql: impl Into<Cow<'static, str>> + Send,
        values: &[Value<'_>],
        read: impl FnMut(&PgRow) -> Result<T, Failure> + Send,
    ) -> Result<Vec<T>, Failure> {
        let rows = query(sql.into(), values).fetch_all(&mut self.connection).await?;
        rows.iter().map(read).collect()
    }

    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Failure> {
        let done = query(sql.into(), values).execute(&mut self.connection).await?;
        Ok(done.rows_affected())
    }

    async fn append(&mut self, append: &Prepared, attempt: Attempt) -> Result<(), Failure> {
        append::append(self, append, attempt).await
    }

    async fn submit(
        &mut self,
        signal: &SignalValues<'_>,
        attempt: Attempt,
    ) -> Result<Option<bool>, Failure> {
        let SignalValues { run, id, wish, at, sum, done_sum } = *signal;
        let row = sqlx::query(SUBMIT)
            .bind(run)
            .bind(id)
            .bind(wish)
            .bind(at)
            .bind(attempt.token)
            .bind(&*self.channels.signals)
            .bind(sum)
            .bind(done_sum)
            .fetch_one(&mut self.connection)
            .await?;
        let (known, submitted): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !known || submitted || !attempt.lost {
            return Ok(known.then_some(submitted));
        }
        // The earlier attempt may have got through.
        let mine = sqlx::query(SUBMITTED)
            .bind(run)
            .bind(id)
            .bind(attempt.token)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(Some(mine.is_some()))
    }
}

impl Columns for PgRow {
    type Error = SqlError;

    fn number(&self, nth: usize) -> Result<i64, Failure> {
        Ok(self.try_get(nth)?)
    }

    fn maybe_number(&self, nth: usize) -> Result<Option<i64>, Failure> {
        Ok(self.try_get(nth)?)
    }

    fn flag(&self, nth: usize) -> Result<bool, Failure> {
        Ok(self.try_get(nth)?)
    }

    fn text(&self, nth: usize) -> Result<String, Failure> {
        Ok(self.try_get(nth)?)
    }

    fn maybe_text(&self, nth: usize) -> Result<Option<String>, Failure> {
        Ok(self.try_get(nth)?)
    }

    fn text_bytes(&self, nth: usize) -> Result<&[u8], Failure> {
        let text: &str = self.try_get(nth)?;
        Ok(text.as_bytes())
    }

    fn blob(&self, nth: usize) -> Result<Vec<u8>, Failure> {
        Ok(self.try_get(nth)?)
    }
    fn maybe_blob(&self, nth: usize) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.try_get(nth)?)
    }
}
