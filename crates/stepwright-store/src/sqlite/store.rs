//! The backend of SQLite: one writer and a few readers.

use super::connect::connect;
use super::database::Database;
use super::errors::{Failure, only_read};
use super::file::DatabaseFile;
use super::read::{Readers, blocking};
use super::write::{LOOK_EVERY, Writer};
use crate::SqlStore;
use crate::backend::{Backend, Told, Work};
use crate::sums::Sums;
use crate::watch::Watchers;
use rusqlite::OpenFlags;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use stepwright_core::store::{Compacted, Watched};
use stepwright_core::{BoxFuture, RunId, StoreError};

/// A store in one SQLite file, for one machine. Cheap to clone; clones share one writer.
///
/// A fact that was appended is on the disk: see [`Durability`](crate::Durability). Facts of many
/// runs that are appended at the same time share one wait for the disk.
///
/// Several processes may use one file. Each run has one driver among them: a driver that appends at
/// a number that another has taken gets an error.
///
/// Dropping the last clone commits the pending changes and closes the file, which blocks until it
/// is done. Its methods must be called within a Tokio runtime.
///
/// ```
/// use stepwright_core::{Session, Timestamp, store::SessionStore as _};
/// use stepwright_store::Sqlite;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("content.db");
/// let store = Sqlite::open(&path).await?;
/// let (id, workflow) = ("s-1".parse()?, "content-pipeline".parse()?);
/// store.open_session(Session::new(id, None, workflow, Timestamp(1_780_000_000_000))).await?;
/// drop(store);
///
/// let store = Sqlite::open(&path).await?;
/// assert_eq!(store.sessions(Default::default()).await?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub type Sqlite = SqlStore<SqliteBackend>;

/// The database file behind a [`Sqlite`].
#[doc(hidden)]
pub struct SqliteBackend {
    pub(super) file: DatabaseFile,
    pub(super) sums: Sums,
    // Before the writer: the last connection that closes, and may write, tidies the file up.
    pub(super) readers: Readers,
    /// `None` if the file was opened for reading only.
    pub(super) writer: Option<Writer>,
    pub(super) watchers: Arc<Watchers>,
}

impl SqlStore<SqliteBackend> {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.backend().file.path
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.file.path).finish_non_exhaustive()
    }
}

/// Rewrites the file without the space of deleted rows, and empties its log: what was deleted is in
/// neither of them then. No transaction can be open, so it has a connection of its own.
fn compact(file: &DatabaseFile) -> Result<Compacted, Failure> {
    let before = size(file);
    let connection = connect(&file.place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("VACUUM")?;
    // Readers may keep the log from being emptied: it is overwritten later then.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(connection);
    Ok(Compacted { before, after: size(file) })
}

fn size(file: &DatabaseFile) -> u64 {
    let mut log = file.place.as_os_str().to_owned();
    log.push("-wal");
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    of(&file.place) + of(Path::new(&log))
}

impl Backend for SqliteBackend {
    type Connection = Database;

    fn check_process(&self) -> Result<(), StoreError> {
        self.file.check_process()
    }

    fn sums(&self) -> Sums {
        self.sums
    }

    async fn read<W: Work<Database>>(&self, work: W) -> Result<W::Made, StoreError> {
        self.readers.read(work).await
    }

    async fn write<W: Work<Database>>(&self, told: Told, work: W) -> Result<W::Made, StoreError> {
        match &self.writer {
            Some(writer) => writer.write(told, work).await,
            None => Err(only_read(&self.file.path)),
        }
    }

    fn forget(&self, _: &RunId) {}

    async fn compact(&self) -> Result<Compacted, StoreError> {
        self.file.check_process()?;
        let file = self.file.clone();
        blocking(&self.file.path, move || {
            file.check_place()?;
            compact(&file).map_err(|error| error.into_error("compact", &file.path))
        })
        .await
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        if self.file.check_process().is_err() {
            // A watcher in a forked child gets the error when it looks.
            return Box::pin(std::future::ready(()));
        }
        let Some(writer) = &self.writer else {
            // Only other processes change it: the watcher looks again after a while.
            return Box::pin(async {
                let pause = tokio::task::spawn_blocking(|| std::thread::sleep(LOOK_EVERY));
                let _ = pause.await;
            });
        };
        let (woken, begin) = self.watchers.watch(watched);
        if begin {
            writer.look_out(&self.watchers);
        }
        woken
    }
}
