//! The tables, and the migrations from older versions.

use super::database::Database;
use super::errors::{Failure, damaged_file, foreign, newer, older};
use super::fill;
use crate::sums::Sums;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Marks a database file as ours: `STWR`.
const APPLICATION_ID: i32 = 0x5354_5752;

/// The migrations from each version to the next. Only ever added to: databases out there have been
/// through the ones before.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
    include_str!("schema_9.sql"),
];

/// The version in which rows got their checksums.
const SUMMED: usize = 3;

/// The version in which facts got their chain hashes.
const CHAINED: usize = 4;

/// The largest file whose structure is checked when it is opened, in bytes.
const CHECKED_BYTES_MAX: i64 = 4 * 1024 * 1024;

/// Brings the database to the version of this program.
pub(super) fn migrate(connection: Connection, path: &Path) -> Result<Database, Failure> {
    if version(&connection, path)? == MIGRATIONS.len() {
        // Before any table is read: damage is told as what it is.
        check(&connection, path)?;
        let sums = sums(&connection, path)?;
        return Ok(Database::new(connection, sums));
    }
    // If a step fails, the connection closes, which takes all steps back.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Asked again: another process may have done it while this one waited for the lock.
    let before = version(&connection, path)?;
    if before == MIGRATIONS.len() {
        // Nothing is written: a commit would keep the others waiting for the disk.
        connection.execute_batch("ROLLBACK")?;
        let sums = sums(&connection, path)?;
        return Ok(Database::new(connection, sums));
    }
    for step in &MIGRATIONS[before..] {
        connection.execute_batch(step)?;
    }
    let sums = sums(&connection, path)?;
    let mut database = Database::new(connection, sums);
    if (1..SUMMED).contains(&before) {
        fill::sums(&mut database)?;
    }
    if (1..CHAINED).contains(&before) {
        fill::chains(&mut database)?;
    }
    let version = MIGRATIONS.len();
    database.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT"
    ))?;
    if before > 0 {
        check(&database, path)?;
    }
    Ok(database)
}

/// Returns the checksums of a database that is only read. It must have the version of this program.
pub(super) fn look(connection: &Connection, path: &Path) -> Result<Sums, Failure> {
    match version(connection, path)? {
        version if version == MIGRATIONS.len() => {
            check(connection, path)?;
            sums(connection, path)
        }
        version => Err(older(path, version, MIGRATIONS.len()).into()),
    }
}

/// Looks for damage of the structure of a small file, where rows can get lost that no checksum
/// would miss. A large one would take too long.
fn check(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("page_size")?.saturating_mul(number("page_count")?) > CHECKED_BYTES_MAX {
        return Ok(());
    }
    // One line is enough to refuse it.
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(damaged_file(path, &found).into()) }
}

/// Returns the checksums of this file.
fn sums(connection: &Connection, path: &Path) -> Result<Sums, Failure> {
    let identity = connection
        .query_row("SELECT id FROM identity", [], |row| row.get(0))
        .optional()?
        .ok_or_else(|| damaged_file(path, "its table `identity` is empty"))?;
    Ok(Sums::of_file(identity))
}

/// Returns the version of the database. Refuses one of another program or a newer version.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Connection as _;
    use crate::query::{DRIVERS, open_signals, waiting};
    use crate::sqlite::database::Database;

    /// Queries that are repeated never read the table of the runs, however many wait.
    #[test]
    fn queries_for_waiting_runs_have_an_index() {
        let connection = Connection::open_in_memory().unwrap();
        let connection = migrate(connection, "memory".as_ref()).unwrap_or_else(|_| panic!());
        let plan = |sql: &str| -> String {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = plan.raw_query().mapped(|row| row.get::<_, String>(3));
            lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
        };
        let waiting = plan(&waiting(Database::DIALECT.is_alive));
        let (open, drivers) = (plan(&open_signals()), plan(DRIVERS));
        for (plan, index) in [
            (&waiting, "SEARCH runs USING INDEX runs_wake (workflow_id=? AND wake_at>?"),
            (&waiting, "SEARCH inbox USING INDEX inbox_open (run>?)"),
            (&waiting, "runs_background (workflow_id=? AND rowid>?)"),
            (&waiting, "SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)"),
            (&drivers, "runs_background (workflow_id=?)"),
            (&open, "SEARCH runs USING INDEX runs_driver (driver=?)"),
            (&open, "SEARCH inbox USING INDEX"),
        ] {
            assert!(plan.contains(index), "`{index}` is not in\n{plan}");
        }
        for plan in [waiting, open, drivers] {
            assert!(!plan.contains("SCAN runs"), "{plan}");
        }
    }
}
