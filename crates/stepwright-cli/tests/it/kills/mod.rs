//! Processes that are killed, frozen or too many, servers that crash, and what comes of their runs.

mod acting;
mod crashed;
mod emit;
mod frozen;
mod killed;
mod memories;
mod messages;
mod pairs;
mod permitted;
pub(crate) mod provider;
mod shared_limits;
mod survivor;
mod takeups;
mod teams;
mod workers;

use crate::support::{PATIENCE, Place, Ran};
use provider::Provider;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stepwright::{AnyStore, Event, Postgres, RunId, Sqlite};
use tokio::runtime::Runtime;

/// Where runs are kept, as `--db` names it.
#[derive(Clone)]
struct Kept(String);

impl Kept {
    /// A file in this place.
    fn file(place: &Place, name: &str) -> Self {
        Self(place.path(name).display().to_string())
    }

    fn is_file(&self) -> bool {
        !self.0.contains("://")
    }

    /// Returns the facts of a run, if there is one.
    fn facts(&self, run: &str) -> Vec<Event> {
        if self.is_file() && !std::path::Path::new(&self.0).exists() {
            return Vec::new();
        }
        runtime().block_on(async {
            let run = RunId::new(run).unwrap();
            self.store().await.load(&run, 0, 10_000).await.unwrap()
        })
    }

    async fn store(&self) -> AnyStore {
        if self.is_file() {
            AnyStore::new(Sqlite::open(&self.0).await.unwrap())
        } else {
            AnyStore::new(connected(&self.0).await)
        }
    }
}

/// Waits for a server that crashed just now.
async fn connected(address: &str) -> Postgres {
    let until = Instant::now() + PATIENCE;
    loop {
        match Postgres::connect(address).await {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Asserts that these facts are all of a run, one after the other.
#[track_caller]
fn check(facts: &[Event]) {
    stepwright_testing::grammar::check(facts);
    assert!(facts.iter().map(|fact| fact.sequence).eq(0..facts.len() as u64), "{facts:#?}");
}

/// A command that asks a provider. It ends with the test, even if that fails.
struct Process(Option<Child>);

impl Process {
    /// Starts it, under this name for the provider.
    fn start(command: &mut Command, provider: &Provider, by: &str) -> Self {
        provider.serve(command, by);
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Starts it, without a provider.
    fn spawn(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    fn has_ended(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    /// Kills it without asking it. `false` if it ended by itself before.
    fn kill(&mut self) -> bool {
        self.child().kill().unwrap();
        self.child().wait().unwrap().signal().is_some()
    }

    /// Waits for its end, but not for ever.
    #[track_caller]
    fn ended(mut self) -> Ran {
        let until = Instant::now() + PATIENCE;
        let mut in_time = true;
        while !self.has_ended() {
            if Instant::now() > until {
                in_time = !self.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let ran: Ran = self.0.take().unwrap().wait_with_output().unwrap().into();
        assert!(in_time, "it did not end: {ran:#?}");
        ran
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run_command(place: &Place, kept: &Kept, run: &str) -> Command {
    let mut command =
        place.command(["run", "flow.yaml", "ants", "--allow-shell", "--pass-env", "BY"]);
    command.args(["--db", &kept.0, "--run-id", run]);
    command
}

fn resume_command(place: &Place, kept: &Kept, run: &str) -> Command {
    place.command(["resume", run, "--allow-shell", "--pass-env", "BY", "--db", &kept.0])
}

fn lines(place: &Place, file: &str) -> usize {
    std::fs::read_to_string(place.path(file)).unwrap_or_default().lines().count()
}

/// Says what was measured, or what a failure was about, to those who look.
#[expect(clippy::print_stderr, reason = "that is what it is for")]
fn told(what: &str) {
    eprintln!("{what}");
}
