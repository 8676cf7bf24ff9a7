//! A connection to a server.

use super::channels::Channels;
use super::errors::Failure;
use super::heads::Heads;
use sqlx::Executor as _;
use sqlx::postgres::PgConnection;

/// A connection, and the channels on which it says what it changes.
pub(crate) struct Link {
    pub(super) connection: PgConnection,
    pub(super) channels: Channels,
    pub(super) heads: Heads,
}

impl Link {
    /// Begins a transaction. If the future of the work is dropped, the connection goes with it.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        self.connection.execute("BEGIN").await?;
        Ok(())
    }

    /// Commits if the work was done, and rolls back if not: the connection is kept, and its locks
    /// must not be.
    pub(super) async fn end<T>(&mut self, done: Result<T, Failure>) -> Result<T, Failure> {
        self.connection.execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        done
    }
}
