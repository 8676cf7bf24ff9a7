//! The options that limit when and how often a run goes on.

use super::super::subject::{Act, NAME, Options, Probe};
use super::super::world::Scene;
use super::{Case, Cell, confirm, same, subjects, waits, workflow};
use futures_util::future::join;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_core::plan::After;
use stepwright_core::{Answer, ErrorCode, ErrorKind, Event, RunOutput, RunStatus, StepStatus};
use stepwright_engine::{Concurrency, Dedupe, Workflow};
use stepwright_testing::grammar;

/// Answers what a run asks until it has ended.
async fn approved(workflow: &Workflow, mut output: RunOutput) -> RunOutput {
    while output.is_paused() {
        let asked = output.requirements.iter();
        let answers: Vec<_> = asked.map(|one| (one.id.to_string(), Answer::Approve)).collect();
        output = workflow.continue_run(&output.run_id, answers).await.unwrap();
    }
    output
}

pub(in super::super) fn deadline(case: &Case) -> Cell {
    let options = Options { deadline: Some(Duration::from_secs(1)), ..Options::default() };
    // The clock of the tests may go on while a thread works, and the deadline with it.
    if case.kind != "blocking function" {
        in_time(case, &options);
    }
    // It never ends.
    let built = built!(case.build(Act::Hangs, &options));
    let failed = built.begin("r").unwrap_err();
    built.probe.released.store(true, Ordering::SeqCst);
    let failure = failed.output().unwrap().error.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::TimedOut);
    let message = &failure.error.message;
    assert!(message.starts_with("its deadline ") && message.ends_with(" has passed"), "{message}");
    assert_eq!(failure.step.unwrap().name(), NAME);
    assert_eq!(subjects(failed.output().unwrap())[0].status, StepStatus::Failed);
    let facts = built.scene.journal("r");
    let cuts = if case.kind == "blocking function" { 0 } else { facts.len() };
    for cut in 1..cuts {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (scene, probe) = (Scene::after(case.kind, &facts[..cut]), Arc::new(Probe::default()));
        let workflow = case.definition(&scene, Act::Hangs, &options, &probe).unwrap();
        let again = scene.run(workflow.resume("r").into_future()).unwrap_err();
        let (again, first) = (again.output().unwrap(), failed.output().unwrap());
        assert_eq!(again.error, first.error, "{place}: the moment is another one");
        assert_eq!(same(again), same(first), "{place}");
        grammar::check(&scene.journal("r"));
    }
    Cell::Works
}

/// Checks that a deadline that is met changes nothing, also if the run is resumed after it.
fn in_time(case: &Case, options: &Options) {
    // A definition that is refused is refused below, too.
    let Ok(built) = case.build(Act::Works, options) else { return };
    let done = built.begin("r").unwrap();
    assert_eq!(same(&done), same(&case.plain().0));
    let facts = built.scene.journal("r");
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (scene, probe) = (Scene::after(case.kind, &facts[..cut]), Arc::new(Probe::default()));
        let own = facts[..cut]
            .iter()
            .filter(|fact| fact.path.name() == NAME && fact.path.number().is_none());
        let ends = own.filter(|fact| {
            fact.name().ends_with("Completed")
                && !matches!(fact.name(), "ModelRequestCompleted" | "RunCompleted")
        });
        let set = facts[..cut].iter().filter(|fact| fact.name() == "DeadlineSet");
        if set.count() > ends.count() {
            // It would be too late.
            continue;
        }
        scene.run(scene.world().sleep(Duration::from_mins(1)));
        let workflow = case.definition(&scene, Act::Works, options, &probe).unwrap();
        let again = scene.run(workflow.resume("r").into_future());
        let again = again.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(same(&again), same(&done), "{place}");
        grammar::check(&scene.journal("r"));
    }
}

pub(in super::super) fn on_failure(case: &Case) -> Cell {
    let options = Options { after: Some(After::Failure), ..Options::default() };
    let built = built!(case.build(Act::Works, &options));
    assert_eq!(same(&built.begin("r").unwrap()), same(&case.plain().0));
    assert!(built.probe.after.lock().unwrap().is_empty(), "it ran without a failure");
    let built = built!(case.build(Act::Fails, &options));
    let failed = built.begin("r").unwrap_err().into_output().unwrap();
    let mut expected: Vec<String> =
        subjects(&failed).iter().map(|step| format!("{}/on_failure/back", step.path)).collect();
    let mut ran = built.probe.after.lock().unwrap().clone();
    expected.sort();
    ran.sort();
    assert_eq!(ran, expected);
    let facts = built.scene.journal("r");
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (scene, probe) = (Scene::after(case.kind, &facts[..cut]), Arc::new(Probe::default()));
        let workflow = case.definition(&scene, Act::Fails, &options, &probe).unwrap();
        let again = scene.run(workflow.resume("r").into_future()).unwrap_err();
        assert_eq!(again.output().unwrap().error, failed.error, "{place}");
        let is_back = |fact: &&Event| {
            fact.name() == "StepCompleted" && fact.path.as_str().ends_with("/on_failure/back")
        };
        let before = facts[..cut].iter().filter(is_back).count();
        assert!(before + probe.after.lock().unwrap().len() <= expected.len(), "{place}");
        let done = scene.journal("r").iter().filter(is_back).count();
        assert_eq!(done, expected.len(), "{place}");
    }
    Cell::Works
}

pub(in super::super) fn concurrency(case: &Case) -> Cell {
    let options = Options::review(confirm());
    let last = |whole| workflow(whole).concurrency(Concurrency::at_most(1));
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let definition = built!(case.definition_in(&scene, Act::Works, &options, &probe, &last));
    let paused = scene.run(Scene::begin(&definition, "one").into_future()).unwrap();
    waits(&paused, "confirm");
    // The paused run holds the only slot.
    let other = Scene::begin(&definition, "other").into_future();
    let first = async {
        while !definition.get_run("other").await.is_ok_and(|other| other.queued.is_some()) {
            scene.world().sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(probe.count(), 0);
        approved(&definition, paused).await
    };
    let (other, first) = scene.run(join(other, first));
    let other = scene.run(approved(&definition, other.unwrap()));
    let (plain, count) = case.plain();
    assert_eq!((same(&first), same(&other)), (same(&plain), same(&plain)));
    assert_eq!(probe.count(), 2 * count);
    let facts = scene.journal("other");
    let admitted = facts.iter().find(|fact| fact.name() == "WorkflowAdmitted").unwrap();
    assert!(scene.journal("one").last().unwrap().time <= admitted.time);
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (scene, probe) = (Scene::after(case.kind, &facts[..cut]), Arc::new(Probe::default()));
        let definition = case.definition_in(&scene, Act::Works, &options, &probe, &last).unwrap();
        let again = scene.run(definition.resume("other").into_future()).unwrap();
        let again = scene.run(approved(&definition, again));
        assert_eq!(same(&again), same(&plain), "{place}");
        grammar::check(&scene.journal("other"));
    }
    Cell::Works
}

pub(in super::super) fn dedupe(case: &Case) -> Cell {
    let options = Options::review(confirm());
    let last = |whole| workflow(whole).dedupe(Dedupe::within(Duration::from_hours(1)));
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let definition = built!(case.definition_in(&scene, Act::Works, &options, &probe, &last));
    let again = |run: &str| {
        let again = scene.run(Scene::begin(&definition, run).into_future()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Skipped);
    };
    let paused = scene.run(Scene::begin(&definition, "one").into_future()).unwrap();
    waits(&paused, "confirm");
    again("while it waits");
    let done = scene.run(approved(&definition, paused));
    let (plain, count) = case.plain();
    assert_eq!(same(&done), same(&plain));
    again("after it has ended");
    assert_eq!(probe.count(), count, "the same run is done again");
    scene.run(scene.world().sleep(Duration::from_secs(3_601)));
    let later = scene.run(Scene::begin(&definition, "later").into_future()).unwrap();
    let later = scene.run(approved(&definition, later));
    assert_eq!(later.status, RunStatus::Completed);
    assert_eq!(probe.count(), 2 * count);
    Cell::Works
}
