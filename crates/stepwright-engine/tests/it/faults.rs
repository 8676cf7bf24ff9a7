//! Faults that occur elsewhere, and not here: `docs/parity.md` has the whole list.

use crate::support::{fails, hangs, mark, of, streamed, text};
use futures_util::StreamExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::message::Usage;
use stepwright_core::plan::{OnError, Retry};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{
    Answer, Error, ErrorKind, EventKind, HumanReview, Media, MediaKind, Memory, OnTimeout,
    RunOutput, RunStatus, StepContext, StepInput, StepOutput, StepStatus,
};
use stepwright_engine::{
    Condition, Json, Loop, Map, Parallel, Parts, Router, Run, Step, Steps, Workflow,
};

const WAYS: [&str; 5] = ["streamed", "awaited", "background", "blocking", "streamed again"];

/// Runs it in one of the [`WAYS`].
async fn in_way(way: &str, run: Run) -> Result<RunOutput, Error> {
    match way {
        "awaited" => run.await,
        "background" => run.background().await?.wait().await,
        "blocking" => std::thread::spawn(|| run.blocking()).join().unwrap(),
        _ => streamed(run).await.1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_see_the_same_whichever_way_they_run() {
    let look = |name: &str| {
        Step::new(name, |input: StepInput, cx: StepContext| async move {
            let run = cx.run();
            let keys: Vec<&String> = input.state.keys().collect();
            format!("{} {:?} {} {keys:?}", run.session_id, run.user_id, input.text())
        })
    };
    let both = Parallel::new("both").branch(look("a")).branch(Steps::new("s").step(look("b")));
    let workflow = of(look("first")).step(both).store(Memory::default()).build().unwrap();
    let mut seen = Vec::new();
    for way in WAYS {
        let run = workflow.run("in").session_id("s").user_id("ada");
        seen.push((in_way(way, run).await.unwrap().content, way));
    }
    let one = r#"s Some("ada") s Some("ada") in [] []"#;
    assert_eq!(seen[0].0, json!({"a": one, "s": one}).into(), "and nothing is put into the state");
    for (content, way) in &seen {
        assert_eq!(*content, seen[0].0, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_loop_in_its_turn_and_is_told_in_every_way() {
    let last = Step::new("last", |_: StepInput| async { StepOutput::from("enough").stop() });
    let turns = Loop::new("l").step(last).at_most(3);
    let workflow = of(Parallel::new("p").branch(turns)).step(mark("never")).build().unwrap();
    for way in WAYS {
        let output = in_way(way, workflow.run("in")).await.unwrap();
        assert_eq!(output.status, RunStatus::Completed);
        assert!(output.step_at("p/l#1/last").unwrap().stop);
        assert_eq!((output.step_at("p/l#2"), output.step_at("never")), (None, None), "{way}");
    }
    let (events, _) = streamed(workflow.run("in")).await;
    let told = |name: &str, path: &str| {
        events.iter().any(|event| event.name() == name && event.path.as_str() == path)
    };
    assert!(told("StepCompleted", "p/l#1/last") && told("LoopExecutionCompleted", "p/l"));
    assert!(told("ParallelExecutionCompleted", "p"));
}

#[tokio::test]
async fn a_container_that_fails_keeps_what_its_steps_gave() {
    let all = Steps::new("all").step(mark("a")).step(fails("f"));
    let both = Parallel::new("both").branch(all).branch(mark("b"));
    let error = of(both).build().unwrap().run("in").await.unwrap_err();
    let output = error.output().unwrap();
    assert_eq!(output.status, RunStatus::Error);
    for (path, content) in [("both/all/a", "ina"), ("both/b", "inb")] {
        let step = output.step_at(path).unwrap();
        assert_eq!((step.status, &*step.content.text()), (StepStatus::Completed, content));
    }
    for path in ["both", "both/all", "both/all/f"] {
        assert_eq!(output.step_at(path).unwrap().status, StepStatus::Failed, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_stored_as_failed_with_its_steps_in_every_way() {
    let workflow = of(mark("a")).step(fails("f")).store(Memory::default()).build().unwrap();
    for way in WAYS {
        let id = way.replace(' ', "-");
        in_way(way, workflow.run("in").run_id(&id)).await.unwrap_err();
        let run = workflow.get_run(&id).await.unwrap();
        assert_eq!((run.status, run.is_terminal()), (RunStatus::Error, true), "{way}");
        assert_eq!(run.error.as_ref().unwrap().error.message, "kaput");
        assert_eq!(run.step_at("a").unwrap().content.text(), "ina");
        let events = workflow.events(&id, 0).await.unwrap();
        let names: Vec<_> = events.map(|event| event.unwrap().name()).collect().await;
        assert_eq!(names[names.len() - 2..], ["StepError", "WorkflowError"], "{way}");
    }
}

#[tokio::test]
async fn what_was_done_before_a_cancel_is_there_once_and_completed() {
    let workflow = of(mark("a")).step(hangs("b")).store(Memory::default()).build().unwrap();
    let mut events = workflow.run("in").run_id("r").stream();
    while let Some(event) = events.next().await {
        if let EventKind::RunContent { .. } = event.kind {
            assert!(workflow.cancel_now("r"));
        }
    }
    assert_eq!(events.output().await.unwrap_err().kind(), ErrorKind::Cancelled);
    let run = workflow.get_run("r").await.unwrap();
    assert_eq!((run.status, run.is_terminal()), (RunStatus::Cancelled, true));
    let steps: Vec<_> = run.step_results.iter().map(|step| (step.name(), step.status)).collect();
    assert_eq!(steps, [("a", StepStatus::Completed), ("b", StepStatus::Cancelled)]);
}

#[tokio::test]
async fn a_cancel_between_two_steps_leaves_the_first_one_completed_once() {
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let workflow = of(mark("a")).step(mark("b").human_review(asked)).store(Memory::default());
    let workflow = workflow.build().unwrap();
    let paused = workflow.run("in").await.unwrap();
    assert!(workflow.cancel_run(&paused.run_id).await.unwrap());
    let run = workflow.get_run(&paused.run_id).await.unwrap();
    assert_eq!((run.status, run.has_completed()), (RunStatus::Cancelled, true));
    let steps: Vec<_> = run.walk().map(|step| (step.name(), step.status)).collect();
    assert_eq!(steps, [("a", StepStatus::Completed)]);
    let events = workflow.events(&paused.run_id, 0).await.unwrap();
    let names: Vec<_> = events.map(|event| event.unwrap().name()).collect().await;
    assert_eq!(names.iter().filter(|name| **name == "StepCompleted").count(), 1, "{names:?}");
    assert_eq!(names.last(), Some(&"WorkflowCancelled"));
}

#[tokio::test]
async fn a_poll_ends_whatever_the_end_is_and_whoever_polls() {
    let store = Memory::default();
    let step = || {
        Step::new("step", |input: StepInput| async move {
            match input.text().as_str() {
                "fail" => Err("as asked"),
                "hang" => std::future::pending().await,
                _ => Ok("done"),
            }
        })
    };
    let build = || of(step()).store(store.clone()).build().unwrap();
    let (workflow, poller) = (build(), build());
    let ends =
        [("go", RunStatus::Completed), ("fail", RunStatus::Error), ("hang", RunStatus::Cancelled)];
    for (input, status) in ends {
        let run = workflow.run(input).session_id("named").run_id(input);
        let handle = run.background().await.unwrap();
        if status == RunStatus::Cancelled {
            assert!(!poller.get_run(input).await.unwrap().has_completed());
            assert!(handle.cancel().await.unwrap());
        }
        let _ = handle.wait().await;
        // By another workflow, by the id of the run alone.
        let seen = poller.get_run(input).await.unwrap();
        assert_eq!((seen.status, seen.has_completed()), (status, true), "{input}");
    }
}

#[tokio::test]
async fn what_is_stored_is_read_back_as_it_was() {
    let draw = Step::new("draw", |_: StepInput| async {
        let file = Media::bytes(MediaKind::File, [0, 159, 146, 150].as_slice());
        let output = StepOutput::from(stepwright_core::Content::from(json!({"pair": [1, "x"]})));
        output.medium(file.with_mime("application/x-odd").with_name("odd.bin"))
    });
    let inside = Parallel::new("p").branch(Steps::new("s").step(draw));
    let store = Memory::default();
    let workflow = of(inside).store(store.clone()).build().unwrap();
    let image = Media::bytes(MediaKind::Image, [1, 2, 3].as_slice()).with_mime("image/png");
    let given = Parts::default().text("in").media(image);
    let output = workflow.run(given).run_id("r").await.unwrap();
    assert_eq!((output.files().count(), output.content_type()), (1, "json"));
    // Another workflow of the same name has never seen the run.
    let reader = of(mark("other")).store(store).build().unwrap();
    assert_eq!(reader.get_run("r").await.unwrap(), output);
}

#[tokio::test]
async fn each_turn_of_a_loop_and_each_namesake_counts_its_tokens() {
    let costs = |tokens: u64| {
        Step::new("ask", move |_: StepInput| async move {
            let usage = Usage { output_tokens: Some(tokens), ..Usage::default() };
            StepOutput { usage, ..StepOutput::from("x") }
        })
    };
    let workflow = of(Loop::new("l").step(costs(5)).at_most(3))
        .step(Steps::new("a").step(costs(100)))
        .step(Steps::new("b").step(costs(1000)))
        .store(Memory::default())
        .build()
        .unwrap();
    let run = || workflow.run("in").session_id("s");
    let output = run().await.unwrap();
    assert_eq!(output.metrics.usage.output_tokens, Some(1115));
    assert_eq!(output.step_at("l#2/ask").unwrap().usage.output_tokens, Some(5));
    assert_eq!(output.step_at("b/ask").unwrap().usage.output_tokens, Some(1000));
    run().await.unwrap();
    let session = workflow.get_session_metrics("s").await.unwrap();
    assert_eq!(session.usage.output_tokens, Some(2230));
}

#[tokio::test]
async fn an_output_that_is_rejected_was_paid_for_and_a_container_costs_what_its_steps_cost() {
    let costs = || {
        Step::new("ask", |_: StepInput, cx: StepContext| async move {
            let tokens = if cx.attempt() == 1 { 100 } else { 10 };
            let usage = Usage { output_tokens: Some(tokens), ..Usage::default() };
            StepOutput { usage, ..StepOutput::from("x") }
        })
    };
    let review = || HumanReview::new().requires_output_review("Good?");
    let step = costs().human_review(review());
    let workflow = of(step).store(Memory::default()).build().unwrap();
    let paused = workflow.run("in").session_id("s").await.unwrap();
    let again = [("ask", Answer::reject("no"))];
    let paused = workflow.continue_run(&paused.run_id, again).await.unwrap();
    let done = workflow.continue_run(&paused.run_id, [("ask", Answer::Approve)]).await.unwrap();
    let session = workflow.get_session_metrics("s").await.unwrap();
    let step = done.step_at("ask").unwrap().usage;
    for usage in [step, done.metrics.usage, session.usage] {
        assert_eq!(usage.output_tokens, Some(110));
    }

    let all = of(Steps::new("all").step(costs()).human_review(review()));
    let workflow = all.store(Memory::default()).build().unwrap();
    let paused = workflow.run("in").await.unwrap();
    let done = workflow.continue_run(&paused.run_id, [("all", Answer::Approve)]).await.unwrap();
    assert_eq!(done.metrics.usage.output_tokens, Some(100));
    assert!(done.step_at("all").unwrap().usage.is_empty(), "it is told without its steps");
}

#[tokio::test]
async fn a_workflow_inside_pauses_the_run_around_it_and_knows_what_that_was_given() {
    let look = Step::new("look", |input: StepInput, cx: StepContext| async move {
        format!("{} {}", input.run.additional_data["tone"], cx.run().user_id.as_ref().unwrap())
    });
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let inner = of(Steps::new("s").step(look.human_review(asked))).build().unwrap();
    let store = Memory::default();
    let build = || {
        let inner = Step::workflow("inner", inner.clone());
        of(inner).step(mark("!")).store(store.clone()).build().unwrap()
    };
    let workflow = build();
    let object = |value: serde_json::Value| value.as_object().unwrap().clone();
    let run = workflow.run("in").user_id("ada").metadata(object(json!({"ticket": 7})));
    let paused = run.additional_data(object(json!({"tone": "dry"}))).await.unwrap();
    assert_eq!((paused.status, paused.step_at("!")), (RunStatus::Paused, None));
    assert!(paused.step_at("inner/s/look").is_none(), "it has not begun");
    // Another workflow goes on with it: what it was given is in the journal.
    drop(workflow);
    let answers = [("inner/s/look", Answer::Approve)];
    let done = build().continue_run(&paused.run_id, answers).await.unwrap();
    assert_eq!((text(&done).as_str(), &done.metadata["ticket"]), (r#""dry" ada!"#, &json!(7)));
}

#[tokio::test]
async fn a_run_that_names_no_session_has_one_of_its_own() {
    let count = Step::new("count", |input: StepInput| async move {
        let before = input.state("runs").cloned().unwrap_or_default();
        StepOutput::from(before.to_string()).patch(stepwright_core::Patch::increment("runs", 1))
    });
    let workflow = of(count).store(Memory::default()).build().unwrap();
    let named = async || workflow.run("in").session_id("s").await.unwrap();
    assert_eq!(text(&named().await), "null");
    let first = workflow.run("in").await.unwrap();
    let second = workflow.run("in").await.unwrap();
    assert_eq!((text(&first), text(&second)), ("null".into(), "null".into()));
    assert!(first.session_id != second.session_id && first.session_id.as_str() != "s");
    assert_eq!(text(&named().await), "1");
}

#[tokio::test]
async fn deadlines_hold_for_every_container() {
    let late = || {
        let review = HumanReview::new().requires_confirmation("Go on?");
        review.timeout(Duration::from_millis(10)).on_timeout(OnTimeout::Approve)
    };
    let inner = of(mark("x")).build().unwrap();
    let cases = [
        of(Steps::new("c").step(mark("x")).human_review(late())),
        of(Parallel::new("c").branch(mark("x")).human_review(late())),
        of(Loop::new("c").step(mark("x")).at_most(1).human_review(late())),
        of(Condition::constant("c", false).then(mark("x")).human_review(late())),
        of(Router::constant("c", ["x"]).choice(mark("x")).human_review(late())),
        of(Map::new("c").over(|_| vec!["in"]).step(mark("x")).human_review(late())),
        of(Step::workflow("c", inner).human_review(late())),
    ];
    for case in cases {
        let workflow = case.store(Memory::default()).build().unwrap();
        let handle = workflow.run("in").background().await.unwrap();
        let output = handle.wait().await.unwrap();
        assert!(output.content.pretty().contains("inx"), "{output:?}");
        let events: Vec<_> = workflow.events(handle.run_id(), 0).await.unwrap().collect().await;
        let mut replies = events.iter().filter_map(|event| event.as_ref().unwrap().kind.reply());
        assert!(replies.next().unwrap().timed_out, "{output:?}");
    }
}

#[tokio::test]
async fn a_run_without_a_store_can_be_continued_in_its_program() {
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let workflow = of(mark("a").human_review(asked)).build().unwrap();
    let paused = workflow.run("in").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let done = workflow.continue_run(&paused.run_id, [("a", Answer::Approve)]).await.unwrap();
    assert_eq!(text(&done), "ina");
}

#[tokio::test]
async fn a_question_about_a_failure_says_how_often_it_was_tried() {
    let retry = Retry { retries: 2, backoff_ms: 0, ..Retry::default() };
    let broken = fails("f").retry(retry).on_error(OnError::Pause);
    let workflow = of(broken).store(Memory::default()).build().unwrap();
    let attempts = |output: &RunOutput| match &output.requirements[0].kind {
        RequirementKind::ErrorDecision { attempts, .. } => *attempts,
        other => panic!("{other:?}"),
    };
    let one = workflow.run("in").run_id("r").background().await.unwrap().settled().await.unwrap();
    assert_eq!((one.run_id.as_str(), attempts(&one)), ("r", 3));
    let two = workflow.continue_run("r", [("f", Answer::Retry)]).await.unwrap();
    assert!(attempts(&two) > 3, "{two:?}");
}

#[tokio::test]
async fn an_attempt_that_somebody_asks_for_knows_nothing_of_the_one_before() {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let write = Step::new("write", move |cx: StepContext| {
        let nth = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let past = cx.past().len();
            let kind = EventKind::StepRecorded { key: "n".into(), value: json!(nth) };
            cx.record(kind).await?;
            Ok::<_, stepwright_core::StepError>(format!("{nth} {past}"))
        }
    });
    let review = HumanReview::new().requires_output_review("Good?");
    let workflow = of(write.human_review(review)).store(Memory::default()).build().unwrap();
    let paused = workflow.run("in").await.unwrap();
    let again = [("write", Answer::reject("no"))];
    let paused = workflow.continue_run(&paused.run_id, again).await.unwrap();
    let answers = [("write", Answer::Approve)];
    let done = workflow.continue_run(&paused.run_id, answers).await.unwrap();
    assert_eq!(text(&done), "1 0");
}

#[test]
fn a_parallel_without_branches_is_a_mistake_and_no_crash() {
    let error = of(Parallel::new("p")).build().unwrap_err();
    assert!(error.to_string().contains("`p`: the parallel has no steps"), "{error}");
}

#[tokio::test]
async fn an_object_is_json_for_whoever_comes_next() {
    let give = Step::new("give", |_: StepInput| async { Json(json!({"a": 1})) });
    let tell =
        Step::new("tell", |input: StepInput| async move { input.prompt().pretty().into_owned() });
    let workflow: Workflow = of(give).step(tell).build().unwrap();
    assert_eq!(text(&workflow.run("in").await.unwrap()), "{\n  \"a\": 1\n}");
}
