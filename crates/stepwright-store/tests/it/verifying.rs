//! Damage of the rows of a run is found when the run is verified.

use crate::support::{answer, completed, facts, id, start, steps};
use rusqlite::Connection;
use std::error::Error as _;
use stepwright_core::journal::SessionClose;
use stepwright_core::store::{Inbox as _, RunStore as _, SessionStore as _};
use stepwright_core::{Metrics, StoreError};
use stepwright_store::Sqlite;

/// A run with all kinds of rows, and a connection that may damage them.
async fn store() -> (tempfile::TempDir, Sqlite, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start(), steps(1), steps(2)])).await.unwrap();
    let mut end = facts("r", 3, vec![steps(3), completed(&"x".repeat(300_000))]);
    let run = Some(Metrics { steps: 3, ..Metrics::default() });
    end.close = Some(SessionClose { run, ..SessionClose::default() });
    store.append(end).await.unwrap();
    store.submit(answer("r", "a")).await.unwrap();
    store.remember_plan("d1", "{}").await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    (directory, store, vandal)
}

#[tokio::test]
async fn a_run_that_is_as_it_was_written_is_verified_and_its_head_stays() {
    let (_directory, store, _) = store().await;
    let verified = store.verify(&id("r")).await.unwrap();
    assert_eq!((verified.facts, verified.chained), (5, 5));
    let head = verified.head.clone().unwrap();
    assert_eq!(head.len(), 64, "{head}");
    // Another run, and the rest of the database, make no difference.
    store.append(facts("r2", 0, vec![start()])).await.unwrap();
    assert_eq!(store.verify(&id("r")).await.unwrap(), verified);
    store.append(facts("r2", 1, vec![steps(1)])).await.unwrap();
    let other = store.verify(&id("r2")).await.unwrap();
    store.append(facts("r2", 2, vec![steps(2)])).await.unwrap();
    assert_ne!(store.verify(&id("r2")).await.unwrap().head, other.head);
    let unknown = store.verify(&id("r3")).await.unwrap_err();
    assert_eq!(unknown.to_string(), "run `r3` was not found");
}

#[tokio::test]
async fn damage_in_any_row_of_a_run_is_found() {
    for (damage, told) in [
        ("UPDATE journal SET at = at + 1 WHERE seq = 1", "fact 1"),
        ("UPDATE journal SET body = replace(body, '2', '5') WHERE seq = 2", "fact 2"),
        ("UPDATE journal SET chain = NULL WHERE seq = 2", "it has no chain hash"),
        ("UPDATE journal SET chain = zeroblob(32) WHERE seq = 3", "its chain hash does not match"),
        ("UPDATE journal SET chain = zeroblob(31) WHERE seq = 0", "its chain hash does not match"),
        ("DELETE FROM journal WHERE seq = 1", "fact 1"),
        ("DELETE FROM journal WHERE seq = 4", "fact 4"),
        ("UPDATE blobs SET body = zeroblob(9)", "in `blobs` is damaged"),
        ("UPDATE runs SET user_id = 'ben'", "in its row of `runs`"),
        ("UPDATE runs SET facts = 4", "in its row of `runs`"),
        ("UPDATE runs SET metrics = replace(metrics, '3', '5')", "in its row of `runs`"),
        ("UPDATE runs SET metrics_sum = NULL", "in its row of `runs`"),
        ("UPDATE inbox SET at = at + 1", "in the inbox of run `r` is damaged"),
        ("UPDATE sessions SET state = '{\"a\":1}'", "session `s` is damaged"),
        ("DELETE FROM sessions", "session `s` was not found"),
        ("UPDATE plans SET plan = '{ }'", "plan `d1` in `plans` is damaged"),
    ] {
        let (_directory, store, vandal) = store().await;
        assert!(vandal.execute(damage, []).unwrap() > 0, "{damage}");
        let error = store.verify(&id("r")).await.expect_err(damage);
        assert!(error.to_string().contains(told), "{damage}: {error}");
    }
}

#[tokio::test]
async fn metrics_do_not_count_for_a_run_that_a_program_without_them_has_retried() {
    let (_directory, store, vandal) = store().await;
    let metrics = async || store.run(&id("r")).await.unwrap().unwrap().metrics;
    assert_eq!(metrics().await.map(|metrics| metrics.steps), Some(3));
    // As such a program leaves the columns: they count the facts before the retry.
    vandal.execute("UPDATE runs SET metrics_facts = metrics_facts - 2", []).unwrap();
    assert_eq!(metrics().await, None);
    store.verify(&id("r")).await.unwrap();
}

/// The checksum of a row says that the row is in its place. Only the chain says that it is the row
/// to which the next one was written.
#[tokio::test]
async fn a_fact_of_another_history_of_the_same_run_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    let kept = "SELECT body, sum FROM journal WHERE seq = 1";
    store.append(facts("r", 0, vec![start(), steps(7), steps(2)])).await.unwrap();
    let (body, sum): (String, i64) =
        vandal.query_row(kept, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    store.delete_session(&"s".parse().unwrap()).await.unwrap();
    store.append(facts("r", 0, vec![start(), steps(1), steps(2)])).await.unwrap();
    let replace = "UPDATE journal SET body = ?1, sum = ?2 WHERE seq = 1";
    vandal.execute(replace, (body, sum)).unwrap();

    let loaded = store.load(&id("r"), 0, 9).await.unwrap();
    assert_eq!(loaded[1].kind, steps(7), "its checksum matches");
    let error = store.verify(&id("r")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { sequence: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("its chain hash does not match"), "{error}");
}

#[tokio::test]
async fn a_sealed_payload_is_refused_with_the_name_of_its_key() {
    for (table, told) in [
        ("journal", "fact 0 of run `r`"),
        ("blobs", "blob `"),
        ("inbox", "signal `answer:a` of run `r`"),
        ("sessions", "session `s`"),
    ] {
        let (_directory, store, vandal) = store().await;
        vandal.execute(&format!("UPDATE {table} SET scope = 'anna', key_id = 'k1'"), []).unwrap();
        let error = match table {
            "inbox" => store.inbox(&id("r")).await.unwrap_err(),
            "sessions" => store.session(&"s".parse().unwrap()).await.unwrap_err(),
            _ => store.load(&id("r"), 0, 9).await.unwrap_err(),
        };
        assert!(error.to_string().contains(told), "{table}: {error}");
        assert!(error.to_string().ends_with("it is sealed with key `k1`"), "{table}: {error}");
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        assert_eq!(source, "this version cannot open sealed payloads");
        assert!(error.hint().is_some());
        store.verify(&id("r")).await.expect_err(table);
    }
}
