//! Very many runs that wait.

use crate::support::{answer, facts, id, start, steps};
use futures_util::future::try_join_all;
use std::path::Path;
use stepwright_core::store::{Claim, Claimed, RunFilter, WaitingFilter};
use stepwright_core::store::{Inbox as _, Leases as _, RunStore as _};
use stepwright_core::{EventKind, RunStatus, Timestamp};
use stepwright_store::{Durability, Sqlite};

/// The number of runs that wait.
const RUNS: u64 = 10_000;

fn paused(until: Option<u64>) -> EventKind {
    EventKind::WorkflowPaused { until: until.map(Timestamp) }
}

async fn store(path: &Path) -> Sqlite {
    let store = Sqlite::options(path).durability(Durability::Normal).open().await.unwrap();
    try_join_all((0..RUNS).map(|n| {
        let until = n.is_multiple_of(100).then_some(n);
        let mut append = facts(&format!("r{n}"), 0, vec![start(), steps(1), paused(until)]);
        append.driver = Some("one".into());
        store.append(append)
    }))
    .await
    .unwrap();
    store
}

#[tokio::test]
async fn ten_thousand_runs_wait_and_each_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory.path().join("a.db")).await;
    let paused = RunFilter { status: Some(RunStatus::Paused), ..RunFilter::default() };
    let page = store.runs(RunFilter { offset: 9_000, ..paused }).await.unwrap();
    assert_eq!((page.len(), page[999].run_id.as_str()), (1_000, "r0"));

    let waiting = async |now| {
        let filter = WaitingFilter::new("w".parse().unwrap(), Timestamp(now), 1_000);
        store.waiting(filter).await.unwrap().runs
    };
    assert_eq!(waiting(0).await.len(), 1);
    assert_eq!(waiting(RUNS).await.len(), 100);
    assert!(store.submit(answer("r7777", "a")).await.unwrap());
    let found = waiting(0).await;
    assert_eq!(found.iter().map(|row| row.run_id.as_str()).collect::<Vec<_>>(), ["r0", "r7777"]);
    let (driver, stale) = ("two".into(), Timestamp(0));
    let claim = Claim { run: id("r7777"), driver, dead: None, stale };
    assert_eq!(store.claim(claim).await.unwrap(), Claimed::Yes);
    let heard = store.heartbeat("two", Timestamp(1)).await.unwrap();
    assert_eq!(heard.signals, [answer("r7777", "a")]);
}
