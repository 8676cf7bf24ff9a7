//! Supervises the runs of a workflow: passes signals from the store to them, and resumes runs that
//! no process drives.

use crate::process::PerProcess;
use crate::workflow::{Inner, Workflow};
use futures_util::future::{Either, select};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;
use stepwright_core::store::{SignalKind, Watched};
use stepwright_core::{Error, RunId, RunStatus, StoreError};
use tokio::task::JoinHandle;

/// The interval at which a driver writes its heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// The lease of a driver on another machine: after this time without a heartbeat, its runs are
/// claimed.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// The largest number of runs without a driver that one look handles.
const SWEEP_MAX: usize = 1_000;

/// Every so many looks, also tries to claim runs whose drivers are not known to be dead. The store
/// checks their leases.
const CLAIM_EVERY: u64 = 5;

/// Supervises a workflow. Tasks of a parent process do not run in a child that was forked, so each
/// process has a supervision of its own.
#[derive(Debug, Default)]
pub(crate) struct Supervisor(PerProcess<Supervision>);

#[derive(Debug, Default)]
struct Supervision {
    /// The supervising task, if it runs.
    task: Mutex<Option<JoinHandle<()>>>,
    /// Runs that could not be resumed. They are not tried again automatically.
    refused: Mutex<HashSet<RunId>>,
}

impl Supervisor {
    /// Starts the supervising task if it does not run, and if there is a runtime.
    pub(crate) fn call(&self, workflow: &Workflow) {
        let mut task = self.0.here().task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            *task = Some(runtime.spawn(supervise(workflow.downgrade())));
        }
    }

    /// Notes that a run could not be resumed.
    pub(crate) fn refuse(&self, run: &RunId, why: &Error) {
        tracing::warn!(target: "stepwright", %run, "a run could not be taken up: {why}");
        let refused = &self.0.here().refused;
        refused.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone());
    }

    /// Notes that a run has been resumed after all.
    pub(crate) fn forgive(&self, run: &RunId) {
        let refused = &self.0.here().refused;
        refused.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    fn has_refused(&self, run: &RunId) -> bool {
        let refused = &self.0.here().refused;
        refused.lock().unwrap_or_else(PoisonError::into_inner).contains(run)
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

/// Supervises until the workflow is dropped.
pub(crate) async fn supervise(workflow: Weak<Inner>) {
    let mut was_failing = false;
    for nth in 0.. {
        let (changed, world, failed) = {
            let Some(workflow) = Workflow::upgrade(&workflow) else { return };
            let Some(store) = workflow.remembering() else { return };
            let changed = store.changed(Watched::Signals);
            // A store that fails is asked again. The drivers of runs report the failure themselves.
            let failed = look(&workflow, nth).await.err();
            if let Some(error) = failed.as_ref().filter(|_| !was_failing) {
                tracing::warn!(
                    target: "stepwright", workflow = %workflow.id(),
                    "the store cannot be asked for signals and waiting runs, and is asked again: \
                     {error}"
                );
            }
            (changed, workflow.world().clone(), failed.is_some())
        };
        was_failing = failed;
        if failed {
            // A store that fails at once may also report changes at once: do not spin.
            world.sleep(HEARTBEAT).await;
            continue;
        }
        let changed = pin!(changed);
        if let Either::Left(_) = select(changed, world.sleep(HEARTBEAT)).await {
            // Collects further changes into the same look.
            world.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Writes the heartbeat, passes signals to the runs of this process, and dispatches runs that no
/// process drives.
async fn look(workflow: &Workflow, nth: u64) -> Result<(), StoreError> {
    let Some(store) = workflow.remembering() else { return Ok(()) };
    let now = workflow.world().now();
    // Without runs there is no lease to renew: an idle program writes nothing.
    let signals = if workflow.live().is_empty() {
        Vec::new()
    } else {
        // Other processes compare the heartbeat with their own clocks.
        store.heartbeat(workflow.driver_name(), workflow.world().wall()).await?
    };
    for signal in signals {
        let Some(known) = workflow.live().get(signal.run.as_str()) else { continue };
        match signal.kind {
            SignalKind::Cancel { .. } => known.cancel(),
            _ => known.poke(),
        }
    }
    for row in store.waiting(workflow.id(), now, SWEEP_MAX).await? {
        let free = match (&row.driver, row.status) {
            (_, RunStatus::Paused) => true,
            // The dispatcher was told before. Tell it again from time to time in case that was
            // lost.
            (None, _) => !workflow.is_dispatched() || nth.is_multiple_of(CLAIM_EVERY),
            (Some(driver), _) => {
                workflow.is_gone(driver, &row.run_id) || nth.is_multiple_of(CLAIM_EVERY)
            }
        };
        let mine = workflow.live().get(row.run_id.as_str()).is_some();
        if free && !mine && !workflow.supervisor().has_refused(&row.run_id) {
            // The store refuses the second of two claims.
            if let Err(error) = workflow.dispatch(&row.run_id, None).await {
                let run = &row.run_id;
                tracing::warn!(target: "stepwright", %run, "a run was not dispatched: {error}");
            }
        }
    }
    Ok(())
}
