//! The statements that the operations run on a connection.

use super::append;
use super::database::Database;
use super::errors::Failure;
use crate::backend::{Attempt, Columns, Connection, Dialect, Prepared, Value};
use crate::query::select_sessions;
use crate::rows::SignalValues;
use crate::sums::Sums;
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Error as SqlError, OptionalExtension as _, Row, params_from_iter};
use std::borrow::Cow;
use std::future::ready;

impl Database {
    fn select_now<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = self.prepare_cached(sql)?;
        check_names(&statement);
        let mut found = statement.query(params_from_iter(values))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read(row)?);
        }
        Ok(rows)
    }

    fn execute_now(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Failure> {
        let mut statement = self.prepare_cached(sql)?;
        check_names(&statement);
        Ok(statement.execute(params_from_iter(values))? as u64)
    }

    fn submit_now(&self, signal: &SignalValues<'_>) -> Result<Option<bool>, Failure> {
        let SignalValues { run, id, wish, at, sum, done_sum } = *signal;
        let run: Option<i64> = self
            .prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?
            .query_row([run], |row| row.get(0))
            .optional()?;
        let Some(run) = run else { return Ok(None) };
        let submit = "INSERT INTO inbox (run, id, wish, at, done, sum, done_sum)
            VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6) ON CONFLICT (run, id) DO NOTHING";
        let inserted = self.prepare_cached(submit)?.execute((run, id, wish, at, sum, done_sum))?;
        Ok(Some(inserted > 0))
    }
}

/// Parameters must be numbered in the order of their first appearance.
fn check_names(statement: &rusqlite::Statement<'_>) {
    debug_assert!(
        (1..=statement.parameter_count())
            .all(|nth| statement.parameter_name(nth) == Some(&format!("${nth}"))),
        "the parameters are not in order: {statement:?}"
    );
}

impl Connection for Database {
    type Error = SqlError;
    type Row<'r> = Row<'r>;

    const DIALECT: Dialect = Dialect {
        // The transaction has the lock already: there is one that writes.
        lock: "",
        select_sessions: select_sessions!("NULL"),
        insert_session: "INSERT INTO sessions (session_id, user_id, workflow_id, name, state, \
            version, metrics, created_at, updated_at, sum)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (session_id) DO NOTHING",
        update_session: "UPDATE sessions SET name = $1, state = $2, version = $3, metrics = $4, \
            updated_at = $5, sum = $6 WHERE session_id = $7",
        json_names: false,
        lock_session: &[],
        lock_scope: &[],
        is_alive: "driver IN (SELECT value FROM json_each($5))",
        forget_drivers: "DELETE FROM drivers WHERE seen_at < $1
            AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.driver = drivers.driver)",
        insert_fact: "INSERT INTO journal (run, seq, path, at, body, blob, sum, chain)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        select_sources: "SELECT seq, body, blob, key_id FROM journal
            WHERE run = $1 AND seq IN (SELECT value FROM json_each($2))",
        select_blobs: "SELECT hash, body, key_id FROM blobs
            WHERE hash IN (SELECT value FROM json_each($1))",
    };

    fn sums(&self) -> Sums {
        self.sums
    }

    fn select<T: Send>(
        &mut self,
        sql: impl Into<Cow<'static, str>> + Send,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, Failure> + Send,
    ) -> impl Future<Output = Result<Vec<T>, Failure>> + Send {
        ready(self.select_now(&sql.into(), values, read))
    }

    fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<u64, Failure>> + Send {
        ready(self.execute_now(sql, values))
    }

    async fn append(&mut self, append: &Prepared, _: Attempt) -> Result<(), Failure> {
        append::append(self, append).await
    }

    fn submit(
        &mut self,
        signal: &SignalValues<'_>,
        _: Attempt,
    ) -> impl Future<Output = Result<Option<bool>, Failure>> + Send {
        ready(self.submit_now(signal))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        // A list goes as JSON, which SQLite takes apart.
        let json = |list| -> rusqlite::Result<ToSqlOutput<'_>> { Ok(ToSqlOutput::from(list)) };
        let failed = |error: serde_json::Error| SqlError::ToSqlConversionFailure(error.into());
        match self {
            Self::Text(text) => text.to_sql(),
            Self::MaybeText(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
            Self::Numbers(list) => json(serde_json::to_string(list).map_err(failed)?),
            Self::Texts(list) => json(serde_json::to_string(list).map_err(failed)?),
        }
    }
}

impl Columns for Row<'_> {
    type Error = SqlError;

    fn number(&self, nth: usize) -> Result<i64, Failure> {
        Ok(self.get(nth)?)
    }

    fn maybe_number(&self, nth: usize) -> Result<Option<i64>, Failure> {
        Ok(self.get(nth)?)
    }

    fn flag(&self, nth: usize) -> Result<bool, Failure> {
        Ok(self.get(nth)?)
    }

    fn text(&self, nth: usize) -> Result<String, Failure> {
        Ok(self.get(nth)?)
    }

    fn maybe_text(&self, nth: usize) -> Result<Option<String>, Failure> {
        Ok(self.get(nth)?)
    }

    fn text_bytes(&self, nth: usize) -> Result<&[u8], Failure> {
        Ok(self.get_ref(nth)?.as_bytes_or_null().ok().flatten().unwrap_or_default())
    }

    fn blob(&self, nth: usize) -> Result<Vec<u8>, Failure> {
        Ok(self.get(nth)?)
    }
    fn maybe_blob(&self, nth: usize) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.get(nth)?)
    }
}
