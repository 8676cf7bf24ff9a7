//! Workers that are killed with `kill -9`: the test of all dispatchers that share runs between
//! processes. A worker is this program, started again.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stepwright_core::{OnInterrupted, RunStatus, StepContext, StepInput};
use stepwright_engine::{Step, Worker, Workflow, WorkflowBuilder};
use tokio_util::sync::CancellationToken;

const RUNS: usize = 12;
pub(crate) const STEPS: usize = 8;
const KILLS: usize = 3;

/// The runs that a worker drives at once: less than its share, so that each worker has some.
const CONCURRENT: usize = 4;

/// The longest wait for anything. Nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// The variable with what a worker must know. Without it, a process is the test.
pub(crate) const WORKER: &str = "STEPWRIGHT_TEST_WORKER";

/// A workflow whose steps leave their names, and the processes that carried them out, in a file.
pub(crate) fn logged(log: &Path) -> WorkflowBuilder {
    let step = |name: String| {
        let (log, mine) = (log.to_owned(), name.clone());
        let work = move |_: StepInput, cx: StepContext| {
            let line = format!("{} {mine} {}\n", cx.run().run_id, std::process::id());
            let log = log.clone();
            async move {
                write(&log, &line);
                tokio::time::sleep(Duration::from_millis(30)).await;
                "done"
            }
        };
        Step::new(name, work).on_interrupted(OnInterrupted::Retry)
    };
    let workflow = Workflow::builder("Logged").concurrent_runs(CONCURRENT);
    (0..STEPS).fold(workflow, |workflow, nth| workflow.step(step(format!("s{nth}"))))
}

pub(crate) fn write(log: &Path, line: &str) {
    let mut log = std::fs::File::options().append(true).create(true).open(log).unwrap();
    log.write_all(line.as_bytes()).unwrap();
}

/// Drives runs of the workflow until this process is killed.
pub(crate) async fn work(workflow: &Workflow) {
    Worker::new().workflow(workflow).serve(CancellationToken::new()).await.unwrap();
}

/// A command that starts this program as a worker, by the test with this name.
pub(crate) fn worker(test: &str, about: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(WORKER, about);
    command.stdout(Stdio::null());
    command
}

/// Submits runs, kills workers that drive them, and asserts that all runs end, and that no
/// completed step was carried out again. `start` gives the command of each worker.
pub(crate) async fn survive(workflow: &Workflow, log: PathBuf, start: impl FnMut() -> Command) {
    let mut workers = Workers { start, all: Vec::new(), killed: HashSet::new() };
    workers.add();
    workers.add();
    let mut handles = Vec::new();
    for nth in 0..RUNS {
        let run = workflow.run("-").run_id(format!("r{nth}"));
        handles.push(run.background().await.unwrap());
    }
    for nth in 1..=KILLS {
        let enough = nth * RUNS * STEPS / (KILLS + 1);
        until(|| read(&log).lines().count() >= enough, || read(&log)).await;
        workers.kill_busy(&log).await;
        workers.add();
    }
    for handle in handles {
        let output = tokio::time::timeout(PATIENCE, handle.wait()).await;
        let output = output.unwrap_or_else(|_| panic!("a run does not end:\n{}", read(&log)));
        assert_eq!(output.unwrap().status, RunStatus::Completed);
    }
    let repeated = check(&read(&log), RUNS, &workers.killed);
    assert!(repeated <= KILLS * CONCURRENT, "{repeated} steps were repeated:\n{}", read(&log));
}

pub(crate) fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

pub(crate) async fn until(is_so: impl Fn() -> bool, shown: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{}", shown());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The workers. They end with the test, even if that fails.
struct Workers<F> {
    start: F,
    all: Vec<Child>,
    killed: HashSet<u32>,
}

impl<F: FnMut() -> Command> Workers<F> {
    fn add(&mut self) {
        self.all.push((self.start)().spawn().unwrap());
    }

    /// Kills the worker that has begun the last step.
    async fn kill_busy(&mut self, log: &Path) {
        let last = |log: &str| log.lines().last()?.rsplit(' ').next()?.parse::<u32>().ok();
        let busy = || self.all.iter().position(|one| Some(one.id()) == last(&read(log)));
        until(|| busy().is_some(), || read(log)).await;
        let busy = busy().unwrap_or_default();
        let mut worker = self.all.remove(busy);
        worker.kill().unwrap();
        let ended = worker.wait().unwrap();
        assert!(ended.code().is_none(), "it ended by itself: {ended}");
        self.killed.insert(worker.id());
    }
}

impl<F> Drop for Workers<F> {
    fn drop(&mut self) {
        for worker in &mut self.all {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// Asserts that the log has every step of so many runs, one after the other, and that a step is
/// there twice only if the worker that began it was killed. Returns the number of repeated steps.
pub(crate) fn check(log: &str, runs: usize, killed: &HashSet<u32>) -> usize {
    let mut last: HashMap<&str, (usize, u32)> = HashMap::new();
    let mut repeated = 0;
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [run, step, by] = *words else { panic!("`{line}`") };
        let (step, by): (usize, u32) = (step[1..].parse().unwrap(), by.parse().unwrap());
        match last.get(run) {
            None => assert_eq!(step, 0, "`{line}`"),
            Some((before, _)) if step == before + 1 => {}
            Some((before, earlier)) => {
                assert_eq!(step, *before, "`{line}` comes after step {before}:\n{log}");
                assert!(killed.contains(earlier), "`{line}` repeats a step of {earlier}:\n{log}");
                repeated += 1;
            }
        }
        last.insert(run, (step, by));
    }
    assert_eq!(last.len(), runs);
    assert!(last.values().all(|(step, _)| *step == STEPS - 1), "{last:?}");
    repeated
}
