//! The supervising task of a runner, and the runs that it leaves alone.

use super::silence::Observed;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwright_core::dispatch::Cause;
use stepwright_core::{Error, RunId, StoreError};
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
    /// The drivers of background runs.
    observed: Mutex<Observed>,
    /// `true` if this process has left a run in the middle, which still has its driver.
    lost: AtomicBool,
    /// The damage that was logged.
    reported: Mutex<HashSet<String>>,
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

    /// Returns the drivers of background runs, as this process has seen them.
    pub(super) fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this process has left a run in the middle.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if a run was left in the middle since the last call.
    pub(super) fn take_lost(&self) -> bool {
        self.lost.swap(false, Ordering::Relaxed)
    }

    /// Logs a row that cannot be read, the first time.
    pub(super) fn report(&self, damage: &StoreError) {
        let mut what = damage.to_string();
        if let Some(source) = std::error::Error::source(damage) {
            what = format!("{what}: {source}");
        }
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.insert(what.clone()) {
            tracing::warn!(target: "stepwright", "a row of the store is left out: {what}");
        }
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
