//! The supervising task of a runner, and the runs that it leaves alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwright_core::dispatch::Cause;
use stepwright_core::{Error, RunId};
use tokio::task::JoinHandle;

/// The supervision of one process. Tasks of a parent process do not run in a child that was forked,
/// so each process has its own.
#[derive(Debug, Default)]
pub(crate) struct Supervision {
    /// The supervising task, if it runs.
    task: Mutex<Option<JoinHandle<()>>>,
    /// Runs that could not be resumed. They are not tried again automatically.
    refused: Mutex<HashSet<RunId>>,
    /// The reasons that the dispatcher was told, of runs that still have no driver.
    told: Mutex<HashMap<RunId, Cause>>,
}

impl Supervision {
    /// Starts the supervising task if it does not run, and if there is a runtime.
    pub(super) fn start<F>(&self, supervise: impl FnOnce() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            *task = Some(runtime.spawn(supervise()));
        }
    }

    /// Stops the supervising task, and waits until it has ended.
    pub(super) async fn stop(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    fn refused(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a run could not be resumed, and logs it the first time.
    pub(super) fn refuse(&self, run: &RunId, why: &Error) {
        if self.refused().insert(run.clone()) {
            tracing::warn!(target: "stepwright", %run, "a run could not be taken up: {why}");
        }
    }

    /// Notes that a run has been resumed after all.
    pub(super) fn forgive(&self, run: &RunId) {
        self.refused().remove(run);
    }

    /// Returns `true` if the dispatcher was told this reason already.
    pub(super) fn has_told(&self, run: &RunId, cause: &Cause) -> bool {
        self.told().get(run) == Some(cause)
    }

    /// Notes the reasons that the dispatcher was told. Others are forgotten.
    pub(super) fn set_told(&self, told: Vec<(RunId, Cause)>) {
        *self.told() = told.into_iter().collect();
    }

    fn told(&self) -> MutexGuard<'_, HashMap<RunId, Cause>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_refused(&self, run: &RunId) -> bool {
        self.refused().contains(run)
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}
