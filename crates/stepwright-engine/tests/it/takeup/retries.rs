//! Retries: what begins again, what holds, and what is refused.

use crate::support::{fails, mark, of, text};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::plan::OnError;
use stepwright_core::store::{RunFilter, RunStore as _};
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorId, ErrorKind, HumanReview, Memory, OnReject, RunStatus, StepContext, StepError,
    StepInput, World,
};
use stepwright_engine::{Loop, LoopView, Parallel, Step};
use stepwright_testing::grammar;

/// A step that fails until it is repaired, and the number of its attempts.
fn repairable(name: &str) -> (Step, Arc<AtomicBool>, Arc<AtomicU32>) {
    let (repaired, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (works, counted, mine) = (repaired.clone(), count.clone(), name.to_owned());
    let step = Step::new(name, move |input: StepInput| {
        counted.fetch_add(1, Ordering::SeqCst);
        let works = works.load(Ordering::SeqCst);
        let text = format!("{}{mine}", input.text());
        async move { if works { Ok(text) } else { Err(StepError::terminal("broken")) } }
    });
    (step, repaired, count)
}

#[tokio::test]
async fn what_follows_a_failure_that_was_continued_begins_again() {
    let (step, repaired, count) = repairable("b");
    let after = Arc::new(AtomicU32::new(0));
    let counted = after.clone();
    let last = Step::new("c", move |input: StepInput| {
        counted.fetch_add(1, Ordering::SeqCst);
        let text = format!("{}c", input.text());
        async move { text }
    });
    let workflow = of(mark("a"))
        .step(step.on_error(OnError::Continue))
        .step(last)
        .store(Memory::default())
        .build()
        .unwrap();
    workflow.run("-").run_id("r").await.unwrap_err();
    repaired.store(true, Ordering::SeqCst);
    let output = workflow.retry("r").await.unwrap();
    assert_eq!(text(&output), "-abc");
    assert_eq!((count.load(Ordering::SeqCst), after.load(Ordering::SeqCst)), (2, 2));
    let steps: Vec<_> = output.walk().map(|step| step.path.to_string()).collect();
    assert_eq!(steps, ["a", "b", "c"], "each is there once");
}

#[tokio::test]
async fn only_a_run_that_failed_is_retried() {
    let memory = Memory::default();
    let workflow = of(mark("a")).store(memory.clone()).build().unwrap();
    workflow.run("-").run_id("done").await.unwrap();
    let done = workflow.retry("done").await.unwrap_err();
    assert_eq!((done.kind(), done.id()), (ErrorKind::Usage, ErrorId::RUN_NOT_FAILED));
    assert!(done.hint().unwrap().contains("rerun"), "{done:?}");
    let none = workflow.retry("none").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let (failing, _, _) = repairable("a");
    let failing = of(failing).store(memory.clone()).build().unwrap();
    failing.run("-").run_id("r").await.unwrap_err();
    // A changed definition is judged as for resume.
    let other = of(mark("other")).store(memory.clone()).build().unwrap();
    let changed = other.retry("r").await.unwrap_err();
    assert_eq!(changed.id(), ErrorId::DEFINITION_CHANGED, "{changed}");
    let facts = memory.load(&"r".parse().unwrap(), 0, 99).await.unwrap();
    assert!(facts.last().unwrap().kind.is_terminal(), "the run stays as it was");
    let ben = failing.as_user("ben").unwrap();
    assert_eq!(ben.retry("r").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ben.fork("r").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(failing.runs(RunFilter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_cancelled_run_is_retried_if_that_is_wanted_and_can_be_cancelled_again() {
    let waits = HumanReview::new().requires_confirmation("Go?");
    let workflow =
        of(mark("a")).step(mark("b").human_review(waits)).store(Memory::default()).build().unwrap();
    let paused = workflow.run("-").run_id("r").await.unwrap();
    assert!(workflow.cancel_run("r").await.unwrap());
    let refused = workflow.retry("r").await.unwrap_err();
    assert!(refused.hint().unwrap().contains("cancelled_too"), "{refused:?}");
    for _ in 0..2 {
        let again = workflow.retry("r").cancelled_too(true).await.unwrap();
        assert_eq!(again.requirements, paused.requirements, "it asks again");
        assert!(workflow.cancel_run("r").await.unwrap(), "a second request to cancel is heard");
        assert_eq!(workflow.get_run("r").await.unwrap().status, RunStatus::Cancelled);
    }
    workflow.retry("r").cancelled_too(true).await.unwrap();
    let done = workflow.continue_run("r", [("b", Answer::Approve)]).await.unwrap();
    assert_eq!(text(&done), "-ab");
    let events = workflow.events("r", 0).await.unwrap();
    let events: Vec<_> = events.map(Result::unwrap).collect().await;
    assert_eq!(events.last().unwrap().name(), "WorkflowCompleted", "a reader reads past an end");
    grammar::check(&events);
}

#[tokio::test]
async fn a_rejection_is_asked_about_again_and_an_approval_holds() {
    let (step, repaired, _) = repairable("b");
    let review =
        |what: &str| HumanReview::new().requires_confirmation(what).on_reject(OnReject::Fail);
    let workflow = of(mark("a").human_review(review("A?")))
        .step(step.human_review(review("B?")))
        .store(Memory::default())
        .build()
        .unwrap();
    workflow.run("-").run_id("r").await.unwrap();
    workflow.continue_run("r", [("a", Answer::reject("no"))]).await.unwrap_err();
    let asked = workflow.retry("r").await.unwrap();
    assert_eq!(&*asked.requirements[0].id, "a!confirm", "it asks again where the answer was no");
    workflow.continue_run("r", [("a", Answer::Approve)]).await.unwrap();
    workflow.continue_run("r", [("b", Answer::Approve)]).await.unwrap_err();
    repaired.store(true, Ordering::SeqCst);
    let done = workflow.retry("r").await.unwrap();
    assert_eq!(text(&done), "-ab", "both approvals hold");
}

#[test]
fn timeouts_begin_anew_and_what_happened_once_stays() {
    let (clock, memory) = (VirtualClock::default(), Memory::default());
    let (works, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (released, counted) = (works.clone(), count.clone());
    let step = Step::new("slow", move |cx: StepContext| {
        let (works, counted) = (released.load(Ordering::SeqCst), counted.clone());
        async move {
            let once = async {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, StepError>(7)
            };
            let seven: u32 = cx.once("charge", once).await?;
            cx.world().sleep(Duration::from_secs(if works { 8 } else { 100 })).await;
            Ok::<_, StepError>(seven.to_string())
        }
    });
    let workflow = of(step)
        .timeout(Duration::from_secs(10))
        .store(memory)
        .world(World::new(clock.clone(), 1))
        .build()
        .unwrap();
    clock.run(workflow.run("-").run_id("r").into_future()).unwrap_err();
    works.store(true, Ordering::SeqCst);
    let output = clock.run(workflow.retry("r").into_future()).unwrap();
    assert_eq!((text(&output), count.load(Ordering::SeqCst)), ("7".into(), 1));
}

#[tokio::test]
async fn siblings_that_completed_stay_and_the_others_begin_again() {
    let (step, repaired, _) = repairable("bad");
    let good = Arc::new(AtomicU32::new(0));
    let counted = good.clone();
    let fine = Step::new("good", move |_: StepInput| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "good" }
    });
    let both = Parallel::new("both").branch(fine).branch(step);
    let workflow = of(both).store(Memory::default()).build().unwrap();
    workflow.run("-").run_id("r").await.unwrap_err();
    repaired.store(true, Ordering::SeqCst);
    let handle = workflow.retry("r").background().await.unwrap();
    let output = handle.wait().await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(good.load(Ordering::SeqCst), 1);
    let metrics = workflow.get_session_metrics(&output.session_id).await.unwrap();
    assert_eq!(metrics.runs, 1, "it is one run");
}

#[tokio::test]
async fn a_run_that_fails_again_can_be_retried_again() {
    let workflow = of(mark("a")).step(fails("b")).store(Memory::default()).build().unwrap();
    workflow.run("-").run_id("r").await.unwrap_err();
    for _ in 0..3 {
        let error = workflow.retry("r").await.unwrap_err();
        assert_eq!(error.to_string(), "step `b` failed: kaput");
        let output = error.output().unwrap();
        assert_eq!(output.status, RunStatus::Error);
        assert_eq!(output.walk().count(), 2);
    }
}

#[tokio::test]
async fn a_loop_that_ran_out_keeps_its_turns_and_goes_on_with_more_of_them() {
    let review = HumanReview::new().requires_output_review("Good?");
    let memory = Memory::default();
    let looped = |at_most| {
        let revise = Loop::new("revise")
            .step(mark("w").human_review(review.clone()))
            .forward()
            .until(|turn: &LoopView| turn.text().len() > 3)
            .at_most(at_most);
        of(revise).store(memory.clone()).build().unwrap()
    };
    let workflow = looped(1);
    workflow.run("-").run_id("r").await.unwrap();
    let review = || [("revise#1/w!review", Answer::Approve)];
    workflow.continue_run("r", review()).await.unwrap_err();
    let again = workflow.retry("r").await.unwrap_err();
    let ran_out = again.output().unwrap().error.clone().unwrap();
    assert_eq!(ran_out.error.code, stepwright_core::ErrorCode::Exhausted, "nothing is done again");
    let more = looped(3);
    let asked = more.retry("r").accept_changed_definition(true).await.unwrap();
    assert_eq!(&*asked.requirements[0].id, "revise#2/w!review", "the next turn follows");
    assert_eq!(asked.requirements.len(), 1);
}
