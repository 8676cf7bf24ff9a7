//! Other processes that use the same file.

use crate::support::{facts, id, start};
use std::process::{Command, Stdio};
use stepwright_core::store::{RunFilter, RunStore as _};
use stepwright_store::Sqlite;

/// The variable that makes this program a process of the crowd.
const PART: &str = "STEPWRIGHT_TEST_CROWD";

const PROCESSES: usize = 50;

/// Opens the file, appends to a run of its own, and reads it.
async fn part(path: &str, run: &str) {
    let store = Sqlite::open(path).await.unwrap();
    store.append(facts(run, 0, vec![start()])).await.unwrap();
    assert_eq!(store.load(&id(run), 0, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn fifty_processes_open_one_new_file_at_once() {
    if let Some(path) = std::env::var_os(PART) {
        let run = format!("r-{}", std::process::id());
        return part(path.to_str().unwrap(), &run).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.db");
    let myself = std::env::current_exe().unwrap();
    let test = "crowds::fifty_processes_open_one_new_file_at_once";
    let begin = |_| {
        let mut command = Command::new(&myself);
        command.args([test, "--exact", "--nocapture"]).env(PART, &path);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = (0..PROCESSES).map(begin).collect();
    let ends: Vec<_> = all.into_iter().map(|one| one.wait_with_output().unwrap()).collect();
    let failed: Vec<_> = ends.iter().filter(|end| !end.status.success()).collect();
    if let Some(first) = failed.first() {
        let said = String::from_utf8_lossy(&first.stderr);
        panic!("{} of {PROCESSES} failed, the first: {said}", failed.len());
    }
    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(store.runs(RunFilter::default()).await.unwrap().len(), PROCESSES);
}

/// The variable that makes this program keep a file locked until it is killed.
const LOCKS: &str = "STEPWRIGHT_TEST_LOCKS";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stopped_process_that_keeps_the_file_locked_is_named() {
    use std::io::{BufRead as _, BufReader, Write as _};
    if let Some(path) = std::env::var_os(LOCKS) {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::io::stdout().write_all(b"locked\n").unwrap();
        std::thread::sleep(std::time::Duration::from_mins(10));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let wait = std::time::Duration::from_millis(50);
    let store = Sqlite::options(&path).lock_wait(wait).open().await.unwrap();
    let test = "crowds::a_stopped_process_that_keeps_the_file_locked_is_named";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(LOCKS, &path).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("locked")));
    let process = child.id().to_string();
    let refused = async || {
        let append = store.append(facts("r", 0, vec![start()])).await;
        append.unwrap_err().hint().unwrap()
    };
    let hint = refused().await;
    assert!(hint.starts_with(&format!("process {process} keeps `")), "{hint}");
    let signal = |name: &str| Command::new("kill").args([name, &process]).status().unwrap();
    assert!(signal("-STOP").success());
    loop {
        let hint = refused().await;
        if hint.contains("is stopped") {
            assert!(hint.contains(&format!("`kill -CONT {process}`")), "{hint}");
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had begun is taken back.
    store.append(facts("r", 0, vec![start()])).await.unwrap();
}
