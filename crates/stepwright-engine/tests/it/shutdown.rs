//! The end of a program: what it drives ends or is left for others.

use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::world::VirtualClock;
use stepwright_core::{ErrorId, ErrorKind, EventKind, Memory, RunStatus, StepInput, World};
use stepwright_engine::{RunStream, Step, Workflow, WorkflowBuilder};
use tokio::sync::Semaphore;

const NONE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_mins(10);

/// A workflow whose step works until it may end.
struct Gate {
    may_end: Arc<Semaphore>,
    begun: Arc<AtomicU32>,
}

impl Gate {
    fn new() -> Self {
        Self { may_end: Arc::new(Semaphore::new(0)), begun: Arc::default() }
    }

    fn builder(&self) -> WorkflowBuilder {
        let (may_end, begun) = (self.may_end.clone(), self.begun.clone());
        Workflow::builder("w").step(Step::new("s", move |_: StepInput| {
            let (may_end, begun) = (may_end.clone(), begun.clone());
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                may_end.acquire().await.unwrap().forget();
                "done"
            }
        }))
    }

    async fn until_begun(&self, times: u32) {
        while self.begun.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    }
}

async fn until_step(events: &mut RunStream) {
    while let Some(event) = events.next().await {
        if matches!(event.kind, EventKind::StepStarted { .. }) {
            return;
        }
    }
}

#[tokio::test]
async fn a_shutdown_waits_for_the_runs_under_way() {
    let gate = Gate::new();
    let workflow = gate.builder().build().unwrap();
    let handles = [
        workflow.run("a").background().await.unwrap(),
        workflow.run("b").background().await.unwrap(),
    ];
    gate.until_begun(2).await;
    let mut ends = Box::pin(workflow.shutdown(LONG));
    assert!(futures_util::poll!(&mut ends).is_pending());
    gate.may_end.add_permits(2);
    ends.await.unwrap();
    for handle in handles {
        assert_eq!(handle.status().await.unwrap(), RunStatus::Completed);
    }
}

#[tokio::test]
async fn a_patient_shutdown_drives_the_runs_that_wait_for_their_turn() {
    let gate = Gate::new();
    gate.may_end.add_permits(3);
    for builder in [gate.builder(), gate.builder().store(Memory::default())] {
        let workflow = builder.concurrent_runs(1).build().unwrap();
        let mut handles = Vec::new();
        for _ in 0..3 {
            handles.push(workflow.run("a").background().await.unwrap());
        }
        workflow.shutdown(LONG).await.unwrap();
        for handle in handles {
            assert_eq!(handle.status().await.unwrap(), RunStatus::Completed);
        }
        gate.may_end.add_permits(3);
    }
}

#[tokio::test]
async fn after_a_shutdown_no_run_begins() {
    let gate = Gate::new();
    let workflow = gate.builder().store(Memory::default()).build().unwrap();
    workflow.shutdown(NONE).await.unwrap();
    for error in [
        workflow.run("a").await.unwrap_err(),
        workflow.run("a").background().await.unwrap_err(),
        workflow.run("a").stream().output().await.unwrap_err(),
    ] {
        assert_eq!(error.id(), ErrorId::WORKFLOW_SHUT_DOWN);
    }
    assert_eq!(gate.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn runs_that_take_too_long_are_left_to_another_process() {
    let (gate, store) = (Gate::new(), Memory::default());
    let here = gate.builder().store(store.clone()).build().unwrap();
    here.run("a").run_id("background").background().await.unwrap();
    let mut events = here.run("a").run_id("streamed").stream_events(true).stream();
    until_step(&mut events).await;
    gate.until_begun(2).await;
    here.shutdown(NONE).await.unwrap();
    assert_eq!(events.output().await.unwrap_err().kind(), ErrorKind::Released);
    let there = gate.builder().store(store).build().unwrap();
    gate.may_end.add_permits(2);
    for run in ["background", "streamed"] {
        assert_eq!(there.resume(run).await.unwrap().content.text(), "done", "{run}");
    }
    // Nothing of the first process goes on.
    assert_eq!(gate.begun.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn runs_that_no_store_has_are_cancelled() {
    let gate = Gate::new();
    let workflow = gate.builder().build().unwrap();
    let handle = workflow.run("a").background().await.unwrap();
    gate.until_begun(1).await;
    workflow.shutdown(NONE).await.unwrap();
    assert_eq!(handle.status().await.unwrap(), RunStatus::Cancelled);
}

#[tokio::test]
async fn runs_that_wait_for_their_turn_are_left_as_they_are() {
    let (gate, store) = (Gate::new(), Memory::default());
    let here = gate.builder().store(store.clone()).concurrent_runs(1).build().unwrap();
    here.run("a").run_id("first").background().await.unwrap();
    gate.until_begun(1).await;
    let second = here.run("a").run_id("second").background().await.unwrap();
    assert_eq!(second.status().await.unwrap(), RunStatus::Pending);
    here.shutdown(NONE).await.unwrap();
    let there = gate.builder().store(store).build().unwrap();
    gate.may_end.add_permits(2);
    for run in ["first", "second"] {
        assert_eq!(there.resume(run).await.unwrap().content.text(), "done", "{run}");
    }
}

#[test]
fn a_run_that_is_not_polled_any_more_is_named() {
    let (gate, clock) = (Gate::new(), VirtualClock::default());
    let workflow = gate.builder().world(World::new(clock.clone(), 7)).build().unwrap();
    clock.run(async {
        let mut run = Box::pin(workflow.run("a").run_id("r-7"));
        assert!(futures_util::poll!(&mut run).is_pending());
        let error = workflow.shutdown(NONE).await.unwrap_err();
        assert_eq!(error.id(), ErrorId::WORKFLOW_SHUT_DOWN);
        assert!(error.to_string().contains("`r-7`"), "{error}");
        assert!(run.await.is_err());
    });
}
