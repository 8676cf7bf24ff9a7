//! Ctrl-C, and being asked to end.

use crate::exit::STOPPED_AT_ONCE;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright::{RunId, Workflow};
use tokio::sync::Notify;

/// Cancels the run when somebody presses Ctrl-C, and stops at once when they do it again. SIGTERM
/// and SIGHUP count as well.
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
}

impl Cancel {
    /// From here on, Ctrl-C is ours. The thread that waits for it works even if steps keep all
    /// others busy, or whoever reads stdout keeps us waiting.
    pub(crate) fn on_signals() -> Self {
        let cancel = Self::default();
        let signalled = cancel.clone();
        // If there is a handler already, or none can be had, signals do what they do by default.
        let _ = ctrlc::set_handler(move || {
            if signalled.request() {
                std::process::exit(STOPPED_AT_ONCE);
            }
        });
        cancel
    }

    /// Says which run it is about, once it has begun.
    pub(crate) fn begun(&self, workflow: &Workflow, run: &RunId) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requested {
            workflow.cancel_run(run);
        }
        state.run = Some((workflow.clone(), run.clone()));
    }

    /// Waits for the first request.
    pub(crate) async fn requested(&self) {
        self.0.requested.notified().await;
    }

    /// Cancels. `true` if that was requested before.
    fn request(&self) -> bool {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((workflow, run)) = &state.run {
            workflow.cancel_run(run);
        }
        self.0.requested.notify_one();
        std::mem::replace(&mut state.requested, true)
    }
}
