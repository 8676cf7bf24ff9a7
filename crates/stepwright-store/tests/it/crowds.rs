//! Many processes that open one file at the same time.

use crate::support::{facts, id, start};
use std::process::{Command, Stdio};
use stepwright_core::store::RunStore as _;
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
    assert_eq!(store.runs(Default::default()).await.unwrap().len(), PROCESSES);
}
