//! Reading, on connections of its own: readers do not wait for the writer.

use super::connect::{reader, reader_without_log};
use super::database::{Database, at_once};
use super::errors::closed;
use super::file::DatabaseFile;
use crate::backend::{Attempt, Work};
use crate::sums::Sums;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_core::StoreError;
use tokio::sync::Semaphore;
use tokio::task::coop;

/// The largest number of reads at once. More would wait for the same disk, and each connection has
/// a cache.
const READERS_MAX: usize = 4;

/// Connections that only read: opened when needed, kept for the next read.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    file: DatabaseFile,
    sums: Sums,
    places: Arc<Semaphore>,
    idle: Arc<Idle>,
    /// The time that a connection waits for the lock of another process.
    lock_wait: Duration,
    /// `true` if this program may have no right to write beside the file.
    read_only: bool,
}

/// Connections that wait for the next read.
#[derive(Debug)]
struct Idle {
    connections: Mutex<Vec<Database>>,
    file: DatabaseFile,
}

impl Idle {
    fn connections(&self) -> MutexGuard<'_, Vec<Database>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Database> {
        self.connections().pop()
    }

    fn keep(&self, connection: Database) {
        self.connections().push(connection);
    }
}

impl Drop for Idle {
    /// The connections of a parent process are its own: to close them here would take its locks.
    fn drop(&mut self) {
        if !self.file.opener.is_here() {
            let kept = self.connections.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(kept));
        }
    }
}

impl Readers {
    pub(super) fn new(
        file: DatabaseFile,
        sums: Sums,
        lock_wait: Duration,
        read_only: bool,
    ) -> Self {
        let places = Arc::new(Semaphore::new(READERS_MAX));
        let idle = Arc::new(Idle { connections: Mutex::default(), file: file.clone() });
        Self { file, sums, places, idle, lock_wait, read_only }
    }

    /// Does `work`: if it is quick and a connection is idle, at once, and otherwise on a thread for
    /// work that blocks.
    pub(super) async fn read<W: Work<Database>>(&self, mut work: W) -> Result<W::Made, StoreError> {
        self.file.check_process()?;
        if work.is_quick()
            && let Some(read) = self.at_once(&mut work)
        {
            // A task that never waits here would keep the others of its thread waiting.
            coop::consume_budget().await;
            return read;
        }
        let path = &self.file.path;
        let place = self.places.clone().acquire_owned().await.map_err(|_| closed(path))?;
        let Self { file, sums, idle, lock_wait, read_only, .. } = self.clone();
        blocking(path, move || {
            file.check_place()?;
            // A file that does not change is opened for each read: then it may change in between.
            let mut is_fixed = false;
            let mut connection = if let Some(connection) = idle.take() {
                connection
            } else {
                let connection = if read_only {
                    let (connection, fixed) = reader_without_log(&file)?;
                    is_fixed = fixed;
                    connection
                } else {
                    reader(&file)?
                };
                // Without it, the next statement waits as long as by default.
                let _ = connection.busy_timeout(lock_wait);
                // What was opened may be another file than the one that was there before.
                file.check_place()?;
                Database::new(connection, sums)
            };
            let read = at_once(work.make(&mut connection, Attempt::ONLY))
                .map_err(|error| error.into_error("read", &file.path));
            // After a failure a new connection may see more than this one does.
            if read.is_ok() && !is_fixed {
                idle.keep(connection);
            }
            drop(place);
            read
        })
        .await
    }

    /// Reads on this thread. `None` if no connection is idle, or if the read fails: then it is
    /// tried where it may take time.
    fn at_once<W: Work<Database>>(&self, work: &mut W) -> Option<Result<W::Made, StoreError>> {
        let _place = self.places.try_acquire().ok()?;
        if let Err(error) = self.file.check_place() {
            return Some(Err(error));
        }
        let mut connection = self.idle.take()?;
        connection.busy_timeout(Duration::ZERO).ok()?;
        let read = at_once(work.make(&mut connection, Attempt::ONLY)).ok()?;
        if connection.busy_timeout(self.lock_wait).is_ok() {
            self.idle.keep(connection);
        }
        Some(Ok(read))
    }
}

/// Does `work` on a thread for work that blocks.
pub(super) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(closed(path)),
        },
    }
}
