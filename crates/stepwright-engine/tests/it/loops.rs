//! Loops that run out, what a turn knows of the one before, prompts, and what gave nothing.

use crate::support::{fails, hangs, json, mark, of, part, streamed, text};
use std::sync::{Arc, Mutex};
use stepwright_core::journal::Append;
use stepwright_core::plan::{OnError, OnExhausted};
use stepwright_core::scope::LoopOutcome;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    Answer, ContainerKind, ErrorCode, Event, EventKind, HumanReview, Memory, Patch, RunId,
    RunStatus, StepInput, StepOutput, StepStatus,
};
use stepwright_engine::{
    AnyStep, Condition, Json, Loop, Map, Parallel, Router, Step, Steps, Workflow, WorkflowBuilder,
};

/// A loop of two turns whose condition is never met.
fn runs_out(name: &str) -> Loop {
    Loop::new(name).step(mark("a")).forward().at_most(2).until(|_| false)
}

/// A step that says how the loop of this name ended.
fn ended(name: &'static str) -> Step {
    Step::new("ended", move |input: StepInput| async move {
        match input.loop_outcome(name) {
            Some(LoopOutcome { iterations, exhausted }) => format!("{iterations} {exhausted}"),
            None => "never".into(),
        }
    })
}

/// The end of the loop at this address.
fn end_of(events: &[Event], path: &str) -> (u32, bool, StepStatus) {
    let ends = events.iter().filter(|event| event.path.as_str() == path);
    let mut ends = ends.filter_map(|event| match &event.kind {
        EventKind::ContainerCompleted { kind: ContainerKind::Loop, turns, end } => {
            Some((turns.number, turns.exhausted, end.status))
        }
        _ => None,
    });
    ends.next().expect("the loop has ended")
}

#[tokio::test]
async fn a_loop_that_ran_out_fails_unless_it_is_to_continue() {
    let workflow = of(runs_out("l")).step(mark("after")).build().unwrap();
    let (events, output) = streamed(workflow.run("-")).await;
    let error = output.unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `l` failed: loop `l` made its 2 turns without meeting `until`"
    );
    assert!(error.hint().unwrap().contains("`on_exhausted`"));
    let output = error.into_output().unwrap();
    let failure = output.error.as_ref().unwrap();
    assert_eq!((failure.error.code, failure.error.retryable), (ErrorCode::Exhausted, false));
    assert_eq!(end_of(&events, "l"), (2, true, StepStatus::Failed));
    assert!(output.step_at("l").unwrap().exhausted && output.step_at("after").is_none());

    let continues = runs_out("l").on_exhausted(OnExhausted::Continue);
    let workflow = of(continues).step(mark("!")).step(ended("l")).build().unwrap();
    let (events, output) = streamed(workflow.run("-")).await;
    let output = output.unwrap();
    assert_eq!((output.status, text(&output).as_str()), (RunStatus::Completed, "2 true"));
    assert_eq!(output.step_at("!").unwrap().content.text(), "-aa!");
    assert_eq!(end_of(&events, "l"), (2, true, StepStatus::Completed));
    let [turn, result] = ["l#2", "l"].map(|path| output.step_at(path).unwrap());
    assert!(result.exhausted && !turn.exhausted);
    let last = events.iter().find_map(|event| match &event.kind {
        EventKind::ContainerCompleted { kind: ContainerKind::Iteration, turns, .. }
            if turns.number == 2 =>
        {
            Some(turns.exhausted)
        }
        _ => None,
    });
    assert_eq!(last, Some(true));
}

#[tokio::test]
async fn a_loop_whose_condition_is_met_in_its_last_turn_has_not_run_out() {
    let met = |at| {
        Loop::new("l").step(mark("a")).forward().at_most(2).until(move |t| t.iteration() == at)
    };
    for (at, turns) in [(1, "1 false"), (2, "2 false")] {
        let workflow = of(met(at)).step(ended("l")).build().unwrap();
        assert_eq!(text(&workflow.run("-").await.unwrap()), turns);
    }
    // Nor has one without a condition, nor one that ends its run.
    let plain = of(Loop::new("l").step(mark("a")).at_most(2)).step(ended("l")).build().unwrap();
    assert_eq!(text(&plain.run("-").await.unwrap()), "2 false");
    let stop = Step::new("stop", |_: StepInput| async { StepOutput::from("enough").stop() });
    let stops = of(Loop::new("l").step(stop).at_most(1).until(|_| false)).build().unwrap();
    let output = stops.run("-").await.unwrap();
    assert!(text(&output) == "enough" && !output.step_at("l").unwrap().exhausted);
}

#[tokio::test]
async fn a_loop_that_ran_out_follows_its_policy_like_any_failure() {
    let skipped = runs_out("l").on_error(OnError::Fail.but(ErrorCode::Exhausted, OnError::Skip));
    let workflow = of(mark("x")).step(skipped).step(mark("y")).step(ended("l")).build().unwrap();
    let (events, output) = streamed(workflow.run("-")).await;
    let output = output.unwrap();
    assert_eq!(output.step_at("y").unwrap().content.text(), "-xy", "what came before flows on");
    assert_eq!(text(&output), "2 true", "later steps know all the same");
    assert_eq!(end_of(&events, "l"), (2, true, StepStatus::Skipped));

    // One that failed in its second turn has not run out.
    let second = Step::new("second", |input: StepInput| async move {
        if input.nth == 2 { Err("kaput") } else { Ok(input.text()) }
    });
    let broken = Loop::new("l").step(second).at_most(3).until(|_| false).on_error(OnError::Skip);
    let workflow = of(broken).step(ended("l")).build().unwrap();
    let (events, output) = streamed(workflow.run("-")).await;
    assert_eq!(text(&output.unwrap()), "2 false");
    assert_eq!(end_of(&events, "l"), (2, false, StepStatus::Skipped));
}

#[tokio::test]
async fn a_loop_that_ran_out_fails_inside_of_every_container() {
    let inner = of(runs_out("l")).build().unwrap();
    let cases: [(AnyStep, &str); 7] = [
        (part(Steps::new("c").step(runs_out("l"))), "c/l"),
        (part(Parallel::new("c").branch(runs_out("l"))), "c/l"),
        (part(Loop::new("c").step(runs_out("l")).at_most(2)), "c#1/l"),
        (part(Condition::constant("c", true).then(runs_out("l"))), "c/l"),
        (part(Router::constant("c", ["l"]).choice(runs_out("l"))), "c/l"),
        (part(Map::new("c").over(|_| vec!["x"]).step(runs_out("l"))), "c#1/l"),
        (part(Step::workflow("c", inner)), "c/l"),
    ];
    for (case, path) in cases {
        let (events, output) = streamed(of(case).build().unwrap().run("-")).await;
        let failure = output.unwrap_err().into_output().unwrap().error.unwrap();
        assert_eq!(failure.step.unwrap().as_str(), path);
        assert_eq!(end_of(&events, path), (2, true, StepStatus::Failed));
    }
}

#[tokio::test]
async fn an_outcome_is_seen_from_outside_of_the_container_that_the_loop_is_in() {
    let goes_on = || runs_out("l").on_exhausted(OnExhausted::Continue);
    let inside = Parallel::new("p").branch(Steps::new("s").step(goes_on())).branch(mark("b"));
    let workflow = of(inside).step(ended("l")).build().unwrap();
    assert_eq!(text(&workflow.run("-").await.unwrap()), "2 true");
    // Also from outside of a workflow that is a step.
    let nested = Step::workflow("w", of(goes_on()).build().unwrap());
    let workflow = of(nested).step(ended("l")).build().unwrap();
    assert_eq!(text(&workflow.run("-").await.unwrap()), "2 true");
}

#[tokio::test]
async fn people_see_the_last_turn_too_and_their_no_exhausts_the_loop() {
    let reviewed = |on_exhausted: Option<OnExhausted>| {
        let review = HumanReview::new().requires_iteration_review("Enough?");
        let body = Loop::new("l").step(mark("a")).forward().at_most(2).human_review(review);
        let body = match on_exhausted {
            Some(on_exhausted) => body.on_exhausted(on_exhausted),
            None => body,
        };
        of(body).step(ended("l")).store(Memory::default()).build().unwrap()
    };
    let no = || Answer::reject("not yet");
    for (policy, last, wanted) in [
        (None, Answer::Approve, Ok("2 false")),
        (None, no(), Err("loop `l` made its 2 turns without being accepted")),
        (Some(OnExhausted::Continue), no(), Ok("2 true")),
        (Some(OnExhausted::Continue), Answer::Approve, Ok("2 false")),
    ] {
        let workflow = reviewed(policy);
        let one = workflow.run("-").await.unwrap();
        let two = workflow.continue_run(&one.run_id, [("l#1", no())]).await.unwrap();
        assert_eq!(&*two.requirements[0].id, "l#2!review");
        let done = workflow.continue_run(&one.run_id, [("l#2", last)]).await;
        match (done, wanted) {
            (Ok(output), Ok(wanted)) => assert_eq!(text(&output), wanted),
            (Err(error), Err(wanted)) => assert!(error.to_string().ends_with(wanted), "{error}"),
            (done, _) => panic!("{done:?}"),
        }
    }
}

#[tokio::test]
async fn a_failure_of_a_loop_that_ran_out_can_wait_for_a_person() {
    let workflow = of(runs_out("l").on_error(OnError::Pause)).step(ended("l"));
    let workflow = workflow.store(Memory::default()).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    assert!(paused.requirements[0].message.contains("without meeting `until`"));
    let done = workflow.continue_run(&paused.run_id, [("l", Answer::Skip)]).await.unwrap();
    assert_eq!(text(&done), "2 true");
}

#[test]
fn a_loop_without_a_condition_cannot_run_out() {
    let plain = Loop::new("l").step(mark("a")).at_most(2).on_exhausted(OnExhausted::Fail);
    let error = of(plain).build().unwrap_err().to_string();
    assert!(error.contains("`l`: `on_exhausted` is set, but the loop has no condition"), "{error}");
}

#[tokio::test]
async fn a_turn_knows_what_the_one_before_gave_by_name() {
    let seen = Step::new("seen", |input: StepInput| async move {
        let of = |name: &str| input.last_turn(name).map(|content| content.text().into_owned());
        let said = format!("{}:{:?},{:?}", input.nth, of("seen"), of("deep"));
        said.replace('"', "'")
    });
    let deep = Parallel::new("p").branch(
        Steps::new("s")
            .step(Step::new("deep", |input: StepInput| async move { format!("d{}", input.nth) })),
    );
    let workflow = of(mark("deep")).step(Loop::new("l").step(seen).step(deep).at_most(3));
    let output = workflow.step(mark("!")).build().unwrap().run("-").await.unwrap();
    let gave =
        |turn: u32| output.step_at(&format!("l#{turn}/seen")).unwrap().content.text().into_owned();
    // In the first turn there is none, whatever ran before the loop.
    assert_eq!(gave(1), "1:None,None");
    assert_eq!(gave(2), "2:Some('1:None,None'),Some('d1')");
    assert!(gave(3).starts_with("3:Some('2:Some("), "{}", gave(3));
}

#[tokio::test]
async fn the_innermost_loop_counts_and_its_turns_end_with_it() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str, of: &'static str| {
        let log = log.clone();
        Step::new(name, move |input: StepInput| {
            let seen = input.last_turn(of).map_or_else(String::new, |c| c.text().into_owned());
            log.lock().unwrap().push(format!("{name}{}:{seen}", input.nth));
            async move { format!("{name}{}", input.nth) }
        })
    };
    let inner = Loop::new("inner").step(note("i", "i")).at_most(2);
    let outer = Loop::new("outer").step(note("a", "b")).step(inner).step(note("b", "b"));
    of(outer.at_most(2)).step(note("end", "b")).build().unwrap().run("-").await.unwrap();
    let expected = ["a1:", "i1:", "i2:i1", "b1:", "a2:b1", "i1:", "i2:i1", "b2:b1", "end0:"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_prompt_is_made_of_all_that_a_step_is_given() {
    let echo = || |text: String| async move { format!("<{text}>") };
    let prompted = Step::new("b", echo()).prompt(|cx: &StepInput| {
        let a = cx.step("a").map(|content| content.text().into_owned());
        let state = cx.state("n").cloned().unwrap_or_default();
        format!("{} {} {} {state}", cx.run.content, cx.text(), a.unwrap_or_default())
    });
    let blocking = Step::blocking("c", |text: String| text).prompt(|cx: &StepInput| Json(cx.nth));
    let state = Step::new("a", |input: StepInput| async move {
        StepOutput::from(input.text() + "a").patch(Patch::set("n", 7))
    });
    let workflow = of(state).step(prompted).step(blocking).build().unwrap();
    let output = workflow.run("in").await.unwrap();
    assert_eq!(output.step_at("b").unwrap().content.text(), "<in ina ina 7>");
    assert_eq!(text(&output), "0");

    // One that fails fails the step, and what tolerates that tolerates this.
    let failing = Step::new("b", echo())
        .prompt(|_: &StepInput| Err::<String, _>("no topic"))
        .on_error(OnError::Skip);
    let output = of(failing).build().unwrap().run("in").await.unwrap();
    let skipped = output.step_at("b").unwrap();
    assert_eq!(skipped.status, StepStatus::Skipped);
    assert_eq!(skipped.error.as_ref().unwrap().message, "no topic");
    let panics = Step::new("b", echo()).prompt(|_: &StepInput| -> String { panic!("mine") });
    let error = of(panics).build().unwrap().run("in").await.unwrap_err();
    assert!(error.to_string().ends_with("it panicked: mine"), "{error}");

    let inner = of(mark("x")).build().unwrap();
    let nested = Step::workflow("w", inner).prompt(|_: &StepInput| "no");
    let error = of(nested).build().unwrap_err().to_string();
    assert!(error.contains("`w`: a workflow as a step has no prompt of its own"), "{error}");
}

#[tokio::test]
async fn what_gave_nothing_is_null_in_a_list_and_transparent_in_a_sequence() {
    let skip = || fails("f").on_error(OnError::Skip);
    let never = || Condition::constant("if", false).then(mark("x"));
    let list = |body: Vec<AnyStep>| {
        let map = Map::new("m").over(|_| vec!["y", "z"]);
        of(body.into_iter().fold(map, Map::step)).build().unwrap()
    };
    let inner = of(skip()).build().unwrap();
    for (body, wanted) in [
        (vec![part(skip())], "[null,null]"),
        (vec![part(skip()), part(never())], "[null,null]"),
        (vec![part(Steps::new("s").step(skip()))], "[null,null]"),
        (vec![part(Step::workflow("w", inner))], "[null,null]"),
        (vec![part(Router::constant("r", [""; 0]).choice(mark("x")))], "[null,null]"),
        (vec![part(Loop::new("l").step(skip()).at_most(2))], "[null,null]"),
        // The output of a step flows on past one that is skipped, within the item.
        (vec![part(mark("a")), part(skip())], r#"["ya","za"]"#),
        (vec![part(skip()), part(mark("a"))], r#"["ya","za"]"#),
    ] {
        let output = list(body).run("in").await.unwrap();
        assert_eq!(output.content, json(wanted));
        assert_eq!(output.status, RunStatus::Completed);
    }
    // One that hands on what it is given has given that.
    let same = Step::new("same", |text: String| async move { text });
    assert_eq!(list(vec![part(same)]).run("in").await.unwrap().content, json(r#"["y","z"]"#));
}

#[tokio::test]
async fn the_condition_of_a_loop_is_not_asked_about_what_the_turn_was_given() {
    for forward in [false, true] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let flaky = Step::new("f", |input: StepInput| async move {
            if input.nth == 2 { Err("kaput") } else { Ok(format!("turn {}", input.nth)) }
        });
        let repeat =
            Loop::new("l").step(flaky.on_error(OnError::Skip)).at_most(3).until(move |turn| {
                noted.lock().unwrap().push(turn.text());
                turn.text() == "good"
            });
        let repeat = if forward { repeat.forward() } else { repeat };
        let repeat = repeat.on_exhausted(OnExhausted::Continue);
        of(repeat).build().unwrap().run("good").await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["turn 1", "", "turn 3"]);
    }
}

#[tokio::test]
async fn an_empty_item_is_not_replaced_by_the_input_of_the_run() {
    let told =
        Step::new("told", |input: StepInput| async move { input.message().text().into_owned() });
    let each = Map::new("m").over(|_| Ok::<_, String>(vec!["", "x"])).step(told);
    let output = of(each).build().unwrap().run("the whole list").await.unwrap();
    assert_eq!(output.content, json(r#"["","x"]"#));
}

/// A workflow with loops that run out in nested containers.
fn nested(builder: WorkflowBuilder) -> Workflow {
    let tolerated = runs_out("tolerated").on_error(OnError::Skip);
    let inner = Loop::new("inner").step(mark("b")).at_most(1).until(|_| false);
    let outer = Loop::new("outer")
        .step(inner.on_exhausted(OnExhausted::Continue))
        .step(Parallel::new("p").branch(tolerated).branch(mark("c")))
        .at_most(2)
        .until(|_| false);
    builder
        .step(outer.on_exhausted(OnExhausted::Continue))
        .step(ended("outer"))
        .step(Loop::new("last").step(mark("d")).at_most(2).until(|_| false))
        .build()
        .unwrap()
}

#[tokio::test]
async fn resuming_recalls_that_a_loop_ran_out() {
    let store = Memory::default();
    let workflow = nested(Workflow::builder("w").store(store.clone()));
    let error = workflow.run("-").run_id("r").await.unwrap_err().to_string();
    assert_eq!(error, "step `last` failed: loop `last` made its 2 turns without meeting `until`");
    let run: RunId = "r".parse().unwrap();
    let facts = store.load(&run, 0, usize::MAX).await.unwrap();
    for cut in 1..facts.len() {
        let store = Memory::default();
        let past = facts[..cut].to_vec();
        let append = Append { run: run.clone(), facts: past, close: None, driver: None };
        store.append(append).await.unwrap();
        let again = nested(Workflow::builder("w").store(store.clone()));
        let output = again.resume("r").await.unwrap_err().into_output().unwrap();
        let failure = output.error.as_ref().unwrap();
        assert_eq!(failure.error.code, ErrorCode::Exhausted, "cut at {cut}");
        assert_eq!(output.step_at("ended").unwrap().content.text(), "2 true", "cut at {cut}");
        let exhausted: Vec<_> =
            output.walk().filter(|step| step.exhausted).map(|step| step.path.as_str()).collect();
        let wanted = [
            "outer",
            "outer#1/inner",
            "outer#1/p/tolerated",
            "outer#2/inner",
            "outer#2/p/tolerated",
            "last",
        ];
        assert_eq!(exhausted, wanted, "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_took_too_long_tells_how_many_turns_it_began() {
    let slow = Loop::new("l")
        .step(Condition::new("third", |input| input.nth == 3).then(hangs("h")))
        .at_most(5)
        .timeout(std::time::Duration::from_secs(5))
        .on_error(OnError::Skip);
    let workflow = of(slow).step(ended("l")).build().unwrap();
    let (events, output) = streamed(workflow.run("-")).await;
    assert_eq!(text(&output.unwrap()), "3 false");
    assert_eq!(end_of(&events, "l"), (3, false, StepStatus::Skipped));
}
