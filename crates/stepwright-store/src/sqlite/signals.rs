//! What is wanted of runs, who drives them, and their plans.

use super::errors::Failure;
use crate::errors::missing_run;
use crate::query::{DRIVER_KEPT_MS, inbox as inbox_sql, open_signals};
use crate::rows::{SignalColumns, driven_by, from_column, moment, to_column, wish};
use rusqlite::{Connection, OptionalExtension, Row};
use stepwright_core::store::{Claim, Claimed, Signal};
use stepwright_core::{RunId, RunStatus, Timestamp};

const SUBMIT: &str = "INSERT INTO inbox (run, id, wish, at, done) VALUES (?1, ?2, ?3, ?4, 0)
    ON CONFLICT (run, id) DO NOTHING";

/// A driver that was never seen counts as seen when its run began.
const DRIVEN: &str = "SELECT id, status, runs.driver, coalesce(seen_at, created_at)
    FROM runs LEFT JOIN drivers ON drivers.driver = runs.driver WHERE run_id = ?1";

const SEEN: &str = "INSERT INTO drivers (driver, seen_at) VALUES (?1, ?2)
    ON CONFLICT (driver) DO UPDATE SET seen_at = excluded.seen_at";

const FORGET: &str = "DELETE FROM drivers WHERE seen_at < ?1
    AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.driver = drivers.driver)";

/// `false` if there is one of that name.
pub(super) fn submit(connection: &Connection, signal: &Signal) -> Result<bool, Failure> {
    let run: i64 = connection
        .prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?
        .query_row([signal.run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| missing_run(&signal.run))?;
    let columns = (run, &*signal.id, wish(signal)?, to_column(signal.at.0));
    Ok(connection.prepare_cached(SUBMIT)?.execute(columns)? > 0)
}

pub(super) fn inbox(connection: &Connection, run: &RunId) -> Result<Vec<Signal>, Failure> {
    let found = signals(connection, &inbox_sql(), run.as_str())?;
    Ok(found.into_iter().map(SignalColumns::signal).collect::<Result<_, _>>()?)
}

fn signals(
    connection: &Connection,
    sql: &str,
    of: &str,
) -> Result<Vec<SignalColumns>, rusqlite::Error> {
    let read = |row: &Row<'_>| {
        Ok(SignalColumns {
            run_id: row.get(0)?,
            id: row.get(1)?,
            wish: row.get(2)?,
            at: row.get(3)?,
        })
    };
    connection.prepare_cached(sql)?.query_map([of], read)?.collect()
}

pub(super) fn claim(connection: &Connection, claim: &Claim) -> Result<Claimed, Failure> {
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
    connection
        .prepare_cached("UPDATE runs SET driver = ?2 WHERE id = ?1")?
        .execute((id, &*claim.driver))?;
    Ok(Claimed::Yes)
}

pub(super) fn release(connection: &Connection, run: &RunId, driver: &str) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE runs SET driver = NULL WHERE run_id = ?1 AND driver = ?2")?
        .execute((run.as_str(), driver))?;
    Ok(())
}

/// Forgets drivers of long ago, too.
pub(super) fn heartbeat(
    connection: &Connection,
    driver: &str,
    now: Timestamp,
) -> Result<Vec<SignalColumns>, Failure> {
    connection.prepare_cached(SEEN)?.execute((driver, moment(now)))?;
    let long_ago = Timestamp(now.0.saturating_sub(DRIVER_KEPT_MS));
    connection.prepare_cached(FORGET)?.execute([moment(long_ago)])?;
    Ok(signals(connection, &open_signals(), driver)?)
}

pub(super) fn remember_plan(
    connection: &Connection,
    digest: &str,
    plan: &str,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO plans (digest, plan) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING",
        )?
        .execute((digest, plan))?;
    Ok(())
}

pub(super) fn plan(connection: &Connection, digest: &str) -> Result<Option<String>, Failure> {
    let found = connection
        .prepare_cached("SELECT plan FROM plans WHERE digest = ?1")?
        .query_row([digest], |row| row.get(0))
        .optional()?;
    Ok(found)
}
