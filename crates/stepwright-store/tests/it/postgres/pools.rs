//! One run on several workers: each carries out the steps of its queues.

use crate::support::id;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::store::{RunFilter, RunStore as _};
use stepwright_core::{Answer, Event, EventKind, RunStatus, StepContext, StepError, StepInput};
use stepwright_engine::{Parallel, Step, Steps, Worker, Workflow, WorkflowBuilder, real_world};
use stepwright_store::{Postgres, PostgresDispatcher};
use stepwright_testing::postgres;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The longest wait for anything. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(2);

type Log = Arc<Mutex<Vec<String>>>;

/// A process: what it carries out, it notes under its name.
#[derive(Clone)]
struct Place {
    name: &'static str,
    log: Log,
}

impl Place {
    fn note(&self, step: &str) {
        self.log.lock().unwrap().push(format!("{step} on {}", self.name));
    }

    fn step(&self, name: &'static str) -> Step {
        let place = self.clone();
        Step::new(name, move |input: StepInput| {
            place.note(name);
            let text = format!("{} {name}", input.message().text());
            async move { text }
        })
    }

    /// A step that waits for a value.
    fn waiting(&self, name: &'static str) -> Step {
        let place = self.clone();
        Step::new(name, move |_: StepInput, cx: StepContext| {
            let place = place.clone();
            async move {
                let value: String = cx.wait("value").await?;
                place.note(name);
                Ok::<String, StepError>(value)
            }
        })
    }
}

/// A database with workers, and a process that submits runs.
struct Pools {
    address: String,
    store: Postgres,
    log: Log,
    workers: Vec<(CancellationToken, JoinHandle<()>)>,
}

impl Pools {
    async fn open() -> Option<Self> {
        let address = postgres::server()?.database();
        let store = Postgres::connect(&address).await.unwrap();
        Some(Self { address, store, log: Log::default(), workers: Vec::new() })
    }

    async fn workflow(
        &self,
        name: &'static str,
        define: impl Fn(&Place) -> WorkflowBuilder,
    ) -> Workflow {
        let store = Postgres::connect(&self.address).await.unwrap();
        let queue = Arc::new(PostgresDispatcher::open(&store, real_world()).await.unwrap());
        let place = Place { name, log: self.log.clone() };
        define(&place).store(store).dispatcher(queue).build().unwrap()
    }

    async fn worker(
        &mut self,
        name: &'static str,
        queues: Option<&[&'static str]>,
        define: impl Fn(&Place) -> WorkflowBuilder,
    ) {
        let worker = Worker::new().workflow(&self.workflow(name, define).await);
        let worker = match queues {
            Some(queues) => worker.queues(queues.iter().copied()),
            None => worker,
        };
        let stop = CancellationToken::new();
        let serving = worker.serve(stop.clone());
        self.workers.push((stop, tokio::spawn(async move { serving.await.unwrap() })));
    }

    /// The facts of a run that are recorded so far.
    async fn facts(&self, run: &str) -> Vec<Event> {
        self.store.load(&id(run), 0, 1_000).await.unwrap()
    }

    /// The facts of a run once it was handed over.
    async fn handed_over(&self, run: &str) -> Vec<Event> {
        let wait = async {
            loop {
                let facts = self.facts(run).await;
                if !handed(&facts).is_empty() {
                    return facts;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        in_time(wait).await
    }

    fn logged(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    async fn stop(self) {
        for (stop, task) in self.workers {
            stop.cancel();
            tokio::time::timeout(PATIENCE, task).await.expect("it stops").unwrap();
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not happen")
}

/// The queues to which a run was handed over, in their order.
fn handed(facts: &[Event]) -> Vec<String> {
    let queues = facts.iter().filter_map(|fact| match &fact.kind {
        EventKind::WorkflowHandedOver { queues, .. } => Some(queues.join(",")),
        _ => None,
    });
    queues.collect()
}

fn trains(place: &Place) -> WorkflowBuilder {
    Workflow::builder("Model")
        .step(place.step("load"))
        .step(place.step("train").queue("gpu"))
        .step(place.step("report"))
}

#[tokio::test]
async fn the_steps_of_a_run_are_carried_out_where_their_queues_are_served() {
    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("cpu", None, trains).await;
    pools.worker("gpu", Some(&["gpu"]), trains).await;
    let here = pools.workflow("here", trains).await;
    let run = here.run("digits").run_id("r").background().await.unwrap();
    let output = in_time(run.wait()).await.unwrap();
    assert_eq!(output.content.text(), "digits load train report");
    assert_eq!(pools.logged(), ["load on cpu", "train on gpu", "report on cpu"]);
    assert_eq!(handed(&pools.facts("r").await), ["gpu", "default"]);
    assert!(output.awaited_queues.is_empty());
    pools.stop().await;
}

#[tokio::test]
async fn a_worker_of_all_its_queues_hands_nothing_over_and_without_workers_there_are_none() {
    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("both", Some(&["gpu", "default"]), trains).await;
    let here = pools.workflow("here", trains).await;
    let run = here.run("digits").run_id("r").background().await.unwrap();
    in_time(run.wait()).await.unwrap();
    assert_eq!(pools.logged(), ["load on both", "train on both", "report on both"]);
    assert_eq!(handed(&pools.facts("r").await), [""; 0]);
    here.run("digits").await.unwrap();
    assert_eq!(pools.logged()[3..], ["load on here", "train on here", "report on here"]);
    pools.stop().await;
}

/// Two branches, of which one has a step in the queue `gpu`.
fn branches(place: &Place) -> WorkflowBuilder {
    let first = Steps::new("first").step(place.step("a")).step(place.step("b").queue("gpu"));
    let other = Steps::new("other").step(place.step("c")).step(place.step("d"));
    Workflow::builder("Branches")
        .step(Parallel::new("both").branch(first).branch(other))
        .step(place.step("end"))
}

#[tokio::test]
async fn branches_go_on_until_all_of_them_wait_for_another_queue() {
    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("cpu", None, branches).await;
    let here = pools.workflow("here", branches).await;
    let run = here.run("x").run_id("r").background().await.unwrap();
    let waits = pools.handed_over("r").await;
    // Nothing of the other branch was left to do, and the step has not begun.
    let names: Vec<_> = waits.iter().filter(|fact| fact.name() == "StepCompleted").collect();
    assert_eq!(names.len(), 3, "{waits:?}");
    let output = here.get_run("r").await.unwrap();
    assert_eq!((output.status, &*output.awaited_queues[0]), (RunStatus::Pending, "gpu"));
    pools.worker("gpu", Some(&["gpu"]), branches).await;
    in_time(run.wait()).await.unwrap();
    let mut logged = pools.logged();
    logged[..3].sort_unstable();
    assert_eq!(logged, ["a on cpu", "c on cpu", "d on cpu", "b on gpu", "end on cpu"]);
    pools.stop().await;
}

/// Two branches that wait for people, in different queues.
fn asking(place: &Place) -> WorkflowBuilder {
    let parallel =
        Parallel::new("both").branch(place.waiting("a").queue("gpu")).branch(place.waiting("b"));
    Workflow::builder("Asking").step(parallel)
}

#[tokio::test]
async fn a_run_whose_steps_wait_for_people_is_not_handed_around() {
    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("cpu", None, asking).await;
    pools.worker("gpu", Some(&["gpu"]), asking).await;
    let here = pools.workflow("here", asking).await;
    let run = here.run("x").run_id("r").background().await.unwrap();
    let output = in_time(run.settled()).await.unwrap();
    assert_eq!(output.status, RunStatus::Paused);
    let waits = pools.facts("r").await;
    assert!(handed(&waits).len() <= 3, "{:?}", handed(&waits));
    let ids: Vec<_> = output.requirements.iter().map(|asked| asked.id.clone()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    let submit = |value: &str| Answer::Submit { value: value.into() };
    let answers = ids.iter().map(|id| (id.clone(), submit(id)));
    here.continue_run("r", answers).background().await.unwrap();
    in_time(run.wait()).await.unwrap();
    let mut logged = pools.logged();
    logged.sort_unstable();
    assert_eq!(logged, ["a on gpu", "b on cpu"]);
    pools.stop().await;
}

fn limited(place: &Place) -> WorkflowBuilder {
    let steps = Steps::new("steps").step(place.step("train")).queue("gpu");
    Workflow::builder("Limited")
        .step(steps.timeout(Duration::from_millis(500)))
        .finally(place.step("clean"))
}

#[tokio::test]
async fn a_deadline_passes_and_a_run_is_cancelled_though_no_worker_serves_its_queue() {
    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("cpu", None, limited).await;
    let here = pools.workflow("here", limited).await;
    let run = here.run("x").background().await.unwrap();
    let failed = in_time(run.wait()).await.unwrap_err();
    assert!(failed.report().contains("took longer than 500ms"), "{}", failed.report());
    assert_eq!(pools.logged(), ["clean on cpu"]);
    pools.stop().await;

    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("cpu", None, trains).await;
    let here = pools.workflow("here", trains).await;
    let run = here.run("x").run_id("r").background().await.unwrap();
    pools.handed_over("r").await;
    assert!(run.cancel().await.unwrap());
    in_time(run.wait()).await.unwrap_err();
    assert_eq!(run.status().await.unwrap(), RunStatus::Cancelled);
    pools.stop().await;
}

fn of_a_queue(place: &Place) -> WorkflowBuilder {
    let inner = Workflow::builder("Inner").step(place.step("inner")).build().unwrap();
    Workflow::builder("Whole")
        .queue("gpu")
        .step(place.step("a"))
        .step(Step::workflow("nested", inner).queue("arm"))
        .step(place.step("b").queue("default"))
}

#[tokio::test]
async fn the_runs_of_a_workflow_begin_in_its_queue() {
    let Some(mut pools) = Pools::open().await else { return };
    pools.worker("cpu", None, of_a_queue).await;
    let here = pools.workflow("here", of_a_queue).await;
    assert_eq!(here.runs(RunFilter::default()).await.unwrap().len(), 0);
    let run = here.run("x").run_id("r").background().await.unwrap();
    pools.worker("gpu", Some(&["gpu"]), of_a_queue).await;
    pools.worker("arm", Some(&["arm"]), of_a_queue).await;
    in_time(run.wait()).await.unwrap();
    assert_eq!(pools.logged(), ["a on gpu", "inner on arm", "b on cpu"]);
    // The worker of the default queue did not take it first.
    assert_eq!(handed(&pools.facts("r").await), ["arm", "default"]);
    pools.stop().await;
}

#[tokio::test]
async fn the_queue_of_a_step_is_no_part_of_the_digest() {
    let place = Place { name: "here", log: Log::default() };
    let plain = Workflow::builder("W").step(place.step("a")).build().unwrap();
    let queued = Workflow::builder("W").queue("arm").step(place.step("a").queue("gpu"));
    assert_eq!(plain.digest(), queued.build().unwrap().digest());
    let wrong = Workflow::builder("W").step(place.step("a").queue("g p u")).build().unwrap_err();
    assert!(wrong.to_string().contains("`g p u` is no name of a queue"), "{wrong}");
    // A dispatcher without queues cannot keep a worker to some of them.
    let store = stepwright_core::Memory::default();
    let local = Arc::new(stepwright_engine::LocalDispatcher::new(real_world()));
    let workflow = Workflow::builder("W").step(place.step("a")).store(store).dispatcher(local);
    let worker = Worker::new().workflow(&workflow.build().unwrap()).queues(["gpu"]);
    let refused = worker.serve(CancellationToken::new()).await.unwrap_err();
    assert!(refused.to_string().contains("has no queues"), "{refused}");
}
