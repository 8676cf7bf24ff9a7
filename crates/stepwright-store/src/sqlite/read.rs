//! Reading, on connections of its own: readers do not wait for the writer.

use super::database::{Database, at_once};
use super::errors::closed;
use super::file::DatabaseFile;
use super::open::reader;
use crate::backend::{Attempt, Work};
use crate::sums::Sums;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_core::StoreError;
use tokio::sync::Semaphore;

/// How many read at once. More would wait for the same disk, and each connection has a cache.
const READERS_MAX: usize = 4;

/// Connections that only read: opened when needed, kept for the next.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    file: DatabaseFile,
    sums: Sums,
    places: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// Connections that wait for the next who reads.
#[derive(Debug)]
struct Idle {
    connections: Mutex<Vec<Database>>,
    file: DatabaseFile,
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
    pub(super) fn new(file: DatabaseFile, sums: Sums) -> Self {
        let places = Arc::new(Semaphore::new(READERS_MAX));
        let idle = Arc::new(Idle { connections: Mutex::default(), file: file.clone() });
        Self { file, sums, places, idle }
    }

    /// Does `work` on a thread for work that blocks.
    pub(super) async fn read<W: Work<Database>>(&self, mut work: W) -> Result<W::Made, StoreError> {
        self.file.check_process()?;
        let path = &self.file.path;
        let place = self.places.clone().acquire_owned().await.map_err(|_| closed(path))?;
        let Self { file, sums, idle, .. } = self.clone();
        blocking(path, move || {
            file.check_place()?;
            let kept = idle.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = if let Some(connection) = kept {
                connection
            } else {
                let connection = Database::new(reader(&file)?, sums);
                // What was opened may be another file than the one that was there before.
                file.check_place()?;
                connection
            };
            let read = at_once(work.make(&mut connection, Attempt::ONLY))
                .map_err(|error| error.into_error("read", &file.path));
            // After a failure a new connection may see more than this one does.
            if read.is_ok() {
                let mut kept = idle.connections.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(connection);
            }
            drop(place);
            read
        })
        .await
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
