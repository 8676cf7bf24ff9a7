//! The store itself: a handle to one writer and a few readers.

use super::append::{self, Prepared};
use super::open::SqliteOptions;
use super::read::Readers;
use super::write::Writer;
use super::{list, sessions};
use crate::rows::{Effect, FactRow};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use stepwright_core::journal::{Append, Journal};
use stepwright_core::store::{RunFilter, RunRow, SessionFilter};
use stepwright_core::{
    BoxFuture, Event, Patch, RunId, Session, SessionId, Store, StoreError, Timestamp,
};

/// A store in one SQLite file, for one machine. Cheap to clone; clones share one writer.
///
/// A fact that was appended is on the disk: see [`Durability`](crate::Durability). Facts of many
/// runs that are appended at the same time share one wait for the disk.
///
/// Several processes may use one file. Each run has one driver among them: who appends at a number
/// that another has taken is told so.
///
/// Dropping the last clone commits what is waiting and closes the file, which blocks until it is
/// done. Its methods must be called within a Tokio runtime.
///
/// ```
/// use stepwright_core::{Session, Store, Timestamp};
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
#[derive(Clone)]
pub struct Sqlite {
    path: Arc<Path>,
    // Before the writer: the last connection that closes, and may write, tidies the file up.
    readers: Readers,
    writer: Arc<Writer>,
}

impl Sqlite {
    /// Opens the file, which is made if there is none, with everything else as it is usual.
    ///
    /// # Errors
    /// As of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options(path).open().await
    }

    /// Says how to open the file before it is opened.
    pub fn options(path: impl AsRef<Path>) -> SqliteOptions {
        SqliteOptions::new(path.as_ref())
    }

    pub(super) fn new(path: Arc<Path>, readers: Readers, writer: Writer) -> Self {
        Self { path, readers, writer: Arc::new(writer) }
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Journal for Sqlite {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let Append { run, facts, close } = append;
            let Some(effect) = Effect::of(&facts) else { return Ok(()) };
            let facts = facts.iter().map(FactRow::of).collect::<Result<Vec<_>, _>>()?;
            let prepared = Prepared { run, facts, effect, close };
            self.writer.write(move |connection| append::append(connection, &prepared)).await
        })
    }

    fn load<'a>(
        &'a self,
        run: &'a RunId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>> {
        let run = run.clone();
        Box::pin(self.readers.read(move |found| append::load(found, &run, after, limit)))
    }
}

impl Store for Sqlite {
    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>> {
        let run = run.clone();
        Box::pin(self.readers.read(move |connection| list::run(connection, &run)))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        Box::pin(self.readers.read(move |connection| list::runs(connection, &filter)))
    }

    fn session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Session>, StoreError>> {
        let id = session.clone();
        Box::pin(self.readers.read(move |connection| sessions::find(connection, &id)))
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'_, Result<Vec<Session>, StoreError>> {
        Box::pin(self.readers.read(move |connection| list::sessions(connection, &filter)))
    }

    fn open_session(&self, session: Session) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.writer.write(move |connection| sessions::open(connection, &session)))
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (id, name) = (session.clone(), name.to_owned());
        Box::pin(self.writer.write(move |found| sessions::rename(found, &id, &name, now)))
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Session, StoreError>> {
        let (id, patches) = (session.clone(), patches.to_vec());
        Box::pin(self.writer.write(move |found| sessions::patch(found, &id, &patches, now)))
    }

    fn delete_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let id = session.clone();
        Box::pin(self.writer.write(move |connection| sessions::delete(connection, &id)))
    }
}
