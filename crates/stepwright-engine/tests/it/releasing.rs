//! Runs that their process leaves so that they can be resumed.

use crate::support::mark;
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::store::RunFilter;
use stepwright_core::{ErrorKind, EventKind, Memory, RunStatus, StepInput};
use stepwright_engine::{
    AnyStep, Condition, IntoStep, Loop, Map, Parallel, Router, Step, Steps, Workflow,
};
use stepwright_testing::grammar;

/// A step that never ends the first time, and a count of its calls.
fn held() -> (Step, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let step = Step::new("held", move |_: StepInput| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            "held"
        }
    });
    (step, calls)
}

fn inside(container: &str, step: Step) -> AnyStep {
    match container {
        "nothing" => step.into_step(),
        "steps" => Steps::new("c").step(step).into_step(),
        "parallel" => Parallel::new("c").branch(step).branch(mark("beside")).into_step(),
        "loop" => Loop::new("c").step(step).at_most(1).into_step(),
        "condition" => Condition::new("c", |_| true).then(step).into_step(),
        "router" => Router::new("c", |_| "held").choice(step).into_step(),
        "map" => Map::new("c").over(|_| vec!["one"]).step(step).into_step(),
        "workflow" => {
            let inner = Workflow::builder("c").step(step).build().unwrap();
            inner.into_step()
        }
        other => panic!("{other}"),
    }
}

fn is_cancelled(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepCancelled { .. } | EventKind::WorkflowCancelled { .. })
}

#[tokio::test]
async fn a_released_run_goes_on_where_it_was_in_every_container() {
    let containers =
        ["nothing", "steps", "parallel", "loop", "condition", "router", "map", "workflow"];
    for container in containers {
        for outer in containers {
            let (step, calls) = held();
            let before = Arc::new(AtomicU32::new(0));
            let count = before.clone();
            let first = Step::new("first", move |_: StepInput| {
                count.fetch_add(1, Ordering::SeqCst);
                async { "first" }
            });
            let step = Steps::new("within").step(inside(container, step));
            let step = match outer {
                "nothing" => step.into_step(),
                "parallel" => Parallel::new("o").branch(step).into_step(),
                "loop" => Loop::new("o").step(step).at_most(1).into_step(),
                _ => Steps::new("o").step(step).into_step(),
            };
            let store = Memory::default();
            let build = Workflow::builder("W").store(store).step(first).step(step);
            let workflow = build.build().unwrap();
            let mut events = workflow.run("in").run_id("r").stream_events(true).stream();
            let mut seen = Vec::new();
            while let Some(event) = events.next().await {
                if matches!(event.kind, EventKind::StepStarted { .. })
                    && event.path.name() == "held"
                {
                    // Once the step is under way, which it is after its start was shown.
                    while calls.load(Ordering::SeqCst) == 0 {
                        tokio::task::yield_now().await;
                    }
                    assert!(workflow.release_now("r"), "{container} in {outer}");
                }
                seen.push(event);
            }
            let error = events.output().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Released, "{container} in {outer}: {error}");
            assert_eq!(error.output().unwrap().status, RunStatus::Pending);
            assert!(!seen.iter().any(|event| event.kind.is_terminal()));
            let row = workflow.runs(RunFilter::default()).await.unwrap().remove(0);
            assert_eq!((row.status, row.driver), (RunStatus::Pending, None));
            assert!(!workflow.release_now("r"), "it is not driven any more");

            let (past, resumed) =
                (workflow.events("r", 0).await.unwrap(), workflow.resume("r").await.unwrap());
            assert_eq!(resumed.status, RunStatus::Completed, "{container} in {outer}");
            assert_eq!(calls.load(Ordering::SeqCst), 2, "{container} in {outer}");
            assert_eq!(before.load(Ordering::SeqCst), 1, "what was completed is recalled");
            let facts: Vec<_> = past.map(Result::unwrap).collect().await;
            grammar::check(&facts);
            let cancelled = facts.iter().find(|fact| is_cancelled(&fact.kind));
            assert_eq!(cancelled, None, "{container} in {outer}");
        }
    }
}

#[tokio::test]
async fn only_a_stored_run_that_is_driven_here_can_be_released() {
    let (step, _) = held();
    let workflow = Workflow::builder("W").step(step).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream_events(true).stream();
    events.next().await.unwrap();
    assert!(!workflow.release_now("r"), "it is not stored, and could not be resumed");
    assert!(workflow.cancel_now("r"));
    assert_eq!(events.output().await.unwrap_err().kind(), ErrorKind::Cancelled);
    let stored = Workflow::builder("W").store(Memory::default()).step(mark("a")).build().unwrap();
    stored.run("in").run_id("r").await.unwrap();
    assert!(!stored.release_now("r"), "it has ended");
    assert!(!stored.release_now("none"));
}

#[tokio::test]
async fn nothing_is_recorded_after_a_run_was_released() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let (done, mut recorded) = tokio::sync::mpsc::channel(1);
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let step = Step::new("held", move |_: StepInput, cx: stepwright_core::StepContext| {
        let (mut wait, done, begun) = (wait.clone(), done.clone(), begun.clone());
        async move {
            // Work that the step has left behind.
            tokio::spawn(async move {
                let _ = wait.wait_for(|go| *go).await;
                let effect = cx.once("late", async { Ok::<_, stepwright_core::StepError>(1) });
                let _ = done.send(effect.await.is_ok()).await;
            });
            let _ = begun.send(()).await;
            std::future::pending::<String>().await
        }
    });
    let workflow = Workflow::builder("W").store(Memory::default()).step(step).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream_events(true).stream();
    while let Some(event) = events.next().await {
        if matches!(event.kind, EventKind::StepStarted { .. }) {
            begins.recv().await.unwrap();
            assert!(workflow.release_now("r"));
        }
    }
    let _ = events.output().await;
    let count = workflow.get_run("r").await.unwrap();
    go.send_replace(true);
    assert!(!recorded.recv().await.unwrap(), "the next driver may be at work");
    let now = workflow.get_run("r").await.unwrap();
    assert_eq!(now.step_results, count.step_results);
}
