//! Servers without a dispatcher that share a store: one goes on with the runs of another that is
//! killed or frozen, whatever else is in the store. A server is this program, started again.

use crate::dispatched::Nowhere;
use crate::killed::{PATIENCE, WORKER, read, until, worker, write};
use crate::support::{facts, id, start};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_core::store::{Leases as _, RunStore as _};
use stepwright_core::{
    AnyStore, ErrorId, EventKind, Memory, OnInterrupted, RunOutput, RunStatus, StepContext,
    StepInput,
};
use stepwright_engine::{Step, Workflow, WorkflowBuilder, real_world};
use stepwright_store::{Postgres, Sqlite};
use stepwright_testing::postgres;
use tokio_util::sync::CancellationToken;

/// The run that one server begins, and another one ends.
const RUN: &str = "r";

/// Opens the store at an address or a path.
async fn open(at: &str) -> AnyStore {
    if at.starts_with("postgres:") {
        AnyStore::new(Postgres::connect(at).await.unwrap())
    } else {
        AnyStore::new(Sqlite::open(at).await.unwrap())
    }
}

/// A workflow whose steps leave their names and `by` in a log. Its second step hangs until the log
/// says that it may end.
fn held(log: &Path, by: &'static str) -> WorkflowBuilder {
    let step = |name: &'static str| {
        let log = log.to_owned();
        let work = move |_: StepInput, _: StepContext| {
            let log = log.clone();
            async move {
                write(&log, &format!("{name} {by}\n"));
                let go = format!("go {by}\n");
                while name == "second" && !read(&log).contains(&go) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                name
            }
        };
        Step::new(name, work).on_interrupted(OnInterrupted::Retry)
    };
    Workflow::builder("w").step(step("first")).step(step("second")).step(step("third"))
}

/// Begins the run, and waits for its end. The log tells what it was told of that.
async fn serve_first(store: AnyStore, log: &Path) {
    let workflow = held(log, "one").store(store).build().unwrap();
    let handle = workflow.run("-").run_id(RUN).background().await.unwrap();
    let told = match handle.wait().await {
        Ok(output) => format!("{:?}", output.status),
        Err(error) => format!("{:?}", error.id()),
    };
    write(log, &format!("told {told}\n"));
    // It serves on. The test ends it.
    std::future::pending::<()>().await;
}

/// A server that ends with the test, even if that fails.
struct Server(Child);

impl Server {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The ways in which a server falls silent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Falls {
    Killed,
    Frozen,
}

/// The command that makes a process one of another machine, as far as that can be told: its
/// processes cannot be seen from here. `None` where that is not allowed.
fn elsewhere() -> Option<Command> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let may = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    may.is_ok_and(|may| may.success()).then_some(command)
}

/// Begins a run in another process that then falls silent, and asserts that this one ends it.
async fn takes_over(test: &str, at: &str, folder: &Path, falls: Falls) {
    let log = folder.join("steps.log");
    let about = format!("{at} {}", log.display());
    let mut command = worker(test, &about);
    if let Some(mut outer) = elsewhere().filter(|_| falls == Falls::Killed) {
        outer.arg(command.get_program()).args(command.get_args()).env(WORKER, &about);
        command = outer;
    }
    let store = open(at).await;
    let one = Server(command.spawn().unwrap());
    until(|| read(&log).contains("second one\n"), || read(&log)).await;
    let other = held(&log, "two").store(store.clone()).build().unwrap();
    other.recover();
    // It has seen the other server alive.
    until_heard(&store).await;
    one.signal(if falls == Falls::Killed { "-KILL" } else { "-STOP" });
    let fallen = Instant::now();
    until(|| read(&log).contains("second two\n"), || read(&log)).await;
    let took = fallen.elapsed();
    #[expect(clippy::print_stderr, reason = "the figure of the documents is measured with it")]
    {
        eprintln!("{test}: taken over after {took:?}");
    }
    write(&log, "go two\n");
    assert_eq!(ended(&other, RUN).await.status, RunStatus::Completed);
    let steps = "first one\nsecond one\nsecond two\ngo two\nthird two\n";
    assert_eq!(read(&log), steps, "a step that was completed was carried out again");
    if falls == Falls::Frozen {
        let before = store.load(&id(RUN), 0, 1_000).await.unwrap();
        // It wakes up, its step ends, and it wants to record that.
        one.signal("-CONT");
        write(&log, "go one\n");
        until(|| read(&log).contains("told "), || read(&log)).await;
        assert!(!read(&log).contains("third one"), "{}", read(&log));
        let after = store.load(&id(RUN), 0, 1_000).await.unwrap();
        assert_eq!(after, before, "a server that was frozen has appended something");
    }
}

/// Waits for two heartbeats of the driver of the run.
async fn until_heard(store: &AnyStore) {
    let end = Instant::now() + PATIENCE;
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < 2 {
        assert!(Instant::now() < end, "no heartbeat is written");
        heard.extend(store.drivers(&"w".parse().unwrap()).await.unwrap().iter().map(|d| d.seen_at));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Serves as the first server if this process is that, and returns `true` then.
async fn is_first() -> bool {
    let Ok(about) = std::env::var(WORKER) else { return false };
    let (at, log) = about.split_once(' ').unwrap();
    serve_first(open(at).await, Path::new(log)).await;
    true
}

#[tokio::test]
async fn a_run_of_a_server_that_is_killed_elsewhere_goes_on() {
    const TEST: &str = "supervised::a_run_of_a_server_that_is_killed_elsewhere_goes_on";
    if is_first().await {
        return;
    }
    let Some(server) = postgres::server() else { return };
    let folder = tempfile::tempdir().unwrap();
    takes_over(TEST, &server.database(), folder.path(), Falls::Killed).await;
}

#[tokio::test]
async fn a_run_of_a_server_that_is_frozen_goes_on_and_it_appends_nothing() {
    const TEST: &str =
        "supervised::a_run_of_a_server_that_is_frozen_goes_on_and_it_appends_nothing";
    if is_first().await {
        return;
    }
    let Some(server) = postgres::server() else { return };
    let folder = tempfile::tempdir().unwrap();
    takes_over(TEST, &server.database(), folder.path(), Falls::Frozen).await;
}

#[tokio::test]
async fn a_run_of_a_frozen_process_goes_on_over_a_file() {
    const TEST: &str = "supervised::a_run_of_a_frozen_process_goes_on_over_a_file";
    if is_first().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("a.db").display().to_string();
    takes_over(TEST, &at, folder.path(), Falls::Frozen).await;
}

fn quick() -> WorkflowBuilder {
    Workflow::builder("w").step(Step::new("work", async |text: String| text))
}

/// Waits for the end of a run, in whichever process it is driven.
async fn ended(workflow: &Workflow, run: &str) -> RunOutput {
    let handle = workflow.handle(run).await.unwrap();
    let output = tokio::time::timeout(PATIENCE, handle.wait()).await;
    output.unwrap_or_else(|_| panic!("run `{run}` does not end")).unwrap()
}

/// Leaves runs that no process drives.
async fn leave(store: &AnyStore, runs: &[&str]) {
    let workflow = quick().store(store.clone()).dispatcher(Arc::new(Nowhere)).build().unwrap();
    for run in runs {
        workflow.run(*run).run_id(*run).background().await.unwrap();
    }
}

/// A run that no process drives is found, although very many older ones are under way.
async fn is_found_behind_many(store: AnyStore) {
    const OTHERS: u64 = 1_050;
    let driver = "elsewhere/1/2/3/4/5";
    for nth in 0..OTHERS {
        let EventKind::WorkflowStarted(mut start) = start() else { unreachable!() };
        Arc::make_mut(&mut start).background = true;
        let mut begin = facts(&format!("o{nth}"), 0, vec![EventKind::WorkflowStarted(start)]);
        begin.driver = Some(driver.into());
        store.append(begin).await.unwrap();
    }
    leave(&store, &["last"]).await;
    let stop = CancellationToken::new();
    let beating = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            while !stop.is_cancelled() {
                store.heartbeat(driver, real_world().wall()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    let workflow = quick().store(store.clone()).build().unwrap();
    assert_eq!(ended(&workflow, "last").await.content.text(), "last");
    let row = store.run(&id("o0")).await.unwrap().unwrap();
    assert_eq!(row.driver.as_deref(), Some(driver), "a run was taken from a driver that lives");
    stop.cancel();
    beating.await.unwrap();
}

#[tokio::test]
async fn a_run_behind_a_thousand_others_is_found_in_memory() {
    is_found_behind_many(AnyStore::new(Memory::default())).await;
}

#[tokio::test]
async fn a_run_behind_a_thousand_others_is_found_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Sqlite::options(path).durability(stepwright_store::Durability::Normal);
    is_found_behind_many(AnyStore::new(store.open().await.unwrap())).await;
}

#[tokio::test]
async fn a_run_behind_a_thousand_others_is_found_in_a_server() {
    let Some(server) = postgres::server() else { return };
    is_found_behind_many(open(&server.database()).await).await;
}

/// Damages the row of one run and the journal of another, and asserts that the others go on, and
/// that the first does as soon as its row is whole again.
async fn damage_stops_no_other_run(store: AnyStore, change: impl Fn(&str)) {
    leave(&store, &["row", "journal", "good"]).await;
    change("UPDATE runs SET digest = 'x' || digest WHERE run_id = 'row'");
    change(
        "UPDATE journal SET at = at + 1 WHERE run = (SELECT id FROM runs WHERE run_id = 'journal')",
    );
    let workflow = quick().store(store.clone()).build().unwrap();
    assert_eq!(ended(&workflow, "good").await.content.text(), "good");
    for run in ["row", "journal"] {
        let shown = workflow.get_run(run).await.unwrap_err();
        assert_eq!(shown.id(), ErrorId::JOURNAL_DAMAGED, "{shown}");
    }
    change("UPDATE runs SET digest = substr(digest, 2) WHERE run_id = 'row'");
    assert_eq!(ended(&workflow, "row").await.content.text(), "row");
}

#[tokio::test]
async fn damage_stops_no_other_run_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("a.db");
    let store = open(&path.display().to_string()).await;
    let change = |sql: &str| {
        assert_eq!(Connection::open(&path).unwrap().execute(sql, ()).unwrap(), 1, "{sql}");
    };
    damage_stops_no_other_run(store, change).await;
}

#[tokio::test]
async fn damage_stops_no_other_run_of_a_server() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let (_, name) = address.rsplit_once('/').unwrap();
    let change = |sql: &str| {
        server.sql(name, &format!("SET search_path = stepwright; {sql}"));
    };
    damage_stops_no_other_run(open(&address).await, change).await;
}
