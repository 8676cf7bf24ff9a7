//! The store itself: a handle to a few connections.

use super::append::{self, Prepared};
use super::connections::{Connections, Server};
use super::open::PostgresOptions;
use super::sessions::{self, Patching};
use super::{errors::Failure, list};
use crate::rows::{Effect, FactRow};
use sqlx::postgres::PgConnection;
use std::fmt;
use std::sync::Arc;
use stepwright_core::journal::{Append, Journal};
use stepwright_core::store::{RunFilter, RunRow, SessionFilter};
use stepwright_core::{
    BoxFuture, Event, Patch, RunId, Session, SessionId, Store, StoreError, Timestamp,
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
/// use stepwright_core::{Session, Store, Timestamp};
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
        Self { connections: Arc::new(connections) }
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

impl Journal for Postgres {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let Append { run, facts, close } = append;
            let Some(effect) = Effect::of(&facts) else { return Ok(()) };
            let facts = facts.iter().map(FactRow::of).collect::<Result<Vec<_>, _>>()?;
            let prepared = Prepared::new(run, self.connections.token(), facts, effect, close)?;
            self.write(async move |connection: &mut PgConnection, lost| {
                append::append(connection, &prepared, lost).await
            })
            .await
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
}

impl Store for Postgres {
    fn run<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<RunRow>, StoreError>> {
        let run = run.clone();
        Box::pin(self.read(async move |found: &mut PgConnection, _| list::run(found, &run).await))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        Box::pin(
            self.read(async move |found: &mut PgConnection, _| list::runs(found, &filter).await),
        )
    }

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
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            sessions::rename(connection, &id, &name, now).await
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
        Box::pin(self.write(async move |connection: &mut PgConnection, _| {
            sessions::delete(connection, &id).await
        }))
    }
}
