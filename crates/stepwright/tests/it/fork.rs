//! Hosts that fork: what a child has of its parent is not its own.
//!
//! The host is this test binary again, in a process of its own. A child of a fork has one thread
//! and must not come back to the test harness.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use stepwright::prelude::*;
use stepwright::store::{Inbox as _, Leases as _, RunStore as _};
use stepwright::{Answer, HumanReview};

/// Says to the host where to work.
const PLACE: &str = "STEPWRIGHT_TEST_FORK";

/// Says to the host where a PostgreSQL is, if there is one.
const SERVER: &str = "STEPWRIGHT_TEST_FORK_POSTGRES";

/// The longest time that anything may take that comes at once. Nothing waits for it if all is well.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn children_of_a_fork_are_drivers_of_their_own_and_the_store_of_the_parent_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "fork::host", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PLACE, directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(feature = "postgres")]
    if let Some(server) = stepwright_testing::postgres::server() {
        host.env(SERVER, server.database());
    }
    let mut host = host.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while host.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            host.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = host.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{told}", String::from_utf8_lossy(&ended.stdout));

    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    // One child has driven the run, and the other was told so.
    assert_eq!(read("ran.txt").lines().count(), 1, "the step ran more than once");
    assert!(read("refused.txt").contains("is driven by process"), "{}", read("refused.txt"));
    let names = [read("id-0.txt"), read("id-1.txt"), read("id-parent.txt")];
    assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2], "{names:?}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn open(place: &Path) -> Sqlite {
    Sqlite::open(place.join("a.db")).await.unwrap()
}

/// A step that says that it has begun, and ends when it may.
async fn work(place: std::path::PathBuf) -> String {
    use std::io::Write as _;
    let mut ran = fs::File::options().append(true).create(true).open(place.join("ran.txt"));
    writeln!(ran.as_mut().unwrap(), "process {}", std::process::id()).unwrap();
    while !place.join("go").exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    "done".to_owned()
}

fn asking(place: &Path, store: Sqlite) -> Workflow {
    let place = place.to_owned();
    let step = Step::new("work", move || work(place.clone()))
        .human_review(HumanReview::new().requires_confirmation("Go on?"));
    Workflow::builder("Asking").step(step).store(store).build().unwrap()
}

fn plain() -> Workflow {
    Workflow::builder("Plain").step(|text: String| async move { text }).build().unwrap()
}

#[test]
#[ignore = "it is what the test above runs in a process of its own"]
fn host() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = std::path::PathBuf::from(place);
    let parent = runtime();
    let (store, workflow, background) = (parent.block_on(open(&place)), plain(), plain());
    let asking_here = asking(&place, store.clone());
    #[cfg(feature = "postgres")]
    let server = std::env::var(SERVER)
        .ok()
        .map(|address| parent.block_on(Postgres::connect(address)).unwrap());
    parent.block_on(async {
        let paused = asking_here.run("x").run_id("r").await.unwrap();
        assert!(paused.is_paused());
        // Dispatcher and attendant of the parent are at work.
        let handle = background.run("parent").background().await.unwrap();
        assert_eq!(handle.wait().await.unwrap().content.text(), "parent");
    });

    let mut children = Vec::new();
    for nth in 0..2 {
        match fork::fork().unwrap() {
            fork::Fork::Parent(child) => children.push(child),
            fork::Fork::Child => {
                let lived = catch_unwind(AssertUnwindSafe(|| {
                    runtime().block_on(async {
                        refused(&store, &asking_here).await;
                        #[cfg(feature = "postgres")]
                        if let Some(server) = &server {
                            let error = server.run(&"r".parse().unwrap()).await.unwrap_err();
                            assert!(error.hint().unwrap().contains("after the fork"), "{error:?}");
                        }
                        child(nth, &place, &workflow, &background).await;
                    });
                    // Values of the parent can be dropped.
                    drop((store, asking_here));
                }));
                leave(i32::from(lived.is_err()));
            }
        }
    }
    let id = parent.block_on(async { workflow.run("x").await.unwrap().run_id });
    fs::write(place.join("id-parent.txt"), id.as_str()).unwrap();
    for child in children {
        assert_eq!(fork::waitpid(child).unwrap(), 0, "a child has failed");
    }
    // The store of the parent is as it was.
    let row = parent.block_on(store.run(&"r".parse().unwrap())).unwrap().unwrap();
    assert_eq!(row.status, RunStatus::Completed);
}

#[expect(clippy::exit, reason = "a child of a fork must not come back to the test harness")]
fn leave(code: i32) -> ! {
    std::process::exit(code)
}

/// Asserts that a store that the parent has opened refuses, and does not hang.
async fn refused(store: &Sqlite, workflow: &Workflow) {
    let run = "r".parse().unwrap();
    let read = store.run(&run).await.unwrap_err();
    let wrote = store.release(&run, "x").await.unwrap_err();
    for error in [read, wrote] {
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("was forked from it"), "{why}");
        assert!(error.hint().unwrap().contains("open the store after the fork"), "{error:?}");
    }
    workflow.run("x").await.unwrap_err();
    workflow.continue_run("r", [("work", Answer::Approve)]).await.unwrap_err();
    store.changed(stepwright::store::Watched::Signals).await;
}

async fn child(nth: usize, place: &Path, workflow: &Workflow, background: &Workflow) {
    let id = workflow.run("x").await.unwrap().run_id;
    fs::write(place.join(format!("id-{nth}.txt")), id.as_str()).unwrap();
    let handle = background.run("child").background().await.unwrap();
    assert_eq!(handle.wait().await.unwrap().content.text(), "child");

    let own = asking(place, open(place).await);
    if nth == 0 {
        let done = own.continue_run("r", [("work", Answer::Approve)]).await.unwrap();
        assert_eq!(done.content.text(), "done");
    } else {
        while !place.join("ran.txt").exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let told = match own.resume("r").await {
            Ok(output) => format!("{output:?}"),
            Err(error) => error.report(),
        };
        fs::write(place.join("refused.txt"), told).unwrap();
        fs::write(place.join("go"), "").unwrap();
    }
}
