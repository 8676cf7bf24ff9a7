//! What is wanted of runs, who drives them, and their plans.

use super::database::Database;
use super::errors::Failure;
use crate::errors::missing_run;
use crate::query::{DRIVER_KEPT_MS, inbox as inbox_sql, open_signals};
use crate::rows::{SignalColumns, checked_plan, driven_by, from_column, moment, to_column, wish};
use rusqlite::{OptionalExtension, Row};
use stepwright_core::store::{Claim, Claimed, Signal};
use stepwright_core::{RunId, RunStatus, Timestamp};

const SUBMIT: &str = "INSERT INTO inbox (run, id, wish, at, done, sum, done_sum)
    VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)
    ON CONFLICT (run, id) DO NOTHING";

/// A driver that was never seen counts as seen when its run began.
const DRIVEN: &str = "SELECT id, status, runs.driver, coalesce(seen_at, created_at)
    FROM runs LEFT JOIN drivers ON drivers.driver = runs.driver WHERE run_id = ?1";

const SEEN: &str = "INSERT INTO drivers (driver, seen_at) VALUES (?1, ?2)
    ON CONFLICT (driver) DO UPDATE SET seen_at = excluded.seen_at";

const FORGET: &str = "DELETE FROM drivers WHERE seen_at < ?1
    AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.driver = drivers.driver)";

/// `false` if there is one of that name.
pub(super) fn submit(connection: &Database, signal: &Signal) -> Result<bool, Failure> {
    let run: i64 = connection
        .prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?
        .query_row([signal.run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| missing_run(&signal.run))?;
    let (name, wish, at) = (signal.run.as_str(), wish(signal)?, to_column(signal.at.0));
    let sum = connection.sums.signal(name, &signal.id, Some(&wish), at);
    let done_sum = connection.sums.done(name, &signal.id, false);
    let columns = (run, &*signal.id, wish, at, sum, done_sum);
    Ok(connection.prepare_cached(SUBMIT)?.execute(columns)? > 0)
}

pub(super) fn inbox(connection: &Database, run: &RunId) -> Result<Vec<Signal>, Failure> {
    let found = signals(connection, &inbox_sql(), run.as_str())?;
    Ok(found.into_iter().map(|found| found.signal(connection.sums)).collect::<Result<_, _>>()?)
}

fn signals(
    connection: &Database,
    sql: &str,
    of: &str,
) -> Result<Vec<SignalColumns>, rusqlite::Error> {
    let read = |row: &Row<'_>| {
        Ok(SignalColumns {
            run_id: row.get(0)?,
            id: row.get(1)?,
            wish: row.get(2)?,
            at: row.get(3)?,
            done: row.get(4)?,
            sum: row.get(5)?,
            done_sum: row.get(6)?,
        })
    };
    connection.prepare_cached(sql)?.query_map([of], read)?.collect()
}

pub(super) fn claim(connection: &Database, claim: &Claim) -> Result<Claimed, Failure> {
    let found = connection
        .prepare_cached(DRIVEN)?
        .query_row([claim.run.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((id, status, driver, seen_at)) = found else { return Ok(Claimed::Over) };
    if RunStatus::from_word(&status).is_some_and(RunStatus::is_terminal) {
        return Ok(Claimed::Over);
    }
    let driver: Option<String> = driver;
    let is = |name: Option<&str>| driver.as_deref() == name;
    let dead = claim.dead.as_deref();
    let free = is(None) || is(Some(&claim.driver)) || dead.is_some() && is(dead);
    if !free && moment(Timestamp(from_column(seen_at))) >= moment(claim.stale) {
        return Ok(driven_by(driver, seen_at));
    }
    let sum = connection.sums.driver(claim.run.as_str(), Some(&claim.driver));
    connection
        .prepare_cached("UPDATE runs SET driver = ?2, driver_sum = ?3 WHERE id = ?1")?
        .execute((id, &*claim.driver, sum))?;
    Ok(Claimed::Yes)
}

pub(super) fn release(connection: &Database, run: &RunId, driver: &str) -> Result<(), Failure> {
    let sum = connection.sums.driver(run.as_str(), None);
    connection
        .prepare_cached(
            "UPDATE runs SET driver = NULL, driver_sum = ?3 WHERE run_id = ?1 AND driver = ?2",
        )?
        .execute((run.as_str(), driver, sum))?;
    Ok(())
}

/// Forgets drivers of long ago, too.
pub(super) fn heartbeat(
    connection: &Database,
    driver: &str,
    now: Timestamp,
) -> Result<Vec<SignalColumns>, Failure> {
    connection.prepare_cached(SEEN)?.execute((driver, moment(now)))?;
    let long_ago = Timestamp(now.0.saturating_sub(DRIVER_KEPT_MS));
    connection.prepare_cached(FORGET)?.execute([moment(long_ago)])?;
    Ok(signals(connection, &open_signals(), driver)?)
}

pub(super) fn remember_plan(
    connection: &Database,
    digest: &str,
    plan: &str,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO plans (digest, plan, sum) VALUES (?1, ?2, ?3)
             ON CONFLICT (digest) DO NOTHING",
        )?
        .execute((digest, plan, connection.sums.plan(digest, plan)))?;
    Ok(())
}

pub(super) fn plan(connection: &Database, digest: &str) -> Result<Option<String>, Failure> {
    let found = connection
        .prepare_cached("SELECT plan, sum FROM plans WHERE digest = ?1")?
        .query_row([digest], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(plan, sum)| checked_plan(digest, plan, sum, connection.sums)).transpose()?)
}
