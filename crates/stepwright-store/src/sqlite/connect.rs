//! Connecting to a database file.

use super::errors::{log_unreadable, unavailable};
use super::file::DatabaseFile;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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

/// Opens a connection that only reads, also where this program may write to neither the file nor
/// its directory. Returns `true` beside it if the file must not change while the connection is
/// open.
///
/// SQLite keeps the index of its log in a file beside the database. If it cannot create that one, a
/// database without a log can still be read as one that does not change.
pub(super) fn reader_without_log(file: &DatabaseFile) -> Result<(Connection, bool), StoreError> {
    let told = |error| unavailable("open", &file.path, &Arc::new(error));
    // The first statement opens the log.
    let looked = |connection: Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    match connect(&file.place, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(looked) {
        Ok(connection) => Ok((connection, false)),
        Err(error) if is_kept_out(&error) => {
            let mut log = file.place.as_os_str().to_owned();
            log.push("-wal");
            if PathBuf::from(log).metadata().is_ok_and(|log| log.len() > 0) {
                return Err(log_unreadable(&file.path, error));
            }
            if std::fs::File::open(&file.place).is_err() {
                return Err(told(error));
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let fixed = connect(address(&file.place).as_ref(), flags).and_then(looked);
            fixed.map(|connection| (connection, true)).map_err(told)
        }
        Err(error) => Err(told(error)),
    }
}

fn is_kept_out(error: &rusqlite::Error) -> bool {
    let kept_out = [ErrorCode::ReadOnly, ErrorCode::PermissionDenied, ErrorCode::CannotOpen];
    error.sqlite_error_code().is_some_and(|code| kept_out.contains(&code))
}

/// Returns the address of a file that does not change.
fn address(path: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(byte) {
            address.push(char::from(*byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address + "?immutable=1"
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
