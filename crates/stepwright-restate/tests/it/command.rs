//! The command `stepwright-restate`, with workers that a Restate server calls.

use crate::balancer::Balancer;
use crate::killed::{STEPS, check};
use crate::server::{Restate, free_port};
use std::collections::HashSet;
use std::fs::{DirEntry, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use stepwright_testing::postgres;
use tempfile::TempDir;

const RUNS: usize = 6;

/// The runs that a worker drives at once.
const CONCURRENT: &str = "3";

/// The longest wait for anything. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(3);

/// A workflow whose steps write the run, their names and their worker into a log.
fn flow() -> String {
    let step = |nth| {
        let command = format!("echo \"$1 s{nth} $WORKER\" >> steps.log; sleep 0.05");
        format!(
            "  - {{name: s{nth}, shell: {{command: '{command}', args: ['{{{{ input }}}}']}}}}\n"
        )
    };
    let steps: String = (0..STEPS).map(step).collect();
    format!("format: 1\nname: Logged\non_interrupted: retry\nsteps:\n{steps}")
}

/// A directory with the workflow in `flow.yaml`, a Restate server and a database.
struct Place {
    folder: TempDir,
    restate: Restate,
    database: String,
}

impl Place {
    fn start() -> Option<Self> {
        let restate = Restate::start()?;
        let (folder, database) = (tempfile::tempdir().unwrap(), postgres::server()?.database());
        std::fs::write(folder.path().join("flow.yaml"), flow()).unwrap();
        Some(Self { folder, restate, database })
    }

    fn command(&self, verb: &str, settings: &str) -> Command {
        let mut command = of_folder(self.folder.path(), &[verb, "flow.yaml", "--allow-shell"]);
        let address = format!("{}{settings}", self.restate.address());
        command.args(["--pass-env", "WORKER", "--dispatcher", &address, "--db", &self.database]);
        command
    }

    /// Starts a worker with this number behind the balancer.
    fn worker(&self, number: u32, balancer: &Balancer) -> Running {
        let port = free_port();
        balancer.add(port);
        let settings = format!("&listen=127.0.0.1:{port}&advertise={}", balancer.url());
        let mut command = self.command("worker", &settings);
        // Less than all runs, so that each worker has some.
        command.args(["--concurrency", CONCURRENT]).env("WORKER", number.to_string());
        self.start_as(&number.to_string(), &mut command)
    }

    /// Submits a run, whose name is its input, too.
    fn submit(&self, run: &str) -> Running {
        let mut command = self.command("run", "");
        command.args([run, "--run-id", run]);
        self.start_as(run, &mut command)
    }

    /// Starts a process that writes to a file of this name.
    fn start_as(&self, name: &str, command: &mut Command) -> Running {
        let said = File::create(self.folder.path().join(format!("{name}.said"))).unwrap();
        Running(command.stdout(Stdio::null()).stderr(said).spawn().unwrap())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("steps.log")).unwrap_or_default()
    }

    /// Returns everything that the log and the processes say.
    fn said(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        let said = files.filter(|file| file.path().extension().is_some_and(|it| it == "said"));
        let read = |file: DirEntry| {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            format!("{}:\n{text}\n", file.path().display())
        };
        format!("{}\n{}", self.log(), said.map(read).collect::<String>())
    }
}

/// The command in a directory, with a user of its own.
fn of_folder(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright-restate"));
    command.args(words).current_dir(folder).env_remove("STEPWRIGHT_DB");
    for name in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(name, folder.join("user"));
    }
    command
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_is_run_by_workers_of_restate_of_which_one_is_killed() {
    let Some(place) = Place::start() else { return };
    let balancer = Balancer::start();
    let mut workers = [place.worker(1, &balancer), place.worker(2, &balancer)];
    let submitted: Vec<Running> = (0..RUNS).map(|nth| place.submit(&format!("r{nth}"))).collect();
    let until = Instant::now() + PATIENCE;
    while place.log().lines().count() < RUNS * STEPS / 3 {
        assert!(Instant::now() < until, "{}", place.said());
        thread::sleep(Duration::from_millis(5));
    }
    // The one that has begun the last step.
    let busy: u32 =
        place.log().lines().last().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    let Running(killed) = &mut workers[busy as usize - 1];
    killed.kill().unwrap();
    assert!(killed.wait().unwrap().code().is_none(), "it ended by itself: {}", place.said());

    for mut run in submitted {
        let status = loop {
            if let Some(status) = run.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "a run does not end:\n{}", place.said());
            thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{}", place.said());
    }
    let repeated = check(&place.log(), RUNS, &HashSet::from([busy]));
    assert!(repeated <= 3, "{repeated} steps were repeated:\n{}", place.said());
    let both = |by: &str| place.log().lines().any(|line| line.ends_with(by));
    assert!(both(" 1") && both(" 2"), "{}", place.said());
}

#[test]
fn a_wrong_address_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("flow.yaml"), flow()).unwrap();
    let refused = |address| {
        let words = ["worker", "flow.yaml", "--allow-shell", "--dispatcher", address];
        let Output { status, stderr, .. } = of_folder(folder.path(), &words).output().unwrap();
        assert_eq!(status.code(), Some(2));
        String::from_utf8(stderr).unwrap()
    };
    let said = refused("restate://h?port=1");
    assert!(
        said.contains(": `--dispatcher` has the unknown parameter `port`\nhelp: write `restate:")
    );
    assert!(refused("restate://h").contains("cannot share the SQLite file"));
    let said = refused("redis://h");
    assert!(said.contains("help: `stepwright-restate` has `postgres://…` and `restate://…`\n"));
}
