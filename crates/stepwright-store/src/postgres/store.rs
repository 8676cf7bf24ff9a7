//! The backend of PostgreSQL: a few connections to a server.

use super::connections::{Connections, Server};
use super::errors::Failure;
use super::link::Link;
use super::listen;
use crate::SqlStore;
use crate::backend::{Attempt, Backend, Told, Work};
use crate::sums::Sums;
use crate::watch::Watchers;
use sqlx::{AssertSqlSafe, Row as _};
use std::fmt;
use std::sync::Arc;
use stepwright_core::store::{Compacted, Watched};
use stepwright_core::{BoxFuture, RunId, StoreError};

/// A store in a PostgreSQL database, for any number of machines. Cheap to clone; clones share their
/// connections.
///
/// A fact that was appended is as safe as the server makes it: see
/// [`Durability`](crate::Durability). An append is one round trip.
///
/// Any number of processes may use one database. Each run has one driver among them: a driver that
/// appends at a number that another has taken gets an error.
///
/// When the server restarts or the network fails, the call is tried again on a new connection, for
/// as long as [`PostgresOptions::retry_for`](crate::PostgresOptions::retry_for) says. An append
/// whose answer got lost is recognised in the journal, so that nothing is recorded twice.
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
pub type Postgres = SqlStore<PostgresBackend>;

/// The server behind a [`Postgres`].
#[doc(hidden)]
pub struct PostgresBackend {
    pub(super) connections: Arc<Connections>,
    watchers: Arc<Watchers>,
}

impl PostgresBackend {
    pub(super) fn new(connections: Connections) -> Self {
        Self { connections: Arc::new(connections), watchers: Arc::default() }
    }

    async fn work<W: Work<Link>>(
        &self,
        what: &'static str,
        token: Option<i64>,
        mut work: W,
    ) -> Result<W::Made, StoreError> {
        let done = async move |link: &mut Link, lost| {
            let attempt = Attempt { token, lost };
            if !W::TOGETHER {
                return work.make(link, attempt).await;
            }
            link.begin().await?;
            let made: Result<_, Failure> = work.make(link, attempt).await;
            link.end(made).await
        };
        self.connections.run(what, Server::Known, done).await
    }
}

impl SqlStore<PostgresBackend> {
    /// Returns the address of the database: host, port and name, without a user or a password.
    pub fn address(&self) -> &str {
        &self.backend().connections.target.shown
    }
}

impl fmt::Debug for PostgresBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.connections.target.shown;
        f.debug_struct("Postgres").field("address", address).finish_non_exhaustive()
    }
}

/// The tables whose rows are deleted.
const TABLES: [&str; 8] =
    ["journal", "blobs", "inbox", "runs", "sessions", "media", "media_parts", "media_uses"];

/// Returns the size of the tables and their indexes, in bytes.
async fn size(link: &mut Link) -> Result<u64, Failure> {
    let tables = TABLES.map(str::to_owned).to_vec();
    let row = sqlx::query(
        "SELECT sum(pg_total_relation_size(name::regclass))::bigint FROM unnest($1::text[]) name",
    )
    .bind(tables)
    .fetch_one(&mut link.connection)
    .await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default())
}

impl Backend for PostgresBackend {
    type Connection = Link;

    fn check_process(&self) -> Result<(), StoreError> {
        self.connections.check_process()
    }

    fn sums(&self) -> Sums {
        Sums::SERVER
    }

    async fn read<W: Work<Link>>(&self, work: W) -> Result<W::Made, StoreError> {
        self.work("read", None, work).await
    }

    async fn write<W: Work<Link>>(&self, told: Told, work: W) -> Result<W::Made, StoreError> {
        let token = self.connections.token();
        let done = self.work("write to", Some(token), work).await;
        // Also after an error: the change may have been made all the same.
        match told {
            Told::None => {}
            Told::Those(watched) => self.watchers.wake(&watched),
            Told::All => self.watchers.wake_all(),
        }
        done
    }

    fn forget(&self, run: &RunId) {
        self.connections.forget(run);
    }

    async fn compact(&self) -> Result<Compacted, StoreError> {
        let compact = async |link: &mut Link, _| {
            let before = size(link).await?;
            for table in TABLES {
                let vacuum = format!("VACUUM {table}");
                sqlx::query(AssertSqlSafe(vacuum)).execute(&mut link.connection).await?;
            }
            Ok(Compacted { before, after: size(link).await? })
        };
        self.connections.run("compact", Server::Known, compact).await
    }

    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        if self.connections.check_process().is_err() {
            // A watcher in a forked child gets the error when it looks.
            return Box::pin(std::future::ready(()));
        }
        let (woken, begin) = self.watchers.watch(watched);
        if begin {
            listen::begin(&self.connections, &self.watchers);
        }
        woken
    }
}
