//! Data in the file stays in it, however often it is opened.

use crate::support::{answer, completed, facts, id, start, steps};
use futures_util::future::{join_all, try_join_all};
use rusqlite::Connection;
use stepwright_core::journal::SessionClose;
use stepwright_core::store::RunFilter;
use stepwright_core::store::{Inbox as _, RunStore as _, SessionStore as _};
use stepwright_core::{Patch, RunStatus, StoreError};
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
    end.close = Some(SessionClose { patches, ..SessionClose::default() });
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
    assert_eq!(version, 9);
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
    // The callers have given up.
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

/// Moves the file away, and another one to its place if there is one.
fn replace(path: &std::path::Path, with: Option<&std::path::Path>) {
    std::fs::rename(path, path.with_extension("moved")).unwrap();
    if let Some(with) = with {
        std::fs::rename(with, path).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_moved_or_replaced_is_neither_written_nor_read() {
    for with in [None, Some("b.db")] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let store = Sqlite::open(&path).await.unwrap();
        store.append(facts("r", 0, vec![start()])).await.unwrap();
        assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 1);
        let other = with.map(|name| directory.path().join(name));
        if let Some(other) = &other {
            drop(Sqlite::open(other).await.unwrap());
        }
        replace(&path, other.as_deref());
        let wrote = store.append(facts("r", 1, vec![steps(1)])).await.unwrap_err();
        let read = store.load(&id("r"), 0, 9).await.unwrap_err();
        for error in [wrote, read] {
            let told = crate::support::told(&error, directory.path());
            let what = "the database `a.db` is not the one that was opened\n";
            assert!(told.starts_with(what), "{told}");
            let why = match with {
                None => "it was deleted or moved while it was open",
                Some(_) => "another file replaced it while it was open",
            };
            assert!(told.contains(why), "{told}");
        }
        // Put back, it is used again, and the refused fact is not in it.
        std::fs::rename(path.with_extension("moved"), &path).unwrap();
        assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 1);
    }
}

/// A row that is right in itself, and in the wrong place.
#[tokio::test]
async fn rows_that_are_swapped_or_copied_are_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    for run in ["r", "r2"] {
        store.append(facts(run, 0, vec![start(), steps(1), steps(2)])).await.unwrap();
    }
    let vandal = Connection::open(&path).unwrap();
    let damaged = async |change: &str| {
        vandal.execute_batch("SAVEPOINT before").unwrap();
        vandal.execute_batch(change).unwrap();
        vandal.execute_batch("RELEASE before").unwrap();
        let first = store.load(&id("r"), 0, 9).await;
        matches!(first, Err(StoreError::Corrupt { .. }))
    };
    let swapped = "UPDATE journal SET seq = -1 WHERE run = 1 AND seq = 1;
        UPDATE journal SET seq = 1 WHERE run = 1 AND seq = 2;
        UPDATE journal SET seq = 2 WHERE run = 1 AND seq = -1;";
    assert!(damaged(swapped).await);
    assert!(!damaged(swapped).await, "swapped back");
    let other_run = "UPDATE journal SET run = -1 WHERE run = 1 AND seq = 1;
        UPDATE journal SET run = 1 WHERE run = 2 AND seq = 1;";
    assert!(damaged(other_run).await);
    let back = "UPDATE journal SET run = 2 WHERE run = 1 AND seq = 1;
        UPDATE journal SET run = 1 WHERE run = -1 AND seq = 1;";
    assert!(!damaged(back).await);
    // The end of a run that has ended cannot be lost.
    store.append(facts("r", 3, vec![completed("done")])).await.unwrap();
    assert!(damaged("DELETE FROM journal WHERE run = 1 AND seq = 3").await);
}

/// A file of the version before checksums gets them.
#[tokio::test]
async fn a_file_of_the_second_version_gets_checksums_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let text = completed(&"a text that is long enough to be written once. ".repeat(9));
    let large = completed(&"large ".repeat(100_000));
    store.append(facts("r", 0, vec![start(), text.clone(), text, large])).await.unwrap();
    store.append(facts("r2", 0, vec![start()])).await.unwrap();
    store.submit(answer("r2", "a")).await.unwrap();
    let all = async |store: &Sqlite| {
        let (r, r2) = (id("r"), id("r2"));
        (
            store.load(&r, 0, 9).await.unwrap(),
            store.load(&r2, 0, 9).await.unwrap(),
            store.runs(RunFilter::default()).await.unwrap(),
            store.session(&"s".parse().unwrap()).await.unwrap(),
            store.inbox(&r2).await.unwrap(),
        )
    };
    let before = all(&store).await;
    drop(store);
    let old = Connection::open(&path).unwrap();
    for column in [
        "runs.facts",
        "runs.sum",
        "runs.status_sum",
        "runs.driver_sum",
        "journal.sum",
        "journal.chain",
        "journal.scope",
        "journal.key_id",
        "blobs.scope",
        "blobs.key_id",
        "sessions.scope",
        "sessions.key_id",
        "inbox.scope",
        "inbox.key_id",
        "sessions.sum",
        "inbox.sum",
        "inbox.done_sum",
        "plans.sum",
    ] {
        let (table, column) = column.split_once('.').unwrap();
        old.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
    }
    old.execute_batch(
        "DROP INDEX runs_origin; ALTER TABLE runs DROP COLUMN origin; ALTER TABLE runs DROP COLUMN \
         origin_run; ALTER TABLE runs DROP COLUMN origin_until; DROP TABLE kept; \
         DROP TABLE identity; DROP TABLE slots; DROP TABLE requests; DROP TABLE memories; \
         DROP TABLE shared_values; DROP TABLE media; DROP TABLE media_parts; \
         DROP TABLE media_uses; ALTER TABLE runs DROP COLUMN metrics; ALTER TABLE runs DROP COLUMN \
         metrics_facts; ALTER TABLE runs DROP COLUMN metrics_sum; PRAGMA user_version = 2",
    )
    .unwrap();
    drop(old);

    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(all(&store).await, before);
    let unsummed = "SELECT (SELECT count(*) FROM journal WHERE sum IS NULL OR chain IS NULL)
        + (SELECT count(*) FROM runs WHERE sum IS NULL OR status_sum IS NULL)";
    let count: i64 =
        Connection::open(&path).unwrap().query_row(unsummed, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0);
}
