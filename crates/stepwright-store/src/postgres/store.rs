//! The store itself: a handle to a few connections.

use super::append::{self, Prepared};
use super::connections::{Connections, Server};
use super::listen::{self, Channels};
use super::open::PostgresOptions;
use super::sessions::{self, Patching};
use super::{errors::Failure, list, signals};
use crate::bodies::{self, FactRow};
use crate::rows::Effect;
use crate::shared::Texts;
use crate::sums::Sums;
use crate::watch::Watchers;
use sqlx::postgres::PgConnection;
use std::fmt;
use std::sync::Arc;
use stepwright_core::journal::Append;
use stepwright_core::store::{
    Claim, Claimed, Inbox, Leases, RunFilter, RunRow, RunStore, SessionFilter, SessionStore,
    Signal, Watched,
};
use stepwright_core::{
    BoxFuture, Event, Patch, RunId, Session, SessionId, StoreError, Timestamp, WorkflowId,
};

/// A store in a PostgreSQL database, for any number of machines. Cheap to clone; clones share their
/// connections.
///
/// A fact that was appended is as safe as the server makes it: see
/// [`Durability`](crate::Durability). An append is one round trip.
///
/// Any number of processes may use one database. Each run has one driver among them: who appends at
/// a number that another has taken is told so.
///
/// When the server restarts or the network fails, what was asked is tried again on a new
/// connection, for as long as [`PostgresOptions::retry_for`] says. An append whose answer got lost
/// is recognised in the journal, so that nothing is recorded twice.
///
/// Its methods must be called within a Tokio runtime with I/O and time.
///
/// ```no_run
/// use stepwright_core::{Session, Timestamp, store::SessionStore as _};
/// use stepwright_store::Postgres;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Postgres::connect("postgres://anna:secret@localhost/agents").await?;
/// let (id, workflow) = ("s-1".parse()?, "content-pipeline".parse()?);
/// store.open_session(Session::new(id, None, workflow, Timestamp(1_780_000_000_000))).await?;
///
/// let elsewhere = Postgres::connect("postgres://anna:secret@localhost/agents").await?;
/// assert_eq!(elsewhere.sessions(Default::default()).await?.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Postgres {
    connections: Arc<Connections>,
    watchers: Arc<Watchers>,
    channels: Channels,
    texts: Arc<Texts>,
}

impl Postgres {
    /// Connects to the database at `postgres://user:password@host:port/database`, and makes the
    /// tables if there are none, with everything else as it is usual.
    ///
    /// `postgresql://` and addresses that name a driver, such as `postgresql+psycopg://`, are
    /// understood too. `?host=/run/postgresql` connects over a Unix socket; `?sslmode=verify-full`
    /// wants a server with a certificate. What the address leaves out is taken from `PGHOST`,
    /// `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE` and `~/.pgpass`.
    ///
    /// # Errors
    /// As of [`PostgresOptions::connect`].
    pub async fn connect(address: impl AsRef<str>) -> Result<Self, StoreError> {
        Self::options(address).connect().await
    }

    /// Says how to connect before it is connected.
    pub fn options(address: impl AsRef<str>) -> PostgresOptions {
        PostgresOptions::new(address.as_ref())
    }

    pub(super) fn new(connections: Connections) -> Self {
        let channels = Channels::of(&connections.target.schema);
        let (watchers, texts) = (Arc::default(), Arc::default());
        Self { connections: Arc::new(connections), watchers, channels, texts }
    }

    /// Host, port and database, without a user or a password.
    pub fn address(&self) -> &str {
        &self.connections.target.shown
    }

    async fn read<T>(
        &self,
        work: impl AsyncFnMut(&mut PgConnection, bool) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.connections.run("read", Server::Known, work).await
    }

    async fn write<T>(
        &self,
        work: impl AsyncFnMut(&mut PgConnection, bool) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.connections.run("write to", Server::Known, work).await
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl RunStore for Postgres {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.connections.check_process()?;
            let Append { run, facts, close, driver } = append;
            let Some(effect) = Effect::of(&facts, driver) else { return Ok(()) };
            let mut facts = FactRow::all(&facts, Sums::SERVER)?;
            let texts = self.texts.share(&run, &mut facts);
            let bodies = bodies::apart(facts).await?;
            let (token, rests) = (self.connections.token(), effect.rests());
            let (name, channel) = (run.clone(), self.channels.facts.clone());
            let prepared = Prepared::new(run, token, bodies, effect, close, channel)?;
            let appended = self
                .write(async move |connection: &mut PgConnection, lost| {
                    append::append(connection, &prepared, lost).await
                })
                .await;
            match appended {
                Ok(()) if !rests => self.texts.learn(&name, texts),
                _ => self.texts.forget(&name),
            }
            if appended.is_ok() {
                self.watchers.wake(&Watched::Facts(name));
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
        Box::pin(self.read(async move |connection: &mut PgConnection, _| {
            append::load(connection, &run, after, limit).await
        }))
    }

    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>> {
        let run = run.clone();
        Box::pin(self.read(async move |found: &mut PgConnection, _| list::run(found, &run).await))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        Box::pin(
            self.read(async move |found: &mut PgConnection, _| list::runs(found, &filter).await),
        )
    }

    fn remember_plan<'a>(
        &'a self,
        digest: &'a str,
        plan: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (digest, plan) = (digest.to_owned(), plan.to_owned());
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            signals::remember_plan(connection, &digest, &plan).await
        }))
    }

    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let digest = digest.to_owned();
        Box::pin(
            self.read(async move |found: &mut PgConnection, _| signals::plan(found, &digest).await),
        )
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl SessionStore for Postgres {
    fn session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Session>, StoreError>> {
        let id = session.clone();
        Box::pin(
            self.read(async move |found: &mut PgConnection, _| sessions::find(found, &id).await),
        )
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'_, Result<Vec<Session>, StoreError>> {
        Box::pin(
            self.read(async move |found: &mut PgConnection, _| {
                list::sessions(found, &filter).await
            }),
        )
    }

    fn open_session(&self, session: Session) -> BoxFuture<'_, Result<(), StoreError>> {
        let token = self.connections.token();
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            sessions::open(connection, &session, token).await
        }))
    }

    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (id, name) = (session.clone(), name.to_owned());
        let token = self.connections.token();
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            sessions::rename(connection, &id, &name, now, token).await
        }))
    }

    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Session, StoreError>> {
        let (id, patches) = (session.clone(), patches.to_vec());
        let token = self.connections.token();
        let mut patching = Patching { id, patches, now, token, seen: None };
        Box::pin(self.write(async move |connection: &mut PgConnection, lost| {
            patching.patch(connection, lost).await
        }))
    }

    fn delete_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let id = session.clone();
        Box::pin(async move {
            let deleted = self
                .write(async move |connection: &mut PgConnection, _| {
                    sessions::delete(connection, &id).await
                })
                .await;
            self.watchers.wake_all();
            deleted
        })
    }
}

impl Inbox for Postgres {
    fn submit(&self, signal: Signal) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (token, channel) = (self.connections.token(), self.channels.signals.clone());
        Box::pin(async move {
            let left = self
                .write(async move |connection: &mut PgConnection, lost| {
                    signals::submit(connection, &signal, token, &channel, lost).await
                })
                .await;
            self.watchers.wake(&Watched::Signals);
            left
        })
    }

    fn inbox<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>> {
        let run = run.clone();
        Box::pin(
            self.read(async move |found: &mut PgConnection, _| signals::inbox(found, &run).await),
        )
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        if self.connections.check_process().is_err() {
            // Who watches in a forked child finds out when it looks.
            return Box::pin(std::future::ready(()));
        }
        let (woken, begin) = self.watchers.watch(watched);
        if begin {
            listen::begin(&self.connections, &self.watchers, &self.channels);
        }
        woken
    }
}

impl Leases for Postgres {
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            signals::claim(connection, &claim).await
        }))
    }

    fn release<'a>(
        &'a self,
        run: &'a RunId,
        driver: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (run, driver) = (run.clone(), driver.to_owned());
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            signals::release(connection, &run, &driver).await
        }))
    }

    fn heartbeat<'a>(
        &'a self,
        driver: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Signal>, StoreError>> {
        let driver = driver.to_owned();
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            signals::heartbeat(connection, &driver, now).await
        }))
    }

    fn waiting<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<RunRow>, StoreError>> {
        let workflow = workflow.clone();
        Box::pin(self.read(async move |connection: &mut PgConnection, _| {
            list::waiting(connection, &workflow, now, limit).await
        }))
    }
}
