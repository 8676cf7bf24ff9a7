//! Streams whose run is driven by the task of their reader until it first waits.

use crate::support::{mark, of};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_core::world::Clock;
use stepwright_core::{ErrorId, StepContext, StepInput, Timestamp, World};
use stepwright_engine::{Step, Workflow};

/// A clock that the steps of a test set.
#[derive(Clone, Default)]
struct SetByHand(Arc<AtomicU64>);

impl Clock for SetByHand {
    fn now(&self) -> Timestamp {
        Timestamp(1_780_000_000_000 + self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_run_that_never_waits_needs_no_task_and_no_runtime() {
    // However long its steps take.
    let clock = SetByHand::default();
    let slow = clock.clone();
    let step = Step::new("b", move |input: StepInput| {
        slow.0.fetch_add(60_000, Ordering::SeqCst);
        async move { format!("{}b", input.text()) }
    });
    let world = World::new(clock, 7);
    let workflow = of(mark("a")).step(step).world(world).build().unwrap();
    let mut events = workflow.run("in").stream_events(true).stream();
    let mut names = Vec::new();
    while let Some(event) = events.next().now_or_never().expect("the next event is there") {
        names.push(event.name());
    }
    assert_eq!((names.first(), names.len()), (Some(&"WorkflowStarted"), 8), "{names:?}");
    let output = events.output().now_or_never().expect("the output is there").unwrap();
    assert_eq!(output.content.text(), "inab");
}

#[tokio::test]
async fn a_run_that_waits_goes_on_while_its_reader_does_not_read() {
    let (done, ended) = tokio::sync::oneshot::channel();
    let done = Arc::new(std::sync::Mutex::new(Some(done)));
    let step = Step::new("wait", move |_: StepInput, cx: StepContext| {
        let done = done.clone();
        async move {
            cx.emit("before");
            tokio::task::yield_now().await;
            let _ = done.lock().unwrap().take().unwrap().send(());
        }
    });
    let workflow = of(step).build().unwrap();
    let mut events = workflow.run("in").stream_events(true).stream();
    assert_eq!(events.next().await.unwrap().name(), "WorkflowStarted");
    // Nothing polls the stream here.
    ended.await.unwrap();
    assert!(events.output().await.is_ok());
}

/// Four steps that take five milliseconds each and never wait, and the number of those that have
/// ended.
fn long_steps() -> (Workflow, Arc<AtomicUsize>) {
    let (clock, ended) = (SetByHand::default(), Arc::new(AtomicUsize::new(0)));
    let mut builder = Workflow::builder("long").world(World::new(clock.clone(), 7));
    for n in 0..4 {
        let (clock, ended) = (clock.clone(), ended.clone());
        builder = builder.step(Step::new(format!("s{n}"), move |_: StepInput| {
            clock.0.fetch_add(5, Ordering::SeqCst);
            ended.fetch_add(1, Ordering::SeqCst);
            async { "done" }
        }));
    }
    (builder.build().unwrap(), ended)
}

#[tokio::test]
async fn a_reader_need_not_wait_for_the_end_of_a_long_run_that_never_waits() {
    let (workflow, ended) = long_steps();
    let mut events = workflow.run("in").stream_events(true).stream();
    assert_eq!(events.next().await.unwrap().name(), "WorkflowStarted");
    assert_eq!(ended.load(Ordering::SeqCst), 1, "the first step was long enough");
    let rest: Vec<_> = events.map(|event| event.name()).collect().await;
    assert_eq!((rest.last(), rest.len()), (Some(&"WorkflowCompleted"), 13), "{rest:?}");
    assert_eq!(ended.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_run_in_a_task_of_its_own_does_not_begin_in_the_poll_of_its_reader() {
    let (workflow, ended) = long_steps();
    let mut events = workflow.run("in").stream_events(true).stream().in_task();
    assert!(futures_util::poll!(events.next()).is_pending());
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    assert_eq!(events.count().await, 14);
}

#[tokio::test]
async fn a_long_run_without_a_reader_is_not_interrupted() {
    let (workflow, _) = long_steps();
    let mut run = std::future::IntoFuture::into_future(workflow.run("in"));
    assert!(futures_util::poll!(&mut run).is_ready());
}

/// A clock that panics when it is read for the second time: an engine's bug, not a step's.
struct Broken(AtomicUsize);

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) == 0, "the clock is broken");
        Timestamp(1_780_000_000_000)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_panic_of_the_driver_is_an_error_of_the_run_and_not_a_panic_of_the_reader() {
    let world = World::new(Broken(AtomicUsize::new(0)), 7);
    let workflow = Workflow::builder("broken").world(world).step(mark("a")).build().unwrap();
    let mut events = workflow.run("in").stream_events(true).stream();
    while events.next().await.is_some() {}
    let error = events.output().await.unwrap_err();
    assert_eq!(error.id(), ErrorId::RUN_STOPPED);
}
