//! The options for steps that run when others have ended.

use super::super::subject::{Act, NAME, Options, Probe};
use super::super::world::Scene;
use super::{Case, Cell, confirm, same, subjects, waits, workflow};
use crate::support::mark;
use futures_util::future::join;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::After;
use stepwright_core::{
    Answer, Error, Event, EventKind, RunOutput, RunStatus, StepResult, StepStatus,
};
use stepwright_engine::{Step, Workflow};

/// Fails, for good.
fn boom() -> Step {
    Step::new("boom", |_: stepwright_core::StepInput| async { Err::<String, _>("boom") })
}

/// The results of a run that failed at `boom`.
fn failed_at_boom(ended: Result<RunOutput, Error>) -> RunOutput {
    let output = ended.unwrap_err().into_output().unwrap();
    assert_eq!(output.error.as_ref().unwrap().step.as_ref().unwrap().as_str(), "boom");
    output
}

/// The addresses of the steps that ran after the subject, as they completed in these facts.
fn back(facts: &[Event]) -> Vec<String> {
    let backs = facts.iter().filter(|fact| fact.path.name() == "back");
    let done = backs.filter(|fact| matches!(fact.kind, EventKind::StepCompleted { .. }));
    done.map(|fact| fact.path.to_string()).collect()
}

pub(in super::super) fn undo(case: &Case) -> Cell {
    let options = Options { after: Some(After::Undo), ..Options::default() };
    let last = |whole| workflow(whole).step(boom());
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let definition = case.definition_in(&scene, Act::Works, &options, &probe, &last);
    let definition = built!(definition);
    let expected = failed_at_boom(scene.run(Scene::begin(&definition, "r").into_future()));
    let facts = scene.journal("r");
    let undone = back(&facts);
    // Each was undone once, the last that completed first.
    let completed = facts.iter().filter(|fact| {
        let ended = matches!(fact.kind, EventKind::StepCompleted { .. });
        ended && fact.path.name() == NAME && fact.path.number().is_none()
    });
    let completed: Vec<String> = completed.map(|fact| format!("{}/undo/back", fact.path)).collect();
    assert!(!completed.is_empty());
    assert_eq!(undone, completed.into_iter().rev().collect::<Vec<_>>());
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let past = &facts[..cut];
        let (scene, probe) = (Scene::after(case.kind, past), Arc::new(Probe::default()));
        let definition = case.definition_in(&scene, Act::Works, &options, &probe, &last).unwrap();
        let again = failed_at_boom(scene.run(definition.resume("r").into_future()));
        // Branches may complete in another order.
        let sorted = |output: &RunOutput| {
            let mut steps =
                same(output).2.into_iter().map(|step| format!("{step:?}")).collect::<Vec<_>>();
            steps.sort();
            steps
        };
        assert_eq!(sorted(&again), sorted(&expected), "{place}");
        let before: HashSet<String> = back(past).into_iter().collect();
        let left = undone.iter().filter(|path| !before.contains(*path)).cloned();
        let again = probe.after.lock().unwrap().clone();
        assert_eq!(again.len(), left.clone().count(), "{place}");
        assert_eq!(again.into_iter().collect::<HashSet<_>>(), left.collect(), "{place}");
    }
    Cell::Works
}

pub(in super::super) fn inside_finally(case: &Case) -> Cell {
    let options = Options::review(confirm());
    let last = |whole| Workflow::builder("matrix").step(mark("<")).step(boom()).finally(whole);
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let definition = case.definition_in(&scene, Act::Works, &options, &probe, &last).unwrap();
    let paused = scene.run(Scene::begin(&definition, "r").into_future()).unwrap();
    waits(&paused, "confirm");
    assert!(paused.requirements.iter().all(|asked| asked.path.as_str().starts_with("finally/")));
    let ended = scene.to_the_end(&definition, Ok(paused), |_| Answer::Approve);
    let expected = failed_at_boom(ended);
    assert!(subjects(&expected).iter().all(|step| step.status == StepStatus::Completed));
    let count = probe.count();
    assert!(count > 0);
    let facts = scene.journal("r");
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let past = &facts[..cut];
        let (scene, probe) = (Scene::after(case.kind, past), Arc::new(Probe::default()));
        let definition = case.definition_in(&scene, Act::Works, &options, &probe, &last).unwrap();
        let again = scene.run(definition.resume("r").into_future());
        let ended = failed_at_boom(scene.to_the_end(&definition, again, |_| Answer::Approve));
        assert_eq!(same(&ended), same(&expected), "{place}");
        assert!(probe.count() <= count, "{place}");
    }
    Cell::Works
}

pub(in super::super) fn finally(case: &Case) -> Cell {
    // It fails.
    let options = Options { after: Some(After::Always), ..Options::default() };
    let built = built!(case.build(Act::Fails, &options));
    let failed = built.begin("r").unwrap_err().into_output().unwrap();
    let ran =
        |output: &RunOutput, path: &str| output.step_at(path).is_some_and(StepResult::success);
    let begun: Vec<_> = subjects(&failed).iter().map(|step| step.path.to_string()).collect();
    assert!(begun.iter().all(|path| ran(&failed, &format!("{path}/finally/back"))));
    assert_eq!(built.probe.after.lock().unwrap().len(), begun.len());
    // It is cancelled while it works.
    let built = built!(case.build(Act::Hangs, &options));
    let watch = async {
        while built.probe.count() == 0 {
            built.scene.world().sleep(Duration::from_millis(1)).await;
        }
        assert!(built.workflow.cancel_run("r").await.unwrap());
    };
    let run = Scene::begin(&built.workflow, "r").into_future();
    let (cancelled, ()) = built.scene.run(join(run, watch));
    let output = cancelled.unwrap_err().into_output().unwrap();
    assert_eq!(output.status, RunStatus::Cancelled);
    for step in subjects(&output) {
        assert!(ran(&output, &format!("{}/finally/back", step.path)), "{}", step.path);
    }
    Cell::Works
}
