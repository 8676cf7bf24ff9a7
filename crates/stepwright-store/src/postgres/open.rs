//! Connecting to a database.

use super::address::Address;
use super::connections::{Connections, Target};
use super::listen::Channels;
use super::schema;
use super::store::{Postgres, PostgresBackend};
use crate::Durability;
use crate::errors::Said;
use sqlx::ConnectOptions;
use std::fmt;
use std::time::Duration;
use stepwright_core::StoreError;

/// How many connections a store has at the most, unless said otherwise.
const CONNECTIONS: u32 = 8;

/// How long to wait for a connection, unless said otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may take for a statement, unless said otherwise.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to try again when the server goes away, unless said otherwise: time to restart it.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// The schema that the tables are in, unless said otherwise.
const SCHEMA: &str = "stepwright";

/// The longest name of a schema, in bytes: PostgreSQL cuts off what is longer.
const SCHEMA_BYTES_MAX: usize = 63;

/// How to connect to a database; made by [`Postgres::options`].
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
    pub(super) fn new(address: &str) -> Self {
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

    /// How many connections there are at the most: eight unless said otherwise, and at least one.
    /// They are made when they are needed. Whoever comes when all are busy waits.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = count;
        self
    }

    /// The schema that the tables are in: `stepwright` unless said otherwise. It is made if there
    /// is none. Stores in different schemas know nothing of each other.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// What survives what. [`Durability::Full`] unless said otherwise.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long to wait for a connection: ten seconds unless this or `connect_timeout` in the
    /// address says otherwise.
    pub fn connect_timeout(mut self, wait: Duration) -> Self {
        self.connect_timeout = Some(wait);
        self
    }

    /// How long the server may take for one statement before it gives up: thirty seconds unless
    /// said otherwise. Deleting a session with very many runs may need more.
    pub fn statement_timeout(mut self, wait: Duration) -> Self {
        self.statement_timeout = wait;
        self
    }

    /// How long to try again when the server restarts, the network fails or another transaction is
    /// in the way, before a call fails: fifteen seconds unless said otherwise. Zero gives up at
    /// once.
    pub fn retry_for(mut self, wait: Duration) -> Self {
        self.retry_for = wait;
        self
    }

    /// Host, port and database: what may be shown of the address.
    ///
    /// ```
    /// # use stepwright_store::Postgres;
    /// let options = Postgres::options("postgresql+psycopg://ai:secret@db.example/agents");
    /// assert_eq!(options.shown()?, "db.example:5432/agents");
    /// # Ok::<(), stepwright_core::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address makes no sense.
    pub fn shown(&self) -> Result<String, StoreError> {
        Ok(Address::parse(&self.address)?.shown())
    }

    /// Connects, and makes the tables if there are none. Must be called within a Tokio runtime with
    /// I/O and time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address makes no sense, the server cannot be reached or
    /// lets nobody in, or the schema belongs to another program or to a newer version of this one.
    /// The error's hint says what to do.
    pub async fn connect(self) -> Result<Postgres, StoreError> {
        let target = self.target()?;
        let connections = Connections::new(target, self.connections);
        schema::prepare(&connections).await?;
        Ok(Postgres::new(PostgresBackend::new(connections)))
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
        let mut greeting = format!(
            "SET search_path TO {}; SET statement_timeout TO {timeout}; \
             SET idle_in_transaction_session_timeout TO {timeout}; \
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
            format!("it has {} bytes, and at most {SCHEMA_BYTES_MAX} are possible", schema.len())
        }
        _ if schema.chars().any(char::is_control) => "it has a control character".to_owned(),
        _ if schema.starts_with("pg_") => "PostgreSQL keeps names with `pg_` to itself".to_owned(),
        _ => return Ok(()),
    };
    Err(StoreError::Unavailable {
        what: format!("`{}` cannot be the name of a schema", schema.escape_debug()),
        source: Box::new(Said(what)),
        hint: Some("choose a short name, such as `stepwright`".to_owned()),
    })
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
