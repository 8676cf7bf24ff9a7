//! Faults that the simulation has found, and cases that it led to.

use crate::support::{mark, of, part, text};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::plan::OnError;
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorCode, Memory, RunStatus, StepContext, StepError, StepInput, World,
};
use stepwright_engine::{AnyStep, Condition, Loop, LoopView, Map, Router, Step};

#[test]
fn a_decision_that_failed_is_not_made_again_when_somebody_has_said_what_to_do_about_it() {
    // Each fails once, and would not fail a second time.
    let once = || {
        let tries = Arc::new(AtomicU32::new(0));
        move || match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Err(StepError::new("undecided")),
            _ => Ok(()),
        }
    };
    let (router, condition, map, repeat) = (once(), once(), once(), once());
    let all: [AnyStep; 4] = [
        part(
            Router::new("d", move |_: &StepInput| router().map(|()| "b"))
                .choice(mark("b"))
                .on_error(OnError::Pause),
        ),
        part(
            Condition::new("d", move |_: &StepInput| condition().map(|()| true))
                .then(mark("b"))
                .on_error(OnError::Pause),
        ),
        part(
            Map::new("d")
                .over(move |_: &StepInput| map().map(|()| vec!["b"]))
                .step(mark("b"))
                .on_error(OnError::Pause),
        ),
        part(
            Loop::new("d")
                .step(mark("b"))
                .at_most(3)
                .until(move |_: &LoopView| repeat().map(|()| true))
                .on_error(OnError::Pause),
        ),
    ];
    for step in all {
        let shape = format!("{step:?}");
        let clock = VirtualClock::default();
        let workflow = of(mark("a"))
            .step(step)
            .step(mark("c"))
            .store(Memory::default())
            .world(World::new(clock.clone(), 1))
            .build()
            .unwrap();
        for answer in [Answer::reject("no"), Answer::Skip] {
            let paused = clock.run(workflow.run("-").into_future()).unwrap();
            if !paused.is_paused() {
                // It fails the first time only.
                assert_eq!(answer, Answer::Skip, "{shape}");
                continue;
            }
            let id = paused.requirements[0].id.to_string();
            let done = workflow.continue_run(&paused.run_id, [(id, answer)]).into_future();
            let failed = clock.run(done).unwrap_err();
            let failure = failed.output().unwrap().error.clone().unwrap();
            let why = (failure.error.code, &*failure.error.message);
            assert_eq!(why, (ErrorCode::Decision, "undecided"), "{shape}");
        }
    }
}

#[test]
fn time_in_which_a_step_waits_is_not_counted_and_time_after_it_is() {
    let run = |after: u64| {
        let clock = VirtualClock::default();
        let step = Step::new("s", move |cx: StepContext| async move {
            // Longer than the limit, and not a multiple of it.
            cx.sleep_for("nap", Duration::from_millis(30)).await?;
            cx.world().sleep(Duration::from_millis(after)).await;
            Ok::<_, StepError>("done")
        });
        let workflow = of(step.timeout(Duration::from_millis(20)))
            .store(Memory::default())
            .world(World::new(clock.clone(), 1))
            .build()
            .unwrap();
        clock.run(workflow.run("-").into_future())
    };
    let done = run(15).unwrap();
    assert_eq!((done.status, text(&done).as_str()), (RunStatus::Completed, "done"));
    let late = run(25).unwrap_err().into_output().unwrap().error.unwrap();
    assert_eq!(late.error.code, ErrorCode::TimedOut);
}
