//! The durability of a store, for every database.

/// The durability of recorded facts.
///
/// ```
/// use stepwright_store::Durability;
/// # #[cfg(feature = "sqlite")] {
/// # use stepwright_core::store::{RunFilter, RunStore as _};
/// # use stepwright_store::Sqlite;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("content.db");
/// // Runs that are cheap to repeat need not wait for the disk.
/// let store = Sqlite::options(&path).durability(Durability::Normal).open().await?;
/// # assert!(store.runs(RunFilter::default()).await?.is_empty());
/// # Ok::<(), stepwright_core::StoreError>(())
/// # }).unwrap();
/// # }
/// assert_eq!(Durability::default(), Durability::Full);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Recorded facts survive a power failure. Each transaction waits for the disk.
    #[default]
    Full,
    /// Recorded facts survive the death of the process. A power failure may take the last moments,
    /// never the order: steps of these moments run again. For `Postgres` the same goes for a crash
    /// of the server.
    Normal,
}
