//! Workers that share runs, of which some are killed and some are frozen, and whose server crashes.

use super::{Process, lines, runtime, told};
use crate::support::{ASKING, GREETING, PATIENCE, Place, Ran};
use std::collections::{HashMap, HashSet};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright::Postgres;
use stepwright::dispatch::PostgresDispatcher;
use stepwright::file::{Definition, Options};
use stepwright_core::store::RunStore as _;
use stepwright_core::{AnyStore, EventKind, RunId};
use stepwright_engine::real_world;
use stepwright_testing::postgres::{self, Server};

/// The number of runs of the long test, which takes minutes.
const LONG: &str = "STEPWRIGHT_TEST_WORKERS";

/// The steps of a run.
const STEPS: usize = 10;

/// A workflow whose steps write their names, and the worker that carried them out, into a log.
fn ten_steps() -> String {
    let step = |nth| {
        let command = format!("echo \"$1 {nth} $BY\" >> steps.log; sleep 0.02");
        format!(
            "  - {{name: s{nth}, shell: {{command: '{command}', args: ['{{{{ input }}}}']}}}}\n"
        )
    };
    let steps: String = (0..STEPS).map(step).collect();
    format!("format: 1\nname: Ten\non_interrupted: retry\nsteps:\n{steps}")
}

/// The workers of a database.
struct Cluster {
    place: Place,
    server: Server,
    address: String,
    database: String,
    workers: Vec<(String, Process)>,
    started: usize,
}

impl Cluster {
    fn start(flow: &str, workers: usize) -> Option<Self> {
        let server = Server::start()?;
        let address = server.database();
        let database = address.rsplit('/').next().unwrap().to_owned();
        let place = Place::with(flow);
        let mut cluster =
            Self { place, server, address, database, workers: Vec::new(), started: 0 };
        for _ in 0..workers {
            cluster.add();
        }
        Some(cluster)
    }

    /// Starts a worker, and waits until it drives runs.
    fn add(&mut self) {
        self.started += 1;
        let name = format!("w{}", self.started);
        let said = std::fs::File::create(self.place.path(&format!("{name}.said"))).unwrap();
        let mut command = self.place.command(["worker", "flow.yaml", "--allow-shell"]);
        command.args(["--pass-env", "BY", "--concurrency", "8", "--dispatcher", &self.address]);
        let process = Process::spawn(command.env("BY", &name).stdout(Stdio::null()).stderr(said));
        self.workers.push((name.clone(), process));
        let ready = || self.said(&name).contains("driving runs of ");
        waits(ready, || self.said(&name));
    }

    fn said(&self, worker: &str) -> String {
        std::fs::read_to_string(self.place.path(&format!("{worker}.said"))).unwrap()
    }

    /// Submits runs, as a program does that drives none.
    fn submit(&self, runs: usize) {
        let pass_env = vec!["BY".to_owned()];
        let options = Options { allow_shell: true, pass_env, ..Options::default() };
        let definition = Definition::read(self.place.path("flow.yaml"), &options).unwrap();
        runtime().block_on(async {
            let store = Postgres::connect(&self.address).await.unwrap();
            let queue = PostgresDispatcher::open(&store, real_world()).await.unwrap();
            let builder = definition.builder().unwrap().store(store).dispatcher(Arc::new(queue));
            let workflow = builder.build().unwrap();
            for nth in 0..runs {
                let input = format!("r{nth}");
                workflow.run(&*input).run_id(&input).background().await.unwrap();
            }
        });
    }

    fn number(&self, sql: &str) -> usize {
        self.server.sql(&self.database, sql).trim().parse().unwrap()
    }

    fn ended(&self) -> usize {
        self.number("SELECT count(*) FROM stepwright.runs WHERE status = 'COMPLETED'")
    }

    fn facts(&self) -> usize {
        self.number("SELECT count(*) FROM stepwright.journal")
    }

    fn logged(&self) -> usize {
        lines(&self.place, "steps.log")
    }

    /// Waits until the log has so many lines.
    fn waits_for_steps(&self, count: usize) {
        waits(|| self.logged() >= count, || format!("{} of {count} steps", self.logged()));
    }

    fn waits_for_end(&self, runs: usize) {
        let shown = || {
            let left = "SELECT run_id, status, driver FROM stepwright.runs \
                        WHERE status <> 'COMPLETED' LIMIT 5";
            let queue = "SELECT * FROM stepwright.queue LIMIT 5";
            let sql = |sql| self.server.sql(&self.database, sql);
            format!("{} of {runs} ended\n{}\n{}", self.ended(), sql(left), sql(queue))
        };
        waits(|| self.ended() == runs, shown);
    }

    /// Kills the oldest worker without asking it, and starts another.
    fn kill_one(&mut self) {
        let (name, mut process) = self.workers.remove(0);
        assert!(process.kill(), "{name} ended by itself: {}", self.said(&name));
        self.add();
    }

    /// Freezes a worker while it drives runs.
    fn freeze_one(&mut self) -> (String, Process) {
        let (name, process) = self.workers.remove(0);
        let of_it =
            format!("SELECT count(*) FROM stepwright.queue WHERE worker LIKE '{}.%'", process.id());
        let until = Instant::now() + PATIENCE;
        loop {
            signal(&process, "-STOP");
            if self.number(&of_it) > 0 {
                break;
            }
            signal(&process, "-CONT");
            assert!(Instant::now() < until, "{name} drives nothing");
        }
        (name, process)
    }

    /// Wakes a frozen worker up when all is over, and asserts that it appends nothing.
    fn wakes_too_late(&mut self, frozen: Process) {
        let before = self.facts();
        signal(&frozen, "-CONT");
        signal(&frozen, "-TERM");
        frozen.ended().ended(0);
        assert_eq!(self.facts(), before, "a worker that was frozen has appended something");
    }

    fn stop(self) {
        for (name, process) in self.workers {
            signal(&process, "-TERM");
            process.ended().ended(0);
            let said = std::fs::read_to_string(self.place.path(&format!("{name}.said"))).unwrap();
            assert!(said.contains("stopping: runs under way are left"), "{said}");
        }
        let left = "SELECT (SELECT count(*) FROM stepwright.queue) + \
                    (SELECT count(*) FROM stepwright.queue WHERE worker IS NOT NULL)";
        let left = self.server.sql(&self.database, left);
        assert_eq!(left, "0\n", "runs that have ended are queued");
    }

    /// Returns the steps that were under way, by the journals, when another worker took their run
    /// over, and how often. A worker that is starved for the time of a lease loses its runs, too.
    fn taken_over(&self, runs: usize) -> HashMap<(String, usize), usize> {
        let loaded = async {
            let store = AnyStore::new(Postgres::connect(&self.address).await.unwrap());
            let mut all = Vec::new();
            for nth in 0..runs {
                let run = RunId::new(format!("r{nth}")).unwrap();
                all.push(store.load(&run, 0, usize::MAX).await.unwrap());
            }
            all
        };
        let mut taken = HashMap::new();
        for (nth, facts) in runtime().block_on(loaded).into_iter().enumerate() {
            let mut completed = 0;
            for fact in facts {
                match fact.kind {
                    EventKind::StepCompleted { .. } => {
                        let step = format!("s{completed}");
                        assert_eq!(fact.path.to_string(), step, "r{nth}: each completes once");
                        completed += 1;
                    }
                    EventKind::WorkflowContinued { .. } => {
                        *taken.entry((format!("r{nth}"), completed)).or_default() += 1;
                    }
                    _ => {}
                }
            }
            assert_eq!(completed, STEPS, "r{nth}");
        }
        taken
    }

    /// Asserts that the log has every step of every run, that no step was carried out again after
    /// it had completed, and that steps under way were repeated only where another worker had taken
    /// the run over. Returns the number of repeated steps.
    fn check(&self, runs: usize) -> usize {
        let mut taken_over = self.taken_over(runs);
        let log = std::fs::read_to_string(self.place.path("steps.log")).unwrap();
        let mut last: HashMap<&str, (usize, &str)> = HashMap::new();
        let (mut repeated, mut late) = (0, HashSet::new());
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [run, step, by] = *words else { panic!("`{line}`") };
            let step: usize = step.parse().unwrap();
            match last.get(run) {
                None => assert_eq!(step, 0, "`{line}`"),
                // A step begins after the one before it has been recorded as completed.
                Some((before, _)) if step == before + 1 => {}
                // It stood still after it had recorded that the step begins, and before it did.
                Some((before, _))
                    if step < *before && taken_over.contains_key(&(run.to_owned(), step)) =>
                {
                    assert!(late.insert((run, by)), "`{line}` comes after step {before}");
                    continue;
                }
                Some((before, earlier)) => {
                    assert_eq!(step, *before, "`{line}` comes after step {before} of {earlier}");
                    let left =
                        taken_over.get_mut(&(run.to_owned(), step)).filter(|left| **left > 0);
                    let left = left.unwrap_or_else(|| panic!("`{line}` repeats {earlier}"));
                    *left -= 1;
                    repeated += 1;
                }
            }
            last.insert(run, (step, by));
        }
        assert_eq!(last.len(), runs);
        assert!(last.values().all(|(step, _)| *step == STEPS - 1), "{last:?}");
        repeated
    }
}

/// Waits until something is so. `shown` tells what is, if that takes too long.
#[track_caller]
fn waits(mut is_so: impl FnMut() -> bool, shown: impl Fn() -> String) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{}", shown());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(process: &Process, name: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[test]
fn no_completed_step_is_repeated_whatever_becomes_of_the_workers() {
    const RUNS: usize = 40;
    let Some(mut cluster) = Cluster::start(&ten_steps(), 3) else { return };
    cluster.submit(RUNS);
    cluster.waits_for_steps(60);
    cluster.kill_one();
    cluster.waits_for_steps(120);
    let (_, frozen) = cluster.freeze_one();
    cluster.waits_for_steps(180);
    cluster.server.crash();
    cluster.server.resume();
    // Also the runs of the frozen worker, which it still takes for its own.
    cluster.waits_for_end(RUNS);
    cluster.wakes_too_late(frozen);
    cluster.check(RUNS);
    cluster.stop();
}

/// As the test above, for minutes: with `STEPWRIGHT_TEST_WORKERS=500`, five hundred runs on four
/// workers, of which one is killed every two seconds.
#[test]
fn a_long_time_of_workers_that_are_killed_and_frozen() {
    let Ok(runs) = std::env::var(LONG) else { return };
    let runs: usize = runs.parse().unwrap();
    let Some(mut cluster) = Cluster::start(&ten_steps(), 4) else { return };
    let began = Instant::now();
    cluster.submit(runs);
    let all = runs * STEPS;
    let (mut frozen, mut woken, mut crashed, mut kills) = (None, false, false, 0);
    while cluster.ended() < runs {
        std::thread::sleep(Duration::from_secs(2));
        cluster.kill_one();
        kills += 1;
        match frozen.take() {
            None if !woken && cluster.logged() > all / 4 => {
                frozen = Some((cluster.freeze_one(), Instant::now()));
                cluster.add();
            }
            Some(((name, process), since)) if since.elapsed() > Duration::from_secs(8) => {
                // It wakes up while its runs go on elsewhere.
                signal(&process, "-CONT");
                cluster.workers.push((name, process));
                woken = true;
            }
            still => frozen = still,
        }
        if !crashed && cluster.logged() > all / 2 {
            cluster.server.crash();
            cluster.server.resume();
            crashed = true;
        }
        let spent = began.elapsed();
        assert!(spent < Duration::from_mins(30), "{} of {runs} ended", cluster.ended());
    }
    assert!(woken && crashed, "all was over before");
    let repeated = cluster.check(runs);
    let spent = began.elapsed();
    told(&format!("{runs} runs, {kills} kills, {repeated} steps repeated, {spent:?}"));
    cluster.stop();
}

/// A server that the tests of this process share, and a worker of a workflow.
fn with_worker(flow: &str) -> Option<(Place, String, Process)> {
    let address = postgres::server()?.database();
    let place = Place::with(flow);
    let mut command = place.command(["worker", "flow.yaml", "--allow-shell"]);
    let said = std::fs::File::create(place.path("worker.said")).unwrap();
    command.args(["--dispatcher", &address]).stdout(Stdio::null()).stderr(said);
    let worker = Process::spawn(&mut command);
    Some((place, address, worker))
}

fn submitted(place: &Place, address: &str, arguments: &[&str]) -> Ran {
    let first = ["run", "flow.yaml", "--dispatcher", address, "--allow-shell"];
    place.ran(first.iter().chain(arguments))
}

#[test]
fn a_run_that_is_submitted_is_driven_by_a_worker_and_shown_here() {
    let Some((place, address, worker)) = with_worker(GREETING) else { return };
    let ran = submitted(&place, &address, &["Ada", "--run-id", "r-1"]).ended(0);
    assert_eq!(ran.stdout, "Hello Ada!\n");
    let ran = submitted(&place, &address, &["Ben", "--json", "--events"]).ended(0);
    stepwright_testing::grammar::check(&ran.events());
    // The run is one of the database, as any other.
    let shown = place.ran(["show", "r-1", "--db", &address]).ended(0);
    assert!(shown.stdout.contains("completed"), "{shown:#?}");
    signal(&worker, "-TERM");
    worker.ended().ended(0);
}

#[test]
fn an_answer_reaches_the_worker_and_so_does_a_cancel() {
    let Some((place, address, worker)) = with_worker(ASKING) else { return };
    let paused = submitted(&place, &address, &["-", "--run-id", "r-1"]).ended(3);
    assert!(paused.stderr.contains("Publish it?"), "{paused:#?}");
    let ran =
        place.ran(["continue", "r-1", "--approve", "publish", "--allow-shell", "--db", &address]);
    let ran = ran.ended(3);
    assert!(ran.stderr.contains("Good?"), "{ran:#?}");
    // Its steps are done once, whichever process goes on with it.
    assert_eq!(lines(&place, "done.txt"), 1);
    submitted(&place, &address, &["-", "--run-id", "r-2"]).ended(3);
    place.ran(["cancel", "r-2", "--db", &address]).ended(0);
    let is_cancelled = || {
        let shown = place.ran(["show", "r-2", "--db", &address]);
        shown.stdout.contains("cancelled")
    };
    waits(is_cancelled, || "it is not cancelled".to_owned());
    signal(&worker, "-TERM");
    worker.ended().ended(0);
}
