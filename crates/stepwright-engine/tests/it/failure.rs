//! Failures are told as failures.

use crate::support::{fails, hangs, mark, of, streamed, text, transcript};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::plan::{Join, OnError, Retry};
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorCode, ErrorKind, EventKind, HumanReview, Memory, Patch, RunStatus, StepContext,
    StepError, StepInput, StepOutput, StepStatus, World,
};
use stepwright_engine::{Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow};
use stepwright_testing::grammar;

#[tokio::test]
async fn a_failing_step_fails_the_run_and_says_what_was_done() {
    let deep = Steps::new("outer").step(mark("done")).step(fails("broken"));
    let workflow = of(deep).step(mark("never")).store(Memory::default()).build().unwrap();
    let error = workflow.run("in").run_id("r").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Run);
    assert_eq!(error.to_string(), "step `outer/broken` failed: kaput");
    let output = error.output().unwrap();
    assert_eq!(output.status, RunStatus::Error);
    assert!(output.content.is_empty(), "an error is no content");
    assert_eq!(output.step_at("outer/done").unwrap().content.text(), "indone");
    assert_eq!(output.step_at("outer/broken").unwrap().status, StepStatus::Failed);
    assert_eq!(output.step_at("never"), None);
    assert_eq!(&workflow.get_run("r").await.unwrap(), output);
}

#[tokio::test]
async fn every_container_hands_a_failure_up() {
    let inner = of(fails("f")).build().unwrap();
    let cases = [
        of(Steps::new("c").step(fails("f"))),
        of(Parallel::new("c").branch(fails("f")).branch(mark("x"))),
        of(Loop::new("c").step(fails("f")).at_most(3)),
        of(Condition::constant("c", true).then(fails("f"))),
        of(Router::constant("c", ["f"]).choice(fails("f"))),
        of(Map::new("c").over(|_| vec!["x"]).step(fails("f"))),
        of(Step::workflow("c", inner)),
    ];
    for case in cases {
        let workflow = case.step(mark("never")).build().unwrap();
        let (_, answer) = streamed(workflow.run("in")).await;
        let error = answer.unwrap_err();
        assert_eq!(error.step().unwrap().name(), "f");
        let output = error.output().unwrap();
        assert_eq!(output.step_at("c").unwrap().status, StepStatus::Failed, "{output:?}");
        assert_eq!(output.step_at("never"), None);
    }
}

#[tokio::test]
async fn skip_tolerates_and_continue_goes_on_to_fail() {
    let skip = of(mark("a")).step(fails("b").on_error(OnError::Skip)).step(mark("c"));
    let output = skip.build().unwrap().run("in").await.unwrap();
    assert_eq!((output.status, text(&output).as_str()), (RunStatus::Completed, "inac"));

    let go_on = of(mark("a")).step(fails("b").on_error(OnError::Continue)).step(mark("c"));
    let error = go_on.build().unwrap().run("in").await.unwrap_err();
    assert_eq!(error.to_string(), "step `b` failed: kaput");
    let output = error.output().unwrap();
    // The next step ran, on nothing: never on the text of the error.
    assert_eq!(output.step_at("c").unwrap().content.text(), "c");
    assert_eq!(output.status, RunStatus::Error);

    let container = Steps::new("s").step(mark("x")).step(fails("y")).on_error(OnError::Skip);
    let output = of(mark("a")).step(container).step(mark("z")).build().unwrap().run("in").await;
    assert_eq!(text(&output.unwrap()), "inaz");
}

/// A step whose first attempt fails in this way, and whose second does not.
fn fails_once(code: ErrorCode) -> Step {
    Step::new("once", move |_: StepInput, cx: StepContext| async move {
        match (cx.attempt(), code) {
            (1, ErrorCode::TimedOut) => std::future::pending().await,
            (1, ErrorCode::Panicked) => panic!("kaput"),
            (1, code) => Err(StepError::new("kaput").with_code(code)),
            _ => Ok("good"),
        }
    })
    .timeout(Duration::from_secs(5))
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failure_goes_by_its_class() {
    use ErrorCode as C;
    let retry = || Retry { retries: 1, on: vec![C::TimedOut, C::Panicked], ..Retry::default() };
    for (code, attempts) in [(C::TimedOut, 2), (C::Panicked, 2), (C::Model, 1), (C::Failed, 1)] {
        let output = of(fails_once(code).retry(retry()).on_error(OnError::Skip)).build().unwrap();
        let output = output.run("in").await.unwrap();
        let step = output.step_at("once").unwrap();
        let status = if attempts == 2 { StepStatus::Completed } else { StepStatus::Skipped };
        assert_eq!((step.attempts, step.status), (attempts, status), "{code}");
    }

    // Of a step, and of a container around it.
    let policy = || OnError::Continue.but(C::TimedOut, OnError::Skip).but(C::Model, OnError::Fail);
    let cases = [(C::TimedOut, "in!", 0), (C::Failed, "!", 1), (C::Model, "", 1)];
    for (code, expected, failed) in cases {
        let of_step = of(fails_once(code).on_error(policy()));
        let of_container = of(Steps::new("all").step(fails_once(code)).on_error(policy()));
        for workflow in [of_step, of_container] {
            let answer = workflow.step(mark("!")).build().unwrap().run("in").await;
            let failures = usize::from(answer.is_err());
            let output = answer.unwrap_or_else(|error| error.output().unwrap().clone());
            let last = output.step_at("!").map(|step| step.content.text().into_owned());
            assert_eq!((last.unwrap_or_default().as_str(), failures), (expected, failed), "{code}");
        }
    }

    let error = of(fails("f").retry_on([C::Model])).build().unwrap_err();
    assert!(error.to_string().contains("`retry_on` is set, but `retries` is 0"), "{error}");
}

#[tokio::test]
async fn a_panic_is_a_failure_of_its_step() {
    let panics = Step::new("panics", |_: StepInput| async { panic!("oh {}", "no") as () });
    let early = Step::blocking("early", |_: StepInput| -> String { panic!("at once") });
    for (step, message) in [(panics, "oh no"), (early, "at once")] {
        let error = of(step.retries(3)).build().unwrap().run("in").await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("it panicked: {message}")), "{error}");
        let failure = error.output().unwrap().error.clone().unwrap();
        assert_eq!((failure.error.code, failure.attempts), (ErrorCode::Panicked, 1));
    }
    let decides = Condition::new("c", |_| -> bool { panic!("cannot say") }).then(mark("x"));
    let error = of(decides).build().unwrap().run("in").await.unwrap_err();
    assert_eq!(error.to_string(), "step `c` failed: it panicked: cannot say");
}

#[tokio::test]
async fn a_decision_that_fails_never_means_no() {
    let cases = [
        of(Condition::new("d", |_| Err::<bool, _>("cannot say")).then(mark("x"))),
        of(Router::new("d", |_| Err::<String, _>("cannot say")).choice(mark("x"))),
        of(Loop::new("d").step(mark("x")).at_most(3).until(|_| Err::<bool, _>("cannot say"))),
        of(Map::new("d").over(|_| Err::<Vec<String>, _>("cannot say")).step(mark("x"))),
    ];
    for case in cases {
        let (_, answer) = streamed(case.build().unwrap().run("in")).await;
        let error = answer.unwrap_err();
        assert_eq!(error.output().unwrap().error.as_ref().unwrap().error.code, ErrorCode::Decision);
        assert!(error.to_string().ends_with("failed: cannot say"), "{error}");
    }
    let unknown = Router::new("r", |_| "nowhere").choice(mark("here")).choice(mark("there"));
    let error = of(unknown).build().unwrap().run("in").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `r` failed: router `r` selects `nowhere`, which it does not have"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_fails_and_so_does_a_run() {
    let slow = hangs("slow").timeout(Duration::from_mins(1));
    let error = of(slow).build().unwrap().run("in").await.unwrap_err();
    assert_eq!(error.to_string(), "step `slow` failed: it took longer than 60s");
    assert!(error.hint().unwrap().contains("timeout"));

    let workflow =
        of(Parallel::new("p").branch(hangs("slow")).branch(mark("fast"))).build().unwrap();
    let run = workflow.run("in").timeout(Duration::from_secs(5));
    let (events, answer) = streamed(run).await;
    let error = answer.unwrap_err();
    assert_eq!(error.to_string(), "the run took longer than 5s");
    let output = error.output().unwrap();
    assert_eq!(output.step_at("p/slow").unwrap().status, StepStatus::Cancelled);
    assert_eq!(output.step_at("p/slow").unwrap().content.text(), "so far", "partial text is kept");
    assert_eq!(events.last().unwrap().name(), "WorkflowError");
}

#[tokio::test(start_paused = true)]
async fn a_workflow_has_a_timeout_that_a_run_can_replace() {
    let nap = Step::new("nap", |_: StepInput| tokio::time::sleep(Duration::from_secs(30)));
    let workflow = of(nap).timeout(Duration::from_secs(10)).build().unwrap();
    let error = workflow.run("in").await.unwrap_err();
    assert_eq!(error.to_string(), "the run took longer than 10s");
    assert!(workflow.run("in").timeout(Duration::from_mins(1)).await.is_ok());
}

#[test]
fn a_container_has_its_time_while_it_decides_and_a_workflow_brings_its_own() {
    let never = |_: StepInput| std::future::pending::<Result<bool, StepError>>();
    let cases = [
        of(Condition::new_async("c", never).then(mark("x")).timeout(Duration::from_secs(3))),
        of(Step::workflow("c", of(hangs("h")).timeout(Duration::from_secs(3)).build().unwrap())),
        of(Step::workflow("c", of(hangs("h")).timeout(Duration::from_mins(3)).build().unwrap())
            .timeout(Duration::from_secs(3))),
        of(Loop::new("c")
            .step(mark("x"))
            .step(hangs("h"))
            .at_most(9)
            .timeout(Duration::from_secs(3))),
    ];
    for case in cases {
        let clock = VirtualClock::default();
        let world = World::new(clock.clone(), 1);
        let began = world.now();
        let workflow = case.step(mark("never")).world(world.clone()).store_events(true);
        let run = workflow.build().unwrap().run("in");
        let answer = clock.run(run.into_future());
        let error = answer.unwrap_err();
        assert_eq!(error.to_string(), "step `c` failed: it took longer than 3s");
        assert_eq!(world.now().since(began), Duration::from_secs(3));
        assert_eq!(error.output().unwrap().step_at("c").unwrap().status, StepStatus::Failed);
        let events = error.output().unwrap().events.as_ref().unwrap();
        grammar::check(events);
        let passed = events.iter().filter(|event| event.name() == "DeadlinePassed");
        assert_eq!(passed.count(), 1);
    }
    let none = of(Steps::new("s").step(mark("x")).timeout(Duration::ZERO)).build().unwrap_err();
    assert!(none.to_string().contains("`timeout` must be greater than zero"), "{none}");
}

#[test]
fn a_container_whose_time_is_over_when_its_run_is_taken_up_begins_nothing() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 1);
    let (store, calls) = (Memory::default(), Arc::new(AtomicU32::new(0)));
    let build = |calls: Arc<AtomicU32>| {
        let step = Step::new("h", move |_: StepInput| {
            calls.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<String, StepError>>()
        });
        let container = Steps::new("s").step(step).timeout(Duration::from_secs(3));
        of(container).store(store.clone()).world(world.clone()).build().unwrap()
    };
    // Its process dies in the middle of it, which a run that is never polled again is like.
    let first = build(calls.clone());
    let mut run = Box::pin(first.run("in").run_id("r").into_future());
    clock.run(async {
        let died = world.timeout(Duration::from_secs(1), &mut run).await;
        assert!(died.is_none());
    });
    std::mem::forget(run);
    clock.run(world.sleep(Duration::from_mins(1)));
    let late = clock.run(build(calls.clone()).resume("r").into_future()).unwrap_err();
    assert_eq!(late.to_string(), "step `s` failed: it took longer than 3s");
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it was begun again");
}

#[tokio::test]
async fn fail_fast_stops_the_others_and_wait_all_does_not() {
    let branches = |join| {
        let late = Step::new("late", |_: StepInput| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            "late"
        });
        of(Parallel::new("p").branch(late).branch(fails("f")).join(join)).build().unwrap()
    };
    let late =
        |error: &stepwright_core::Error| error.output().unwrap().step_at("p/late").unwrap().status;
    let fast = streamed(branches(Join::FailFast).run("in")).await.1.unwrap_err();
    assert_eq!(late(&fast), StepStatus::Cancelled);
    let all = streamed(branches(Join::WaitAll).run("in")).await.1.unwrap_err();
    assert_eq!(late(&all), StepStatus::Completed);
}

fn flaky(times: u32, error: fn() -> StepError) -> (Step, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let step = Step::new("flaky", move |_: StepInput, cx: StepContext| {
        let call = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            assert_eq!(call, cx.attempt());
            if call > times { Ok(cx.attempt_key()) } else { Err(error()) }
        }
    });
    (step, calls)
}

#[test]
fn retries_back_off_and_every_attempt_is_a_fact() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 1);
    let (step, calls) = flaky(3, || StepError::new("busy"));
    let retry = Retry { retries: 5, jitter: false, ..Retry::default() };
    let store = Memory::default();
    let workflow = of(step.retry(retry)).world(world.clone()).store(store.clone());
    let workflow = workflow.build().unwrap();
    let before = world.now();
    let output = clock.run(workflow.run("in").run_id("r").into_future()).unwrap();
    assert_eq!(world.now().since(before), Duration::from_millis(500 + 1_000 + 2_000));
    assert_eq!((text(&output).as_str(), calls.load(Ordering::SeqCst)), ("r:flaky##4", 4));
    assert_eq!((output.step_at("flaky").unwrap().attempts, output.metrics.retries), (4, 3));
    let facts = clock.run(store.load(&output.run_id, 0, 100)).unwrap();
    let retries = facts.iter().filter_map(|fact| match &fact.kind {
        EventKind::StepRetrying { attempt, error, delay_ms } => {
            Some((*attempt, *delay_ms, &*error.message))
        }
        _ => None,
    });
    let wanted = [(1, 500, "busy"), (2, 1_000, "busy"), (3, 2_000, "busy")];
    assert_eq!(retries.collect::<Vec<_>>(), wanted);
}

#[test]
fn retry_after_is_honoured_and_terminal_errors_are_not_retried() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 1);
    let run = |error: fn() -> StepError| {
        let (step, calls) = flaky(1, error);
        let workflow = of(step.retries(4)).world(world.clone()).build().unwrap();
        let before = world.now();
        let answer = clock.run(workflow.run("in").into_future());
        (answer, calls.load(Ordering::SeqCst), world.now().since(before))
    };
    let (answer, calls, waited) =
        run(|| StepError::new("429").with_retry_after(Duration::from_secs(90)));
    assert!(answer.is_ok());
    assert_eq!((calls, waited), (2, Duration::from_secs(90)));
    let (answer, calls, _) = run(|| StepError::terminal("401"));
    assert_eq!((answer.unwrap_err().to_string().as_str(), calls), ("step `flaky` failed: 401", 1));
}

#[tokio::test]
async fn attempts_that_fail_leave_nothing_in_the_state() {
    let counts = |fail: u32| {
        Step::new("count", move |_: StepInput, cx: StepContext| async move {
            let output = StepOutput::from("").patch(Patch::increment("n", 1));
            if cx.attempt() > fail { Ok(output) } else { Err(StepError::new("busy")) }
        })
    };
    let retry = Retry { retries: 2, backoff_ms: 0, ..Retry::default() };
    let workflow = |step: Step| of(step.retry(retry.clone())).store(Memory::default()).build();
    let state = async |workflow: &Workflow| workflow.get_session_state("s").await.unwrap();

    let third = workflow(counts(2)).unwrap();
    let output = third.run("in").session_id("s").await.unwrap();
    assert_eq!(output.step_at("count").unwrap().attempts, 3);
    assert_eq!(state(&third).await["n"], 1);
    let none = workflow(counts(9)).unwrap();
    let error = none.run("in").session_id("s").await.unwrap_err();
    assert_eq!(error.to_string(), "step `count` failed after 3 attempts: busy");
    assert!(state(&none).await.is_empty());

    // Nor does an output that a person rejects, although it changed the state.
    let review = HumanReview::new().requires_output_review("Good?");
    let reviewed = workflow(counts(0).human_review(review)).unwrap();
    let paused = reviewed.run("in").session_id("s").await.unwrap();
    let again = [("count", Answer::reject("no"))];
    let paused = reviewed.continue_run(&paused.run_id, again).await.unwrap();
    assert_eq!(state(&reviewed).await.get("n"), None);
    let good = [("count", Answer::Approve)];
    let output = reviewed.continue_run(&paused.run_id, good).await.unwrap();
    assert_eq!(output.step_at("count").unwrap().attempts, 2);
    assert_eq!(state(&reviewed).await["n"], 1);
}

#[tokio::test]
async fn the_causes_of_an_error_are_kept() {
    #[derive(Debug, thiserror::Error)]
    #[error("no answer from the archive")]
    struct Outer(#[source] std::io::Error);
    let step = Step::new("ask", |_: StepInput| async {
        Err::<String, _>(Outer(std::io::Error::other("connection refused")))
    });
    let error = of(step).build().unwrap().run("in").await.unwrap_err();
    assert_eq!(
        error.report(),
        "error[SW0401]: step `ask` failed: no answer from the archive\n  caused by: connection refused"
    );
}

#[tokio::test]
async fn a_failing_run_as_its_reader_sees_it() {
    let branches = Parallel::new("p").branch(hangs("h")).branch(fails("f")).join(Join::FailFast);
    let expected = r#"WorkflowStarted "in"
  p ParallelExecutionStarted
    p/h StepStarted
    p/h RunContent "so far"
    p/f StepStarted
    p/f StepError "kaput"
    p/h StepCancelled "so far"
  p ParallelExecutionCompleted
WorkflowError "kaput"
"#;
    assert_eq!(transcript(of(branches).build().unwrap().run("in")).await, expected);
}

#[tokio::test]
async fn a_last_step_that_is_skipped_as_its_reader_sees_it() {
    let last = of(mark("a")).step(fails("f").on_error(OnError::Skip));
    let expected = r#"WorkflowStarted "in"
  a StepStarted
  a StepOutput "ina"
  a StepCompleted "ina"
  f StepStarted
  f StepSkipped "kaput"
WorkflowCompleted "ina"
"#;
    assert_eq!(transcript(last.build().unwrap().run("in")).await, expected);
}

#[tokio::test]
async fn a_function_that_gets_what_it_cannot_take_fails_for_good() {
    async fn takes(stepwright_engine::Json(n): stepwright_engine::Json<u8>) -> String {
        n.to_string()
    }
    let workflow =
        Workflow::builder("w").step(Step::new("takes", takes).retries(3)).build().unwrap();
    let error = workflow.run("many").await.unwrap_err();
    assert!(error.to_string().starts_with("step `takes` failed: the input is no `u8`"), "{error}");
    assert_eq!(text(&workflow.run(7).await.unwrap()), "7");
}

#[tokio::test]
async fn a_function_that_fails_for_good_is_called_once_and_its_error_is_its_own() {
    let kaput = |how: &'static str| {
        let calls = Arc::new(AtomicU32::new(0));
        let count = calls.clone();
        let step = Step::new("f", move |_: StepInput| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(how != "panics", "mine");
                Err::<String, _>(StepError::terminal("mine"))
            }
        });
        (step.retries(3), calls)
    };
    let wanted =
        [("gives", "step `f` failed: mine"), ("panics", "step `f` failed: it panicked: mine")];
    for (how, message) in wanted {
        let (step, calls) = kaput(how);
        let error = of(step).build().unwrap().run("in").await.unwrap_err();
        assert_eq!((error.to_string().as_str(), calls.load(Ordering::SeqCst)), (message, 1));
    }
}

#[tokio::test]
async fn what_is_skipped_is_passed_over_at_any_depth() {
    let skip = || fails("f").on_error(OnError::Skip);
    let inner = of(skip()).build().unwrap();
    let cases = [
        (of(Steps::new("c").step(skip())), "c/f", "in!"),
        (
            of(Parallel::new("c").branch(skip()).branch(mark("x"))),
            "c/f",
            r#"{"f":null,"x":"inx"}!"#,
        ),
        (of(Loop::new("c").step(skip()).at_most(1)), "c#1/f", "in!"),
        (of(Condition::constant("c", true).then(skip())), "c/f", "in!"),
        (of(Router::constant("c", ["f"]).choice(skip())), "c/f", "in!"),
        (of(Map::new("c").over(|_| vec!["y"]).step(skip())), "c#1/f", "[null]!"),
        (of(Step::workflow("c", inner)), "c/f", "in!"),
    ];
    for (case, path, content) in cases {
        let workflow = case.step(mark("!")).build().unwrap();
        let output = workflow.run("in").await.unwrap();
        assert_eq!((output.status, text(&output).as_str()), (RunStatus::Completed, content));
        let skipped = output.step_at(path).unwrap();
        assert_eq!((skipped.status, skipped.content.is_empty()), (StepStatus::Skipped, true));
        let (_, streamed) = streamed(workflow.run("in")).await;
        assert_eq!(streamed.unwrap().content, output.content);
    }
}
