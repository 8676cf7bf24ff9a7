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
    /// The number of transactions that have begun, each within the one before: only the outermost
    /// is one of the server.
    pub(super) depth: u32,
}

impl Link {
    /// Begins a transaction. If the future of the work is dropped, the connection goes with it.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        if self.depth == 0 {
            self.connection.execute("BEGIN").await?;
        }
        self.depth += 1;
        Ok(())
    }

    /// Commits if the work was done, and rolls back if not: the connection is kept, and its locks
    /// must not be.
    pub(super) async fn end<T>(&mut self, done: Result<T, Failure>) -> Result<T, Failure> {
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 {
            // The failure goes on to the outermost one, which takes everything back.
            return done;
        }
        self.connection.execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        done
    }
}
