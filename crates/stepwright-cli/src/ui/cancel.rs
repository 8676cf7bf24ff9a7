//! Ctrl-C, and being asked to end.

use crate::exit::STOPPED_AT_ONCE;
use crate::ui::terminal::Stderr;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright::term::{Interrupts, on_interrupt};
use stepwright::{RunId, Workflow};
use tokio::sync::Notify;

/// Cancels the run when somebody presses Ctrl-C, and stops at once when they do it again. SIGTERM
/// counts as well.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    requested: Notify,
}

#[derive(Default)]
struct State {
    requested: bool,
    run: Option<(Workflow, RunId)>,
    /// How the run is taken up if the command stops at once.
    resume: Option<String>,
}

impl Cancel {
    /// Ctrl-C is ours, until the second of these is dropped. The thread that waits for it works
    /// even if steps keep all others busy, or whoever reads stdout keeps us waiting.
    pub(crate) fn on_signals(stderr: Stderr) -> (Self, Interrupts) {
        let cancel = Self::default();
        let signalled = cancel.clone();
        let signals = on_interrupt(move |_| {
            if signalled.request() {
                if let Some(resume) = signalled.resume() {
                    let when = "if its end was not recorded any more, this takes the run up";
                    stderr.hint(&format!("{when}: {resume}"));
                }
                std::process::exit(STOPPED_AT_ONCE);
            }
        });
        (cancel, signals)
    }

    /// Says which run it is about, once it has begun, and how it is taken up if it can be.
    pub(crate) fn begun(&self, workflow: &Workflow, run: &RunId, resume: Option<String>) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requested {
            workflow.cancel_now(run);
        }
        state.run = Some((workflow.clone(), run.clone()));
        state.resume = resume;
    }

    /// The run has ended, or waits: there is nothing to cancel any more, and its store can be
    /// closed.
    pub(crate) fn ended(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.run, state.resume) = (None, None);
    }

    /// Waits for the first request.
    pub(crate) async fn requested(&self) {
        self.0.requested.notified().await;
    }

    fn resume(&self) -> Option<String> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).resume.clone()
    }

    /// Cancels. `true` if that was requested before.
    fn request(&self) -> bool {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((workflow, run)) = &state.run {
            workflow.cancel_now(run);
        }
        self.0.requested.notify_one();
        std::mem::replace(&mut state.requested, true)
    }
}
