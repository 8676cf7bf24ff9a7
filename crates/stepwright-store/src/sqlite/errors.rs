//! Errors of SQLite, with advice.

use super::locks::lock_holder;
use crate::errors::unusable;
use rusqlite::{Error as SqlError, ErrorCode};
use std::path::Path;
use std::sync::Arc;
use stepwright_core::{ErrorId, StoreError};

/// The failure of some work on a connection.
pub(super) type Failure = crate::errors::Failure<SqlError>;

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl Failure {
    /// Returns the error of the store. `what` was tried.
    pub(super) fn into_error(self, what: &str, path: &Path) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) => unavailable(what, path, &Arc::new(error)),
        }
    }
}

/// `error` is shared by all changes of the transaction.
pub(super) fn unavailable(what: &str, path: &Path, error: &Arc<SqlError>) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot {what} the database `{}`", path.display()),
        source: match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => {
                Box::new(crate::errors::Said(format!("it is damaged: {error}")))
            }
            _ => Box::new(error.clone()),
        },
        hint: hint(path, error),
        id: id(path, error),
    }
}

/// Returns the id of the kind of error.
fn id(path: &Path, error: &SqlError) -> ErrorId {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => ErrorId::DISK_FULL,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ErrorId::DATABASE_FORBIDDEN,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorId::DATABASE_LOCKED,
        Some(ErrorCode::NotADatabase) => ErrorId::DATABASE_FOREIGN,
        Some(ErrorCode::DatabaseCorrupt) => ErrorId::DATABASE_DAMAGED,
        Some(ErrorCode::CannotOpen) if path.is_dir() || !directory_of(path).is_dir() => {
            ErrorId::DATABASE_MISSING
        }
        Some(ErrorCode::CannotOpen) => ErrorId::DATABASE_FORBIDDEN,
        Some(ErrorCode::TooBig) => ErrorId::FACT_UNWRITABLE,
        _ => ErrorId::STORE_UNAVAILABLE,
    }
}

fn hint(path: &Path, error: &SqlError) -> Option<String> {
    let file = path.display();
    Some(match error.sqlite_error_code()? {
        ErrorCode::DiskFull => format!(
            "free some space on the disk that holds `{file}`, or raise `bytes_max` if it is set, \
             then resume the run"
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => format!(
            "allow this program to write to `{file}` and to the directory that it is in, where \
             SQLite keeps its log"
        ),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => match lock_holder(path) {
            Some((process, true)) => format!(
                "process {process} keeps `{file}` locked and is stopped: let it go on with \
                 `kill -CONT {process}`, or end it with `kill -KILL {process}`; then resume the run"
            ),
            Some((process, false)) => format!(
                "process {process} keeps `{file}` locked: wait for it or end it, then resume the run"
            ),
            None => format!("close the program that keeps `{file}` locked, then resume the run"),
        },
        ErrorCode::NotADatabase => {
            format!("choose another path: `{file}` is not an SQLite database")
        }
        ErrorCode::DatabaseCorrupt => format!(
            "restore `{file}` from a backup, or save what can be saved with \
             `sqlite3 {file} .recover`"
        ),
        ErrorCode::SystemIoFailure => {
            format!("check the disk that holds `{file}`, then resume the run")
        }
        ErrorCode::CannotOpen => cannot_open(path),
        _ => return None,
    })
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// SQLite says only that it cannot; the file system knows more.
fn cannot_open(path: &Path) -> String {
    let directory = directory_of(path);
    if path.is_dir() {
        format!("`{}` is a directory: choose a file in it", path.display())
    } else if !directory.exists() {
        format!("create the directory `{}`", directory.display())
    } else if !directory.is_dir() {
        format!("choose another path: `{}` is not a directory", directory.display())
    } else {
        format!("allow this program to write to the directory `{}`", directory.display())
    }
}

/// The log of the database has changes, and SQLite may not write what it needs to read them.
pub(super) fn log_unreadable(path: &Path, error: SqlError) -> StoreError {
    let file = path.display();
    StoreError::Unavailable {
        what: format!(
            "cannot read all of the database `{file}`: its log `{file}-wal` holds changes, and \
             SQLite reads it only where it may write"
        ),
        source: Box::new(error),
        hint: Some(format!(
            "copy `{file}` and `{file}-wal` to a directory that this program may write to, and open \
             the copy"
        )),
        id: ErrorId::DATABASE_FORBIDDEN,
    }
}

/// The tables are those of an older version, and may not be changed.
pub(super) fn older(path: &Path, version: usize, known: usize) -> StoreError {
    let source =
        format!("its tables are of version {version}, and reading alone needs version {known}");
    let hint = "open it once where this program may write to it, which updates its tables";
    unusable(ErrorId::DATABASE_FORBIDDEN, path.display(), source, hint)
}

/// The store was opened for reading only.
pub(super) fn only_read(path: &Path) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot write to the database `{}`", path.display()),
        source: Box::new(crate::errors::Said("it was opened for reading only".to_owned())),
        hint: Some("open it without `read_only`".to_owned()),
        id: ErrorId::DATABASE_FORBIDDEN,
    }
}

/// The database has been through migrations that this program does not know.
pub(super) fn newer(path: &Path, version: usize, known: usize) -> StoreError {
    let source = format!("its tables are of version {version}, and this program knows {known}");
    let hint = "use the newer program that wrote it, or choose another path";
    unusable(ErrorId::DATABASE_NEWER, path.display(), source, hint)
}

/// The structure of the database is damaged.
pub(super) fn damaged_file(path: &Path, what: &str) -> StoreError {
    let file = path.display();
    let hint = format!(
        "restore `{file}` from a backup, or save what can be saved with `sqlite3 {file} .recover`"
    );
    unusable(ErrorId::DATABASE_DAMAGED, file, format!("it is damaged: {what}"), &hint)
}

/// The database belongs to something else.
pub(super) fn foreign(path: &Path) -> StoreError {
    let source = "it holds tables of another program".to_owned();
    let hint = "choose another path: a store has a database of its own";
    unusable(ErrorId::DATABASE_FOREIGN, path.display(), source, hint)
}

/// The writer's thread is gone, which takes a panic.
pub(super) fn closed(path: &Path) -> StoreError {
    unusable(
        ErrorId::STORE_CLOSED,
        path.display(),
        "its writer has stopped".to_owned(),
        "open it again, then resume the run",
    )
}
