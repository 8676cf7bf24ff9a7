//! The ways to run: awaited, streamed, in the background, blocking.

use crate::support::{fails, hangs, mark, of, streamed, text};
use futures_util::StreamExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_core::store::RunFilter;
use stepwright_core::{
    Answer, ErrorKind, Event, EventKind, HumanReview, Memory, RunId, RunStatus, StepContext,
    StepInput, Store as _,
};
use stepwright_engine::{Parallel, Step, Workflow, WorkflowBuilder};

/// A step that says when it is dropped without having ended.
fn guarded() -> (Step, Arc<AtomicBool>) {
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let step = Step::new("hang", move |_: StepInput, cx: StepContext| {
        let guard = Guard(flag.clone());
        async move {
            cx.emit("so far");
            std::future::pending::<()>().await;
            drop(guard);
        }
    });
    (step, dropped)
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come to pass");
}

#[tokio::test]
async fn without_stream_events_there_is_only_what_there_is_to_read() {
    let workflow = of(mark("a")).step(Parallel::new("p").branch(mark("b"))).build().unwrap();
    let events: Vec<_> = workflow.run("in").stream().map(|event| event.name()).collect().await;
    assert_eq!(events, ["WorkflowStarted", "StepOutput", "StepOutput", "WorkflowCompleted"]);
}

#[tokio::test]
async fn dropping_a_stream_cancels_its_run() {
    let (step, dropped) = guarded();
    let store = Memory::default();
    let workflow = of(step).store(store).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream();
    while let Some(event) = events.next().await {
        if matches!(event.kind, EventKind::RunContent { .. }) {
            break;
        }
    }
    drop(events);
    until(async || workflow.get_run("r").await.unwrap().is_terminal()).await;
    let output = workflow.get_run("r").await.unwrap();
    assert_eq!(output.status, RunStatus::Cancelled);
    assert_eq!(output.step_at("hang").unwrap().content.text(), "so far");
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn dropping_the_future_of_a_run_cancels_it() {
    let (step, dropped) = guarded();
    let workflow = of(step).store(Memory::default()).build().unwrap();
    let run = workflow.run("in").run_id("r").into_future();
    assert!(tokio::time::timeout(Duration::from_millis(20), run).await.is_err());
    assert!(dropped.load(Ordering::SeqCst));
    until(async || workflow.get_run("r").await.unwrap().status == RunStatus::Cancelled).await;
}

#[tokio::test]
async fn a_stream_that_cannot_begin_says_why() {
    let workflow = of(mark("a")).build().unwrap();
    let mut events = workflow.run("in").session_id("").stream();
    assert!(events.next().await.is_none());
    let error = events.output().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Usage, "an identifier cannot be empty")
    );
}

#[tokio::test]
async fn a_slow_reader_does_not_slow_the_run_and_loses_no_text() {
    let talk = Step::new("talk", |_: StepInput, cx: StepContext| async move {
        for n in 0..20_000 {
            cx.emit(format!("{n} "));
        }
        "done"
    });
    let workflow = of(talk).store(Memory::default()).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream_events(true).stream();
    let first = events.next().await.unwrap();
    assert_eq!(first.name(), "WorkflowStarted");
    // Nobody reads, and the run ends all the same.
    until(async || workflow.get_run("r").await.unwrap().is_terminal()).await;
    let (mut text, mut deltas) = (String::new(), 0);
    while let Some(event) = events.next().await {
        if let EventKind::RunContent { content } = event.kind {
            text.push_str(&content);
            deltas += 1;
        }
    }
    let expected = (0..20_000).map(|n| n.to_string() + " ").collect::<String>();
    assert_eq!(text, expected);
    assert!(deltas < 2_000, "{deltas} pieces lay unread");
}

#[tokio::test]
async fn a_background_run_does_not_depend_on_its_handle() {
    let workflow = of(mark("a")).build().unwrap();
    let handle = workflow.run("in").background().await.unwrap();
    let run = handle.run_id().clone();
    drop(handle);
    until(async || workflow.get_run(&run).await.unwrap().is_terminal()).await;
    let output = workflow.get_run(&run).await.unwrap();
    assert!(output.has_completed());
    assert_eq!(text(&output), "ina");
    let last = workflow.get_last_run_output().await.unwrap().unwrap();
    assert_eq!(last.run_id, run);
}

#[tokio::test]
async fn background_runs_wait_for_a_slot_and_can_be_cancelled_before_it() {
    let running = Arc::new(AtomicUsize::new(0));
    let count = running.clone();
    let (release, wait) = tokio::sync::watch::channel(false);
    let step = Step::new("work", move |_: StepInput| {
        let (count, mut wait) = (count.clone(), wait.clone());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = wait.wait_for(|go| *go).await;
        }
    });
    let workflow = of(step).concurrent_runs(2).store(Memory::default()).build().unwrap();
    let mut handles = Vec::new();
    for n in 0..5 {
        handles.push(workflow.run("in").run_id(format!("r{n}")).background().await.unwrap());
    }
    until(async || running.load(Ordering::SeqCst) == 2).await;
    assert_eq!(handles[4].status().await.unwrap(), RunStatus::Pending);
    assert_eq!(workflow.get_run("r4").await.unwrap().status, RunStatus::Pending);
    assert!(workflow.cancel_now("r4"));
    release.send(true).unwrap();
    let error = handles[4].wait().await.unwrap_err();
    assert_eq!((error.kind(), running.load(Ordering::SeqCst)), (ErrorKind::Cancelled, 4));
    for handle in &handles[..4] {
        assert_eq!(handle.wait().await.unwrap().status, RunStatus::Completed);
    }
    assert!(!workflow.cancel_now("r4"), "it has ended");
}

#[tokio::test]
async fn cancelling_ends_the_run_at_once_with_one_last_event() {
    let (step, dropped) = guarded();
    let workflow = of(Parallel::new("p").branch(step).branch(hangs("other"))).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream_events(true).stream();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        if event.path.name() == "other" && matches!(event.kind, EventKind::RunContent { .. }) {
            assert!(workflow.cancel_now("r"));
        }
        seen.push(event);
    }
    stepwright_testing::grammar::check(&seen);
    assert_eq!(seen.iter().filter(|event| event.kind.is_terminal()).count(), 1);
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(events.output().await.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn blocking_runs_without_a_runtime_and_refuses_to_block_one() {
    let workflow = of(mark("a")).step(Step::blocking("b", |t: String| t + "b")).build().unwrap();
    assert_eq!(text(&workflow.run("in").blocking().unwrap()), "inab");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async { workflow.run("in").blocking() }).unwrap_err();
    assert_eq!(error.hint(), Some("await the run, or its stream, instead"));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocking_steps_do_not_block_the_others() {
    // Each waits for the other: one after the other they would wait for ever.
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let meet = |name: &str| {
        let barrier = barrier.clone();
        Step::blocking(name, move |_: StepInput| {
            barrier.wait();
        })
    };
    let both = Parallel::new("p").branch(meet("a")).branch(meet("b"));
    assert!(of(both).build().unwrap().run("in").await.is_ok());
}

#[tokio::test]
async fn what_a_run_is_given_reaches_its_steps_and_its_output() {
    let look = Step::new("look", |input: StepInput, cx: StepContext| async move {
        let run = cx.run();
        format!(
            "{} {} {} {}",
            run.session_id,
            run.user_id.as_ref().unwrap(),
            run.run_id,
            input.run.additional_data["tone"]
        )
    });
    let workflow = of(look).id("my-id").build().unwrap();
    let object = |value: serde_json::Value| value.as_object().unwrap().clone();
    let output = workflow
        .run(json!({"topic": "ants"}))
        .session_id("s-1")
        .user_id("ada")
        .run_id("r-1")
        .metadata(object(json!({"ticket": 7})))
        .additional_data(object(json!({"tone": "dry"})))
        .await
        .unwrap();
    assert_eq!(text(&output), r#"s-1 ada r-1 "dry""#);
    assert_eq!(output.metadata["ticket"], 7);
    assert_eq!(output.workflow_id, "my-id");
    assert_eq!(output.input.field("topic").unwrap().text(), "ants");
    assert_eq!((output.content_type(), output.status), ("str", RunStatus::Completed));
    assert!(output.created_at.0 > 0 && output.metrics.steps == 1);
}

#[tokio::test]
async fn a_declared_input_is_checked_before_anything_runs() {
    #[derive(serde::Deserialize)]
    struct Topic {
        #[expect(dead_code)]
        title: String,
    }
    let store = Memory::default();
    let workflow = of(mark("a")).input::<Topic>().store(store.clone()).build().unwrap();
    let error = workflow.run("ants").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().starts_with("the input does not fit workflow `test`"), "{error}");
    assert!(store.runs(RunFilter::default()).await.unwrap().is_empty());
    assert!(workflow.run(json!({"title": "ants"})).await.is_ok());
    assert!(workflow.run(r#"{"title": "ants"}"#).await.is_ok(), "a text that holds it will do");
}

#[tokio::test]
async fn events_are_stored_when_asked_for_but_those_to_skip() {
    let builder = || of(mark("a")).store(Memory::default());
    let plain = builder().build().unwrap().run("in").await.unwrap();
    assert_eq!(plain.events, None);
    let workflow = builder().store_events(true).events_to_skip(["StepStarted"]).build().unwrap();
    let output = workflow.run("in").run_id("r").await.unwrap();
    let names: Vec<_> = output.events.iter().flatten().map(Event::name).collect();
    assert_eq!(names, ["WorkflowStarted", "StepCompleted", "WorkflowCompleted"]);
    let (_, streamed) = streamed(workflow.run("in")).await;
    assert_eq!(streamed.unwrap().events.unwrap().len(), 3);
    assert_eq!(workflow.get_run("r").await.unwrap(), output);
}

#[tokio::test]
async fn a_run_id_is_used_once() {
    let workflow = of(mark("a")).store(Memory::default()).build().unwrap();
    workflow.run("in").run_id("r").await.unwrap();
    let error = workflow.run("in").run_id("r").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Usage, "there is a run `r` already")
    );
}

#[tokio::test]
async fn one_workflow_runs_many_times_at_once() {
    let workflow = of(mark("a")).store(Memory::default()).build().unwrap();
    let runs = (0..200).map(|n| {
        let run = workflow.run(format!("{n}-")).session_id("s").into_future();
        tokio::spawn(run)
    });
    for (n, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(text(&run.await.unwrap().unwrap()), format!("{n}-a"));
    }
    assert_eq!(workflow.runs(RunFilter::default()).await.unwrap().len(), 200);
    assert_eq!(workflow.get_session_metrics("s").await.unwrap().runs, 200);
}

#[tokio::test]
async fn what_a_step_says_after_its_end_is_not_part_of_the_run() {
    let step = Step::new("leaky", |_: StepInput, cx: StepContext| async move {
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            cx.emit("too late");
        });
        "done"
    });
    let wait = Step::new("wait", |_: StepInput| tokio::time::sleep(Duration::from_millis(5)));
    let (events, _) = streamed(of(step).step(wait).build().unwrap().run("in")).await;
    assert!(events.iter().all(|event| event.content().is_none_or(|c| c.text() != "too late")));
}

#[test]
fn each_fact_has_the_time_at_which_it_happened() {
    use stepwright_core::world::VirtualClock;
    use stepwright_core::{Content, World};
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 1);
    let slow = Step::new("slow", |_: StepInput, cx: StepContext| async move {
        cx.world().sleep(Duration::from_secs(1)).await;
        let (agent, model, message) = ("a".into(), "m".into(), Content::default());
        cx.record(EventKind::RunStarted { agent, model, notice: None, message }).await?;
        cx.world().sleep(Duration::from_secs(2)).await;
        let usage = stepwright_core::message::Usage::default();
        let done = EventKind::RunCompleted { content: "done".into(), usage };
        cx.record(done).await?;
        cx.world().sleep(Duration::from_secs(4)).await;
        Ok::<_, stepwright_core::StepError>("done")
    });
    let workflow = of(slow).world(world).store_events(true).build().unwrap();
    let output = clock.run(workflow.run("in").into_future()).unwrap();
    let start = output.created_at;
    let times: Vec<_> =
        output.events.iter().flatten().map(|e| e.time.since(start).as_secs()).collect();
    assert_eq!(times, [0, 0, 1, 3, 7, 7], "{:?}", output.events);
}

#[tokio::test]
async fn a_background_run_that_cannot_be_taken_up_keeps_nobody_waiting() {
    let workflow = of(mark("a")).store(Memory::default()).build().unwrap();
    let handle = workflow.run("in").session_id("s").background().await.unwrap();
    // Before its turn comes, the session goes, and all its runs with it.
    workflow.sessions().delete("s").await.unwrap();
    let error = handle.wait().await.unwrap_err();
    assert!(error.to_string().contains("was not found"), "{error}");
}

#[tokio::test]
async fn a_changed_definition_is_told_with_what_has_changed() {
    let store = Memory::default();
    let asks = |name| mark(name).human_review(HumanReview::new().requires_confirmation("?"));
    let build = |more: Option<Step>, name| {
        let workflow = of(mark("a").retries(1)).store(store.clone()).step(asks(name));
        more.into_iter().fold(workflow, WorkflowBuilder::step).build().unwrap()
    };
    let before = build(None, "b");
    before.run("in").run_id("r").await.unwrap();
    let after = build(Some(mark("c")), "b");
    let error = after.resume("r").await.unwrap_err();
    let wanted = "workflow `test` has changed since run `r` began\n  + `c` is new";
    assert_eq!(error.to_string(), wanted);
    assert!(error.hint().unwrap().contains("accept the change"), "{error:?}");
    let answer = [("b", Answer::Approve)];
    let goes_on = after.continue_run("r", answer).accept_changed_definition(true);
    assert_eq!(text(&goes_on.await.unwrap()), "inabc");
    assert_eq!(after.resume("none").await.unwrap_err().kind(), ErrorKind::NotFound);

    before.run("in").run_id("s").await.unwrap();
    let gone = of(mark("z")).store(store.clone()).step(asks("b")).build().unwrap();
    let error = gone.resume("s").accept_changed_definition(true).await.unwrap_err();
    assert!(error.to_string().contains("- `a` is not there any more"), "{error}");
    assert!(error.hint().unwrap().contains("the run has done `a`"), "{error:?}");
    let slower = of(mark("a").retries(4)).store(store.clone()).step(asks("b")).build().unwrap();
    let error = slower.resume("s").await.unwrap_err().to_string();
    let told = "began\n  ~ `a`: `retry.retries` was 1 and is 4";
    assert!(error.ends_with(told), "{error}");
}

#[tokio::test]
async fn a_failed_run_in_the_background_is_a_failed_run() {
    let workflow = Workflow::builder("w").step(fails("f")).build().unwrap();
    let handle = workflow.run("in").background().await.unwrap();
    let error = handle.wait().await.unwrap_err();
    assert_eq!(error.to_string(), "step `f` failed: kaput");
    assert_eq!(handle.status().await.unwrap(), RunStatus::Error);
}

#[test]
fn events_can_be_read_without_async() {
    let workflow = of(mark("a")).step(mark("b")).build().unwrap();
    let mut events = workflow.run("in").stream_events(true).stream().blocking().unwrap();
    let names: Vec<_> = events.by_ref().map(|event| event.name()).collect();
    assert_eq!(names.first().copied(), Some("WorkflowStarted"));
    assert_eq!(names.last().copied(), Some("WorkflowCompleted"));
    assert_eq!(names.iter().filter(|name| **name == "StepCompleted").count(), 2);
    assert_eq!(events.next(), None);
    assert_eq!(events.output().unwrap().content.text(), "inab");
}

#[test]
fn events_that_nobody_reads_on_cancel_their_run() {
    let store = Memory::default();
    let hang = Step::new("hang", |_: StepInput| std::future::pending::<String>());
    let workflow = of(mark("a")).step(hang).store(store.clone()).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream().blocking().unwrap();
    events.next().unwrap();
    drop(events);
    let run = RunId::new("r").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let row = runtime.block_on(store.run(&run)).unwrap().unwrap();
    assert_eq!(row.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn blocking_events_are_refused_inside_of_async_code() {
    let stream = of(mark("a")).build().unwrap().run("in").stream();
    let error = stream.blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.hint().unwrap().contains("await"), "{error:?}");
}
