//! Branches that end each other: the first, a quorum, a stop. Items in batches and at a rate.

use crate::support::{fails, json, mark, of, part, streamed, text};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::journal::Append;
use stepwright_core::plan::{Join, OnError};
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Error, Memory, RunOutput, StepContext, StepInput, StepOutput, StepStatus, World,
};
use stepwright_engine::{
    AnyStep, Condition, Loop, Map, Parallel, Router, Step, Steps, WorkflowBuilder,
};

/// A step that writes its name behind what it is given, after so many seconds.
fn after(name: &str, seconds: u64) -> Step {
    let mine = name.to_owned();
    Step::new(name, move |input: StepInput, cx: StepContext| {
        let text = format!("{}{mine}", input.text());
        async move {
            cx.world().sleep(Duration::from_secs(seconds)).await;
            text
        }
    })
}

fn run(builder: WorkflowBuilder) -> Result<RunOutput, Error> {
    let clock = VirtualClock::default();
    let workflow = builder.world(World::new(clock.clone(), 1)).build().unwrap();
    clock.run(workflow.run("in").into_future())
}

fn statuses(output: &RunOutput, of: &str) -> Vec<StepStatus> {
    output.step_at(of).unwrap().steps.iter().map(|step| step.status).collect()
}

#[test]
fn the_first_branch_with_an_output_wins_and_the_others_are_cancelled() {
    let race = Parallel::new("p").join(Join::First).branch(after("slow", 9)).branch(after("a", 1));
    let output = run(of(race).step(mark("z"))).unwrap();
    assert_eq!(text(&output), "inaz");
    assert_eq!(statuses(&output, "p"), [StepStatus::Cancelled, StepStatus::Completed]);
    assert_eq!(output.metrics.duration_ms, 1_000);

    // A branch that fails, or has no output, does not win.
    let nothing = Condition::constant("none", false).then(mark("x"));
    let race = Parallel::new("p").join(Join::First).branch(fails("f")).branch(nothing);
    let output = run(of(race.branch(after("a", 1)))).unwrap();
    assert_eq!(text(&output), "ina");
    assert_eq!(output.step_at("p/f").unwrap().status, StepStatus::Skipped);

    // If none has an output, the container fails, as soon as that is certain.
    let race = Parallel::new("p").join(Join::First).branch(fails("f")).branch(fails("g"));
    let error = run(of(race)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `p` failed: 0 of 2 branches have an output; `join` requires 1"
    );
    assert_eq!(error.id().to_string(), "SW0424");
}

#[test]
fn a_quorum_is_enough_and_a_quorum_out_of_reach_fails_at_once() {
    let of_three = |needed, last: Step| {
        let all = Parallel::new("p").join(Join::Quorum(needed)).branch(after("a", 2));
        of(all.branch(after("slow", 99)).branch(last))
    };
    let output = run(of_three(2, after("b", 1))).unwrap();
    assert_eq!(output.content, json(r#"{"a":"ina","slow":null,"b":"inb"}"#));
    assert_eq!(output.metrics.duration_ms, 2_000);

    let both = Parallel::new("p").join(Join::Quorum(2)).branch(fails("f")).branch(after("a", 99));
    let error = run(of(both)).unwrap_err();
    let told = "step `p` failed: 0 of 2 branches have an output; `join` requires 2";
    assert_eq!(error.to_string(), told);
    assert_eq!(error.output().unwrap().metrics.duration_ms, 0);

    let refused = of(Parallel::new("p").join(Join::Quorum(3)).branch(mark("a"))).build();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("`p`: the quorum is 3; set it to at least 1 and at most 1"));
}

#[test]
fn a_map_has_first_and_quorum_too() {
    let over = |join| {
        let each = Step::new("x", |input: StepInput, cx: StepContext| async move {
            let seconds: u64 = input.text().parse().unwrap();
            cx.world().sleep(Duration::from_secs(seconds)).await;
            input.text()
        });
        of(Map::new("m").over(|_| vec!["3", "1", "2"]).step(each).join(join))
    };
    assert_eq!(text(&run(over(Join::First)).unwrap()), "1");
    let two = run(over(Join::Quorum(2))).unwrap();
    assert_eq!(two.content, json(r#"[null,"1","2"]"#));
    assert_eq!(two.metrics.duration_ms, 2_000);
    let error = run(over(Join::Quorum(4))).unwrap_err();
    assert_eq!(error.to_string(), "step `m` failed: the map has 3 items, and 4 are needed");
}

#[test]
fn what_a_cancelled_branch_has_used_is_counted() {
    let pays = Step::new("pays", |_: StepInput, cx: StepContext| async move {
        cx.emit("partial");
        std::future::pending::<StepOutput>().await
    });
    let race = Parallel::new("p").join(Join::First).branch(pays).branch(after("a", 1));
    let output = run(of(race)).unwrap();
    assert_eq!(output.step_at("p/pays").unwrap().content.text(), "partial");
}

fn stop() -> Step {
    Step::new("stop", |_: StepInput| async { StepOutput::from("enough").stop() })
}

/// Every container with a stop in it, and something beside it that would take long.
fn stopping() -> Vec<AnyStep> {
    let long = || after("long", 99);
    vec![
        part(Steps::new("c").step(stop()).step(long())),
        part(Parallel::new("c").branch(stop()).branch(long())),
        part(Parallel::new("c").branch(long()).branch(stop()).join(Join::BestEffort)),
        part(Parallel::new("c").branch(long()).branch(stop()).join(Join::Quorum(2))),
        part(Loop::new("c").at_most(3).step(stop()).step(long())),
        part(Condition::constant("c", true).then(stop()).then(long())),
        part(Router::constant("c", ["stop", "long"]).choice(stop()).choice(long())),
        part(Map::new("c").over(|_| vec!["1", "2"]).step(stop()).step(long())),
        part(Step::workflow("c", of(stop()).step(long()).build().unwrap())),
    ]
}

#[test]
fn a_stop_ends_the_run_with_its_output_from_inside_of_every_container() {
    let count = stopping().len();
    for (outer, inner) in (0..=count).flat_map(|outer| (0..count).map(move |i| (outer, i))) {
        let inner = stopping().swap_remove(inner);
        let step = match outer {
            0 => inner,
            outer => {
                let slow = after("slow", 99);
                match outer % 3 {
                    0 => part(Parallel::new("o").branch(slow).branch(inner)),
                    1 => part(Steps::new("o").step(inner).step(slow)),
                    _ => part(Map::new("o").over(|_| vec!["1"]).step(inner).step(slow)),
                }
            }
        };
        let builder = of(step).step(after("never", 99)).finally(mark("finally"));
        let output = run(builder).unwrap();
        assert_eq!(text(&output), "enough");
        assert_eq!(output.metrics.duration_ms, 0, "it waited for others");
        assert_eq!(output.stopped_at.as_ref().unwrap().name(), "stop");
        assert!(output.step_at("never").is_none());
        assert!(output.step_at("finally/finally").unwrap().success());
    }
}

#[tokio::test]
async fn the_end_of_a_stopped_run_says_where_it_stopped() {
    let (events, output) = streamed(of(stop()).build().unwrap().run("in")).await;
    output.unwrap();
    let last = serde_json::to_value(events.last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["stopped_at"]),
        (&"WorkflowCompleted".into(), &"stop".into())
    );
    let (events, _) = streamed(of(mark("a")).build().unwrap().run("in")).await;
    assert!(serde_json::to_value(events.last().unwrap()).unwrap().get("stopped_at").is_none());
}

#[test]
fn a_failure_before_a_stop_counts() {
    let both = Parallel::new("p")
        .branch(fails("f"))
        .branch(Steps::new("s").step(after("a", 1)).step(stop()));
    let error = run(of(both)).unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "p/f");
    let both = Parallel::new("p").branch(fails("f").on_error(OnError::Skip)).branch(stop());
    assert_eq!(text(&run(of(both)).unwrap()), "enough");
}

#[test]
fn a_map_works_on_batches() {
    let sizes = Step::new("x", |input: StepInput| async move {
        input.content().to_value().as_array().unwrap().len().to_string()
    });
    let each = Map::new("m").over(|_| vec!["a", "b", "c", "d", "e"]).step(sizes).batch(2);
    let output = run(of(each)).unwrap();
    assert_eq!(output.content, json(r#"["2","2","1"]"#));
    let wrong = of(Map::new("m").step(mark("a")).batch(0)).build().unwrap_err().to_string();
    assert!(wrong.contains("`m`: `batch` is 0; set it to 1 to 100000"), "{wrong}");
}

#[test]
fn the_items_of_a_map_begin_at_its_rate_also_after_a_crash() {
    let begun: Arc<Mutex<Vec<u64>>> = Arc::default();
    let build = |store: Memory, clock: &VirtualClock| {
        let begun = begun.clone();
        let note = Step::new("x", move |input: StepInput, cx: StepContext| {
            begun.lock().unwrap().push(cx.world().now().0);
            async move { input.text() }
        });
        let each = Map::new("m").over(|_| vec!["1", "2", "3", "4"]).step(note);
        let each = each.rate(1, Duration::from_mins(1)).concurrency(4);
        of(each).store(store).world(World::new(clock.clone(), 1)).build().unwrap()
    };
    let apart = || {
        let times = std::mem::take(&mut *begun.lock().unwrap());
        times.windows(2).map(|two| two[1] - two[0]).collect::<Vec<_>>()
    };
    let (clock, store) = (VirtualClock::default(), Memory::default());
    let workflow = build(store.clone(), &clock);
    let output = clock.run(workflow.run("in").run_id("r").into_future()).unwrap();
    assert_eq!(output.content, json(r#"["1","2","3","4"]"#));
    assert_eq!(apart(), [60_000; 3]);
    let run = "r".parse().unwrap();
    let facts = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
    for cut in 1..facts.len() {
        let (clock, store) = (VirtualClock::default(), Memory::default());
        let past = facts[..cut].to_vec();
        let append = Append { run: facts[0].run.clone(), facts: past, close: None, driver: None };
        clock.run(store.append(append)).unwrap();
        let output = clock.run(build(store, &clock).resume("r").into_future()).unwrap();
        assert_eq!(output.content, json(r#"["1","2","3","4"]"#), "cut {cut}");
        assert!(apart().iter().all(|apart| *apart >= 60_000), "cut {cut}");
    }
}

#[test]
fn a_rate_of_nothing_is_a_mistake() {
    let wrong = of(Map::new("m").step(mark("a")).rate(0, Duration::from_secs(1))).build();
    assert!(wrong.unwrap_err().to_string().contains("`rate` is 0 items in 1000 ms"));
}
