//! An answer, which Ctrl-C stops.

use crate::display::Display;
use crate::interrupt::{Interrupt, on_interrupt};
use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_core::{Error, ErrorKind, RunId, RunOutput};
use stepwright_engine::{Run, Workflow};
use tokio::sync::Notify;

/// What has become of an answer.
pub(super) struct Answer {
    pub(super) answer: Result<RunOutput, Error>,
    /// Whether the whole program is asked to end.
    pub(super) leaves: bool,
}

/// What signals tell about the answer that is under way.
#[derive(Default)]
struct Asked {
    interrupts: u32,
    leaves: bool,
    run: Option<(Workflow, RunId)>,
}

/// Runs it and shows what happens. The first Ctrl-C cancels the run, so that what it has said so
/// far is kept; the second one does not wait for that. What must be known about models goes where
/// errors go.
pub(super) async fn answer(
    run: Run,
    display: &mut Display,
    mut errors: Option<&mut Display>,
) -> Answer {
    let workflow = run.workflow().clone();
    let asked = Arc::new(Mutex::new(Asked::default()));
    let notify = Arc::new(Notify::new());
    let _signals = on_interrupt({
        let (asked, notify) = (asked.clone(), notify.clone());
        move |interrupt| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.interrupts += 1;
            asked.leaves |= interrupt == Interrupt::Terminate;
            if let Some((workflow, run)) = &asked.run {
                workflow.cancel_run(run);
            }
            notify.notify_one();
        }
    });
    let locked = || asked.lock().unwrap_or_else(PoisonError::into_inner);
    let mut events = run.stream_events(true).stream();
    let mut ticks = display.ticks();
    let mut begun = false;
    loop {
        tokio::select! {
            biased;
            () = notify.notified() => {
                if locked().interrupts > 1 {
                    let error = Error::new(ErrorKind::Cancelled, "the answer was given up");
                    display.clear();
                    return Answer { answer: Err(error), leaves: locked().leaves };
                }
                display.note("stopping; press Ctrl-C again not to wait for it");
            }
            () = ticks.next() => display.tick(),
            event = events.next() => {
                let Some(event) = event else { break };
                if !begun {
                    begun = true;
                    let mut asked = locked();
                    if asked.interrupts > 0 {
                        workflow.cancel_run(&event.run);
                    }
                    asked.run = Some((workflow.clone(), event.run.clone()));
                }
                if let Some(errors) = &mut errors {
                    errors.notice(&event);
                }
                display.event(&event);
            }
        }
    }
    let answer = events.output().await;
    let leaves = locked().leaves;
    Answer { answer, leaves }
}
