//! Reading, on connections of its own: readers do not wait for the writer.

use super::errors::{Failure, closed};
use super::open::reader;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_core::StoreError;
use tokio::sync::Semaphore;

/// How many read at once. More would wait for the same disk, and each connection has a cache.
const READERS_MAX: usize = 4;

/// Connections that only read: opened when needed, kept for the next.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    path: Arc<Path>,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: Arc<Path>) -> Self {
        Self { path, places: Arc::new(Semaphore::new(READERS_MAX)), idle: Arc::default() }
    }

    /// Does `work` on a thread for work that blocks.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| closed(&self.path))?;
        let Self { path, idle, .. } = self.clone();
        blocking(&self.path, move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => reader(&path)?,
            };
            let read = work(&connection).map_err(|error| error.into_error("read", &path));
            // After a failure a new connection may see more than this one does.
            if read.is_ok() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
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
