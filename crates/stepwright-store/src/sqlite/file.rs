//! The file of a database, and whether it is still the one that was opened.

use crate::errors::Said;
use crate::process::Opener;
use std::path::Path;
use std::sync::Arc;
use stepwright_core::{ErrorId, StoreError};

/// A database file that was opened by this process.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile {
    /// As it was given, for messages.
    pub(super) path: Arc<Path>,
    /// The same, whatever directory this process goes to.
    pub(super) place: Arc<Path>,
    pub(super) opener: Opener,
    /// Device and number of the file, where the system has them.
    identity: Option<(u64, u64)>,
}

impl DatabaseFile {
    /// The file that is there now, which was just opened.
    pub(super) fn opened(path: Arc<Path>) -> Self {
        let place = std::path::absolute(&path).map_or_else(|_| path.clone(), Into::into);
        let identity = identity(&place).ok().flatten();
        Self { path, place, opener: Opener::new(), identity }
    }

    /// Refuses to work in a process that was forked from the one that opened the file.
    pub(super) fn check_process(&self) -> Result<(), StoreError> {
        self.opener.check(self.path.display())
    }

    /// Refuses a file that was deleted or replaced. No other program would ever see the changes,
    /// and their log would be taken for that of the new file.
    ///
    /// SQLite can tell this itself (`SQLITE_FCNTL_HAS_MOVED`), but only to unsafe code.
    pub(super) fn check_place(&self) -> Result<(), StoreError> {
        self.moved().map_or(Ok(()), |why| Err(self.moved_error(&why)))
    }

    /// Returns the fate of the file that was opened, if it is not there any more.
    pub(super) fn moved(&self) -> Option<String> {
        self.identity?;
        match identity(&self.place) {
            Ok(found) if found == self.identity => None,
            Ok(_) => Some("another file replaced it while it was open".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Some("it was deleted or moved while it was open".to_owned())
            }
            Err(error) => Some(format!("it is not known whether it is still there: {error}")),
        }
    }

    pub(super) fn moved_error(&self, why: &str) -> StoreError {
        StoreError::Unavailable {
            what: format!("the database `{}` is not the one that was opened", self.path.display()),
            source: Box::new(Said(why.to_owned())),
            hint: Some(
                "nothing more was written; put the file back with its `-wal` file, then resume the \
                 run, or start again with the file that is there now"
                    .to_owned(),
            ),
            id: ErrorId::DATABASE_MOVED,
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> std::io::Result<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path)?;
    Ok(Some((metadata.dev(), metadata.ino())))
}

/// A file that is open can be neither deleted nor replaced there.
#[cfg(not(unix))]
fn identity(_: &Path) -> std::io::Result<Option<(u64, u64)>> {
    Ok(None)
}
