//! Handles Ctrl-C and SIGTERM.

use crate::exit::STOPPED_AT_ONCE;
use crate::ui::terminal::Stderr;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright::term::{Interrupts, on_interrupt};
use stepwright::{RunId, Workflow};
use tokio::sync::Notify;

/// Cancels the run at the first Ctrl-C, and exits at once at the second. SIGTERM counts as well.
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
    /// The command that resumes the run if this command exits at once.
    resume: Option<String>,
}

impl Cancel {
    /// Handles signals until the returned guard is dropped. A separate thread waits for them, so it
    /// works even if steps keep all other threads busy or the reader of stdout is slow.
    pub(crate) fn on_signals(stderr: Stderr) -> (Self, Interrupts) {
        let cancel = Self::default();
        let signalled = cancel.clone();
        let signals = on_interrupt(move |_| {
            if signalled.request() {
                if let Some(resume) = signalled.resume() {
                    let when = "if its end was not recorded any more, this takes the run up";
                    stderr.help(&format!("{when}: {resume}"));
                }
                std::process::exit(STOPPED_AT_ONCE);
            }
        });
        (cancel, signals)
    }

    /// Sets the run to cancel once it has begun, and the command that resumes it if there is one.
    pub(crate) fn begun(&self, workflow: &Workflow, run: &RunId, resume: Option<String>) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requested {
            workflow.cancel_now(run);
        }
        state.run = Some((workflow.clone(), run.clone()));
        state.resume = resume;
    }

    /// Forgets the run, which has ended or waits, so that its store can be closed.
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

    /// Requests the cancellation. Returns `true` if it was requested before.
    fn request(&self) -> bool {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((workflow, run)) = &state.run {
            workflow.cancel_now(run);
        }
        self.0.requested.notify_one();
        std::mem::replace(&mut state.requested, true)
    }
}
