//! Workers that a Restate server calls. The variable `STEPWRIGHT_TEST_RESTATE` has the path of the
//! server, which `scripts/test-restate.sh` installs; without it, these tests are skipped.

use crate::balancer::Balancer;
use crate::everywhere::everything_composes;
use crate::killed::{STEPS, WORKER, logged, survive, work, worker};
use crate::server::{Restate, free_port};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_core::{Answer, AnyStore, Error, HumanReview, OnTimeout, RunId, RunStatus};
use stepwright_engine::{Runs, Step, Worker, Workflow, WorkflowBuilder, real_world};
use stepwright_restate::RestateDispatcher;
use stepwright_store::Postgres;
use stepwright_testing::postgres;
use tokio_util::sync::CancellationToken;

/// The longest wait for anything. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(2);

fn dispatcher(address: &str) -> RestateDispatcher {
    RestateDispatcher::new(address, real_world()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_composes_by_workers_of_restate() {
    let Some(restate) = Restate::start() else { return };
    let Some(server) = postgres::server() else { return };
    let store = Postgres::connect(server.database()).await.unwrap();
    let queue = Arc::new(dispatcher(&restate.address()));
    let on = |workflow: WorkflowBuilder| workflow.store(store.clone()).dispatcher(queue.clone());
    everything_composes(on, true).await;
    // The worker has left.
    assert!(restate.admin("/deployments").contains("\"deployments\":[]"));
}

#[tokio::test]
async fn runs_survive_the_workers_that_restate_calls() {
    const TEST: &str = "dispatching::runs_survive_the_workers_that_restate_calls";
    if let Ok(about) = std::env::var(WORKER) {
        return work(&of_process(&about).await).await;
    }
    let Some(restate) = Restate::start() else { return };
    let Some(server) = postgres::server() else { return };
    let (place, balancer) = (Place::new(&restate, server), Balancer::start());
    let workflow = of_process(&place.about(0, &balancer)).await;
    let start = || {
        let port = free_port();
        balancer.add(port);
        worker(TEST, &place.about(port, &balancer))
    };
    survive(&workflow, place.log(), start).await;
}

#[tokio::test]
async fn a_server_that_crashes_loses_no_run_and_repeats_no_step() {
    let Some(mut restate) = Restate::start() else { return };
    let Some(server) = postgres::server() else { return };
    let store = Postgres::connect(server.database()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("steps.log");
    let queue = Arc::new(dispatcher(&restate.address()));
    let workflow = logged(&log).store(store).dispatcher(queue).build().unwrap();
    let serving = Serving::start(&[&workflow]);
    let mut handles = Vec::new();
    for nth in 0..8 {
        let run = workflow.run("-").run_id(format!("r{nth}"));
        handles.push(run.background().await.unwrap());
    }
    waits(|| lines(&log) >= 6).await;
    restate.crash();
    restate.resume();
    for handle in handles {
        assert_eq!(handle.wait().await.unwrap().status, RunStatus::Completed);
    }
    // The worker has driven its runs on meanwhile, and Restate has found them again.
    assert_eq!(lines(&log), 8 * STEPS);
    serving.stop().await;
}

#[tokio::test]
async fn a_run_waits_for_answers_and_moments_and_can_be_cancelled() {
    let Some(restate) = Restate::start() else { return };
    let Some(server) = postgres::server() else { return };
    let store = Postgres::connect(server.database()).await.unwrap();
    let queue = Arc::new(dispatcher(&restate.address()));
    let review = || HumanReview::new().requires_confirmation("Go on?");
    let build = |name: &str, review: HumanReview| {
        let publish = |text: String| async move { text };
        let step = Step::new("publish", publish).human_review(review);
        let workflow = Workflow::builder(name).step(step).store(store.clone());
        workflow.dispatcher(queue.clone()).build().unwrap()
    };
    let asks = build("Asks", review());
    let timed = review().timeout(Duration::from_secs(2));
    let timed = build("Timed", timed.on_timeout(OnTimeout::Approve));
    let serving = Serving::start(&[&asks, &timed]);

    let later = timed.run("later").run_id("later").background().await.unwrap();
    let answered = asks.run("now").run_id("now").background().await.unwrap();
    answered.settled().await.unwrap();
    let answer = [("publish", Answer::Approve)];
    let run = RunId::new("now").unwrap();
    Runs::of(AnyStore::new(store.clone())).submit(&run, answer, None).await.unwrap();
    let cancelled = asks.run("-").run_id("no").background().await.unwrap();
    cancelled.settled().await.unwrap();
    assert!(asks.cancel_run("no").await.unwrap());
    assert_eq!(answered.wait().await.unwrap().content.text(), "now");
    assert_eq!(later.wait().await.unwrap().content.text(), "later");
    let error = cancelled.wait().await.unwrap_err();
    assert_eq!(error.output().unwrap().status, RunStatus::Cancelled);
    serving.stop().await;
}

#[tokio::test]
async fn a_version_is_known_while_a_worker_has_it() {
    let Some(restate) = Restate::start() else { return };
    let Some(server) = postgres::server() else { return };
    let store = Postgres::connect(server.database()).await.unwrap();
    let build = |step: &'static str| {
        let queue = Arc::new(dispatcher(&restate.address()));
        let step = Step::new(step, move |_: String| async move { step });
        let workflow = Workflow::builder("Versions").step(step).store(store.clone());
        workflow.dispatcher(queue).build().unwrap()
    };
    let (old, new) = (build("old"), build("new"));
    // Without a worker, a run waits in the store.
    let early = old.run("-").background().await.unwrap();
    let (serving_old, serving_new) = (Serving::start(&[&old]), Serving::start(&[&new]));
    assert_eq!(early.wait().await.unwrap().content.text(), "old");
    for (workflow, text) in [(&old, "old"), (&new, "new"), (&old, "old")] {
        let output = workflow.run("-").background().await.unwrap().wait().await.unwrap();
        assert_eq!(output.content.text(), text);
    }
    waits(|| count(&restate) == 2).await;
    serving_old.stop().await;
    assert_eq!(count(&restate), 1);
    let output = new.run("-").background().await.unwrap().wait().await.unwrap();
    assert_eq!(output.content.text(), "new");
    serving_new.stop().await;
    assert_eq!(count(&restate), 0);
}

#[tokio::test]
async fn a_run_whose_version_no_worker_has_waits_for_one() {
    let Some(restate) = Restate::start() else { return };
    let Some(server) = postgres::server() else { return };
    let store = Postgres::connect(server.database()).await.unwrap();
    let build = |rest: &[&'static str]| {
        let queue = Arc::new(dispatcher(&restate.address()));
        let review = HumanReview::new().requires_confirmation("Go on?");
        let first = Step::new("first", |text: String| async move { text }).human_review(review);
        let add = |workflow: WorkflowBuilder, name: &&'static str| {
            let name = *name;
            workflow.step(Step::new(name, move |text: String| async move { text + name }))
        };
        let workflow = rest.iter().fold(Workflow::builder("Grows").step(first), add);
        workflow.store(store.clone()).dispatcher(queue).build().unwrap()
    };
    let (old, new) = (build(&["a"]), build(&["a", "b"]));
    let serving = Serving::start(&[&old]);
    let handle = old.run("-").run_id("r").background().await.unwrap();
    handle.settled().await.unwrap();
    serving.stop().await;
    let serving_new = Serving::start(&[&new]);
    let (run, answer) = (RunId::new("r").unwrap(), [("first", Answer::Approve)]);
    Runs::of(AnyStore::new(store.clone())).submit(&run, answer, None).await.unwrap();
    // The worker of the other version leaves it alone, and has its own runs.
    let other = new.run("-").background().await.unwrap();
    other.settled().await.unwrap();
    let serving = Serving::start(&[&old]);
    assert_eq!(handle.wait().await.unwrap().content.text(), "-a");
    serving.stop().await;
    serving_new.stop().await;
}

/// The number of workers that the server knows.
fn count(restate: &Restate) -> usize {
    restate.admin("/deployments").matches("\"uri\":").count()
}

/// A worker in this process.
struct Serving {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Serving {
    fn start(workflows: &[&Workflow]) -> Self {
        let stop = CancellationToken::new();
        let add = |worker: Worker, workflow: &&Workflow| worker.workflow(workflow);
        let worker = workflows.iter().fold(Worker::new(), add);
        Self { task: tokio::spawn(worker.serve(stop.clone())), stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// The folder, the server and the database of a test with several processes.
struct Place {
    folder: tempfile::TempDir,
    restate: String,
    database: String,
}

impl Place {
    fn new(restate: &Restate, server: &postgres::Server) -> Self {
        let (restate, database) = (restate.address(), server.database());
        Self { folder: tempfile::tempdir().unwrap(), restate, database }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("steps.log")
    }

    /// Returns the facts that a process must know. `port` is that of a worker.
    fn about(&self, port: u16, balancer: &Balancer) -> String {
        let (Self { restate, database, .. }, log, url) = (self, self.log(), balancer.url());
        format!("{restate} {database} {} {port} {url}", log.display())
    }
}

async fn of_process(about: &str) -> Workflow {
    let words: Vec<&str> = about.split(' ').collect();
    let [restate, database, log, port, url] = *words else { panic!("`{about}`") };
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
    let queue = dispatcher(restate).listen(at).advertise(url);
    let store = Postgres::connect(database).await.unwrap();
    logged(Path::new(log)).store(store).dispatcher(Arc::new(queue)).build().unwrap()
}

fn lines(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().lines().count()
}

async fn waits(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not become so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
