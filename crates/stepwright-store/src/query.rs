//! Queries in the SQL that the databases share.

use crate::backend::Value;
use stepwright_core::store::{RunFilter, SessionFilter, page};
use stepwright_core::{RunStatus, SessionId, UserId, WorkflowId};

/// The columns of [`RunColumns`](crate::rows::RunColumns), in its order, and then the place of the
/// run.
///
/// A run that has ended gets no more facts, and its row was written at the end. Before that its
/// last fact tells when it was recorded: one more seek for each run under way that is read, instead
/// of one more row for each fact that is written.
pub(crate) const SELECT_RUNS: &str = "SELECT run_id, session_id, user_id, workflow_id, digest, \
    status, created_at, CASE WHEN status IN ('COMPLETED', 'CANCELLED', 'ERROR') THEN updated_at
      ELSE (SELECT at FROM journal WHERE run = runs.id ORDER BY seq DESC LIMIT 1) END,
    wake_at, background, driver, updated_at, facts, sum, status_sum, driver_sum, origin, \
    origin_run, origin_until, metrics, metrics_facts, metrics_sum, id FROM runs";

/// The columns of [`JournalColumns`](crate::rows::JournalColumns), in its order.
pub(crate) const SELECT_JOURNAL: &str = "SELECT status, updated_at, wake_at, facts, status_sum,
    (SELECT max(seq) FROM journal WHERE run = runs.id) FROM runs WHERE run_id = $1";

/// Selects sessions: the columns of [`SessionColumns`](crate::rows::SessionColumns) in their order,
/// then the mark of the last change as the database has it.
macro_rules! select_sessions {
    ($token:literal) => {
        concat!(
            "SELECT session_id, user_id, workflow_id, name, state, version, metrics, created_at, \
             updated_at, sum, key_id, ",
            $token,
            " FROM sessions"
        )
    };
}
pub(crate) use select_sessions;

/// Selects at most `$4` runs of workflow `$1` behind place `$2` that may need a driver at `$3`.
/// `is_alive` is the condition that a driver is one of `$5`.
///
/// Each of the three kinds has an index of its own, which is small: it knows only the runs of which
/// that may be said. `+id` keeps SQLite from reading all paused runs in the order of their ids.
pub(crate) fn waiting(is_alive: &str) -> String {
    format!(
        "{SELECT_RUNS} WHERE id IN (
      SELECT * FROM (SELECT id FROM runs
        WHERE workflow_id = $1 AND +id > $2 AND wake_at IS NOT NULL AND wake_at <= $3
          AND status = 'PAUSED'
        ORDER BY id LIMIT $4) AS due
      UNION SELECT * FROM (SELECT DISTINCT inbox.run FROM inbox CROSS JOIN runs
        WHERE runs.id = inbox.run AND NOT inbox.done AND runs.workflow_id = $1 AND runs.id > $2
          AND runs.status = 'PAUSED' AND inbox.id NOT LIKE 'message:%'
        ORDER BY inbox.run LIMIT $4) AS told
      UNION SELECT * FROM (SELECT id FROM runs
        WHERE workflow_id = $1 AND id > $2 AND background AND status IN ('PENDING', 'RUNNING')
          AND (driver IS NULL OR NOT {is_alive})
        ORDER BY id LIMIT $4) AS under_way
    ) ORDER BY id LIMIT $4"
    )
}

/// Selects the drivers of the background runs of workflow `$1` that are under way, and when each of
/// them was last seen. One that was never seen counts as seen when its newest run began.
pub(crate) const DRIVERS: &str = "SELECT runs.driver, max(coalesce(seen_at, created_at))
    FROM runs LEFT JOIN drivers ON drivers.driver = runs.driver
    WHERE workflow_id = $1 AND background AND status IN ('PENDING', 'RUNNING')
      AND runs.driver IS NOT NULL
    GROUP BY runs.driver";

/// The columns of [`SignalColumns`](crate::rows::SignalColumns), in its order.
const SIGNALS: &str =
    "SELECT run_id, inbox.id, wish, at, done, inbox.sum, done_sum, key_id FROM runs CROSS JOIN inbox
    WHERE inbox.run = runs.id AND wish IS NOT NULL";

/// Selects the signals of the runs that `$1` drives that no fact was recorded for.
pub(crate) fn open_signals() -> String {
    format!("{SIGNALS} AND NOT done AND runs.driver = $1 ORDER BY place")
}

/// Selects the messages in the inboxes of runs of session `$1` that ended without them. Few signals
/// are open, so they are read first.
pub(crate) const UNREAD: &str =
    "SELECT run_id, inbox.id, wish, at, done, inbox.sum, done_sum, key_id FROM inbox CROSS JOIN runs
    WHERE runs.id = inbox.run AND NOT inbox.done AND wish IS NOT NULL
      AND inbox.id LIKE 'message:%' AND runs.session_id = $1
      AND runs.status IN ('COMPLETED', 'CANCELLED', 'ERROR') ORDER BY runs.id, place";

/// Selects signal `$2` of run `$1` if no fact was recorded for it.
pub(crate) fn open_signal() -> String {
    format!("{SIGNALS} AND run_id = $1 AND inbox.id = $2 AND NOT done")
}

/// Selects the inbox of run `$1`.
pub(crate) fn inbox() -> String {
    format!("{SIGNALS} AND run_id = $1 ORDER BY place")
}

/// The time that a driver without runs is remembered after it was last seen, in milliseconds.
pub(crate) const DRIVER_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// A query and its values. There are few shapes of it, and each is prepared once.
pub(crate) struct Query<'f> {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value<'f>>,
}

impl<'f> Query<'f> {
    pub(crate) fn runs(filter: &'f RunFilter) -> Self {
        let mut query = Self::new(SELECT_RUNS);
        query.only("session_id", filter.session_id.as_ref().map(SessionId::as_str));
        query.only("user_id", filter.user_id.as_ref().map(UserId::as_str));
        query.only("workflow_id", filter.workflow_id.as_ref().map(WorkflowId::as_str));
        // Of a run that could go on the column says `RUNNING`, and the driver tells the rest.
        let (status, more) = match filter.status {
            Some(RunStatus::Pending) => (Some(RunStatus::Running), " AND driver IS NULL"),
            Some(RunStatus::Running) => (filter.status, " AND driver IS NOT NULL"),
            status => (status, ""),
        };
        query.only("status", status.map(RunStatus::as_str));
        query.sql.push_str(more);
        if let Some(before) = &filter.before {
            query.also("id < (SELECT id FROM runs WHERE run_id = ");
            query.bind(Value::Text(before.as_str()));
            query.sql.push(')');
        }
        // By the order in which they began, which is the order of the rows: clocks go back.
        query.page("id DESC", filter.limit, filter.offset)
    }

    pub(crate) fn sessions(filter: &'f SessionFilter, select: &str) -> Self {
        let mut query = Self::new(select);
        query.only("user_id", filter.user_id.as_ref().map(UserId::as_str));
        query.only("workflow_id", filter.workflow_id.as_ref().map(WorkflowId::as_str));
        if let Some((time, id)) = &filter.behind {
            let time = || Value::Number(i64::try_from(time.0).unwrap_or(i64::MAX));
            query.also("(updated_at < ");
            query.bind(time());
            query.sql.push_str(" OR (updated_at = ");
            query.bind(time());
            query.sql.push_str(" AND session_id > ");
            query.bind(Value::Text(id.as_str()));
            query.sql.push_str("))");
        }
        query.page("updated_at DESC, session_id", filter.limit, filter.offset)
    }

    fn new(select: &str) -> Self {
        Self { sql: select.to_owned(), values: Vec::new() }
    }

    fn only(&mut self, column: &str, value: Option<&'f str>) {
        if let Some(value) = value {
            self.also(column);
            self.sql.push_str(" = ");
            self.bind(Value::Text(value));
        }
    }

    /// Begins one more condition.
    fn also(&mut self, condition: &str) {
        self.sql.push_str(if self.values.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }

    fn page(mut self, order: &str, limit: usize, offset: usize) -> Self {
        let number = |number| Value::Number(i64::try_from(number).unwrap_or(i64::MAX));
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ");
        self.bind(number(page(limit)));
        self.sql.push_str(" OFFSET ");
        self.bind(number(offset));
        self
    }

    // SQLite takes `$1` for a name, and gives it the number of the place where it first stands.
    fn bind(&mut self, value: Value<'f>) {
        self.values.push(value);
        self.sql.push('$');
        self.sql.push_str(&self.values.len().to_string());
    }
}
