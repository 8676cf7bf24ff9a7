//! Connecting to a database file.

use super::errors::unavailable;
use super::file::DatabaseFile;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::StoreError;

/// The default for the time to wait for another process that writes to the same file.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The number of prepared statements that a connection keeps: all, and the filters of lists.
const STATEMENTS_KEPT: usize = 64;

/// Opens a connection that only reads.
pub(super) fn reader(file: &DatabaseFile) -> Result<Connection, StoreError> {
    connect(&file.place, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| unavailable("open", &file.path, &Arc::new(error)))
}

/// Opens a connection with the settings that all connections have.
// A path is a path: no address with parameters, no name for a database in memory.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Pages that cannot be what they should are noticed when they are read.
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}
