//! Stores that outlive the process: runs, journals and sessions in SQLite or PostgreSQL.
//!
//! Feature `sqlite`, which is on by default, has [`Sqlite`], a store in a file of one machine;
//! feature `postgres` has `Postgres`, a store in a server for any number of machines, and
//! `PostgresDispatcher`, by which workers on several machines share its runs.
//!
//! Both are one [`SqlStore`], whose operations are written once; a database brings connections,
//! transactions and what its SQL says differently.
//!
//! # Invariants
//!
//! The conformance suite of `stepwright-testing` holds every store to these, your own as well:
//!
//! * A number that is taken is refused, and a run has one driver.
//! * The shared facts of a fork outlive the run that they come from.
//! * Of a limited key no more runs go on than may, and of a limited model no more requests are
//!   under way, over all processes of a store.
//! * No run reaches the memories of another user, whatever ids it names.
//!
//! Besides:
//!
//! * Damage is an error, never a result: rows have checksums, and facts a chain of hashes
//!   (`sums.rs`).
//! * A background run on PostgreSQL is queued by the append that makes it ready, so that no crash
//!   between the two forgets it (`tests/it/postgres/dispatching.rs`). A worker that was frozen and
//!   wakes up appends nothing to runs that others took (`stepwright-cli:
//!   tests/it/kills/workers.rs`).
//!
#![cfg_attr(
    feature = "sqlite",
    doc = "
```
use stepwright_core::store::RunStore as _;
use stepwright_store::Sqlite;

# tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
# let directory = tempfile::tempdir().unwrap();
# let path = directory.path().join(\"content.db\");
let store = Sqlite::open(&path).await?;
assert!(store.runs(Default::default()).await?.is_empty());
# Ok::<(), stepwright_core::StoreError>(())
# }).unwrap();
```"
)]

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("choose a database: feature `sqlite` or feature `postgres`");

mod backend;
mod bodies;
mod decoding;
mod durability;
mod errors;
mod lazy;
mod operations;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod query;
mod rows;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod sums;
mod watch;

#[doc(hidden)]
pub use decoding::decode_row;
pub use durability::Durability;
pub use lazy::LazyStore;
#[cfg(feature = "postgres")]
pub use postgres::{
    Postgres, PostgresBackend, PostgresDispatcher, PostgresOptions, QueueState, QueueWaiting,
    QueueWorker,
};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteBackend, SqliteOptions};
pub use store::SqlStore;
