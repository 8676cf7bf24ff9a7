//! A change of one store is seen by another.

use crate::support::{answer, facts, id, start, steps, woken};
use std::process::Command;
use stepwright_core::store::Watched;
use stepwright_core::store::{Inbox as _, RunStore as _};
use stepwright_store::Sqlite;

#[tokio::test]
async fn two_stores_over_one_file_see_each_others_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let (one, other) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    one.append(facts("r", 0, vec![start()])).await.unwrap();
    for sequence in 1..=5 {
        let watched = other.changed(Watched::Signals);
        assert!(one.submit(answer("r", &format!("a{sequence}"))).await.unwrap());
        woken(watched).await;
        assert_eq!(other.inbox(&id("r")).await.unwrap().len() as u64, sequence);

        let watched = one.changed(Watched::Facts(id("r")));
        other.append(facts("r", sequence, vec![steps(1)])).await.unwrap();
        woken(watched).await;
        assert_eq!(one.load(&id("r"), sequence, 9).await.unwrap().len(), 1);
    }
}

const FILE: &str = "STEPWRIGHT_TEST_SUBMIT_INTO";

/// The other process of the next test; nothing by itself.
#[tokio::test]
async fn another_process_submits() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = Sqlite::open(path).await.unwrap();
    assert!(store.submit(answer("r", "a")).await.unwrap());
}

#[tokio::test]
async fn what_another_process_submits_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    let watched = store.changed(Watched::Signals);
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "watching::another_process_submits"])
        .env(FILE, &path)
        .spawn()
        .unwrap();
    woken(watched).await;
    assert_eq!(store.inbox(&id("r")).await.unwrap(), [answer("r", "a")]);
    assert!(other.wait().unwrap().success());
}

#[tokio::test]
async fn a_watcher_of_a_store_that_is_closed_is_woken() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path().join("a.db")).await.unwrap();
    let watched = store.changed(Watched::Signals);
    drop(store);
    woken(watched).await;
    let left: Vec<_> = directory.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 1, "closing leaves one file: {left:?}");
}
