//! Random plans in which something is broken: repaired and retried, a run ends as if nothing had
//! been broken; forked anywhere, it ends as its origin. Both also if the process dies in between.

use crate::cut::{Calls, Plans, outcome};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_core::fold::Fold;
use stepwright_core::journal::Append;
use stepwright_core::rewind::effective;
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{Event, EventKind, Memory, RunId, RunStatus, StepPath, StepStatus};
use stepwright_testing::grammar;

const PLANS: u64 = 500;

fn facts_of(clock: &VirtualClock, store: &Memory, run: &str) -> Vec<Event> {
    let run: RunId = run.parse().unwrap();
    clock.run(store.load(&run, 0, usize::MAX)).unwrap()
}

/// The steps whose completion counts among these facts.
fn completed(facts: &[Event]) -> HashSet<StepPath> {
    let kept = effective(facts);
    let done = kept.iter().filter(|fact| matches!(fact.kind, EventKind::StepCompleted { .. }));
    done.map(|fact| fact.path.clone()).collect()
}

/// Returns `true` if a failure was passed over, so that the run went on without an output.
fn passed_over(facts: &[Event]) -> bool {
    facts.iter().any(|fact| {
        matches!(fact.kind, EventKind::StepSkipped { .. })
            || matches!(fact.kind, EventKind::StepError { continues: true, .. })
            || fact.kind.end().is_some_and(|end| end.status == StepStatus::Skipped)
    })
}

#[test]
fn a_retried_run_ends_as_one_in_which_nothing_was_broken() {
    let (mut retried, mut same, mut cuts) = (0, 0, 0);
    for seed in 0..PLANS {
        let (clock, store, calls) = (VirtualClock::default(), Memory::default(), Calls::default());
        let repaired = Arc::new(AtomicBool::new(false));
        let plan = |store: &Memory, clock: &VirtualClock, calls: &Calls| {
            let (store, clock, calls) = (store.clone(), clock.clone(), calls.clone());
            Plans::repairable(seed, store, clock, calls, repaired.clone())
        };
        let workflow = plan(&store, &clock, &calls);
        let run = workflow.run("in").run_id("sim").session_id("s");
        let first = clock.run(run.into_future());
        let Err(error) = first else { continue };
        if error.output().is_none_or(|output| output.status != RunStatus::Error) {
            continue;
        }
        let failed = facts_of(&clock, &store, "sim");
        calls.lock().unwrap().clear();
        repaired.store(true, Ordering::Relaxed);
        let answer = outcome(clock.run(workflow.retry("sim").into_future()));
        let journal = facts_of(&clock, &store, "sim");
        let place = format!("seed {seed}");
        let shown = || grammar::transcript(&journal);
        assert_eq!(&journal[..failed.len()], &failed[..], "{place}: the past is rewritten");
        assert_eq!(journal[failed.len()].name(), "WorkflowRetried", "{place}");
        grammar::check(&journal);
        retried += 1;
        // What counts as completed right after the retry is not done again.
        let kept = completed(&journal[..=failed.len()]);
        for step in &kept {
            let again = calls.lock().unwrap().get(step).copied();
            assert_eq!(again, None, "{place}: `{step}` was done again\n{}", shown());
        }
        if !passed_over(&failed) {
            let (clock, store) = (VirtualClock::default(), Memory::default());
            let fresh = plan(&store, &clock, &Calls::default());
            let expected = outcome(clock.run(fresh.run("in").run_id("sim").into_future()));
            assert_eq!(answer, expected, "{place}\n{}", shown());
            same += 1;
        }
        for cut in failed.len() + 1..journal.len() {
            let place = format!("seed {seed}, cut {cut} of {}", journal.len());
            let (clock, store, calls) =
                (VirtualClock::default(), Memory::default(), Calls::default());
            let past = journal[..cut].to_vec();
            let run = journal[0].run.clone();
            let append = Append { run, facts: past, close: None, driver: None };
            clock.run(store.append(append)).unwrap();
            let again = plan(&store, &clock, &calls);
            let cut_answer = outcome(clock.run(again.resume("sim").into_future()));
            assert_eq!(cut_answer, answer, "{place}\n{}", shown());
            let now = facts_of(&clock, &store, "sim");
            grammar::check(&now);
            for step in completed(&journal[..cut]) {
                let again = calls.lock().unwrap().get(&step).copied();
                assert_eq!(again, None, "{place}: `{step}` was done again\n{}", shown());
            }
            cuts += 1;
        }
    }
    assert!(retried > 20 && same > 10 && cuts > 200, "{retried} {same} {cuts}");
}

#[test]
fn a_fork_at_any_step_ends_as_its_origin() {
    let (mut forks, mut recalled) = (0, 0);
    for seed in 0..PLANS / 4 {
        let (clock, store) = (VirtualClock::default(), Memory::default());
        let calls = Calls::default();
        let workflow = Plans::repairable(
            seed,
            store.clone(),
            clock.clone(),
            calls.clone(),
            Arc::new(AtomicBool::new(true)),
        );
        let run = workflow.run("in").run_id("sim").session_id("s");
        let expected = outcome(clock.run(run.into_future()));
        let origin = facts_of(&clock, &store, "sim");
        let mut fold = Fold::default();
        for fact in &origin {
            fold.apply(fact).unwrap();
        }
        for (nth, at) in fold.begun_paths().into_iter().enumerate() {
            calls.lock().unwrap().clear();
            let name = format!("fork-{nth}");
            let fork = workflow.fork("sim").at(at.as_str()).run_id(&name).session_id(&name);
            let answer = outcome(clock.run(fork.into_future()));
            let journal = facts_of(&clock, &store, &name);
            let place = format!("seed {seed}, at `{at}`");
            let shown = || grammar::transcript(&journal);
            assert_eq!(answer, expected, "{place}\n{}", shown());
            grammar::check(&journal);
            let forked = journal.iter().position(|f| f.name() == "WorkflowForked").unwrap();
            let shared = |fact: &Event| (fact.sequence, fact.path.clone(), fact.kind.clone());
            assert!(
                journal[..forked].iter().map(shared).eq(origin[..forked].iter().map(shared)),
                "{place}: the prefix is another one"
            );
            for step in completed(&journal[..=forked]) {
                assert!(!at.contains(&step), "{place}: `{step}` stays\n{}", shown());
                let again = calls.lock().unwrap().get(&step).copied();
                assert_eq!(again, None, "{place}: `{step}` was done again\n{}", shown());
                recalled += 1;
            }
            forks += 1;
        }
        assert_eq!(facts_of(&clock, &store, "sim"), origin, "the origin stays as it is");
    }
    assert!(forks > 500 && recalled > 500, "{forks} {recalled}");
}
