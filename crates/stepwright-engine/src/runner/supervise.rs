//! Supervises the runs of a definition: passes signals from the store to them, and resumes runs
//! that no process drives.

use super::Runner;
use super::lease::{HEARTBEAT, LEASE};
use crate::runs::SECOND_CANCEL;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use stepwright_core::dispatch::Cause;
use stepwright_core::store::{RunRow, SignalKind, Watched};
use stepwright_core::{RunStatus, StoreError, Timestamp};

/// The largest number of runs without a driver that one look handles.
const SWEEP_MAX: usize = 1_000;

/// Every so many looks, also tries to claim runs whose drivers are not known to be dead. The store
/// checks their leases.
const CLAIM_EVERY: u64 = 5;

impl Runner {
    /// Starts the supervisor unless it runs already or there is no store to watch.
    pub(crate) fn supervise(self: &Arc<Self>) {
        if self.remembering().is_some() && !self.local().is_closed() {
            self.supervision.here().start(|| supervise(Arc::downgrade(self)));
        }
    }
}

/// Supervises until the runner is dropped.
pub(super) async fn supervise(runner: Weak<Runner>) {
    let mut was_failing = false;
    for nth in 0.. {
        let (changed, world, failed) = {
            let Some(runner) = runner.upgrade() else { return };
            let Some(store) = runner.remembering() else { return };
            let changed = store.changed(Watched::Signals);
            // A store that fails is asked again. The drivers of runs report the failure themselves.
            let failed = look(&runner, nth).await.err();
            if let Some(error) = failed.as_ref().filter(|_| !was_failing) {
                tracing::warn!(
                    target: "stepwright", workflow = %runner.definition.id,
                    "the store cannot be asked for signals and waiting runs, and is asked again: \
                     {error}"
                );
            }
            (changed, runner.world.clone(), failed.is_some())
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
async fn look(runner: &Arc<Runner>, nth: u64) -> Result<(), StoreError> {
    let Some(store) = runner.remembering() else { return Ok(()) };
    let now = runner.world.now();
    // Without runs there is no lease to renew: an idle program writes nothing.
    let signals = if runner.local().is_empty() {
        Vec::new()
    } else {
        // Other processes compare the heartbeat with their own clocks.
        store.heartbeat(runner.driver_name(), runner.world.wall()).await?
    };
    for signal in signals {
        let Some(local) = runner.local().get(signal.run.as_str()) else { continue };
        match signal.kind {
            SignalKind::Cancel { .. } => local.cancel_signalled(*signal.id == *SECOND_CANCEL),
            SignalKind::Message(_) => local.mail_arrived(),
            _ => local.poke(),
        }
    }
    let mut told = Vec::new();
    for row in store.waiting(&runner.definition.id, now, SWEEP_MAX).await? {
        let free = match (&row.driver, row.status) {
            (_, RunStatus::Paused) => true,
            // The dispatcher was told before. Tell it again from time to time in case that was
            // lost.
            (None, _) => !runner.is_dispatched() || nth.is_multiple_of(CLAIM_EVERY),
            (Some(driver), _) => {
                runner.is_gone(driver, &row.run_id) || nth.is_multiple_of(CLAIM_EVERY)
            }
        };
        let mine = runner.local().get(row.run_id.as_str()).is_some();
        if free && !mine && !runner.supervision.here().has_refused(&row.run_id) {
            // The store refuses the second of two claims.
            let cause = found(&row, runner.world.wall());
            if runner.is_dispatched() {
                told.push((row.run_id.clone(), cause.clone()));
                if runner.supervision.here().has_told(&row.run_id, &cause) {
                    continue;
                }
            }
            if let Err(error) = runner.dispatch(&row.run_id, None, cause).await {
                let run = &row.run_id;
                tracing::warn!(target: "stepwright", %run, "a run was not dispatched: {error}");
                told.pop_if(|(told, _)| told == run);
            }
        }
    }
    runner.supervision.here().set_told(told);
    Ok(())
}

/// Returns the reason to wake a run that was found without a driver. It changes with the run, and
/// once in a lease, in case a wake was lost.
fn found(row: &RunRow, now: Timestamp) -> Cause {
    let nth = now.since(row.updated_at).as_secs() / LEASE.as_secs();
    Cause::Found { since: row.updated_at, nth }
}
