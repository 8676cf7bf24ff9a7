//! Runs one answer, which Ctrl-C stops.

use crate::asking::Continuation;
use crate::display::Display;
use crate::interrupt::{Interrupt, on_interrupt};
use crate::keys::Keys;
use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_core::{Error, ErrorKind, RunId, RunOutput};
use stepwright_engine::{Fork, Run, Workflow};
use tokio::sync::Notify;

/// The result of an answer.
pub(super) struct FinishedAnswer {
    pub(super) answer: Result<RunOutput, Error>,
    /// `true` if the process was asked to end.
    pub(super) quits: bool,
    /// The text that was typed meanwhile.
    pub(super) typed: String,
}

/// The signals received during an answer.
#[derive(Default)]
struct SignalState {
    interrupts: u32,
    quits: bool,
    run: Option<(Workflow, RunId)>,
}

/// The work to start with.
pub(super) enum Start {
    Run(Box<Run>),
    Fork(Box<Fork>),
    /// A paused run whose questions are asked now.
    Paused(Box<RunOutput>),
}

/// Cancels a run. If the process was asked to end, it leaves a stored run so that the run can be
/// resumed.
fn stop(workflow: &Workflow, run: &RunId, quits: bool) {
    if !(quits && workflow.release_now(run)) {
        workflow.cancel_now(run);
    }
}

/// Runs the workflow and shows its events, and continues it as long as its pending requests are
/// answered. The first Ctrl-C or Esc cancels the run and keeps what was said so far; the second
/// stops waiting for that. Notices about models go to the error output.
pub(super) async fn answer(
    start: Start,
    mut continuation: Continuation<'_>,
    display: &mut Display,
    mut errors: Option<&mut Display>,
    reads_keys: bool,
) -> FinishedAnswer {
    let state = Arc::new(Mutex::new(SignalState::default()));
    let notify = Arc::new(Notify::new());
    let listen = || {
        let (state, notify) = (state.clone(), notify.clone());
        let interrupted = Arc::new(move |interrupt| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.interrupts += 1;
            state.quits |= interrupt == Interrupt::Terminate;
            if let Some((workflow, run)) = &state.run {
                stop(workflow, run, state.quits);
            }
            notify.notify_one();
        });
        let escaped = interrupted.clone();
        // Escape stops the answer, as Ctrl-C does.
        let keys = if reads_keys { Keys::read(move || escaped(Interrupt::Stop)) } else { None };
        (on_interrupt(move |interrupt| interrupted(interrupt)), keys)
    };
    let mut signals = Some(listen());
    let mut typed = String::new();
    let locked = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let workflow = continuation.workflow().clone();
    let (mut events, mut answer) = match start {
        Start::Run(run) => (Some(run.stream_events(true).stream().in_task()), None),
        Start::Fork(fork) => (Some(fork.stream_events(true).stream().in_task()), None),
        Start::Paused(output) => (None, Some(Ok(*output))),
    };
    let mut ticks = display.ticks();
    let mut begun = false;
    loop {
        if let Some(mut answer) = answer.take() {
            // While a question is asked, no run is in flight that a signal could stop.
            if let Some((_, Some(keys))) = signals.take() {
                typed.push_str(&keys.end());
            }
            match continuation.next(&mut answer, display).await {
                Some(more) => (events, signals) = (Some(more), Some(listen())),
                None => return FinishedAnswer { answer, quits: locked().quits, typed },
            }
        }
        let Some(reading) = &mut events else { continue };
        tokio::select! {
            biased;
            () = notify.notified() => {
                if locked().interrupts > 1 {
                    let error = Error::new(ErrorKind::Cancelled, "the answer was cancelled");
                    display.clear();
                    return FinishedAnswer { answer: Err(error), quits: locked().quits, typed };
                }
                display.note("stopping; press Ctrl-C or Esc again to stop waiting");
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
                    let mut state = locked();
                    if state.interrupts > 0 {
                        stop(&workflow, &event.run, state.quits);
                    }
                    state.run = Some((workflow.clone(), event.run.clone()));
                }
                if let Some(errors) = &mut errors {
                    errors.notice(&event);
                }
                continuation.sees(&event);
                display.event(&event);
            }
        }
    }
}
