//! Looks after what others want of the runs of a workflow, and after runs that nobody drives.

use crate::process::PerProcess;
use crate::workflow::{Inner, Workflow};
use futures_util::future::{Either, select};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;
use stepwright_core::store::{Watched, Wish};
use stepwright_core::{Error, RunId, RunStatus, StoreError};
use tokio::task::JoinHandle;

/// How often a driver says that it is alive.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long a driver of another machine may be silent before its runs are taken up.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// How many runs that nobody drives are looked at in one go.
const SWEEP_MAX: usize = 1_000;

/// After how many looks runs are claimed whose drivers may be alive, for all that is known here: a
/// store says when they were last seen.
const CLAIM_EVERY: u64 = 5;

/// Attends to a workflow. The tasks of a parent process do not run in a child that was forked, so
/// that each process attends for itself.
#[derive(Debug, Default)]
pub(crate) struct Supervisor(PerProcess<Supervision>);

#[derive(Debug, Default)]
struct Supervision {
    /// The task that does so, if it runs.
    task: Mutex<Option<JoinHandle<()>>>,
    /// Runs that could not be taken up: they are not tried again by themselves.
    refused: Mutex<HashSet<RunId>>,
}

impl Supervisor {
    /// Sees to it that somebody attends to the workflow, where there is a runtime.
    pub(crate) fn call(&self, workflow: &Workflow) {
        let mut task = self.0.here().task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            *task = Some(runtime.spawn(supervise(workflow.downgrade())));
        }
    }

    /// A run could not be taken up.
    pub(crate) fn refuse(&self, run: &RunId, why: &Error) {
        tracing::warn!(target: "stepwright", %run, "a run could not be taken up: {why}");
        let refused = &self.0.here().refused;
        refused.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone());
    }

    /// A run could be taken up after all.
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

/// Attends until the workflow is gone.
pub(crate) async fn supervise(workflow: Weak<Inner>) {
    for nth in 0.. {
        let (changed, world, failed) = {
            let Some(workflow) = Workflow::upgrade(&workflow) else { return };
            let Some(store) = workflow.remembering() else { return };
            let changed = store.changed(Watched::Signals);
            // A store that fails is asked again; whoever drives a run is told of it.
            let failed = look(&workflow, nth).await.is_err();
            (changed, workflow.world().clone(), failed)
        };
        if failed {
            // One that fails at once may also say at once that it has changed.
            world.sleep(HEARTBEAT).await;
            continue;
        }
        let changed = pin!(changed);
        if let Either::Left(_) = select(changed, world.sleep(HEARTBEAT)).await {
            // So that many changes are looked at together.
            world.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Says that the workflow is alive, hands on what others want of its runs, and takes up runs that
/// nobody drives.
async fn look(workflow: &Workflow, nth: u64) -> Result<(), StoreError> {
    let Some(store) = workflow.remembering() else { return Ok(()) };
    let now = workflow.world().now();
    // Whoever drives nothing need not say that it is alive, and an idle program writes nothing.
    let signals = if workflow.live().is_empty() {
        Vec::new()
    } else {
        // Others compare it with their clocks.
        store.heartbeat(workflow.driver_name(), workflow.world().wall()).await?
    };
    for signal in signals {
        let Some(known) = workflow.live().get(signal.run.as_str()) else { continue };
        match signal.wish {
            Wish::Cancel { .. } => known.cancel(),
            _ => known.poke(),
        }
    }
    for row in store.waiting(workflow.id(), now, SWEEP_MAX).await? {
        let free = match (&row.driver, row.status) {
            (_, RunStatus::Paused) => true,
            // The dispatcher was told of it already, and is told again in case that was lost.
            (None, _) => !workflow.is_dispatched() || nth.is_multiple_of(CLAIM_EVERY),
            (Some(driver), _) => {
                workflow.is_gone(driver, &row.run_id) || nth.is_multiple_of(CLAIM_EVERY)
            }
        };
        let mine = workflow.live().get(row.run_id.as_str()).is_some();
        if free && !mine && !workflow.supervisor().has_refused(&row.run_id) {
            // Whoever comes second is told so by the store.
            let _ = workflow.dispatch(&row.run_id, None).await;
        }
    }
    Ok(())
}
