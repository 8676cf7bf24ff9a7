//! Handles Ctrl-C, which cancels the run, and SIGTERM, which leaves it to be resumed.

use crate::exit::{Exit, STOPPED_AT_ONCE, TERMINATED_AT_ONCE};
use crate::ui::terminal::Stderr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright::term::{Interrupt, Interrupts, on_interrupt};
use stepwright::{RunId, Workflow};
use stepwright_term::TerminalMode;
use tokio::sync::Notify;

/// Cancels the run at the first Ctrl-C, or stops it at the first SIGTERM so that it can be resumed.
/// Exits at once at the second signal.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    requested: Notify,
}

/// The request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// The run is cancelled.
    Cancel,
    /// The run is left, and can be resumed.
    Stop,
    /// The run is to be left, and this process does not drive it.
    Leave,
}

#[derive(Default)]
struct State {
    requested: Option<Requested>,
    run: Option<(Workflow, RunId)>,
    /// The command that resumes the run if this command exits. `None` if the run is not stored.
    resume: Option<String>,
    /// The command that answers the question at the terminal, and the mode of the terminal before.
    asked: Option<(String, TerminalMode)>,
}

impl Cancel {
    /// Handles signals until the returned guard is dropped. A separate thread waits for them, so it
    /// works even if steps keep all other threads busy or the reader of stdout is slow.
    pub(crate) fn on_signals(stderr: Stderr) -> (Self, Interrupts) {
        let cancel = Self::default();
        let signalled = cancel.clone();
        let signals = on_interrupt(move |signal| signalled.receive(signal, stderr));
        (cancel, signals)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the run to stop once it has begun, and the command that resumes it if it is stored.
    pub(crate) fn begun(&self, workflow: &Workflow, run: &RunId, resume: Option<String>) {
        let mut state = self.state();
        state.run = Some((workflow.clone(), run.clone()));
        state.resume = resume;
        if let Some(requested) = state.requested {
            state.requested = Some(state.carry_out(requested));
        }
    }

    /// Forgets the run, which has ended or waits, so that its store can be closed.
    pub(crate) fn ended(&self) {
        let mut state = self.state();
        (state.run, state.resume) = (None, None);
    }

    /// Sets the command that answers the question which is asked at the terminal now.
    pub(crate) fn asking(&self, go_on: Option<String>) {
        self.state().asked = go_on.map(|go_on| (go_on, TerminalMode::save()));
    }

    /// Returns `true` if the process was asked to end before the run waited.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state().requested, Some(Requested::Stop | Requested::Leave))
    }

    /// Waits for the first request.
    pub(crate) async fn requested(&self) -> Requested {
        self.0.requested.notified().await;
        self.state().requested.unwrap_or(Requested::Cancel)
    }

    /// Acts on a signal.
    fn receive(&self, signal: Interrupt, stderr: Stderr) {
        let mut state = self.state();
        let at_once = match signal {
            Interrupt::Stop => STOPPED_AT_ONCE,
            Interrupt::Terminate => TERMINATED_AT_ONCE,
        };
        if let Some((go_on, mode)) = state.asked.take() {
            // The prompt reads on its own thread, and the run waits in the database.
            mode.restore();
            stderr.help(&format!("the run is paused; to go on: {go_on}"));
            std::process::exit(Exit::Paused as i32);
        }
        if state.requested.is_some() {
            if let Some(resume) = &state.resume {
                let when = "if its end was not recorded any more, this takes the run up";
                stderr.help(&format!("{when}: {resume}"));
            }
            std::process::exit(at_once);
        }
        let wanted = match signal {
            Interrupt::Stop => Requested::Cancel,
            Interrupt::Terminate => Requested::Stop,
        };
        state.requested = Some(state.carry_out(wanted));
        drop(state);
        self.0.requested.notify_one();
    }
}

impl State {
    /// Cancels or releases the run if it has begun. Returns the request as it was carried out: a
    /// run that is not stored cannot be resumed, so it is cancelled.
    fn carry_out(&self, wanted: Requested) -> Requested {
        let Some((workflow, run)) = &self.run else { return wanted };
        match wanted {
            Requested::Stop | Requested::Leave if self.resume.is_some() => {
                if workflow.release_now(run) { Requested::Stop } else { Requested::Leave }
            }
            _ => {
                workflow.cancel_now(run);
                Requested::Cancel
            }
        }
    }
}
