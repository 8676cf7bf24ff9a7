//! The tables, and how those of older versions become those of this one.

use super::errors::{Failure, foreign, newer};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Marks a database file as ours: `STWR`.
const APPLICATION_ID: i32 = 0x5354_5752;

/// What leads from one version to the next. Only ever added to: databases out there have been
/// through the ones before.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema_2.sql")];

/// Brings the database to the version of this program.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Failure> {
    if version(connection, path)? == MIGRATIONS.len() {
        return Ok(());
    }
    let changes = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again: while this waited for the lock, somebody else may have done it.
    let version = version(&changes, path)?;
    for step in &MIGRATIONS[version..] {
        changes.execute_batch(step)?;
    }
    let version = MIGRATIONS.len();
    changes.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}"
    ))?;
    changes.commit()?;
    Ok(())
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
