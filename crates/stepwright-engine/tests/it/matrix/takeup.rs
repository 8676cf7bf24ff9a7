//! Retries and forks of every kind of step in every place.

use super::options::{Case, Cell, same};
use super::subject::{Act, Options, Probe};
use super::world::Scene;
use std::collections::HashSet;
use std::sync::Arc;
use stepwright_core::fold::Fold;
use stepwright_core::rewind::effective;
use stepwright_core::{Event, EventKind, RunOutput, RunStatus};
use stepwright_testing::grammar;

/// The steps and the models that need not be asked again after these facts.
fn done(facts: &[Event]) -> (HashSet<String>, HashSet<String>) {
    let kept = effective(facts);
    let of = |is: fn(&EventKind) -> bool| {
        let found = kept.iter().filter(|fact| is(&fact.kind));
        found.map(|fact| fact.path.to_string()).collect()
    };
    (
        of(|kind| matches!(kind, EventKind::StepCompleted { .. })),
        of(|kind| matches!(kind, EventKind::ModelRequestCompleted { .. })),
    )
}

fn nothing_again(facts: &[Event], probe: &Probe, place: &str) {
    let (steps, models) = done(facts);
    for path in &*probe.ran.lock().unwrap() {
        assert!(!steps.contains(path), "{place}: `{path}` is done again");
    }
    for path in &*probe.asked.lock().unwrap() {
        assert!(!models.contains(path), "{place}: the model of `{path}` is asked again");
    }
}

fn plain(case: &Case, options: &Options) -> Result<RunOutput, Cell> {
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let workflow = case.definition(&scene, Act::Works, options, &probe)?;
    Ok(scene.run(Scene::begin(&workflow, "r").into_future()).unwrap())
}

/// It fails for good, and works when the run is retried; the process dies after each entry.
pub(super) fn retried(case: &Case) -> Cell {
    let options = Options::default();
    let plain = match plain(case, &options) {
        Ok(plain) => plain,
        Err(cell) => return cell,
    };
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let broken = case.definition(&scene, Act::Fails, &options, &probe).unwrap();
    scene.run(Scene::begin(&broken, "r").into_future()).unwrap_err();
    let failed = scene.journal("r").len();
    let probe = Arc::new(Probe::default());
    let repaired = case.definition(&scene, Act::Works, &options, &probe).unwrap();
    let output = scene.run(repaired.retry("r").into_future()).unwrap();
    assert_eq!(same(&output), same(&plain));
    let facts = scene.journal("r");
    grammar::check(&facts);
    nothing_again(&facts[..=failed], &probe, "the retry");
    assert!(probe.count() > 0);
    for cut in failed + 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (scene, probe) = (Scene::after(case.kind, &facts[..cut]), Arc::new(Probe::default()));
        let workflow = case.definition(&scene, Act::Works, &options, &probe).unwrap();
        let output = scene.run(workflow.resume("r").into_future()).unwrap();
        assert_eq!(same(&output), same(&plain), "{place}");
        nothing_again(&facts[..cut], &probe, &place);
        grammar::check(&scene.journal("r"));
    }
    Cell::Works
}

/// The run is forked at each step; the process dies after each entry of the fork.
pub(super) fn forked(case: &Case) -> Cell {
    let options = Options::default();
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let workflow = match case.definition(&scene, Act::Works, &options, &probe) {
        Ok(workflow) => workflow,
        Err(cell) => return cell,
    };
    let origin = scene.run(Scene::begin(&workflow, "r").into_future()).unwrap();
    let facts = scene.journal("r");
    let mut fold = Fold::default();
    for fact in &facts {
        fold.apply(fact).unwrap();
    }
    for (nth, at) in fold.begun_paths().into_iter().enumerate() {
        let probe = Arc::new(Probe::default());
        let workflow = case.definition(&scene, Act::Works, &options, &probe).unwrap();
        let name = format!("f{nth}");
        let fork = workflow.fork("r").at(at.as_str()).run_id(&name);
        let output = scene.run(fork.into_future()).unwrap();
        assert_eq!(same(&output), same(&origin), "at `{at}`");
        let own = scene.journal(&name);
        grammar::check(&own);
        let first = own.iter().position(|fact| fact.name() == "WorkflowForked").unwrap();
        nothing_again(&own[..=first], &probe, &format!("at `{at}`"));
        // As if the process had died before the fork went on.
        let created = workflow.fork("r").at(at.as_str()).run_id(format!("{name}-left")).create();
        let left = scene.run(created).unwrap();
        let resumed = scene.run(workflow.resume(&left).into_future()).unwrap();
        assert_eq!(same(&resumed), same(&origin), "at `{at}`");
    }
    assert_eq!(scene.journal("r"), facts);
    assert_eq!(origin.status, RunStatus::Completed);
    Cell::Works
}
