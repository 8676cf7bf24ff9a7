//! What is wanted of runs, who drives them, and their plans.

use super::errors::Failure;
use crate::errors::{Said, missing_run};
use crate::query::{DRIVER_KEPT_MS, inbox as inbox_sql, open_signals};
use crate::rows::{SignalColumns, checked_plan, driven_by, moment, to_column, wish};
use crate::sums::Sums;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use stepwright_core::store::{Claim, Claimed, Signal};
use stepwright_core::{RunId, RunStatus, StoreError, Timestamp};

const SUMS: Sums = Sums::SERVER;

/// How often a run is claimed that others claim and give up all the time.
const CLAIM_ATTEMPTS_MAX: u32 = 10;

/// Leaves a signal, and tells those who listen. The row of the run is locked against being deleted.
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

/// Claims the run if it may be claimed, and if it is still as it was when that was asked. A driver
/// that was never seen counts as seen when its run began.
const CLAIM: &str = "WITH found AS (
    SELECT id, status, driver, coalesce(
        (SELECT seen_at FROM drivers WHERE drivers.driver = runs.driver), created_at) AS seen_at
    FROM runs WHERE run_id = $1
), free AS (
    SELECT id, status, driver FROM found
    WHERE status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')
      AND (driver IS NULL OR driver = $2 OR driver = $3 OR seen_at < $4)
), claimed AS (
    UPDATE runs SET driver = $2, driver_sum = $5 FROM free
    WHERE runs.id = free.id AND runs.status = free.status
      AND runs.driver IS NOT DISTINCT FROM free.driver
    RETURNING 1
)
SELECT status, driver, seen_at, EXISTS (SELECT FROM free), EXISTS (SELECT FROM claimed) FROM found";

/// Notes that a driver is alive, and forgets drivers of long ago.
const SEEN: &str = "WITH gone AS (
    DELETE FROM drivers WHERE driver IN (
        SELECT driver FROM drivers WHERE seen_at < $3 AND driver <> $1
          AND NOT EXISTS (SELECT FROM runs WHERE runs.driver = drivers.driver)
        FOR UPDATE SKIP LOCKED)
)
INSERT INTO drivers (driver, seen_at) VALUES ($1, $2)
ON CONFLICT (driver) DO UPDATE SET seen_at = excluded.seen_at";

/// `false` if there is one of that name. `lost` if the connection was lost while it was tried
/// before.
pub(super) async fn submit(
    connection: &mut PgConnection,
    signal: &Signal,
    token: i64,
    channel: &str,
    lost: bool,
) -> Result<bool, Failure> {
    let (run, wish, at) = (signal.run.as_str(), wish(signal)?, to_column(signal.at.0));
    let sum = SUMS.signal(run, &signal.id, Some(&wish), at);
    let row = sqlx::query(SUBMIT)
        .bind(run)
        .bind(&*signal.id)
        .bind(wish)
        .bind(at)
        .bind(token)
        .bind(channel)
        .bind(sum)
        .bind(SUMS.done(run, &signal.id, false))
        .fetch_one(&mut *connection)
        .await?;
    let (known, submitted): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !known {
        return Err(missing_run(&signal.run).into());
    }
    if submitted || !lost {
        return Ok(submitted);
    }
    // The earlier try may have got through.
    let mine = sqlx::query(SUBMITTED)
        .bind(signal.run.as_str())
        .bind(&*signal.id)
        .bind(token)
        .fetch_optional(connection)
        .await?;
    Ok(mine.is_some())
}

pub(super) async fn inbox(
    connection: &mut PgConnection,
    run: &RunId,
) -> Result<Vec<Signal>, Failure> {
    signals(connection, inbox_sql(), run.as_str()).await
}

async fn signals(
    connection: &mut PgConnection,
    sql: String,
    of: &str,
) -> Result<Vec<Signal>, Failure> {
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(of).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        let columns = SignalColumns {
            run_id: row.try_get(0)?,
            id: row.try_get(1)?,
            wish: row.try_get(2)?,
            at: row.try_get(3)?,
            done: row.try_get(4)?,
            sum: row.try_get(5)?,
            done_sum: row.try_get(6)?,
        };
        Ok(columns.signal(SUMS)?)
    };
    rows.iter().map(read).collect()
}

pub(super) async fn claim(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<Claimed, Failure> {
    for _ in 0..CLAIM_ATTEMPTS_MAX {
        let row = sqlx::query(CLAIM)
            .bind(claim.run.as_str())
            .bind(&*claim.driver)
            .bind(claim.dead.as_deref())
            .bind(moment(claim.stale))
            .bind(SUMS.driver(claim.run.as_str(), Some(&claim.driver)))
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = row else { return Ok(Claimed::Over) };
        let status: &str = row.try_get(0)?;
        if RunStatus::from_word(status).is_some_and(RunStatus::is_terminal) {
            return Ok(Claimed::Over);
        }
        let (free, claimed): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
        match (free, claimed) {
            (_, true) => return Ok(Claimed::Yes),
            (false, false) => return Ok(driven_by(row.try_get(1)?, row.try_get(2)?)),
            // Somebody was faster: who it was is seen the next time.
            (true, false) => {}
        }
    }
    Err(StoreError::Unavailable {
        what: format!("cannot claim run `{}`", claim.run),
        source: Box::new(Said("others claim it and give it up all the time".to_owned())),
        hint: None,
    }
    .into())
}

pub(super) async fn release(
    connection: &mut PgConnection,
    run: &RunId,
    driver: &str,
) -> Result<(), Failure> {
    sqlx::query("UPDATE runs SET driver = NULL, driver_sum = $3 WHERE run_id = $1 AND driver = $2")
        .bind(run.as_str())
        .bind(driver)
        .bind(SUMS.driver(run.as_str(), None))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn heartbeat(
    connection: &mut PgConnection,
    driver: &str,
    now: Timestamp,
) -> Result<Vec<Signal>, Failure> {
    let long_ago = Timestamp(now.0.saturating_sub(DRIVER_KEPT_MS));
    sqlx::query(SEEN)
        .bind(driver)
        .bind(moment(now))
        .bind(moment(long_ago))
        .execute(&mut *connection)
        .await?;
    signals(connection, open_signals(), driver).await
}

pub(super) async fn remember_plan(
    connection: &mut PgConnection,
    digest: &str,
    plan: &str,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO plans (digest, plan, sum) SELECT $1, $2, $3
         WHERE NOT EXISTS (SELECT FROM plans WHERE digest = $1) ON CONFLICT (digest) DO NOTHING",
    )
    .bind(digest)
    .bind(plan)
    .bind(SUMS.plan(digest, plan))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn plan(
    connection: &mut PgConnection,
    digest: &str,
) -> Result<Option<String>, Failure> {
    let row = sqlx::query("SELECT plan, sum FROM plans WHERE digest = $1")
        .bind(digest)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(checked_plan(digest, row.try_get(0)?, row.try_get(1)?, SUMS)?))
}
