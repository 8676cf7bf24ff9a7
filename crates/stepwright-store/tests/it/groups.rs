//! Many appends, few commits.

use crate::support::{completed, facts, id, start, steps};
use futures_util::future::{join, join_all, try_join_all};
use rusqlite::Connection;
use std::path::Path;
use stepwright_core::journal::SessionClose;
use stepwright_core::store::{RunStore as _, SessionStore as _};
use stepwright_core::{Patch, StoreError, StoreError as E};
use stepwright_store::Sqlite;

/// Returns the number of transactions in the write-ahead log: the frame that ends one has the size
/// of the database after it, the others have a zero there.
/// See <https://sqlite.org/fileformat2.html#walformat>.
fn commits(database: &Path) -> usize {
    let log = std::fs::read(database.with_extension("db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let page = number(8) as usize;
    let frames = (32..log.len()).step_by(24 + page);
    let of_now = |at: &usize| log[at + 8..at + 16] == log[16..24];
    frames.take_while(of_now).filter(|at| number(at + 4) > 0).count()
}

/// To hand a change to another thread and back takes longer than to make it.
#[tokio::test]
async fn a_change_is_made_at_once_while_nothing_else_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let mut append = store.append(facts("r", 0, vec![start()]));
    assert!(futures_util::poll!(&mut append).is_ready(), "it went to another thread");
    assert_eq!(commits(&path), 1);
    // The first read opens a connection; from then on a small read is ready at once, too.
    let session = "s".parse().unwrap();
    assert!(store.session(&session).await.unwrap().is_some());
    assert!(futures_util::poll!(store.session(&session)).is_ready());

    // While another process writes, it waits on the thread that may wait.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut append = store.append(facts("r", 1, vec![steps(1)]));
    assert!(futures_util::poll!(&mut append).is_pending());
    other.execute_batch("COMMIT").unwrap();
    append.await.unwrap();
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_waits_is_committed_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    try_join_all((0..64).map(|n| store.append(facts(&format!("r{n}"), 0, vec![start()]))))
        .await
        .unwrap();

    // Another process holds the lock until all have come.
    let before = commits(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends =
        join_all((0..64).map(|n| store.append(facts(&format!("r{n}"), 1, vec![steps(n)]))));
    // All of them are in the queue before the lock goes, whatever Tokio thinks of that.
    let appends = tokio::task::unconstrained(appends);
    let (outcomes, ()) = join(appends, async { other.execute_batch("COMMIT").unwrap() }).await;
    outcomes.into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(commits(&path) - before, 1);

    // More than a group holds takes more than one.
    let before = commits(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends =
        join_all((0..600).map(|n| store.append(facts(&format!("n{n}"), 0, vec![start()]))));
    // All of them are in the queue before the lock goes, whatever Tokio thinks of that.
    let appends = tokio::task::unconstrained(appends);
    let (outcomes, ()) = join(appends, async { other.execute_batch("COMMIT").unwrap() }).await;
    outcomes.into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(commits(&path) - before, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_64_runs_at_once_share_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let runs = (0..64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let run = format!("r{n}");
            store.append(facts(&run, 0, vec![start()])).await?;
            for sequence in 1..5 {
                store.append(facts(&run, sequence, vec![steps(1)])).await?;
            }
            Ok::<(), StoreError>(())
        })
    });
    for run in try_join_all(runs).await.unwrap() {
        run.unwrap();
    }
    let commits = commits(&path);
    assert!(commits < 320 / 2, "{commits} commits for 320 appends");
}

#[tokio::test]
async fn a_refusal_does_not_touch_the_others_of_its_group() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Refused at its very end: its fact and its status were written already.
    let mut wrong = facts("r", 1, vec![completed("no")]);
    let patches = vec![Patch::set("text", "x"), Patch::increment("text", 1)];
    wrong.close = Some(SessionClose { patches, ..SessionClose::default() });
    let group = join_all([
        store.append(facts("a", 0, vec![start()])),
        store.append(wrong),
        store.append(facts("r", 7, vec![steps(1)])),
        store.append(facts("a", 1, vec![steps(1)])),
        store.append(facts("nobody", 0, vec![steps(1)])),
        store.append(facts("r", 1, vec![steps(1)])),
    ]);
    let (outcomes, ()) = join(group, async { other.execute_batch("COMMIT").unwrap() }).await;
    assert!(
        matches!(
            outcomes[..],
            [Ok(()), Err(E::Patch(_)), Err(E::Taken { .. }), Ok(()), Err(E::NotFound(_)), Ok(())]
        ),
        "{outcomes:?}"
    );
    let counts = [("a", 2), ("r", 2), ("nobody", 0)];
    for (run, count) in counts {
        assert_eq!(store.load(&id(run), 0, 9).await.unwrap().len(), count, "{run}");
    }
    assert!(store.session(&"s".parse().unwrap()).await.unwrap().unwrap().state.is_empty());
    let row = store.run(&id("r")).await.unwrap().unwrap();
    assert!(!row.status.is_terminal());
}
