//! Runs that are to be taken up while another process drives them.

use crate::simulation::store::{Held, Slow};
use crate::support::{mark, text};
use futures_util::{FutureExt as _, StreamExt as _};
use std::future::IntoFuture as _;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use stepwright_core::store::{Leases as _, RunStore as _};
use stepwright_core::{
    Answer, Error, ErrorId, ErrorKind, Event, EventKind, HumanReview, Memory, RunOutput, RunStatus,
    StepContext, StepError, StepInput,
};
use stepwright_engine::{Parallel, RunStream, Step, Workflow, WorkflowBuilder, real_world};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A workflow on a store, as each of several processes has it: a step that works until it may end,
/// beside one that asks.
struct Shared {
    store: Memory,
    /// One of these lets the step end.
    may_end: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
}

impl Shared {
    fn new() -> Self {
        let (may_end, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        Self { store: Memory::default(), may_end, begun }
    }

    fn process(&self) -> Workflow {
        self.builder().build().unwrap()
    }

    fn builder(&self) -> WorkflowBuilder {
        let (may_end, begun) = (self.may_end.clone(), self.begun.clone());
        let work = Step::new("work", move |_: StepInput, cx: StepContext| {
            let (may_end, begun) = (may_end.clone(), begun.clone());
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                may_end.acquire().await.unwrap().forget();
                cx.emit("almost");
                "worked"
            }
        });
        let ask = mark("ask").human_review(HumanReview::new().requires_confirmation("Go on?"));
        Workflow::builder("shared")
            .step(Parallel::new("both").branch(work).branch(ask))
            .step(mark("end"))
            .store(self.store.clone())
    }

    /// A run in the background that asks.
    async fn asking(&self, workflow: &Workflow) {
        let handle = workflow.run("-").run_id("r").background().await.unwrap();
        let mut events = handle.events(0).await.unwrap();
        while let Some(event) = events.next().await {
            if matches!(event.unwrap().kind, EventKind::StepPaused { .. }) {
                return;
            }
        }
        panic!("it does not ask");
    }

    /// Another process that has begun to claim the run, and goes on when `go_on` lets it.
    async fn claiming(&self) -> (Workflow, Arc<Held>, Claiming) {
        let claims = Arc::new(Held::default());
        let store = Slow { claims: Some(claims.clone()), ..Slow::quick(self.store.clone()) };
        let other = self.builder().store(store).build().unwrap();
        let claiming = tokio::spawn(other.resume("r").into_future());
        claims.begun.acquire().await.unwrap().forget();
        (other, claims, claiming)
    }
}

type Claiming = JoinHandle<Result<RunOutput, Error>>;

const YES: [(&str, Answer); 1] = [("both/ask", Answer::Approve)];

/// Reads a stream to its end. When the answer has been taken, `then` happens.
async fn read(stream: &mut RunStream, then: impl Fn()) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        if matches!(event.kind, EventKind::StepContinued { .. }) {
            then();
        }
        events.push(event);
    }
    events
}

/// The facts follow on another without a gap, and the last is the end.
fn is_dense(events: &[Event]) {
    let facts: Vec<_> = events.iter().filter(|event| event.is_fact()).collect();
    for pair in facts.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
    }
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names.last(), Some(&"WorkflowCompleted"), "{names:?}");
}

#[tokio::test]
async fn to_resume_a_run_that_this_process_drives_already_is_to_wait_for_it() {
    let shared = Shared::new();
    let workflow = shared.process();
    shared.asking(&workflow).await;
    let resumed = tokio::spawn(workflow.resume("r").into_future());
    let mut stream = workflow.resume("r").stream_events(true).stream();
    let answering = workflow.continue_run("r", YES).into_future();
    let (events, answered) =
        tokio::join!(read(&mut stream, || shared.may_end.add_permits(1)), answering);
    for output in [resumed.await.unwrap(), answered, stream.output().await] {
        assert_eq!(text(&output.unwrap()), r#"{"work":"worked","ask":"-ask"}end"#);
    }
    is_dense(&events);
    assert!(events.iter().any(|event| !event.is_fact()), "what a step says is missing");
    assert_eq!(shared.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_to_a_run_that_another_process_drives_is_streamed_all_the_same() {
    let shared = Shared::new();
    let (driver, other) = (shared.process(), shared.process());
    shared.asking(&driver).await;
    let refused = other.resume("r").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store, "{refused}");
    let mut stream = other.continue_run("r", YES).stream_events(true).stream();
    let events = read(&mut stream, || shared.may_end.add_permits(1)).await;
    assert!(matches!(events[0].kind, EventKind::StepContinued { .. }), "{}", events[0].name());
    is_dense(&events);
    assert_eq!(stream.output().await.unwrap().status, RunStatus::Completed);
    assert_eq!(shared.begun.load(Ordering::SeqCst), 1);
}

/// Each process tries now and then to take up runs whose driver may be dead.
#[tokio::test]
async fn a_run_is_cancelled_from_a_process_that_is_just_trying_to_claim_it() {
    let shared = Shared::new();
    let driver = shared.process();
    shared.asking(&driver).await;
    let (other, claims, claiming) = shared.claiming().await;
    let (cancelled, ended) = tokio::join!(other.cancel_run("r"), async {
        // The claim fails: the run has a driver that is alive.
        claims.go_on.add_permits(100);
        driver.handle("r").await.unwrap().wait().await
    });
    assert!(cancelled.unwrap());
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    claiming.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_wait_for_a_run_outlasts_a_claim_that_is_refused_because_its_driver_lives() {
    let shared = Shared::new();
    let driver = shared.process();
    shared.asking(&driver).await;
    let (other, claims, claiming) = shared.claiming().await;
    let handle = other.handle("r").await.unwrap();
    let mut waiting = pin!(handle.wait());
    assert!(futures_util::poll!(&mut waiting).is_pending(), "it waits for the claim");
    claims.go_on.add_permits(100);
    let refused = claiming.await.unwrap().unwrap_err();
    assert_eq!(refused.id(), ErrorId::RUN_DRIVEN_ELSEWHERE, "{refused}");
    assert!(futures_util::poll!(&mut waiting).is_pending(), "the run goes on");
    shared.may_end.add_permits(1);
    driver.continue_run("r", YES).await.unwrap();
    assert_eq!(waiting.await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn dropping_a_stream_cancels_its_run_whoever_drives_it() {
    for same in [true, false] {
        let shared = Shared::new();
        let driver = shared.process();
        let other = if same { driver.clone() } else { shared.process() };
        shared.asking(&driver).await;
        let mut stream = other.continue_run("r", YES).stream_events(true).stream();
        assert!(stream.next().await.is_some());
        drop(stream);
        let handle = driver.handle("r").await.unwrap();
        let ended = handle.wait().await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Cancelled, "{ended}");
    }
}

#[tokio::test]
async fn a_run_that_somebody_awaits_is_not_resumed_by_others_of_the_process() {
    let shared = Shared::new();
    let workflow = shared.process();
    let awaited = tokio::spawn(workflow.run("-").run_id("r").into_future());
    while shared.begun.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let refused = workflow.resume("r").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage);
    assert!(refused.to_string().contains("is being driven by this process"), "{refused}");
    shared.may_end.add_permits(1);
    let paused = awaited.await.unwrap().unwrap();
    assert!(paused.is_paused());
}

#[test]
fn runs_that_waited_for_their_turn_in_a_runtime_that_has_ended_are_driven_in_another() {
    let shared = Shared::new();
    let workflow = shared.builder().concurrent_runs(1).build().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        shared.asking(&workflow).await;
        for name in ["queued", "next"] {
            let handle = workflow.run("-").run_id(name).background().await.unwrap();
            assert_eq!(handle.status().await.unwrap(), RunStatus::Pending);
        }
    });
    // The other runs may be taken up, too.
    shared.may_end.add_permits(3);
    let patience = Duration::from_mins(2);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let paused = tokio::time::timeout(patience, workflow.resume("queued").into_future()).await;
        assert!(paused.expect("no other driver has it").unwrap().is_paused());
        let handle = workflow.handle("next").await.unwrap();
        let paused = tokio::time::timeout(patience, handle.settled()).await;
        assert!(paused.expect("no other driver has it").unwrap().is_paused());
    });
}

#[tokio::test]
async fn a_run_that_its_driver_gave_up_is_pending_whoever_asks() {
    let shared = Shared::new();
    let (driver, other) = (shared.process(), shared.process());
    shared.asking(&driver).await;
    let stands = async || {
        let handle = other.handle("r").await.unwrap();
        (other.get_run("r").await.unwrap().status, handle.status().await.unwrap())
    };
    assert_eq!(stands().await, (RunStatus::Running, RunStatus::Running));
    let run = "r".parse().unwrap();
    let by = shared.store.run(&run).await.unwrap().unwrap().driver.unwrap();
    shared.store.release(&run, &by).await.unwrap();
    assert_eq!(stands().await, (RunStatus::Pending, RunStatus::Pending));
}

#[tokio::test]
async fn whoever_reads_only_at_the_end_gets_every_fact() {
    const STEPS: usize = 6_000;
    let names = (0..STEPS).map(|n| format!("s{n}"));
    let workflow = names.fold(Workflow::builder("long"), |all, name| all.step(mark(&name)));
    let workflow = workflow.store(Memory::default()).build().unwrap();
    let mut stream = workflow.run("-").run_id("r").stream_events(true).stream();
    let mut events = vec![stream.next().await.unwrap()];
    let handle = workflow.handle("r").await.unwrap();
    handle.wait().await.unwrap();
    events.extend(stream.by_ref().collect::<Vec<_>>().await);
    is_dense(&events);
    assert_eq!(events.iter().filter(|event| event.is_fact()).count(), 2 + 2 * STEPS);
}

#[tokio::test]
async fn a_cancel_reaches_a_run_of_the_background_wherever_it_is_just_then() {
    // Each append takes some milliseconds, so that the cancels come at all stages of the run.
    for after in 0..60_u64 {
        let store = Slow { world: Some(real_world()), ..Slow::quick(Memory::default()) };
        let nap = |_: StepInput, cx: StepContext| async move {
            cx.sleep_for("nap", Duration::from_hours(1)).await?;
            Ok::<_, StepError>("woken")
        };
        let workflow = Workflow::builder("W").store(store).step(mark("first"));
        let workflow = workflow.step(Step::new("nap", nap)).build().unwrap();
        let run = workflow.run("x").run_id("r").background().await.unwrap();
        real_world().sleep(Duration::from_micros(after * 400)).await;
        assert!(workflow.cancel_run("r").await.unwrap(), "after {after}");
        let ended = tokio::time::timeout(Duration::from_mins(1), run.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("it goes on, after {after}")).unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Cancelled, "after {after}: {ended}");
        let facts = workflow.events(run.run_id(), 0).await.unwrap().collect::<Vec<_>>().await;
        let last = facts.last().unwrap().as_ref().unwrap();
        assert!(last.kind.is_terminal(), "after {after}: {last:?}");
    }
}

#[tokio::test]
async fn a_reader_that_comes_while_the_driver_leaves_the_run_reads_to_its_end() {
    let (workflow, read) = (Arc::<OnceLock<Workflow>>::default(), Arc::<Mutex<_>>::default());
    let (inside, seen) = (workflow.clone(), read.clone());
    let step = move |_: StepInput, cx: StepContext| {
        let (workflow, seen) = (inside.clone(), seen.clone());
        // This is called when the driver has told its readers the end, and still has the run.
        cx.at_end("read", move |_| {
            let workflow = workflow.get().unwrap();
            let events = workflow.events("r", 0).now_or_never().unwrap().unwrap();
            *seen.lock().unwrap() =
                events.map(|event| event.unwrap().name()).collect().now_or_never();
        });
        async { "done" }
    };
    let built = Workflow::builder("W").store(Memory::default()).step(Step::new("s", step)).build();
    let handle = workflow.get_or_init(|| built.unwrap()).run("x").run_id("r").background().await;
    handle.unwrap().wait().await.unwrap();
    let read: Option<Vec<&str>> = read.lock().unwrap().take();
    let all = ["WorkflowStarted", "StepStarted", "StepCompleted", "WorkflowCompleted"];
    assert_eq!(read.as_deref(), Some(&all[..]), "without an end, it would wait for ever");
}
