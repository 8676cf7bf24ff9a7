//! The seam between the operations of a store, which are written once, and a database.
//!
//! An operation is a [`Work`]: it runs statements on a [`Connection`]. A [`Backend`] finds the
//! connection, the thread and the transaction for it.

use crate::bodies::{Blob, FactRow};
use crate::errors::Failure;
use crate::rows::{Effect, SignalValues};
use crate::sums::Sums;
use std::borrow::Cow;
use std::fmt::{self, Debug};
use stepwright_core::journal::SessionClose;
use stepwright_core::store::{Compacted, Watched};
use stepwright_core::{BoxFuture, RunId, StoreError, StoredMedia};

/// A way to reach one database: connections, transactions, threads, retries and notifications.
pub(crate) trait Backend: Debug + Send + Sync + 'static {
    type Connection: Connection;

    /// Refuses to work in a process that was forked from the one that opened the store.
    fn check_process(&self) -> Result<(), StoreError>;

    /// Returns the checksums of this database.
    fn sums(&self) -> Sums;

    /// Does work that changes nothing.
    fn read<W: Work<Self::Connection>>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<W::Made, StoreError>> + Send;

    /// Does work in a transaction. When the future is ready, the transaction is committed, and the
    /// watchers are woken.
    fn write<W: Work<Self::Connection>>(
        &self,
        told: Told,
        work: W,
    ) -> impl Future<Output = Result<W::Made, StoreError>> + Send;

    /// Forgets what is remembered of a run outside of the database.
    fn forget(&self, run: &RunId);

    /// Gives the space of deleted rows back.
    fn compact(&self) -> impl Future<Output = Result<Compacted, StoreError>> + Send;

    /// Returns a future that is ready when this process or another changes what is watched.
    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()>;
}

/// The watchers that a change wakes.
#[derive(Debug)]
pub(crate) enum Told {
    None,
    Those(Watched),
    All,
}

/// An operation of a store.
pub(crate) trait Work<C: Connection>: Send + 'static {
    type Made: Send + 'static;

    /// `true` if its statements must take effect together. A single statement always does, and in
    /// SQLite every change is made in a transaction.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    const TOGETHER: bool = false;

    /// Returns `true` if it takes so little time on a local database that it need not go to another
    /// thread.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code))]
    fn is_quick(&self) -> bool {
        false
    }

    /// Runs its statements. It may be called again, after a call whose changes were taken back or
    /// whose outcome is unknown: see [`Attempt::lost`].
    fn make(
        &mut self,
        connection: &mut C,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Self::Made, Failure<C::Error>>> + Send;
}

/// One of the attempts to do some work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The mark of the change, where rows have one: it is on the rows of no other change.
    pub(crate) token: Option<i64>,
    /// `true` if the connection was lost during an earlier attempt, so that the work may be done
    /// already.
    pub(crate) lost: bool,
}

impl Attempt {
    /// The only attempt, on a database that is never lost.
    #[cfg(feature = "sqlite")]
    pub(crate) const ONLY: Self = Self { token: None, lost: false };
}

/// A connection to a database.
pub(crate) trait Connection: Send + Sized + 'static {
    type Error: fmt::Display + Send;
    type Row<'r>: Columns<Error = Self::Error>;

    /// The SQL that differs from database to database.
    const DIALECT: Dialect;

    /// Returns the checksums of this database.
    fn sums(&self) -> Sums;

    /// Runs a query, and reads each row of its result.
    ///
    /// The parameters are `$1`, `$2` and so on. They must appear in this order for the first time:
    /// SQLite takes them for names, and numbers them by their first appearance.
    fn select<T: Send>(
        &mut self,
        sql: impl Into<Cow<'static, str>> + Send,
        values: &[Value<'_>],
        read: impl FnMut(&Self::Row<'_>) -> Result<T, Failure<Self::Error>> + Send,
    ) -> impl Future<Output = Result<Vec<T>, Failure<Self::Error>>> + Send;

    /// Runs a statement with parameters as in [`select`](Self::select), and returns the number of
    /// rows that it changed.
    fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<u64, Failure<Self::Error>>> + Send;

    /// Appends facts.
    fn append(
        &mut self,
        append: &Prepared,
        attempt: Attempt,
    ) -> impl Future<Output = Result<(), Failure<Self::Error>>> + Send;

    /// Inserts a signal. Returns `false` if there is one of that name, and `None` if there is no
    /// such run.
    fn submit(
        &mut self,
        signal: &SignalValues<'_>,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Option<bool>, Failure<Self::Error>>> + Send;
}

/// An append whose JSON is written already: that is work for the many callers, and not for the one
/// connection that writes.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) run: RunId,
    pub(crate) facts: Vec<FactRow>,
    pub(crate) effect: Effect,
    pub(crate) close: Option<SessionClose>,
    pub(crate) blobs: Vec<Blob>,
    /// The media that the facts refer to, in the order of their hashes.
    pub(crate) media: Vec<StoredMedia>,
}

/// The SQL that differs from database to database.
pub(crate) struct Dialect {
    /// Ends a `SELECT` of a row that is about to be changed.
    pub(crate) lock: &'static str,
    /// Selects sessions: the columns of [`SessionColumns`](crate::rows::SessionColumns) in their
    /// order, then the mark of the last change or `NULL`.
    pub(crate) select_sessions: &'static str,
    /// Inserts a session. The mark of the change, where there are marks, is its last value.
    pub(crate) insert_session: &'static str,
    /// Updates a session. The mark of the change, where there are marks, is its last value.
    pub(crate) update_session: &'static str,
    /// `true` if the name of a session is stored as JSON, because text cannot hold every character.
    pub(crate) json_names: bool,
    /// Locks session `$1` and its runs before they are deleted, from the outside in.
    pub(crate) lock_session: &'static [&'static str],
    /// Locks scope `$1` of slots until the transaction ends.
    pub(crate) lock_scope: &'static [&'static str],
    /// The condition that the driver of a run is one of `$5`.
    pub(crate) is_alive: &'static str,
    /// Deletes drivers that were last seen before `$1` and drive nothing.
    pub(crate) forget_drivers: &'static str,
    /// Inserts a fact. The mark of the change, where there are marks, is its last value.
    pub(crate) insert_fact: &'static str,
    /// Selects number, body, blob and key of the facts of journal `$1` that have the numbers `$2`.
    pub(crate) select_sources: &'static str,
    /// Selects hash, body and key of the blobs with the hashes `$1`.
    pub(crate) select_blobs: &'static str,
}

/// A value of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'v> {
    Text(&'v str),
    MaybeText(Option<&'v str>),
    Number(i64),
    Numbers(&'v [i64]),
    Bytes(&'v [u8]),
    Texts(&'v [String]),
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::MaybeText(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A row of a result.
pub(crate) trait Columns {
    type Error: fmt::Display;

    fn number(&self, nth: usize) -> Result<i64, Failure<Self::Error>>;
    fn maybe_number(&self, nth: usize) -> Result<Option<i64>, Failure<Self::Error>>;
    fn flag(&self, nth: usize) -> Result<bool, Failure<Self::Error>>;
    fn text(&self, nth: usize) -> Result<String, Failure<Self::Error>>;
    fn maybe_text(&self, nth: usize) -> Result<Option<String>, Failure<Self::Error>>;
    /// The bytes of a text, valid UTF-8 or not.
    fn text_bytes(&self, nth: usize) -> Result<&[u8], Failure<Self::Error>>;
    fn blob(&self, nth: usize) -> Result<Vec<u8>, Failure<Self::Error>>;
    fn maybe_blob(&self, nth: usize) -> Result<Option<Vec<u8>>, Failure<Self::Error>>;
}
