//! Connecting to a database.

use super::address::{Address, without_password};
use super::channels::Channels;
use super::connections::Connections;
use super::schema;
use super::store::{Postgres, PostgresBackend};
use super::target::{Target, quoted};
use crate::Durability;
use crate::LazyStore;
use crate::errors::Said;
use sqlx::ConnectOptions;
use std::fmt;
use std::time::Duration;
use stepwright_core::{ErrorId, StoreError};

/// The default for the number of connections of a store.
const CONNECTIONS: u32 = 8;

/// The default for the time to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default for the time that the server may take for a statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The default for the time to retry when the server goes away: time to restart it.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// The longest time that the server waits for a client in the middle of a transaction: that of a
/// lease. The locks of a process that is frozen are free again then.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// The default for the schema of the tables.
const SCHEMA: &str = "stepwright";

/// The longest name of a schema, in bytes: PostgreSQL cuts off what is longer.
const SCHEMA_BYTES_MAX: usize = 63;

impl Postgres {
    /// Connects to the database at `postgres://user:password@host:port/database` with the default
    /// options. Creates the tables if there are none.
    ///
    /// `postgresql://` and addresses that name a driver, such as `postgresql+psycopg://`, are
    /// understood too. `?host=/run/postgresql` connects over a Unix socket; `?sslmode=verify-full`
    /// requires a server with a certificate. Parts that the address leaves out are taken from
    /// `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE` and `~/.pgpass`.
    ///
    /// # Errors
    /// As of [`PostgresOptions::connect`].
    pub async fn connect(address: impl AsRef<str>) -> Result<Self, StoreError> {
        Self::options(address).connect().await
    }

    /// Returns options for connecting to a database.
    pub fn options(address: impl AsRef<str>) -> PostgresOptions {
        PostgresOptions::new(address.as_ref())
    }
}

/// Options for connecting to a database; created by [`Postgres::options`].
///
/// ```no_run
/// # use std::time::Duration;
/// # use stepwright_store::Postgres;
/// # async fn example() -> Result<(), stepwright_core::StoreError> {
/// let store = Postgres::options("postgres://anna@db.example/agents?sslmode=verify-full")
///     .connections(20)
///     .schema("content_pipeline")
///     .retry_for(Duration::from_secs(60))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing is connected before `connect` is awaited"]
pub struct PostgresOptions {
    address: String,
    connections: u32,
    schema: String,
    durability: Durability,
    connect_timeout: Option<Duration>,
    statement_timeout: Duration,
    retry_for: Duration,
}

impl PostgresOptions {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            connections: CONNECTIONS,
            schema: SCHEMA.to_owned(),
            durability: Durability::default(),
            connect_timeout: None,
            statement_timeout: STATEMENT_TIMEOUT,
            retry_for: RETRY_FOR,
        }
    }

    /// Sets the maximum number of connections, at least one. The default is eight. They are opened
    /// when they are needed; a call waits while all are busy.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = count;
        self
    }

    /// Sets the schema of the tables. The default is `stepwright`. It is created if there is none.
    /// Stores in different schemas share nothing.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Sets the durability. The default is [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the time to wait for a connection. The default is `connect_timeout` of the address, or
    /// ten seconds.
    pub fn connect_timeout(mut self, wait: Duration) -> Self {
        self.connect_timeout = Some(wait);
        self
    }

    /// Sets the time that the server may take for one statement. The default is thirty seconds.
    /// Deleting a session with very many runs may need more.
    pub fn statement_timeout(mut self, wait: Duration) -> Self {
        self.statement_timeout = wait;
        self
    }

    /// Sets the time to retry when the server restarts, the network fails or another transaction is
    /// in the way, before a call fails. The default is fifteen seconds. Zero does not retry.
    pub fn retry_for(mut self, wait: Duration) -> Self {
        self.retry_for = wait;
        self
    }

    /// Returns host, port and database: the part of the address that may be shown.
    ///
    /// ```
    /// # use stepwright_store::Postgres;
    /// let options = Postgres::options("postgresql+psycopg://ai:secret@db.example/agents");
    /// assert_eq!(options.shown()?, "db.example:5432/agents");
    /// # Ok::<(), stepwright_core::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address cannot be read.
    pub fn shown(&self) -> Result<String, StoreError> {
        Ok(Address::parse(&self.address)?.shown())
    }

    /// Returns the address without its password: it opens the same database for a program that has
    /// the password otherwise, as in `PGPASSWORD`.
    ///
    /// ```
    /// # use stepwright_store::Postgres;
    /// let options = Postgres::options("postgres://ai:secret@db.example/agents?sslmode=require");
    /// let without = options.without_password()?;
    /// assert_eq!(without, "postgres://ai@db.example/agents?sslmode=require");
    /// # Ok::<(), stepwright_core::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address cannot be read.
    pub fn without_password(&self) -> Result<String, StoreError> {
        without_password(&self.address)
    }

    /// Connects, and creates the tables if there are none. Must be called within a Tokio runtime
    /// with I/O and time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address cannot be read, the server cannot be reached or
    /// refuses the user, or the schema belongs to another program or to a newer version of this
    /// one. The error has a hint.
    pub async fn connect(self) -> Result<Postgres, StoreError> {
        let target = self.target()?;
        let connections = Connections::new(target, self.connections);
        schema::prepare(&connections).await?;
        Ok(Postgres::new(PostgresBackend::new(connections)))
    }

    /// Returns a store that connects at its first use, for a program that begins before its server
    /// does. A call fails while the server cannot be reached, and the next one tries again.
    ///
    /// ```
    /// # use stepwright_store::Postgres;
    /// let store = Postgres::options("postgres://anna@db.example/agents").lazy()?;
    /// # Ok::<(), stepwright_core::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address cannot be read.
    pub fn lazy(self) -> Result<LazyStore, StoreError> {
        self.target()?;
        Ok(LazyStore::new(move || self.clone().connect()))
    }

    pub(super) fn target(&self) -> Result<Target, StoreError> {
        let mut address = Address::parse(&self.address)?;
        check(&self.schema)?;
        // Its own log would have every statement in it.
        address.connect = address.connect.disable_statement_logging();
        if address.connect.get_application_name().is_none() {
            address.connect = address.connect.application_name("stepwright");
        }
        // Between one millisecond and what fits into a setting of the server; zero would be without
        // end.
        let timeout = self.statement_timeout.as_millis().clamp(1, i32::MAX.unsigned_abs().into());
        let idle = timeout.min(IDLE_IN_TRANSACTION_MAX.as_millis());
        let mut greeting = format!(
            "SET search_path TO {}; SET statement_timeout TO {timeout}; \
             SET idle_in_transaction_session_timeout TO {idle}; \
             SET default_transaction_isolation TO 'read committed'; \
             SET client_min_messages TO warning; ",
            quoted(&self.schema)
        );
        greeting.push_str(match self.durability {
            // A server may be set to wait for more than its own disk; that stays.
            Durability::Full => {
                "SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'"
            }
            Durability::Normal => "SET synchronous_commit TO off",
        });
        let wait = self.connect_timeout.or(address.connect_timeout);
        Ok(Target {
            shown: address.shown(),
            channels: Channels::of(&self.schema),
            schema: self.schema.clone(),
            connect_timeout: wait.unwrap_or(CONNECT_TIMEOUT),
            statement_timeout: self.statement_timeout,
            retry_for: self.retry_for,
            greeting,
            address,
        })
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the address: a password may be in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("schema", &self.schema)
            .field("durability", &self.durability)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("retry_for", &self.retry_for)
            .finish_non_exhaustive()
    }
}

fn check(schema: &str) -> Result<(), StoreError> {
    let what = match schema {
        "" => "it is empty".to_owned(),
        _ if schema.len() > SCHEMA_BYTES_MAX => {
            format!("it has {} bytes; the limit is {SCHEMA_BYTES_MAX}", schema.len())
        }
        _ if schema.chars().any(char::is_control) => "it has a control character".to_owned(),
        _ if schema.starts_with("pg_") => "PostgreSQL keeps names with `pg_` to itself".to_owned(),
        _ => return Ok(()),
    };
    Err(StoreError::Unavailable {
        what: format!("`{}` cannot be the name of a schema", schema.escape_debug()),
        source: Box::new(Said(what)),
        hint: Some("choose a short name, such as `stepwright`".to_owned()),
        id: ErrorId::ADDRESS_INVALID,
    })
}
