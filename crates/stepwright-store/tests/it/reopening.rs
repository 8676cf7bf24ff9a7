//! What is in the file stays in it, whoever opens it, and however often.

use crate::support::{answer, completed, facts, id, start, steps};
use futures_util::future::{join_all, try_join_all};
use rusqlite::Connection;
use stepwright_core::journal::{Journal, SessionClose};
use stepwright_core::store::RunFilter;
use stepwright_core::{Metrics, Patch, RunStatus, Store, StoreError};
use stepwright_store::{Durability, Sqlite};

#[tokio::test]
async fn a_file_that_is_opened_again_has_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start(), steps(1)])).await.unwrap();
    store.append(facts("r2", 0, vec![start()])).await.unwrap();
    let mut end = facts("r", 2, vec![completed("done")]);
    let patches = vec![Patch::set("seen", 1)];
    end.close = Some(SessionClose { patches, metrics: Metrics::default() });
    store.append(end).await.unwrap();
    let session = "s".parse().unwrap();
    let before = (
        store.load(&id("r"), 0, 9).await.unwrap(),
        store.runs(RunFilter::default()).await.unwrap(),
        store.session(&session).await.unwrap(),
    );
    drop(store);
    let left: Vec<_> = directory.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 1, "closing leaves one file: {left:?}");

    let store = Sqlite::options(&path).durability(Durability::Normal).open().await.unwrap();
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap(), before.0);
    assert_eq!(store.runs(RunFilter::default()).await.unwrap(), before.1);
    assert_eq!(store.session(&session).await.unwrap(), before.2);
    store.append(facts("r2", 1, vec![steps(1)])).await.unwrap();
}

/// A file that a program of the first version wrote.
#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../src/sqlite/schema.sql")).unwrap();
    let body = serde_json::to_string(&start()).unwrap();
    old.execute_batch(&format!(
        "PRAGMA application_id = 0x53545752; PRAGMA user_version = 1;
         INSERT INTO runs VALUES (1, 'r', 's', NULL, 'w', 'd1', 'RUNNING', 7, 7);
         INSERT INTO journal VALUES (1, 0, '', 7, '{body}');
         INSERT INTO sessions VALUES ('s', NULL, 'w', NULL, '{{}}', 0, '{{}}', 7, 7);"
    ))
    .unwrap();
    drop(old);

    let store = Sqlite::open(&path).await.unwrap();
    let row = store.run(&id("r")).await.unwrap().unwrap();
    assert_eq!((row.status, row.wake_at, row.background), (RunStatus::Pending, None, false));
    assert_eq!(row.driver, None);
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap()[0].kind, start());
    assert!(store.submit(answer("r", "a")).await.unwrap());
    let large = completed(&"large ".repeat(100_000));
    store.append(facts("r", 1, vec![large.clone()])).await.unwrap();
    assert_eq!(store.load(&id("r"), 1, 9).await.unwrap()[0].kind, large);
    let version: i64 = Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 3);
}

#[tokio::test]
async fn nothing_of_a_deleted_session_is_left_in_the_tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start(), steps(1)])).await.unwrap();
    store.append(facts("r2", 0, vec![start()])).await.unwrap();
    store.submit(answer("r", "a")).await.unwrap();
    let large = completed(&"large ".repeat(100_000));
    store.append(facts("r", 2, vec![large.clone(), steps(1)])).await.unwrap();
    store.append(facts("r2", 1, vec![large])).await.unwrap();
    let other = Connection::open(&path).unwrap();
    let kept = "SELECT count(*), sum(uses), sum(length(body)) < 10000 FROM blobs";
    let kept = other.query_row(kept, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(kept.unwrap(), (1, 2, true), "one body, compressed, of two facts");
    assert!(store.delete_session(&"s".parse().unwrap()).await.unwrap());
    for table in ["runs", "journal", "sessions", "inbox", "blobs"] {
        let count = format!("SELECT count(*) FROM {table}");
        let left: i64 = other.query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn dropping_the_last_handle_commits_what_is_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    // The lock keeps the writer waiting, so that nothing is committed when the handle goes.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            Box::pin(async move { store.append(facts(&format!("r{n}"), 0, vec![start()])).await })
        })
        .collect();
    for append in &mut waiting {
        assert!(futures_util::poll!(append).is_pending());
    }
    // Whoever waited for them has given up.
    drop(waiting);
    let unlock = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        other.execute_batch("COMMIT").unwrap();
    });
    drop(store);
    unlock.join().unwrap();

    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(store.runs(RunFilter::default()).await.unwrap().len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_file_race_for_a_run_and_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let stores = [Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap()];
    stores[0].append(facts("r", 0, vec![start()])).await.unwrap();
    let mut wins = [0, 0];
    for sequence in 1..=50 {
        let race = stores.clone().into_iter().zip([1, 2]).map(|(store, mark)| {
            tokio::spawn(async move { store.append(facts("r", sequence, vec![steps(mark)])).await })
        });
        let outcomes: Vec<_> = join_all(race).await.into_iter().map(Result::unwrap).collect();
        let winner = outcomes.iter().position(Result::is_ok).expect("one wins");
        wins[winner] += 1;
        assert!(
            matches!(outcomes[1 - winner], Err(StoreError::Taken { .. })),
            "{outcomes:?} at {sequence}"
        );
        // Each sees at once what the other has recorded.
        for store in &stores {
            let found = store.load(&id("r"), sequence, 2).await.unwrap();
            let kinds: Vec<_> = found.into_iter().map(|fact| fact.kind).collect();
            assert_eq!(kinds, [steps(if winner == 0 { 1 } else { 2 })]);
        }
    }
    assert_eq!(wins[0] + wins[1], 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_may_open_a_new_file_at_once() {
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let opened = (0..8).map(|_| tokio::spawn(Sqlite::open(path.clone())));
        let opened: Vec<_> = try_join_all(opened).await.unwrap();
        let stores: Vec<_> = opened.into_iter().collect::<Result<_, _>>().unwrap();
        try_join_all(stores.iter().enumerate().map(|(n, store)| {
            store.append(facts(&format!("r{n}"), 0, vec![start(), completed("done")]))
        }))
        .await
        .unwrap();
        let rows = stores[0].runs(RunFilter::default()).await.unwrap();
        assert_eq!(rows.len(), 8);
        assert!(rows.iter().all(|row| row.status == RunStatus::Completed));
    }
}

#[test]
fn the_sqlite_that_is_built_in_has_no_wal_reset_race() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}
