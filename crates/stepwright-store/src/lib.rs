//! Stores that outlive the process: runs, journals and sessions in SQLite or PostgreSQL.
//!
//! Feature `sqlite`, which is on by default, has [`Sqlite`], a store in a file of one machine;
//! feature `postgres` has `Postgres`, a store in a server for any number of machines, and
//! `PostgresDispatcher`, by which workers on several machines share its runs.
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
pub use postgres::{Postgres, PostgresBackend, PostgresDispatcher, PostgresOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteBackend, SqliteOptions};
pub use store::SqlStore;
