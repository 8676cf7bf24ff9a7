//! Ctrl-C, and being asked to end.

use crate::exit::STOPPED_AT_ONCE;
use std::sync::{Arc, Mutex, PoisonError};
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
}

impl Cancel {
    /// From here on, Ctrl-C is ours. The thread that waits for it works even if steps keep all
    /// others busy, or whoever reads stdout keeps us waiting.
    pub(crate) fn on_signals() -> Self {
        let cancel = Self::default();
        let signalled = cancel.clone();
        on_each_signal(move || {
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

    /// The run has ended: there is nothing to cancel any more, and its store can be closed.
    pub(crate) fn ended(&self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).run = None;
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

/// Calls it, on a thread of its own, for each signal. If that thread cannot be had, signals do what
/// they do by default.
#[cfg(unix)]
fn on_each_signal(mut handle: impl FnMut() + Send + 'static) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    let wait = move || signals.forever().for_each(|_| handle());
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    drop(thread);
}

#[cfg(not(unix))]
fn on_each_signal(handle: impl FnMut() + Send + 'static) {
    let _ = ctrlc::set_handler(handle);
}
