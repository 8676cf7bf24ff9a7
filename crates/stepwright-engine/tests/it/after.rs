//! Steps that run when others have ended: `finally`, `on_failure` and `undo`.

use crate::support::{fails, mark, of, part, streamed, text};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::journal::Append;
use stepwright_core::plan::{Join, OnError, Retry};
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorCode, ErrorKind, Event, EventKind, HumanReview, Memory, OnInterrupted, OnReject,
    Patch, RunOutput, RunStatus, StepContext, StepError, StepInput, StepStatus, World,
};
use stepwright_engine::{
    AnyStep, Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow, WorkflowBuilder,
};
use stepwright_testing::grammar;

/// A step that never ends. It shows nothing, because a crash loses what is only shown.
fn hangs(name: &str) -> Step {
    Step::new(name, |_: StepInput| std::future::pending::<String>())
}

/// A step that tells the failure that it finds.
fn tells(name: &str) -> Step {
    Step::new(name, |input: StepInput| async move {
        match &input.failure {
            Some(failure) => {
                format!("{} {} `{}`: {}", failure.kind, failure.code, failure.path, failure.message)
            }
            None => "nothing failed".to_owned(),
        }
    })
}

fn said(output: &RunOutput, path: &str) -> String {
    output.step_at(path).unwrap_or_else(|| panic!("no `{path}`")).content.text().into_owned()
}

fn clock() -> (VirtualClock, World) {
    let clock = VirtualClock::default();
    (clock.clone(), World::new(clock, 1))
}

/// Cancels a run once the step of this name is at work.
async fn cancel_at(workflow: &Workflow, world: &World, step: &str) {
    loop {
        let Ok(output) = workflow.get_run("r").await else {
            world.sleep(Duration::from_millis(1)).await;
            continue;
        };
        let open = |s: &&stepwright_core::StepResult| {
            s.path.as_str() == step && s.status == StepStatus::Running
        };
        if output.walk().any(|s| open(&s)) {
            assert!(workflow.cancel_run("r").await.unwrap());
            return;
        }
        world.sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn finally_runs_after_success_and_after_failure() {
    let workflow = of(mark("a")).finally(tells("clean")).on_failure(tells("tell")).build().unwrap();
    let (events, output) = streamed(workflow.run("in")).await;
    let output = output.unwrap();
    assert_eq!(text(&output), "ina");
    assert_eq!(said(&output, "finally/clean"), "nothing failed");
    assert!(output.step_at("on_failure").is_none());
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert!(names.contains(&"FinallyStarted") && names.contains(&"FinallyCompleted"));

    let workflow = of(mark("a")).step(fails("b")).step(mark("c"));
    let workflow = workflow.finally(tells("clean")).on_failure(tells("tell")).build().unwrap();
    let (events, error) = streamed(workflow.run("in")).await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "step `b` failed: kaput");
    let output = error.output().unwrap();
    for step in ["on_failure/tell", "finally/clean"] {
        assert_eq!(said(output, step), "failed SW0401 `b`: kaput");
    }
    let at = |name: &str| events.iter().position(|event| event.name() == name).unwrap();
    assert!(at("StepError") < at("OnFailureStarted"));
    assert!(at("OnFailureCompleted") < at("FinallyStarted"));
    assert!(output.step_at("c").is_none());
}

#[tokio::test]
async fn a_finally_that_fails_is_told_beside_the_first_failure() {
    let workflow = of(fails("work")).finally(fails("clean")).build().unwrap();
    let error = workflow.run("in").await.unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "work");
    assert!(error.report().contains("\n  also: step `finally/clean` failed: kaput"));
    let also: Vec<_> = error.output().unwrap().also_failed().collect();
    assert_eq!(also.len(), 1);

    // Alone, it fails the run.
    let workflow = of(mark("work")).finally(fails("clean")).build().unwrap();
    let error = workflow.run("in").await.unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "finally/clean");
    assert_eq!(error.output().unwrap().also_failed().count(), 0);

    // In a container that is skipped when it fails, it is skipped with it.
    let inner = Steps::new("s").step(mark("a")).finally(fails("clean")).on_error(OnError::Skip);
    let output = of(inner).step(mark("b")).build().unwrap().run("in").await.unwrap();
    assert_eq!(text(&output), "inb");
    assert_eq!(output.step_at("s").unwrap().status, StepStatus::Skipped);
}

#[test]
fn finally_runs_after_a_cancel_and_after_a_timeout() {
    let (clock, world) = clock();
    let build = |builder: WorkflowBuilder| {
        let builder = builder.finally(tells("clean")).on_failure(tells("tell"));
        builder.store(Memory::default()).world(world.clone()).build().unwrap()
    };
    let workflow = build(of(mark("a")).step(hangs("h")));
    let run = workflow.run("in").run_id("r").into_future();
    let cancel = cancel_at(&workflow, &world, "h");
    let (ended, ()) = clock.run(futures_util::future::join(run, cancel));
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let output = error.output().unwrap();
    assert_eq!(output.step_at("h").unwrap().status, StepStatus::Cancelled);
    for step in ["on_failure/tell", "finally/clean"] {
        assert_eq!(said(output, step), "cancelled SW0714 ``: cancelled by request");
    }

    let workflow = build(of(hangs("h")).timeout(Duration::from_secs(5)));
    let error = clock.run(workflow.run("in").into_future()).unwrap_err();
    assert_eq!(error.to_string(), "the run took longer than 5s");
    let output = error.output().unwrap();
    assert_eq!(said(output, "finally/clean"), "timed_out SW0405 ``: the run took longer than 5s");
}

#[test]
fn finally_has_a_time_of_its_own_after_a_cancel_and_a_second_cancel_ends_it() {
    let (clock, world) = clock();
    let build = || {
        let builder = of(hangs("h")).finally(hangs("clean")).after_timeout(Duration::from_secs(9));
        builder.store(Memory::default()).world(world.clone()).build().unwrap()
    };
    let workflow = build();
    let run = workflow.run("in").run_id("r").into_future();
    let cancel = cancel_at(&workflow, &world, "h");
    let before = world.now();
    let (ended, ()) = clock.run(futures_util::future::join(run, cancel));
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.report().contains("also: step `finally` failed: it took longer than 9s"));
    assert!(world.now().since(before) < Duration::from_secs(10));

    let workflow = build();
    let run = workflow.run("in").run_id("r").into_future();
    let cancel = async {
        cancel_at(&workflow, &world, "h").await;
        cancel_at(&workflow, &world, "finally/clean").await;
    };
    let before = world.now();
    let (ended, ()) = clock.run(futures_util::future::join(run, cancel));
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(world.now().since(before) < Duration::from_secs(1));
    let clean = error.output().unwrap().step_at("finally/clean").unwrap().status;
    assert_eq!(clean, StepStatus::Cancelled);
}

/// Every container, with something inside of it that ends as `inner` does.
fn containers(inner: &dyn Fn() -> AnyStep) -> Vec<AnyStep> {
    vec![
        part(Steps::new("c").step(inner()).finally(tells("clean")).on_failure(tells("tell"))),
        part(
            Parallel::new("c")
                .branch(inner())
                .branch(mark("other"))
                .finally(tells("clean"))
                .on_failure(tells("tell")),
        ),
        part(
            Loop::new("c")
                .at_most(2)
                .step(inner())
                .finally(tells("clean"))
                .on_failure(tells("tell")),
        ),
        part(
            Condition::constant("c", true)
                .then(inner())
                .finally(tells("clean"))
                .on_failure(tells("tell")),
        ),
        part(
            Router::constant("c", ["x"])
                .choice(inner())
                .finally(tells("clean"))
                .on_failure(tells("tell")),
        ),
        part(
            Map::new("c")
                .over(|_| vec!["1", "2"])
                .step(inner())
                .finally(tells("clean"))
                .on_failure(tells("tell")),
        ),
        part(Step::workflow(
            "c",
            of(inner()).finally(tells("clean")).on_failure(tells("tell")).build().unwrap(),
        )),
    ]
}

#[test]
fn every_container_has_steps_that_run_afterwards() {
    let (clock, world) = clock();
    let count = containers(&|| part(mark("x"))).len();
    for nth in 0..count {
        let inner = |make: &dyn Fn() -> AnyStep| containers(make).swap_remove(nth);
        // It completes.
        let workflow = of(inner(&|| part(mark("x")))).world(world.clone()).build().unwrap();
        let output = clock.run(workflow.run("in").into_future()).unwrap();
        assert_eq!(said(&output, "c/finally/clean"), "nothing failed");
        assert!(output.step_at("c/on_failure").is_none());
        // A step inside fails.
        let workflow = of(inner(&|| part(fails("x")))).world(world.clone()).build().unwrap();
        let error = clock.run(workflow.run("in").into_future()).unwrap_err();
        let found = said(error.output().unwrap(), "c/finally/clean");
        assert!(found.starts_with("failed SW0401 `c"), "{found}");
        assert_eq!(found, said(error.output().unwrap(), "c/on_failure/tell"));
        // A step inside is stopped, because the run is cancelled, because a sibling fails, and
        // because a container around it takes too long.
        let sibling = Step::new("sibling", |_: StepInput, cx: StepContext| async move {
            cx.world().sleep(Duration::from_secs(1)).await;
            Err::<String, _>("kaput")
        });
        let race = Parallel::new("p").join(Join::FailFast).branch(inner(&|| part(hangs("x"))));
        let workflow = of(race.branch(sibling)).world(world.clone()).build().unwrap();
        let error = clock.run(workflow.run("in").into_future()).unwrap_err();
        assert_eq!(error.step().unwrap().as_str(), "p/sibling");
        let found = said(error.output().unwrap(), "p/c/finally/clean");
        assert_eq!(found, "cancelled SW0714 `p`: `p/sibling` failed");
        let around = Steps::new("p").step(inner(&|| part(hangs("x"))));
        let around = around.timeout(Duration::from_secs(2));
        let workflow = of(around).world(world.clone()).build().unwrap();
        let error = clock.run(workflow.run("in").into_future()).unwrap_err();
        assert_eq!(error.step().unwrap().as_str(), "p");
        let found = said(error.output().unwrap(), "p/c/finally/clean");
        assert_eq!(found, "timed_out SW0403 `p`: it took longer than 2s");
        let workflow = of(inner(&|| part(hangs("x"))));
        let workflow = workflow.store(Memory::default()).world(world.clone()).build().unwrap();
        let run = workflow.run("in").run_id("r").into_future();
        let cancel = async {
            world.sleep(Duration::from_secs(1)).await;
            assert!(workflow.cancel_run("r").await.unwrap());
        };
        let (ended, ()) = clock.run(futures_util::future::join(run, cancel));
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let found = said(error.output().unwrap(), "c/finally/clean");
        assert_eq!(found, "cancelled SW0714 ``: cancelled by request");
    }
}

type Undone = Arc<Mutex<Vec<String>>>;

/// A step whose undo step notes its path and its input.
fn undoable(name: &str, undone: &Undone) -> Step {
    mark(name).undo(undo(undone))
}

fn undo(undone: &Undone) -> Step {
    let undone = undone.clone();
    Step::new("back", move |input: StepInput, cx: StepContext| {
        let undone = undone.clone();
        async move {
            undone.lock().unwrap().push(format!("{} {}", cx.path(), input.text()));
            "back"
        }
    })
}

#[tokio::test]
async fn completed_steps_are_undone_in_reverse_order() {
    let undone = Undone::default();
    let turns = Loop::new("l").at_most(2).step(undoable("b", &undone)).forward();
    let slow = Step::new("slow", |input: StepInput| async move {
        tokio::task::yield_now().await;
        format!("{}slow", input.text())
    });
    let both =
        Parallel::new("p").branch(slow.undo(undo(&undone))).branch(undoable("fast", &undone));
    let inner = of(undoable("n", &undone)).build().unwrap();
    let workflow = of(undoable("a", &undone))
        .step(turns)
        .step(both)
        .step(Step::workflow("w", inner).undo(undo(&undone)))
        .step(fails("f"));
    let error = workflow.finally(tells("clean")).build().unwrap().run("in").await.unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "f");
    let seen: Vec<String> = undone.lock().unwrap().clone();
    let paths: Vec<_> = seen.iter().map(|line| line.split_once(' ').unwrap().0).collect();
    let expected = [
        "w/undo/back",
        "w/n/undo/back",
        "p/slow/undo/back",
        "p/fast/undo/back",
        "l#2/b/undo/back",
        "l#1/b/undo/back",
        "a/undo/back",
    ];
    assert_eq!(paths, expected);
    assert_eq!(seen[4], "l#2/b/undo/back inabb");
    // A run that completes undoes nothing.
    undone.lock().unwrap().clear();
    of(undoable("a", &undone)).build().unwrap().run("in").await.unwrap();
    assert!(undone.lock().unwrap().is_empty());
    // Nor does a failure that is tolerated.
    let tolerated = Steps::new("s").step(undoable("a", &undone)).step(fails("b"));
    let tolerated = tolerated.on_error(OnError::Skip);
    of(tolerated).build().unwrap().run("in").await.unwrap();
    assert!(undone.lock().unwrap().is_empty());
}

#[test]
fn a_cancelled_run_is_undone_but_not_past_a_step_whose_outcome_is_unknown() {
    let (clock, world) = clock();
    let undone = Undone::default();
    let cancelled = |last: Step| {
        let workflow = of(undoable("a", &undone)).step(last);
        let workflow = workflow.store(Memory::default()).world(world.clone()).build().unwrap();
        let run = workflow.run("in").run_id("r").into_future();
        let cancel = cancel_at(&workflow, &world, "h");
        let (ended, ()) = clock.run(futures_util::future::join(run, cancel));
        ended.unwrap_err()
    };
    // A step without effects to undo is simply stopped.
    let error = cancelled(hangs("h"));
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(*undone.lock().unwrap(), ["a/undo/back ina"]);
    undone.lock().unwrap().clear();
    // One that would be undone was at work.
    let error = cancelled(hangs("h").undo(undo(&undone)));
    assert!(undone.lock().unwrap().is_empty());
    let told = "also: step `h/undo` failed: the outcome of `h` is unknown, so it is not undone, \
                and neither are the steps before it: `a`";
    assert!(error.report().contains(told), "{}", error.report());

    // The same after a failure that leaves the outcome open.
    let unsure = Step::new("u", |_: StepInput| async {
        Err::<String, _>(StepError::terminal("?").with_code(ErrorCode::OutcomeUnknown))
    });
    let workflow = of(undoable("a", &undone)).step(unsure).build().unwrap();
    let error = workflow.run("in").blocking().unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "u");
    assert!(undone.lock().unwrap().is_empty());
    assert!(error.report().contains("the outcome of `u` is unknown"));
}

#[tokio::test]
async fn an_undo_step_is_retried_and_stops_the_undoing_when_it_fails() {
    let undone = Undone::default();
    let flaky = Step::new("back", |_: StepInput, cx: StepContext| async move {
        if cx.attempt() < 3 { Err("busy") } else { Ok("back") }
    });
    let retry = Retry { retries: 2, backoff_ms: 1, ..Retry::default() };
    let flaky = mark("a").undo(flaky.retry(retry));
    let workflow = of(flaky).step(fails("f")).build().unwrap();
    let error = workflow.run("in").await.unwrap_err();
    let back = error.output().unwrap().step_at("a/undo/back").unwrap();
    assert_eq!((back.status, back.attempts), (StepStatus::Completed, 3));

    let workflow = of(undoable("a", &undone)).step(mark("b").undo(fails("back"))).step(fails("f"));
    let error = workflow.build().unwrap().run("in").await.unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "f");
    assert!(error.report().contains("also: step `b/undo/back` failed: kaput"));
    assert!(undone.lock().unwrap().is_empty(), "the steps before may need what `b` did");
}

/// A step that changes the state.
fn patches(name: &str) -> Step {
    Step::new(name, |_: StepInput| async {
        stepwright_core::StepOutput::from("x").patch(Patch::increment("n", 1))
    })
}

/// The plans that are cut at every fact.
fn plans(undone: &Undone) -> Vec<Box<dyn Fn(Memory, World) -> Workflow>> {
    let of_plan = |make: Box<dyn Fn(&Undone) -> WorkflowBuilder>| {
        let undone = undone.clone();
        let build = move |store: Memory, world: World| {
            make(&undone).store(store).world(world).build().unwrap()
        };
        Box::new(build) as Box<dyn Fn(Memory, World) -> Workflow>
    };
    vec![
        of_plan(Box::new(|_| of(patches("a")).finally(patches("c")))),
        of_plan(Box::new(|undone| {
            let asked = HumanReview::new().requires_confirmation("Go on?");
            let asked = asked.on_reject(OnReject::Fail);
            let inner = Steps::new("s").step(undoable("a", undone)).step(fails("f"));
            let inner = inner.finally(mark("c").human_review(asked)).on_failure(tells("t"));
            of(undoable("b", undone)).step(inner).finally(tells("d")).on_failure(fails("e"))
        })),
        of_plan(Box::new(|undone| {
            let both = Parallel::new("p").join(Join::FailFast).branch(fails("f")).branch(
                Steps::new("s").step(undoable("a", undone)).step(hangs("h")).finally(tells("c")),
            );
            let inner = of(undoable("n", undone)).step(both).finally(tells("d")).build().unwrap();
            of(Step::workflow("w", inner)).step(mark("z")).finally(tells("e"))
        })),
        of_plan(Box::new(|undone| {
            let each = Map::new("m").over(|_| vec!["1", "2"]).step(undoable("a", undone));
            let late = Steps::new("s").step(hangs("h")).finally(tells("c"));
            of(each).step(late.timeout(Duration::from_secs(1))).finally(tells("d"))
        })),
        of_plan(Box::new(|undone| {
            let slow = Steps::new("s").step(undoable("a", undone)).step(hangs("h"));
            of(slow.finally(tells("c"))).finally(tells("d")).timeout(Duration::from_secs(3))
        })),
        of_plan(Box::new(|undone| {
            let stop = Step::new("x", |_: StepInput| async {
                stepwright_core::StepOutput::from("enough").stop()
            });
            let slow = Steps::new("s").step(undoable("a", undone)).step(hangs("h"));
            let both = Parallel::new("p").branch(stop).branch(slow.finally(tells("c")));
            of(both).step(mark("never")).finally(tells("d"))
        })),
        of_plan(Box::new(|undone| {
            let slow = |name: &str| {
                Steps::new(name).step(undoable("a", undone)).step(hangs("h")).finally(tells("c"))
            };
            let first = Parallel::new("p").join(Join::First).branch(slow("x")).branch(mark("y"));
            of(first.branch(slow("z"))).step(mark("w")).step(fails("f")).finally(tells("d"))
        })),
        of_plan(Box::new(|_| {
            let all = ["1", "2", "3"].into_iter().fold(Parallel::new("p"), |all, name| {
                all.branch(Steps::new(name).step(mark("a")).finally(tells("c")))
            });
            let two = all.branch(Steps::new("4").step(hangs("h")).finally(tells("c")));
            of(two.join(Join::Quorum(3))).step(mark("w")).finally(tells("d"))
        })),
    ]
}

type Ended = Result<RunOutput, stepwright_core::Error>;

/// The end of a run: its status, its output, and the steps that ran.
fn same(ended: &Ended) -> String {
    let output = match ended {
        Ok(output) => output,
        Err(error) => error.output().unwrap_or_else(|| panic!("{}", error.report())),
    };
    let mut text = format!("{} {}\n", output.status, output.content);
    if let Some(failure) = &output.error {
        let _ = writeln!(text, "{:?} {}", failure.step, failure.error.message);
    }
    for step in output.walk() {
        let _ = writeln!(text, "{} {} {}", step.path, step.status, step.content);
    }
    text
}

#[test]
fn a_run_cut_at_any_fact_runs_the_steps_after_others_once() {
    let undone = Undone::default();
    for (nth, plan) in plans(&undone).iter().enumerate() {
        let drive = |clock: &VirtualClock, workflow: &Workflow, first: Ended| {
            let mut ended = first;
            loop {
                match ended {
                    Ok(output) if output.is_paused() => {
                        let open = output.requirements.iter();
                        let answers: Vec<_> =
                            open.map(|asked| (asked.id.to_string(), Answer::Approve)).collect();
                        assert!(!answers.is_empty());
                        let more = workflow.continue_run(&output.run_id, answers);
                        ended = clock.run(more.into_future());
                    }
                    ended => return ended,
                }
            }
        };
        let (clock, world) = clock();
        let store = Memory::default();
        let workflow = plan(store.clone(), world);
        let first = clock.run(workflow.run("in").run_id("r").session_id("s").into_future());
        let expected = same(&drive(&clock, &workflow, first));
        let once: Vec<String> = std::mem::take(&mut undone.lock().unwrap());
        let run = "r".parse().unwrap();
        let facts = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
        grammar::check(&facts);
        for cut in 1..facts.len() {
            let place = format!("plan {nth}, cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
            let (clock, world) = self::clock();
            let store = Memory::default();
            let past = facts[..cut].to_vec();
            let append =
                Append { run: facts[0].run.clone(), facts: past, close: None, driver: None };
            clock.run(store.append(append)).unwrap();
            let workflow = plan(store.clone(), world);
            let first = clock.run(workflow.resume("r").into_future());
            let ended = same(&drive(&clock, &workflow, first));
            assert_eq!(ended, expected, "{place}");
            let journal = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
            grammar::check(&journal);
            assert_eq!(journal[..cut], facts[..cut], "{place}: the past is rewritten");
            let again: Vec<String> = std::mem::take(&mut undone.lock().unwrap());
            let left: Vec<&String> = once
                .iter()
                .filter(|line| {
                    let path = line.split_once(' ').unwrap().0;
                    !facts[..cut].iter().any(|fact| {
                        fact.path.as_str() == path
                            && matches!(fact.kind, EventKind::StepCompleted { .. })
                    })
                })
                .collect();
            assert_eq!(again.iter().collect::<Vec<_>>(), left, "{place}: what is undone");
        }
    }
}

#[test]
fn a_cancelled_run_that_is_cut_runs_the_steps_after_others_all_the_same() {
    let (clock, world) = clock();
    let undone = Undone::default();
    let build = |store: &Memory, world: World| {
        let inner = Steps::new("s").step(undoable("a", &undone)).step(hangs("h"));
        let inner = inner.finally(tells("c")).on_failure(tells("t"));
        let builder = of(inner).finally(tells("d")).on_failure(tells("e"));
        builder.store(store.clone()).world(world).build().unwrap()
    };
    let store = Memory::default();
    let workflow = build(&store, world.clone());
    let run = workflow.run("in").run_id("r").into_future();
    let cancel = cancel_at(&workflow, &world, "s/h");
    let (ended, ()) = clock.run(futures_util::future::join(run, cancel));
    let expected = same(&ended);
    assert!(expected.starts_with("CANCELLED"), "{expected}");
    let once: Vec<String> = std::mem::take(&mut undone.lock().unwrap());
    assert_eq!(once, ["s/a/undo/back ina"]);
    let run = "r".parse().unwrap();
    let facts = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
    let stopping = facts.iter().position(|fact| fact.name() == "WorkflowStopping").unwrap();
    for cut in stopping + 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (clock, world) = self::clock();
        let store = Memory::default();
        let past = facts[..cut].to_vec();
        let append = Append { run: facts[0].run.clone(), facts: past, close: None, driver: None };
        clock.run(store.append(append)).unwrap();
        let ended = clock.run(build(&store, world).resume("r").into_future());
        assert_eq!(same(&ended), expected, "{place}");
    }
}

#[test]
fn a_waiting_run_that_is_cancelled_runs_its_finally() {
    let (clock, world) = clock();
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let workflow = of(mark("a").human_review(asked)).finally(tells("clean"));
    let workflow = workflow.store(Memory::default()).world(world.clone()).build().unwrap();
    let paused = clock.run(workflow.run("in").run_id("r").into_future()).unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert!(clock.run(workflow.cancel_run("r")).unwrap());
    let output = clock.run(workflow.get_run("r")).unwrap();
    assert_eq!(output.status, RunStatus::Cancelled);
    assert!(output.requirements.is_empty());
    assert_eq!(said(&output, "finally/clean"), "cancelled SW0714 ``: cancelled by request");
}

#[test]
fn a_finally_may_wait_for_a_person_while_the_run_is_stopping() {
    let (clock, world) = clock();
    let asked = || HumanReview::new().requires_confirmation("Go on?");
    let workflow = of(mark("a").human_review(asked())).finally(mark("c").human_review(asked()));
    let workflow = workflow.store(Memory::default()).world(world.clone()).build().unwrap();
    clock.run(workflow.run("in").run_id("r").into_future()).unwrap();
    let _ = clock.run(workflow.cancel_run("r"));
    let paused = clock.run(workflow.get_run("r")).unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let ids: Vec<_> = paused.requirements.iter().map(|asked| &*asked.id).collect();
    assert_eq!(ids, ["finally/c!confirm"]);
    let answer = [("finally/c!confirm", Answer::Approve)];
    let error = clock.run(workflow.continue_run("r", answer).into_future()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.output().unwrap().step_at("finally/c").unwrap().success());
}

#[test]
fn a_second_cancel_ends_a_finally_that_waits() {
    let (clock, world) = clock();
    let asked = || HumanReview::new().requires_confirmation("Go on?");
    let workflow = of(mark("a").human_review(asked())).finally(mark("c").human_review(asked()));
    let workflow = workflow.store(Memory::default()).world(world.clone()).build().unwrap();
    clock.run(workflow.run("in").run_id("r").into_future()).unwrap();
    for status in [RunStatus::Paused, RunStatus::Cancelled] {
        assert!(clock.run(workflow.cancel_run("r")).unwrap());
        assert_eq!(clock.run(workflow.get_run("r")).unwrap().status, status);
    }
    assert!(!clock.run(workflow.cancel_run("r")).unwrap());
}

#[tokio::test]
async fn a_run_whose_future_is_dropped_runs_its_finally() {
    let (begun, begins) = tokio::sync::oneshot::channel();
    let begun = Mutex::new(Some(begun));
    let stuck = Step::new("h", move |_: StepInput| {
        let _ = begun.lock().unwrap().take().unwrap().send(());
        std::future::pending::<String>()
    });
    let workflow = of(stuck).finally(tells("clean")).store(Memory::default()).build().unwrap();
    let run = Box::pin(workflow.run("in").run_id("r").into_future());
    let futures_util::future::Either::Right(_) = futures_util::future::select(run, begins).await
    else {
        panic!("it has ended");
    };
    // The run has been dropped here.
    let ended = workflow.events("r", 0).await.unwrap();
    let events: Vec<_> = futures_util::StreamExt::collect::<Vec<_>>(ended).await;
    let last = events.last().unwrap().as_ref().unwrap();
    assert_eq!(last.name(), "WorkflowCancelled");
    let output = workflow.get_run("r").await.unwrap();
    assert_eq!(said(&output, "finally/clean"), "cancelled SW0714 ``: its future was dropped");
}

#[test]
fn an_undo_of_an_interrupted_step_stops_there_when_its_policy_fails_the_run() {
    let (clock, world) = clock();
    let undone = Undone::default();
    let build = |store: &Memory, world: World| {
        let pay = hangs("pay").on_interrupted(OnInterrupted::Fail).undo(undo(&undone));
        let builder = of(undoable("a", &undone)).step(pay);
        builder.store(store.clone()).world(world).build().unwrap()
    };
    let store = Memory::default();
    let workflow = build(&store, world.clone());
    {
        let mut run = Box::pin(workflow.run("in").run_id("r").into_future());
        let waker = futures_util::task::noop_waker();
        let mut cx = std::task::Context::from_waker(&waker);
        for _ in 0..20 {
            assert!(run.as_mut().poll(&mut cx).is_pending());
        }
        std::mem::forget(run);
    }
    let run = "r".parse().unwrap();
    let facts = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
    assert_eq!(facts.last().unwrap().name(), "StepStarted");
    let (clock, world) = self::clock();
    let store = Memory::default();
    let append = Append { run: facts[0].run.clone(), facts, close: None, driver: None };
    clock.run(store.append(append)).unwrap();
    let error = clock.run(build(&store, world).resume("r").into_future()).unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "pay");
    assert!(error.report().contains("the outcome of `pay` is unknown"), "{}", error.report());
    assert!(undone.lock().unwrap().is_empty());
}

#[test]
fn mistakes_in_steps_that_run_afterwards_are_told() {
    let wrong = |builder: WorkflowBuilder| builder.build().unwrap_err().to_string();
    let taken = wrong(of(mark("finally")).finally(mark("a")));
    assert!(taken.contains("`finally`: a step has the name `finally`, which its path needs"));
    let useless = wrong(of(mark("a")).after_timeout(Duration::from_secs(1)));
    assert!(useless.contains("`after_timeout` is set, but no step has `finally`"));
    let zero = wrong(of(mark("a")).finally(mark("b")).after_timeout(Duration::ZERO));
    assert!(zero.contains("`after_timeout` must be greater than zero"));
}
