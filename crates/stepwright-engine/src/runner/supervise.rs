//! Supervises the runs of a definition: passes signals from the store to them, and resumes runs
//! that no process drives.

use super::lease::{HEARTBEAT, LEASE};
use super::{Runner, is_dead};
use crate::runs::SECOND_CANCEL;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use stepwright_core::dispatch::Cause;
use stepwright_core::store::{RunRow, SignalKind, WaitingFilter, Watched};
use stepwright_core::{AnyStore, RunId, RunStatus, StoreError, Timestamp};

/// The largest number of runs that one look handles. The next look takes the runs behind them.
const SWEEP_MAX: usize = 1_000;

/// The pause between two pages of runs.
const PAGE_PAUSE: Duration = Duration::from_millis(100);

/// Every so many sweeps, also tells the dispatcher again of runs that it was told of, and looks for
/// runs that have this driver and are not driven.
const THOROUGH_EVERY: u64 = 10;

impl Runner {
    /// Starts the supervisor unless it runs already or there is no store to watch.
    pub(crate) fn supervise(self: &Arc<Self>) {
        if self.remembering().is_some() && !self.local().is_closed() {
            self.supervision.here().start(|| supervise(Arc::downgrade(self)));
        }
    }
}

/// The way of a supervisor through all runs that need a driver, page by page.
#[derive(Debug, Default)]
struct Sweep {
    /// The number of sweeps that have ended.
    ended: u64,
    /// The place behind which the next page begins. 0 at the beginning.
    after: u64,
    /// `true` if this sweep looks for what may have been lost, too.
    is_thorough: bool,
    /// The reasons that the dispatcher was told.
    told: Vec<(RunId, Cause)>,
}

/// Supervises until the runner is dropped.
pub(super) async fn supervise(runner: Weak<Runner>) {
    let mut was_failing = false;
    let mut sweep = Sweep::default();
    loop {
        let (changed, world, looked) = {
            let Some(runner) = runner.upgrade() else { return };
            let Some(store) = runner.remembering() else { return };
            let changed = store.changed(Watched::Signals);
            // A store that fails is asked again. The drivers of runs report the failure themselves.
            let looked = look(&runner, store, &mut sweep).await;
            if let Some(error) = looked.as_ref().err().filter(|_| !was_failing) {
                tracing::warn!(
                    target: "stepwright", workflow = %runner.definition.id,
                    "the store cannot be asked for signals and waiting runs, and is asked again: \
                     {error}"
                );
            }
            (changed, runner.world.clone(), looked)
        };
        was_failing = looked.is_err();
        let Ok(pause) = looked else {
            // A store that fails at once may also report changes at once: do not spin.
            world.sleep(HEARTBEAT).await;
            continue;
        };
        let changed = pin!(changed);
        if let Either::Left(_) = select(changed, world.sleep(pause)).await {
            // Collects further changes into the same look.
            world.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Writes the heartbeat, passes signals to the runs of this process, and dispatches a page of the
/// runs that no process drives. Returns the pause before the next look.
async fn look(
    runner: &Arc<Runner>,
    store: &AnyStore,
    sweep: &mut Sweep,
) -> Result<Duration, StoreError> {
    pass_signals(runner, store).await?;
    let supervision = runner.supervision.here();
    if sweep.after == 0 {
        let is_turn = sweep.ended.is_multiple_of(THOROUGH_EVERY);
        sweep.is_thorough = supervision.take_lost() || is_turn;
    }
    let seen = store.drivers(&runner.definition.id).await?;
    let mut alive = supervision.observed().look(seen, runner.world.now());
    alive.retain(|driver| {
        if driver == runner.driver_name() {
            !runner.local().is_empty() && !sweep.is_thorough
        } else {
            !is_dead(driver)
        }
    });
    let filter = WaitingFilter {
        alive,
        after: sweep.after,
        ..WaitingFilter::new(runner.definition.id.clone(), runner.world.now(), SWEEP_MAX)
    };
    let page = store.waiting(filter).await?;
    for error in &page.damaged {
        supervision.report(error);
    }
    for row in &page.runs {
        wake(runner, row, sweep).await;
    }
    if let Some(next) = page.next {
        sweep.after = next;
        return Ok(PAGE_PAUSE);
    }
    supervision.set_told(std::mem::take(&mut sweep.told));
    *sweep = Sweep { ended: sweep.ended + 1, ..Sweep::default() };
    let next_end = supervision.observed().next_end(runner.world.now());
    Ok(next_end.unwrap_or(HEARTBEAT).min(HEARTBEAT))
}

/// Writes the heartbeat, and passes signals to the runs of this process.
async fn pass_signals(runner: &Runner, store: &AnyStore) -> Result<(), StoreError> {
    // Without runs there is no lease to renew: an idle program writes nothing.
    if runner.local().is_empty() {
        return Ok(());
    }
    // Other processes compare the heartbeat with their own clocks.
    let heard = store.heartbeat(runner.driver_name(), runner.world.wall()).await?;
    for error in &heard.damaged {
        runner.supervision.here().report(error);
    }
    for signal in heard.signals {
        let Some(local) = runner.local().get(signal.run.as_str()) else { continue };
        match signal.kind {
            SignalKind::Cancel { .. } => local.cancel_signalled(*signal.id == *SECOND_CANCEL),
            SignalKind::Message(_) => local.mail_arrived(),
            _ => local.poke(),
        }
    }
    Ok(())
}

/// Hands a run that needs a driver to the dispatcher.
async fn wake(runner: &Arc<Runner>, row: &RunRow, sweep: &mut Sweep) {
    let (run, supervision) = (&row.run_id, runner.supervision.here());
    // The dispatcher was told when the run began. Tell it again from time to time in case that was
    // lost.
    let is_told = row.driver.is_none() && row.status != RunStatus::Paused && runner.is_dispatched();
    let mine = runner.local().get(run.as_str()).is_some();
    if (is_told && !sweep.is_thorough) || mine || supervision.has_refused(run) {
        return;
    }
    // The store refuses the second of two claims.
    let cause = found(row, runner.world.wall());
    if runner.is_dispatched() {
        sweep.told.push((run.clone(), cause.clone()));
        if supervision.has_told(run, &cause) {
            return;
        }
    }
    if let Err(error) = runner.dispatch(run, None, cause).await {
        tracing::warn!(target: "stepwright", %run, "a run was not dispatched: {error}");
        sweep.told.pop_if(|(told, _)| told == run);
    }
}

/// Returns the reason to wake a run that was found without a driver. It changes with the run, and
/// once in a lease, in case a wake was lost.
fn found(row: &RunRow, now: Timestamp) -> Cause {
    let nth = now.since(row.updated_at).as_secs() / LEASE.as_secs();
    Cause::Found { since: row.updated_at, nth }
}
