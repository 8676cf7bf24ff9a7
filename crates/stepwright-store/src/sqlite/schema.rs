//! The tables, and how those of older versions become those of this one.

use super::errors::{Failure, damaged_file, foreign, newer};
use super::fill::fill;
use crate::sums::Sums;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::path::Path;

/// Marks a database file as ours: `STWR`.
const APPLICATION_ID: i32 = 0x5354_5752;

/// What leads from one version to the next. Only ever added to: databases out there have been
/// through the ones before.
const MIGRATIONS: &[&str] =
    &[include_str!("schema.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// The version in which rows got their checksums.
const SUMMED: usize = 3;

/// Brings the database to the version of this program. `false` if there was none.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<bool, Failure> {
    if version(connection, path)? == MIGRATIONS.len() {
        return Ok(true);
    }
    let changes = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again: while this waited for the lock, somebody else may have done it.
    let before = version(&changes, path)?;
    for step in &MIGRATIONS[before..] {
        changes.execute_batch(step)?;
    }
    if (1..SUMMED).contains(&before) {
        fill(&changes, sums(&changes, path)?)?;
    }
    let version = MIGRATIONS.len();
    changes.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}"
    ))?;
    changes.commit()?;
    Ok(before > 0)
}

/// The checksums of this file.
pub(super) fn sums(connection: &Connection, path: &Path) -> Result<Sums, Failure> {
    let identity = connection
        .query_row("SELECT id FROM identity", [], |row| row.get(0))
        .optional()?
        .ok_or_else(|| damaged_file(path, "its table `identity` is empty"))?;
    Ok(Sums::of_file(identity))
}

/// How many migrations the database has been through. Refuses what is not ours, or is too new.
fn version(connection: &Connection, path: &Path) -> Result<usize, Failure> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let version = usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match pragma("application_id")? {
        APPLICATION_ID if version > MIGRATIONS.len() => {
            Err(newer(path, version, MIGRATIONS.len()).into())
        }
        APPLICATION_ID => Ok(version),
        0 if version == 0 && tables == 0 => Ok(0),
        _ => Err(foreign(path).into()),
    }
}
