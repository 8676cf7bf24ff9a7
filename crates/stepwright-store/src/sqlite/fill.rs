//! Gives the rows of older versions their checksums and chain hashes.

use super::database::{Database, at_once};
use super::errors::Failure;
use crate::operations::journal::{self, Whole};
use crate::rows::to_column;
use crate::sums::{Chain, RunIdentity, RunState, SessionValues, Sums};
use rusqlite::{Connection, params};
use stepwright_core::{ErrorId, RunId, StoreError};

/// The number of facts that are read at once.
const PAGE: usize = 1_000;

/// Computes the checksums of all rows but facts. They cover the rows as they are now: they say
/// nothing about damage from before.
pub(super) fn sums(connection: &mut Database) -> Result<(), Failure> {
    let sums = connection.sums;
    runs(connection, sums)?;
    signals(connection, sums)?;
    sessions(connection, sums)?;
    plans(connection, sums)
}

/// Computes the chain hashes of all facts, and the checksums of those that have none. A fact whose
/// checksum does not match is left as it is: reading it is an error, then as now.
pub(super) fn chains(connection: &mut Database) -> Result<(), Failure> {
    let runs = connection
        .prepare("SELECT id, run_id FROM runs ORDER BY id")?
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    for (id, name) in runs {
        let run = RunId::new(&name).map_err(|error| unreadable(&name, error))?;
        match chain(connection, id, &run) {
            // One run that is damaged does not keep the others from being read.
            Err(Failure::Refused(StoreError::Corrupt { .. })) => {}
            done => done?,
        }
    }
    Ok(())
}

fn chain(connection: &mut Database, id: i64, run: &RunId) -> Result<(), Failure> {
    let sums = connection.sums;
    let (mut next, mut last) = (0, None);
    loop {
        let page = at_once(journal::load(connection, run, next, PAGE))?;
        let mut write = connection.prepare_cached(
            "UPDATE journal SET sum = ?3, chain = ?4 WHERE run = ?1 AND seq = ?2",
        )?;
        for Whole { sequence, path, at, body, sum, .. } in &page {
            let digest = sums.fact(run, *sequence, path, *at, body);
            let chain = Chain::link(last, &digest);
            let sum = sum.unwrap_or_else(|| digest.sum());
            write.execute((id, to_column(*sequence), sum, chain.bytes()))?;
            (next, last) = (sequence + 1, Some(chain));
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

fn runs(connection: &Connection, sums: Sums) -> Result<(), Failure> {
    let mut read = connection.prepare(
        "SELECT id, run_id, session_id, user_id, workflow_id, digest, status, created_at, \
         updated_at, wake_at, background, driver, \
         (SELECT count(*) FROM journal WHERE run = runs.id) FROM runs",
    )?;
    let mut write = connection.prepare(
        "UPDATE runs SET facts = ?2, sum = ?3, status_sum = ?4, driver_sum = ?5 WHERE id = ?1",
    )?;
    let mut found = read.query([])?;
    while let Some(row) = found.next()? {
        let text = |nth| row.get::<_, String>(nth);
        let (run, user): (String, Option<String>) = (text(1)?, row.get(3)?);
        let driver: Option<String> = row.get(11)?;
        let identity = RunIdentity {
            run_id: &run,
            session_id: &text(2)?,
            user_id: user.as_deref(),
            workflow_id: &text(4)?,
            digest: &text(5)?,
            created_at: row.get(7)?,
            background: row.get(10)?,
            origin: None,
        };
        let state = RunState {
            status: &text(6)?,
            updated_at: row.get(8)?,
            wake_at: row.get(9)?,
            facts: row.get(12)?,
        };
        write.execute(params![
            row.get::<_, i64>(0)?,
            state.facts,
            sums.run(&identity),
            sums.status(&run, &state),
            sums.driver(&run, driver.as_deref()),
        ])?;
    }
    Ok(())
}

fn signals(connection: &Connection, sums: Sums) -> Result<(), Failure> {
    let mut read = connection.prepare(
        "SELECT place, run_id, inbox.id, wish, at, done FROM inbox JOIN runs ON runs.id = run",
    )?;
    let mut write =
        connection.prepare("UPDATE inbox SET sum = ?2, done_sum = ?3 WHERE place = ?1")?;
    let mut found = read.query([])?;
    while let Some(row) = found.next()? {
        let (run, id): (String, String) = (row.get(1)?, row.get(2)?);
        let wish: Option<String> = row.get(3)?;
        let sum = sums.signal(&run, &id, wish.as_deref(), row.get(4)?);
        write.execute((row.get::<_, i64>(0)?, sum, sums.done(&run, &id, row.get(5)?)))?;
    }
    Ok(())
}

fn sessions(connection: &Connection, sums: Sums) -> Result<(), Failure> {
    let mut read = connection.prepare(
        "SELECT session_id, user_id, workflow_id, name, state, version, metrics, created_at, \
         updated_at FROM sessions",
    )?;
    let mut write = connection.prepare("UPDATE sessions SET sum = ?2 WHERE session_id = ?1")?;
    let mut found = read.query([])?;
    while let Some(row) = found.next()? {
        let text = |nth| row.get::<_, String>(nth);
        let maybe = |nth| row.get::<_, Option<String>>(nth);
        let (session, user, name) = (text(0)?, maybe(1)?, maybe(3)?);
        let sum = sums.session(&SessionValues {
            session_id: &session,
            user_id: user.as_deref(),
            workflow_id: &text(2)?,
            name: name.as_deref(),
            state: &text(4)?,
            version: row.get(5)?,
            metrics: &text(6)?,
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
        });
        write.execute((&session, sum))?;
    }
    Ok(())
}

fn plans(connection: &Connection, sums: Sums) -> Result<(), Failure> {
    let mut read = connection.prepare("SELECT digest, plan FROM plans")?;
    let mut write = connection.prepare("UPDATE plans SET sum = ?2 WHERE digest = ?1")?;
    let mut found = read.query([])?;
    while let Some(row) = found.next()? {
        let (digest, plan): (String, String) = (row.get(0)?, row.get(1)?);
        write.execute((&digest, sums.plan(&digest, &plan)))?;
    }
    Ok(())
}

fn unreadable(run: &str, error: stepwright_core::IdError) -> StoreError {
    StoreError::Unavailable {
        what: format!("the database has a run with the name `{}`", run.escape_debug()),
        source: error.into(),
        hint: None,
        id: ErrorId::ROW_DAMAGED,
    }
}
