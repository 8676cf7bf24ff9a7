//! What outlives a process: runs, journals and sessions in SQLite.
//!
//! ```
//! use stepwright_core::Store;
//! use stepwright_store::Sqlite;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("content.db");
//! let store = Sqlite::open(&path).await?;
//! assert!(store.runs(Default::default()).await?.is_empty());
//! # Ok::<(), stepwright_core::StoreError>(())
//! # }).unwrap();
//! ```

mod rows;
mod sqlite;

pub use sqlite::{Durability, Sqlite, SqliteOptions};
