//! The store itself: a handle to one writer and a few readers.

use super::append::{self, Prepared};
use super::database::Database;
use super::file::DatabaseFile;
use super::open::SqliteOptions;
use super::read::Readers;
use super::write::{Told, Writer};
use super::{list, sessions, signals};
use crate::bodies::{self, FactRow};
use crate::rows::Effect;
use crate::shared::Texts;
use crate::sums::Sums;
use crate::watch::Watchers;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use stepwright_core::journal::Append;
use stepwright_core::store::{
    Claim, Claimed, Inbox, Leases, RunFilter, RunRow, RunStore, SessionFilter, SessionStore,
    Signal, Watched,
};
use stepwright_core::{
    BoxFuture, Event, Patch, RunId, Session, SessionId, StoreError, Timestamp, WorkflowId,
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
#[derive(Clone)]
pub struct Sqlite {
    file: DatabaseFile,
    sums: Sums,
    // Before the writer: the last connection that closes, and may write, tidies the file up.
    readers: Readers,
    writer: Arc<Writer>,
    watchers: Arc<Watchers>,
    texts: Arc<Texts>,
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

    pub(super) fn new(
        file: DatabaseFile,
        sums: Sums,
        readers: Readers,
        writer: Writer,
        watchers: Arc<Watchers>,
    ) -> Self {
        Self { file, sums, readers, writer: Arc::new(writer), watchers, texts: Arc::default() }
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.file.path).finish_non_exhaustive()
    }
}

impl RunStore for Sqlite {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.file.check_process()?;
            let Append { run, facts, close, driver } = append;
            let Some(effect) = Effect::of(&facts, driver) else { return Ok(()) };
            let mut facts = FactRow::all(&facts, self.sums)?;
            let texts = self.texts.share(&run, &mut facts);
            let (facts, blobs) = bodies::apart(facts).await?;
            let rests = effect.rests();
            let (name, told) = (run.clone(), Told::Those(Watched::Facts(run.clone())));
            let prepared = Prepared { run, facts, effect, close, blobs };
            let work = move |found: &Database| append::append(found, &prepared);
            let appended = self.writer.write(told, work).await;
            match appended {
                Ok(()) if !rests => self.texts.learn(&name, texts),
                _ => self.texts.forget(&name),
            }
            appended
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

    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>> {
        let run = run.clone();
        Box::pin(self.readers.read(move |connection| list::run(connection, &run)))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        Box::pin(self.readers.read(move |connection| list::runs(connection, &filter)))
    }

    fn remember_plan<'a>(
        &'a self,
        digest: &'a str,
        plan: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (digest, plan) = (digest.to_owned(), plan.to_owned());
        Box::pin(async move {
            // Nearly always it is known, and nothing waits for the disk.
            if self.plan(&digest).await?.is_some() {
                return Ok(());
            }
            let work = move |found: &Database| signals::remember_plan(found, &digest, &plan);
            self.writer.write(Told::Nobody, work).await
        })
    }

    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let digest = digest.to_owned();
        Box::pin(self.readers.read(move |connection| signals::plan(connection, &digest)))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl SessionStore for Sqlite {
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
        Box::pin(
            self.writer.write(Told::Nobody, move |connection| sessions::open(connection, &session)),
        )
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (id, name) = (session.clone(), name.to_owned());
        let work = move |found: &Database| sessions::rename(found, &id, &name, now);
        Box::pin(self.writer.write(Told::Nobody, work))
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Session, StoreError>> {
        let (id, patches) = (session.clone(), patches.to_vec());
        let work = move |found: &Database| sessions::patch(found, &id, &patches, now);
        Box::pin(self.writer.write(Told::Nobody, work))
    }

    fn delete_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let id = session.clone();
        Box::pin(self.writer.write(Told::Everybody, move |found| sessions::delete(found, &id)))
    }
}

impl Inbox for Sqlite {
    fn submit(&self, signal: Signal) -> BoxFuture<'_, Result<bool, StoreError>> {
        let told = Told::Those(Watched::Signals);
        Box::pin(self.writer.write(told, move |found| signals::submit(found, &signal)))
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>> {
        let run = run.clone();
        Box::pin(self.readers.read(move |connection| signals::inbox(connection, &run)))
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        if !self.file.opener.is_here() {
            // Who watches in a forked child finds out when it looks.
            return Box::pin(std::future::ready(()));
        }
        let (woken, begin) = self.watchers.watch(watched);
        if begin {
            self.writer.look_out(&self.watchers);
        }
        woken
    }
}

impl Leases for Sqlite {
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        Box::pin(self.writer.write(Told::Nobody, move |found| signals::claim(found, &claim)))
    }

    fn release<'a>(
        &'a self,
        run: &'a RunId,
        driver: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (run, driver) = (run.clone(), driver.to_owned());
        let work = move |found: &Database| signals::release(found, &run, &driver);
        Box::pin(self.writer.write(Told::Nobody, work))
    }

    fn heartbeat<'a>(
        &'a self,
        driver: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>> {
        let driver = driver.to_owned();
        Box::pin(async move {
            let work = move |found: &Database| signals::heartbeat(found, &driver, now);
            // One that is damaged does not take the sign of life back.
            let found = self.writer.write(Told::Nobody, work).await?;
            found.into_iter().map(|found| found.signal(self.sums)).collect()
        })
    }

    fn waiting<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<RunRow>, StoreError>> {
        let workflow = workflow.clone();
        Box::pin(self.readers.read(move |found| list::waiting(found, &workflow, now, limit)))
    }
}
