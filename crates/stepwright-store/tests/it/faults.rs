//! Error messages when the file, the disk or the database has trouble.

use crate::support::{answer, completed, facts, id, start, steps, told};
use futures_util::future::{join, join_all};
use rusqlite::Connection;
use std::time::{Duration, Instant};
use stepwright_core::store::{Inbox as _, Leases as _, RunStore as _, SessionStore as _};
use stepwright_core::{StoreError, StoreError as E};
use stepwright_store::Sqlite;

async fn refusal(path: &std::path::Path) -> StoreError {
    Sqlite::open(path).await.expect_err("it cannot be opened")
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = refusal(&directory.path().join("none/a.db")).await;
    assert_eq!(
        told(&error, directory.path()),
        "cannot open the database `none/a.db`\n\
         unable to open database file: none/a.db\n\
         create the directory `none`"
    );
}

#[tokio::test]
async fn a_path_that_is_a_directory_is_told_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = refusal(directory.path()).await;
    let told = told(&error, directory.path());
    assert!(told.ends_with("`.` is a directory: choose a file in it"), "{told}");
}

#[tokio::test]
async fn a_parent_that_is_a_file_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let error = refusal(&directory.path().join("file/a.db")).await;
    let told = told(&error, directory.path());
    assert!(told.ends_with("choose another path: `file` is not a directory"), "{told}");
}

/// No user can make a file in `/sys`, not even root, who may write to any ordinary directory.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_directory_in_which_no_file_can_be_made_is_told() {
    let error = refusal(std::path::Path::new("/sys/a.db")).await;
    let told = told(&error, std::path::Path::new("/nowhere"));
    assert!(told.ends_with("allow this program to write to the directory `/sys`"), "{told}");
}

#[tokio::test]
async fn a_file_that_is_no_database_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let text = "name: a workflow, and not a database\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = refusal(&path).await;
    assert_eq!(
        told(&error, directory.path()),
        "cannot open the database `a.db`\n\
         file is not a database\n\
         choose another path: `a.db` is not an SQLite database"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_another_program_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE runs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = refusal(&path).await;
    assert_eq!(
        told(&error, directory.path()),
        "cannot use the database `a.db`\n\
         it holds tables of another program\n\
         choose another path: a store has a database of its own"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    drop(Sqlite::open(&path).await.unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 10").unwrap();
    assert_eq!(
        told(&refusal(&path).await, directory.path()),
        "cannot use the database `a.db`\n\
         its tables are of version 10, and this program knows 9\n\
         use the newer program that wrote it, or choose another path"
    );
}

/// A file that may not grow fails as a full disk does, with `SQLITE_FULL`. What a disk does that is
/// really full is in [`a_full_disk_takes_nothing_that_was_recorded`].
#[tokio::test]
async fn a_file_that_may_not_grow_says_so_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::options(&path).bytes_max(256 * 1024).open().await.unwrap();
    let recorded = fill(&store, directory.path()).await;
    drop(store);
    assert!(std::fs::metadata(&path).unwrap().len() <= 256 * 1024);

    let store = Sqlite::open(&path).await.unwrap();
    go_on(&store, recorded).await;
}

/// `cargo test -- --ignored` as root.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "mounts a small disk, for which one must be root"]
async fn a_full_disk_takes_nothing_that_was_recorded() {
    /// Is unmounted when the test fails, too.
    struct Mounted<'a>(&'a std::path::Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("--lazy").arg(self.0).status();
        }
    }

    let directory = tempfile::tempdir().unwrap();
    let run = |command: &str, arguments: &[&str]| {
        let done = std::process::Command::new(command)
            .args(arguments)
            .arg(directory.path())
            .status()
            .unwrap();
        assert!(done.success(), "{command} {arguments:?}");
    };
    run("mount", &["-t", "tmpfs", "-o", "size=1m", "none"]);
    let _mounted = Mounted(directory.path());
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let recorded = fill(&store, directory.path()).await;
    run("mount", &["-t", "tmpfs", "-o", "remount,size=16m", "none"]);
    go_on(&store, recorded).await;
}

/// Appends until nothing more fits, and gives the number of the next fact of run `r`.
async fn fill(store: &Sqlite, directory: &std::path::Path) -> u64 {
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    store.append(facts("r2", 0, vec![start()])).await.unwrap();
    let big = completed(&"x".repeat(20_000));
    let mut next = 1;
    let error = loop {
        match store.append(facts("r", next, vec![big.clone()])).await {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
        assert!(next < 1_000, "the disk is larger than thought");
    };
    assert_eq!(
        told(&error, directory),
        "cannot write to the database `a.db`\n\
         database or disk is full\n\
         free some space on the disk that holds `a.db`, or raise `bytes_max` if it is set, then \
         resume the run"
    );

    // All that want the same transaction are told, and none is recorded; what is refused for a
    // reason of its own is told that.
    let other = Connection::open(directory.join("a.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let group = join_all([
        store.append(facts("r2", 1, vec![steps(1)])),
        store.append(facts("r2", 9, vec![steps(1)])),
        store.append(facts("r", next, vec![big.clone(), big.clone()])),
    ]);
    let (outcomes, ()) = join(group, async { other.execute_batch("COMMIT").unwrap() }).await;
    assert!(
        matches!(
            outcomes[..],
            [Err(E::Unavailable { .. }), Err(E::Taken { .. }), Err(E::Unavailable { .. })]
        ),
        "{outcomes:?}"
    );
    assert_eq!(store.load(&id("r2"), 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.load(&id("r"), 0, 1_000).await.unwrap().len() as u64, next);
    next
}

/// There is space again.
async fn go_on(store: &Sqlite, next: u64) {
    assert_eq!(store.load(&id("r"), 0, 1_000).await.unwrap().len() as u64, next);
    store.append(facts("r", next, vec![completed(&"x".repeat(20_000))])).await.unwrap();
    store.append(facts("r2", 1, vec![steps(1)])).await.unwrap();
}

#[tokio::test]
async fn a_store_that_only_reads_writes_nothing_and_sees_what_others_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a%20 b?.db");
    let error = Sqlite::options(&path).read_only().open().await.unwrap_err();
    assert!(told(&error, directory.path()).starts_with("cannot open the database"), "{error}");
    let writing = Sqlite::open(&path).await.unwrap();
    writing.append(facts("r", 0, vec![start()])).await.unwrap();
    let reading = Sqlite::options(&path).read_only().open().await.unwrap();
    assert_eq!(reading.load(&id("r"), 0, 9).await.unwrap().len(), 1);
    writing.append(facts("r", 1, vec![steps(1)])).await.unwrap();
    assert_eq!(reading.load(&id("r"), 0, 9).await.unwrap().len(), 2);
    let error = reading.append(facts("r", 2, vec![steps(2)])).await.unwrap_err();
    assert_eq!(
        told(&error, directory.path()),
        "cannot write to the database `a%20 b?.db`\nit was opened for reading only\n\
         open it without `read_only`"
    );
    // A change of another process wakes those that wait for one.
    reading.changed(stepwright_core::store::Watched::Facts(id("r"))).await;
}

#[tokio::test]
async fn a_lock_that_stays_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let options = Sqlite::options(&path).lock_wait(Duration::from_millis(20));
    let store = options.open().await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let error = store.append(facts("r", 0, vec![start()])).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4), "it waited longer than it was told to");
    assert_eq!(
        told(&error, directory.path()),
        "cannot write to the database `a.db`\n\
         database is locked\n\
         close the program that keeps `a.db` locked, then resume the run"
    );
    other.execute_batch("COMMIT").unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
}

#[tokio::test]
async fn a_damaged_fact_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start(), steps(1), steps(2), steps(3)])).await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    let told = async || match store.load(&id("r"), 0, 9).await {
        Err(error @ StoreError::Corrupt { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };

    vandal.execute_batch("UPDATE journal SET body = '{\"event\":\"Ste' WHERE seq = 2").unwrap();
    assert_eq!(
        told().await,
        "the journal of run `r` is damaged at fact 2 (`facts/web`): its checksum does not match: \
         it is not as it was written"
    );
    vandal.execute_batch("UPDATE journal SET sum = NULL WHERE seq = 2").unwrap();
    assert!(told().await.ends_with("fact 2 (`facts/web`): it has no checksum"));
    vandal.execute_batch("DELETE FROM journal WHERE seq = 2").unwrap();
    assert_eq!(
        told().await,
        "the journal of run `r` is damaged at fact 2: it is missing, 3 follows"
    );
    // The facts before the damage can be read.
    assert_eq!(store.load(&id("r"), 0, 2).await.unwrap().len(), 2);
    vandal.execute_batch("UPDATE journal SET path = CAST(x'ff' AS TEXT) WHERE seq = 1").unwrap();
    assert!(told().await.contains("at fact 1: its path: invalid utf-8"), "{}", told().await);
}

#[tokio::test]
async fn a_damaged_row_of_a_run_or_a_session_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    vandal.execute_batch("UPDATE runs SET status = 'FINE'").unwrap();
    let error = store.run(&id("r")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal of run `r` is damaged at fact 0: in its row of `runs`: its checksum does not \
         match: it is not as it was written"
    );
    vandal.execute_batch("UPDATE sessions SET state = '[]'").unwrap();
    let error = store.session(&"s".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "what is stored of session `s` is damaged");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_damaged_large_or_shared_text_is_named_by_its_fact() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let large = completed(&"large ".repeat(100_000));
    let text = completed(&"a text that is long enough to be written once. ".repeat(9));
    let kinds = vec![start(), text.clone(), text, large];
    store.append(facts("r", 0, kinds)).await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    let does = |sql: &str| vandal.execute_batch(sql).unwrap();
    let told = async |after| match store.load(&id("r"), after, 9).await {
        Err(error @ StoreError::Corrupt { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let at = |sequence: u64, what: &str| {
        format!("the journal of run `r` is damaged at fact {sequence} (`facts/web`): {what}")
    };

    let hash: String = vandal.query_row("SELECT hash FROM blobs", [], |row| row.get(0)).unwrap();
    does("UPDATE blobs SET body = substr(body, 1, 100)");
    let cut = at(3, &format!("its body `{hash}` in `blobs` is damaged: "));
    assert!(told(0).await.starts_with(&cut), "{}", told(0).await);
    does("DELETE FROM blobs");
    assert_eq!(told(3).await, at(3, &format!("its body `{hash}` is missing in `blobs`")));
    // The facts before it can be read, and other runs go on.
    assert_eq!(store.load(&id("r"), 0, 3).await.unwrap().len(), 3);
    store
        .append(facts("r2", 0, vec![start(), completed(&"large ".repeat(100_000))]))
        .await
        .unwrap();

    does("UPDATE journal SET body = replace(body, 'enough', 'ENOUGH') WHERE seq = 1");
    assert_eq!(told(2).await, at(2, "a text of it is not in fact 1 any more"));
    does("DELETE FROM journal WHERE seq = 1");
    assert_eq!(told(2).await, at(2, "a text of it was in fact 1, which is missing"));
    does("UPDATE journal SET shared = '[[0' WHERE seq = 2");
    assert!(told(2).await.starts_with(&at(2, "its column `shared`: EOF")), "{}", told(2).await);
    does("UPDATE journal SET shared = '[[9000000, 0, 0, 1, 0]]' WHERE seq = 2");
    assert_eq!(told(2).await, at(2, "a text of it is not in fact 0 any more"));
    assert!(store.delete_session(&"s".parse().unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_damaged_signal_is_named_and_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let mut begin = facts("r", 0, vec![start()]);
    begin.driver = Some("one".into());
    store.append(begin).await.unwrap();
    store.submit(answer("r", "a")).await.unwrap();
    store.submit(answer("r", "b")).await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    vandal.execute_batch("UPDATE inbox SET wish = '{}' WHERE id = 'answer:a'").unwrap();
    let mut heard = store.heartbeat("one", stepwright_core::Timestamp(77)).await.unwrap();
    assert_eq!(heard.signals, [answer("r", "b")]);
    for error in [store.inbox(&id("r")).await.unwrap_err(), heard.damaged.remove(0)] {
        assert_eq!(
            told(&error, directory.path()),
            "signal `answer:a` in the inbox of run `r` is damaged\n\
             its checksum does not match: it is not as it was written\n\
             restore the database from a backup, or delete that row of `inbox`"
        );
    }
    let seen: i64 = vandal.query_row("SELECT seen_at FROM drivers", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 77);
}

/// Whatever the database refuses is told, and nothing of it stays.
#[tokio::test]
async fn a_signal_that_the_database_refuses_is_not_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    let vandal = Connection::open(&path).unwrap();
    vandal
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON inbox BEGIN SELECT RAISE(FAIL, 'no'); END",
        )
        .unwrap();
    let error = store.submit(answer("r", "a")).await.unwrap_err();
    assert_eq!(told(&error, directory.path()), "cannot write to the database `a.db`\nno\n");
    assert_eq!(store.inbox(&id("r")).await.unwrap(), []);
    vandal.execute_batch("DROP TRIGGER no").unwrap();
    assert!(store.submit(answer("r", "a")).await.unwrap());
}

#[tokio::test]
async fn a_large_fact_that_has_no_room_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::options(&path).bytes_max(256 * 1024).open().await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    // Numbers by chance, which cannot be compressed.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b"0123456789abcdefghijklmnopqrstuv"[usize::try_from(state >> 59).unwrap()])
    };
    let large = completed(&(0..600_000).map(|_| noise()).collect::<String>());
    let error = store.append(facts("r", 1, vec![large])).await.unwrap_err();
    assert!(error.hint().unwrap().contains("free some space on the disk"), "{error:?}");
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 1);
    store.append(facts("r", 1, vec![steps(1)])).await.unwrap();
    assert!(store.submit(answer("r", "a")).await.unwrap());
    let count = "SELECT count(*) FROM blobs";
    let blobs: i64 =
        Connection::open(&path).unwrap().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(blobs, 0);
}
