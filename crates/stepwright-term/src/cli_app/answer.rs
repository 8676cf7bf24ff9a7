//! An answer, which Ctrl-C stops.

use crate::asking::GoingOn;
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

/// What is carried out.
pub(super) enum Begin {
    Run(Box<Run>),
    /// A run that waits, and that somebody wants to answer now.
    Paused(Box<RunOutput>),
}

/// Runs it and shows what happens, and goes on as long as somebody answers what it waits for. The
/// first Ctrl-C cancels the run, so that what it has said so
/// far is kept; the second one does not wait for that. What must be known about models goes where
/// errors go.
pub(super) async fn answer(
    begin: Begin,
    mut going: GoingOn<'_>,
    display: &mut Display,
    mut errors: Option<&mut Display>,
) -> Answer {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let notify = Arc::new(Notify::new());
    let listen = || {
        let (asked, notify) = (asked.clone(), notify.clone());
        on_interrupt(move |interrupt| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.interrupts += 1;
            asked.leaves |= interrupt == Interrupt::Terminate;
            if let Some((workflow, run)) = &asked.run {
                workflow.cancel_now(run);
            }
            notify.notify_one();
        })
    };
    let mut signals = listen();
    let locked = || asked.lock().unwrap_or_else(PoisonError::into_inner);
    let workflow = going.workflow().clone();
    let (mut events, mut answer) = match begin {
        Begin::Run(run) => (Some(run.stream_events(true).stream()), None),
        Begin::Paused(output) => (None, Some(Ok(*output))),
    };
    let mut ticks = display.ticks();
    let mut begun = false;
    loop {
        if let Some(mut answer) = answer.take() {
            // Nothing is under way while somebody is asked, so nothing is to be stopped.
            drop(signals);
            match going.next(&mut answer, display).await {
                Some(more) => (events, signals) = (Some(more), listen()),
                None => return Answer { answer, leaves: locked().leaves },
            }
        }
        let Some(reading) = &mut events else { continue };
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
            event = reading.next() => {
                let Some(event) = event else {
                    answer = match events.take() {
                        Some(read) => Some(read.output().await),
                        None => None,
                    };
                    continue;
                };
                if !begun {
                    begun = true;
                    let mut asked = locked();
                    if asked.interrupts > 0 {
                        workflow.cancel_now(&event.run);
                    }
                    asked.run = Some((workflow.clone(), event.run.clone()));
                }
                if let Some(errors) = &mut errors {
                    errors.notice(&event);
                }
                going.sees(&event);
                display.event(&event);
            }
        }
    }
}
