//! Runs as futures, and streams that cannot begin.

use crate::support::mark;
use futures_util::StreamExt as _;
use std::time::Duration;
use stepwright_core::{ErrorId, ErrorKind, Event, EventKind, HumanReview, Memory, StepInput};
use stepwright_engine::{RunStream, Step, Workflow};
use stepwright_testing::grammar;

fn workflow() -> Workflow {
    Workflow::builder("w").step(mark("a")).store(Memory::default()).build().unwrap()
}

async fn never(_: StepInput) -> &'static str {
    std::future::pending().await
}

#[tokio::test]
async fn a_run_is_spawned_joined_and_selected_on() {
    let workflow = workflow();
    let spawned = tokio::spawn(workflow.run("x").run_id("r-1"));
    let (one, two) = tokio::join!(workflow.run("y"), workflow.run("z"));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(spawned.await.unwrap().unwrap().run_id.as_str(), "r-1");
    let hangs = Workflow::builder("h").step(Step::new("h", never)).build().unwrap();
    let output = tokio::select! {
        output = workflow.run("x") => output.unwrap(),
        _ = hangs.run("x") => unreachable!("it never ends"),
    };
    assert_eq!(output.content.text(), workflow.run("x").await.unwrap().content.text());
    let all = futures_util::future::try_join_all((0..9).map(|n| workflow.run(n))).await;
    assert_eq!(all.unwrap().len(), 9);
}

#[tokio::test]
async fn a_resumed_run_is_a_future_too() {
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let step = mark("a").human_review(asked);
    let workflow = Workflow::builder("w").step(step).store(Memory::default()).build().unwrap();
    workflow.run("x").run_id("r").await.unwrap();
    let answers = [("a!confirm", stepwright_core::Answer::Approve)];
    let output = tokio::spawn(workflow.continue_run("r", answers)).await.unwrap().unwrap();
    assert!(output.status.is_terminal());
}

#[tokio::test]
async fn a_run_that_is_dropped_half_way_is_cancelled() {
    let workflow = Workflow::builder("w").step(Step::new("h", never)).store(Memory::default());
    let workflow = workflow.build().unwrap();
    let mut run = Box::pin(workflow.run("x").run_id("r"));
    while !matches!(workflow.get_run("r").await, Ok(output) if !output.step_results.is_empty()) {
        assert!(futures_util::poll!(&mut run).is_pending());
        tokio::task::yield_now().await;
    }
    drop(run);
    while !workflow.get_run("r").await.unwrap().is_terminal() {
        tokio::task::yield_now().await;
    }
}

#[test]
#[should_panic(expected = "its options are set before it is first polled")]
fn an_option_that_comes_too_late_is_no_silent_one() {
    let hangs = Workflow::builder("h").step(Step::new("h", never)).build().unwrap();
    let mut run = hangs.run("x");
    let _ = futures_util::FutureExt::now_or_never(&mut run);
    drop(run.session_id("s"));
}

async fn only(mut events: RunStream) -> (Event, ErrorId) {
    let all: Vec<Event> = (&mut events).collect().await;
    let [event] = all.try_into().unwrap();
    let error = events.output().await.unwrap_err();
    let EventKind::WorkflowError { error: shown, step: None, .. } = &event.kind else {
        panic!("{event:?}")
    };
    assert_eq!((&shown.message, shown.id()), (&error.to_string(), error.id()));
    assert!(!event.is_fact(), "it is in no journal");
    grammar::check(std::slice::from_ref(&event));
    (event, error.id())
}

#[tokio::test]
async fn a_stream_that_cannot_begin_yields_the_error_as_its_only_event() {
    let workflow = workflow();
    workflow.run("x").run_id("r").session_id("s").user_id("ada").await.unwrap();
    let (event, id) = only(workflow.run("x").run_id("r").stream()).await;
    assert_eq!((event.run.as_str(), id), ("r", ErrorId::RUN_ID_TAKEN));
    let (_, id) = only(workflow.run("x").session_id("").stream_events(true).stream()).await;
    assert_eq!(id, ErrorId::ID_INVALID);
    let others = workflow.run("x").session_id("s").user_id("ben").stream();
    assert_eq!(only(others).await.1, ErrorId::SESSION_NOT_FOUND);
    let strict = Workflow::builder("w").input::<u64>().step(mark("a")).build().unwrap();
    assert_eq!(only(strict.run("many").stream()).await.1, ErrorId::INPUT_MISMATCH);
    let (event, _) = only(workflow.resume("unknown").stream()).await;
    assert_eq!(event.run.as_str(), "unknown");
    // The output needs no event to be read.
    let error = workflow.run("x").run_id("r").stream().output().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn a_resumed_run_that_has_ended_has_no_event_of_its_own() {
    let workflow = Workflow::builder("w")
        .step(Step::new("s", |_: StepInput| async { Err::<String, _>("broken") }))
        .store(Memory::default())
        .build()
        .unwrap();
    workflow.run("x").run_id("r").await.unwrap_err();
    let events: Vec<Event> = workflow.resume("r").stream().collect().await;
    assert_eq!(events, []);
}

#[test]
fn a_blocking_run_uses_the_runtime_that_it_is_given() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().thread_name("mine").build().unwrap();
    let named = |_: StepInput| async {
        let task = async { std::thread::current().name().map(ToOwned::to_owned) };
        tokio::spawn(task).await.unwrap().unwrap_or_default()
    };
    let workflow = Workflow::builder("w").step(Step::new("s", named)).build().unwrap();
    let output = workflow.run("x").blocking_on(|work| runtime.block_on(work)).unwrap();
    assert_eq!(output.content.text(), "mine");
    let error = workflow.run("x").blocking_on(|_| {}).unwrap_err();
    assert!(error.to_string().contains("before the work had ended"), "{error}");
    let handle = runtime.handle().clone();
    let events = workflow.run("x").stream().blocking_on(move |work| handle.block_on(work));
    assert_eq!(events.output().unwrap().content.text(), "mine");
    runtime.shutdown_timeout(Duration::from_secs(5));
}
