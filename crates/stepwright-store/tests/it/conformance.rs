//! The store in SQLite is a store.

use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::store::{RunFilter, RunStore as _};
use stepwright_store::{Durability, Sqlite};
use stepwright_testing::conformance;

#[tokio::test]
async fn sqlite_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let opened = AtomicU32::new(0);
    conformance::store(|| async {
        let name = format!("{}.db", opened.fetch_add(1, Ordering::Relaxed));
        Sqlite::open(directory.path().join(name)).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_a_store_with_normal_durability_and_several_threads() {
    let directory = tempfile::tempdir().unwrap();
    let opened = AtomicU32::new(0);
    conformance::store(|| async {
        let name = format!("{}.db", opened.fetch_add(1, Ordering::Relaxed));
        let options = Sqlite::options(directory.path().join(name));
        options.durability(Durability::Normal).open().await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_opened_at_its_first_use_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let opened = AtomicU32::new(0);
    conformance::store(|| async {
        let name = format!("{}.db", opened.fetch_add(1, Ordering::Relaxed));
        Sqlite::options(directory.path().join(name)).lazy()
    })
    .await;
}

#[tokio::test]
async fn a_lazy_store_tries_again_after_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let later = directory.path().join("disk");
    let store = Sqlite::options(later.join("a.db")).lazy();
    store.runs(RunFilter::default()).await.unwrap_err();
    std::fs::create_dir(&later).unwrap();
    assert!(store.runs(RunFilter::default()).await.unwrap().is_empty());
}
