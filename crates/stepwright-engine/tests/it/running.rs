//! The ways to run: awaited, streamed, in the background, blocking.

use crate::simulation::store::{Slow, Then};
use crate::support::{fails, hangs, mark, of, streamed, text};
use futures_util::StreamExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_core::store::RunFilter;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    Answer, ErrorKind, Event, EventKind, HumanReview, Memory, RunId, RunStatus, StepContext,
    StepInput,
};
use stepwright_engine::{Loop, Parallel, Router, Step, Steps, Workflow, WorkflowBuilder};

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
async fn what_functions_give_at_any_depth_is_shown_at_its_address() {
    let inner = of(Loop::new("l").step(mark("c")).at_most(2)).build().unwrap();
    let deep = Steps::new("s").step(Step::workflow("w", inner)).step(mark("d"));
    let both = Parallel::new("p").branch(deep);
    let workflow = of(mark("a")).step(both).build().unwrap();
    let shown = async |all: bool| {
        let events = workflow.run("in").stream_events(all).stream();
        let events = events.filter(|event| std::future::ready(event.name() == "StepOutput"));
        let told = |event: Event| (event.path.to_string(), event.content().unwrap().to_string());
        events.map(told).collect::<Vec<_>>().await
    };
    let wanted =
        [("a", "ina"), ("p/s/w/l#1/c", "inac"), ("p/s/w/l#2/c", "inac"), ("p/s/d", "inacd")];
    let wanted = wanted.map(|(path, content)| (path.to_owned(), content.to_owned()));
    assert_eq!(shown(false).await, wanted);
    assert_eq!(shown(true).await, wanted);
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
    assert!(!workflow.cancel_now("r"), "there is nothing left to cancel");
}

/// Reads a run whose store appends so often and no more, and gives the names of the facts that
/// were shown: all of them were in the journal when they were.
async fn shown(appends: usize, then: Then) -> Vec<&'static str> {
    let memory = Memory::default();
    let both = Parallel::new("p").branch(mark("b")).branch(mark("c"));
    let workflow = of(mark("a")).step(both).step(mark("d"));
    let workflow = workflow.store(Slow::lasting(memory.clone(), appends, then)).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream_events(true).stream();
    let (run, mut names) = (RunId::new("r").unwrap(), Vec::new());
    loop {
        // On a clock that stands still unless nothing else can happen.
        let next = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
        let Ok(Some(event)) = next else { break };
        if event.is_fact() {
            let stored = memory.load(&run, event.sequence, 1).await.unwrap();
            assert_eq!(stored.first(), Some(&event), "after {appends} appends, and it {then:?}");
            names.push(event.name());
        }
    }
    if then == Then::Fails && names.last() != Some(&"WorkflowCompleted") {
        let error = events.output().await.unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
    names
}

#[tokio::test(start_paused = true)]
async fn whatever_is_shown_is_in_the_journal_already() {
    let all = shown(usize::MAX, Then::Fails).await;
    assert_eq!((all.len(), all.last()), (12, Some(&"WorkflowCompleted")));
    for then in [Then::Hangs, Then::Fails] {
        let mut lengths = Vec::new();
        for appends in 0..all.len() {
            lengths.push(shown(appends, then).await.len());
        }
        assert_eq!(lengths[0], 0, "what is not stored is not shown");
        assert!(lengths.is_sorted() && lengths.contains(&all.len()), "{lengths:?}");
    }
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
    assert_eq!(events.next().await.unwrap().name(), "WorkflowError");
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
    // No subscriber reads, and the run ends all the same.
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
async fn runs_at_once_have_their_own_input_and_leave_the_workflow_as_it_was() {
    const RUNS: usize = 50;
    // All of them are in the midst of it at the same time.
    let barrier = Arc::new(tokio::sync::Barrier::new(RUNS));
    let meet = Step::new("meet", move |input: StepInput| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            input.text()
        }
    });
    let parity = |number: usize| if number.is_multiple_of(2) { "even" } else { "odd" };
    let choose = move |input: &StepInput| parity(input.run.content.text().parse().unwrap());
    let workflow = of(Parallel::new("p").branch(meet).branch(mark("x")))
        .step(Router::new("r", choose).choice(mark("even")).choice(mark("odd")))
        .step(Loop::new("l").step(mark("!")).forward().at_most(2))
        .store(Memory::default())
        .build()
        .unwrap();
    let digest = workflow.digest().to_owned();
    let runs = (0..RUNS).map(|n| tokio::spawn(workflow.run(n.to_string()).into_future()));
    for (n, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let output = run.await.unwrap().unwrap();
        let wanted = format!(r#"{{"meet":"{n}","x":"{n}x"}}{}!!"#, parity(n));
        assert_eq!((text(&output), output.input.text().into_owned()), (wanted, n.to_string()));
        assert_eq!(output.walk().filter(|step| step.name() == "!").count(), 2);
    }
    assert_eq!(workflow.digest(), digest);
}

#[tokio::test]
async fn a_limit_of_branches_is_reached_and_never_passed() {
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    // Each of the first four waits for another one, so two at once there must be.
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let branch = |n: usize| {
        let barrier = barrier.clone();
        Step::new(format!("b{n}"), move |_: StepInput| {
            let barrier = barrier.clone();
            async move {
                MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                if n < 4 {
                    barrier.wait().await;
                }
                tokio::task::yield_now().await;
                AT_ONCE.fetch_sub(1, Ordering::SeqCst);
            }
        })
    };
    let all = (0..5).fold(Parallel::new("p").concurrency(2), |p, n| p.branch(branch(n)));
    let output = of(all).build().unwrap().run("in").await.unwrap();
    assert_eq!(output.step_at("p").unwrap().steps.len(), 5);
    assert_eq!(MOST.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_refused_takes_neither_an_id_nor_a_slot() {
    let store = Memory::default();
    let workflow = of(mark("a")).input::<Vec<u8>>().concurrent_runs(1).store(store.clone());
    let workflow = workflow.build().unwrap();
    for _ in 0..3 {
        let refused = workflow.run("no list").run_id("r").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage);
        let refused = workflow.run("no list").run_id("r").background().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage);
    }
    assert_eq!(workflow.get_run("r").await.unwrap_err().kind(), ErrorKind::NotFound);
    let handle = workflow.run(vec![1]).run_id("r").background().await.unwrap();
    assert_eq!(handle.wait().await.unwrap().run_id.as_str(), "r");
    assert_eq!(store.runs(RunFilter::default()).await.unwrap().len(), 1);
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
    let all = Steps::new("s").step(Loop::new("l").step(mark("a")).at_most(2)).step(mark("b"));
    let workflow = of(all).build().unwrap();
    let told = |event: Event| (event.name(), event.path.to_string());
    let run = || workflow.run("in").stream_events(true);
    let mut events = run().stream().blocking().unwrap();
    let names: Vec<_> = events.by_ref().map(told).collect();
    assert_eq!(events.next(), None);
    assert_eq!(events.output().unwrap().content.text(), "inab");
    // Each has its address, and they are those that async code reads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (events, _) = runtime.block_on(streamed(run()));
    assert_eq!(names, events.into_iter().map(told).collect::<Vec<_>>());
    let without: Vec<_> = names.iter().filter(|(_, path)| path.is_empty()).collect();
    assert_eq!(without.len(), 2, "only the run itself is at no address: {without:?}");
    assert!(names.contains(&("StepCompleted", "s/l#2/a".to_owned())));
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
