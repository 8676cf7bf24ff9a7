//! The slot of a run: a run waits until fewer runs of its key are under way.

use crate::define::run_limits::WhenFull;
use crate::held::Held;
use crate::recorder::Recorder;
use crate::runner::driver::is_dead;
use crate::runner::lease::LEASE;
use crate::stop::Stop;
use futures_util::future::{Either, select};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::store::{Entered, Signal, SlotClaim, SlotHolder, Watched};
use stepwright_core::{
    AnyStore, Error, ErrorKind, EventKind, RunId, RunOutput, RunStatus, StepPath, Timestamp,
    UserId, World,
};

/// The first and the longest time between two looks at the slots. The end of the oldest run wakes
/// at once; the looks find what has no event, such as a lease that ends.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The slot that a run needs to go on.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) scope: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) max: u32,
    pub(crate) then: WhenFull,
    pub(crate) driver: Arc<str>,
    /// The scope of `dedupe`, of a run that is about to begin.
    pub(crate) first: Option<Arc<str>>,
    /// `false` if the holders are those of this process alone, which have no lease.
    pub(crate) is_shared: bool,
    /// The user of the run, who must not learn of the runs of others, and not cancel them.
    pub(crate) user: Option<UserId>,
    /// The slot that the run needs besides, once it has this one. All runs take theirs in the same
    /// order, so that none waits for another one that waits for it.
    pub(crate) also: Option<Box<Self>>,
}

/// The answer to a run that waits.
pub(crate) enum Admitted {
    Yes,
    /// The run is left to the dispatcher, which comes back to it.
    Later,
}

pub(crate) fn stale(is_shared: bool, now: Timestamp) -> Timestamp {
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    if is_shared { Timestamp(now.0.saturating_sub(lease)) } else { Timestamp::default() }
}

/// Adds the drivers that are dead. Returns `true` if there are new ones.
pub(crate) fn add_dead(dead: &mut Vec<Arc<str>>, before: &[SlotHolder]) -> bool {
    let drivers = before.iter().filter_map(|other| other.driver.as_ref());
    let new: Vec<Arc<str>> =
        drivers.filter(|driver| !dead.contains(*driver) && is_dead(driver)).cloned().collect();
    dead.extend(new.iter().cloned());
    !new.is_empty()
}

impl Slot {
    pub(crate) fn claim(&self, run: &RunId, at: Timestamp, dead: &[Arc<str>]) -> SlotClaim {
        SlotClaim {
            scope: self.scope.clone(),
            holder: run.as_str().into(),
            driver: self.driver.clone(),
            max: self.max,
            at,
            stale: stale(self.is_shared, at),
            dead: dead.to_vec(),
        }
    }

    /// Waits for the slot, and for the one that the run needs besides, unless the run is cancelled
    /// meanwhile. With `leaves`, the dispatcher comes back instead, so that runs that wait do not
    /// keep others from being driven.
    pub(crate) async fn wait(
        &self,
        recorder: &Recorder,
        world: &World,
        leaves: bool,
    ) -> Result<Admitted, Stop> {
        let mut next = Some(self);
        while let Some(slot) = next {
            if let Admitted::Later = slot.wait_alone(recorder, world, leaves).await? {
                return Ok(Admitted::Later);
            }
            next = slot.also.as_deref();
        }
        Ok(Admitted::Yes)
    }

    async fn wait_alone(
        &self,
        recorder: &Recorder,
        world: &World,
        leaves: bool,
    ) -> Result<Admitted, Stop> {
        if self.scope.is_empty() {
            return Ok(Admitted::Yes);
        }
        let Some(store) = recorder.store() else { return Ok(Admitted::Yes) };
        let (run, root) = (recorder.run_id(), StepPath::root());
        // The run is in the store before its entry counts.
        recorder.settle().await?;
        let lost = |error| Stop::Lost(Arc::new(error));
        let (mut is_told, mut dead, mut pause) = (recorder.is_queued(), Vec::new(), LOOK.0);
        while !recorder.cancel_token().is_cancelled() {
            let claim = self.claim(run, world.wall(), &dead);
            let Entered::Behind { before } = store.enter(claim).await.map_err(lost)? else {
                if is_told {
                    recorder.time_passes();
                    recorder.record(&root, EventKind::WorkflowAdmitted)?;
                    recorder.settle().await?;
                }
                return Ok(Admitted::Yes);
            };
            if add_dead(&mut dead, &before) {
                continue;
            }
            if !std::mem::replace(&mut is_told, true) {
                let ahead = before.iter().filter(|other| !other.held).count();
                let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
                let (key, max) = (self.key.clone(), self.max);
                recorder.time_passes();
                recorder.record(&root, EventKind::WorkflowQueued { key, max, ahead })?;
                recorder.settle().await?;
            }
            if self.then == WhenFull::CancelRunning {
                self.cancel_oldest(store, run, &before, world.now()).await.map_err(lost)?;
            }
            if leaves {
                return Ok(Admitted::Later);
            }
            let cancelled = recorder.cancel_token().cancelled();
            let freed = until_freed(store, world, &before, pause);
            select(Box::pin(cancelled), Box::pin(freed)).await;
            pause = pause.saturating_mul(2).min(LOOK.1);
        }
        Ok(Admitted::Yes)
    }

    /// Returns `true` if the run has its slot now.
    pub(crate) async fn is_free(
        &self,
        store: &AnyStore,
        run: &RunId,
        now: Timestamp,
    ) -> Result<bool, stepwright_core::StoreError> {
        let mut next = Some(self);
        while let Some(slot) = next {
            if !slot.scope.is_empty() && slot.before(store, run, now).await?.is_some() {
                return Ok(false);
            }
            next = slot.also.as_deref();
        }
        Ok(true)
    }

    /// Returns the entries before the run, or `None` if it has its slot.
    pub(crate) async fn before(
        &self,
        store: &AnyStore,
        run: &RunId,
        now: Timestamp,
    ) -> Result<Option<Vec<SlotHolder>>, stepwright_core::StoreError> {
        let mut dead = Vec::new();
        loop {
            match store.enter(self.claim(run, now, &dead)).await? {
                Entered::Held => return Ok(None),
                Entered::Behind { before } if add_dead(&mut dead, &before) => {}
                Entered::Behind { before } => return Ok(Some(before)),
            }
        }
    }

    /// Cancels as many of the oldest runs as keep this one from going on.
    async fn cancel_oldest(
        &self,
        store: &AnyStore,
        run: &RunId,
        before: &[SlotHolder],
        now: Timestamp,
    ) -> Result<(), stepwright_core::StoreError> {
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        let count = (before.len() + 1).saturating_sub(max);
        for other in before.iter().take(count) {
            let Ok(other) = RunId::new(&*other.holder) else { continue };
            if !self.is_of_user(store, &other).await? {
                continue;
            }
            let reason = format!("run `{run}` of the same key began");
            match store.submit(Signal::cancel(other, reason, now)).await {
                // It has not begun, or is deleted.
                Ok(_) | Err(stepwright_core::StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns `true` if the user of this run may know another one. Without a user, all may be
    /// known.
    pub(crate) async fn is_of_user(
        &self,
        store: &AnyStore,
        other: &RunId,
    ) -> Result<bool, stepwright_core::StoreError> {
        if self.user.is_none() {
            return Ok(true);
        }
        Ok(store.run(other).await?.is_some_and(|row| row.user_id == self.user))
    }

    /// Gives the slot back when the run has ended.
    pub(crate) async fn leave(&self, recorder: &Recorder, has_begun: bool) {
        let Some(store) = recorder.store() else { return };
        self.leave_as(store, recorder.run_id(), has_begun).await;
    }

    pub(crate) async fn leave_as(&self, store: &AnyStore, run: &RunId, has_begun: bool) {
        let mut next = Some(self);
        while let Some(slot) = next {
            // If it fails, the entry does not count all the same: its run has ended.
            if !slot.scope.is_empty() {
                let _ = store.leave(&slot.scope, run.as_str()).await;
            }
            if let Some(first) = slot.first.as_ref().filter(|_| !has_begun) {
                let _ = store.leave(first, run.as_str()).await;
            }
            next = slot.also.as_deref();
        }
    }
}

/// Waits until the oldest run ends, and at most for `pause`.
async fn until_freed(store: &AnyStore, world: &World, before: &[SlotHolder], pause: Duration) {
    let oldest = before.first().and_then(|other| RunId::new(&*other.holder).ok());
    let Some(oldest) = oldest else { return world.sleep(pause).await };
    let mut over = world.sleep(pause);
    loop {
        let changed = store.changed(Watched::Facts(oldest.clone()));
        match store.run(&oldest).await {
            Ok(Some(row)) if !row.status.is_terminal() => {}
            // It has ended, or has not begun: another look does not come at once.
            Ok(Some(_)) => return,
            _ => return over.await,
        }
        match select(changed, over).await {
            Either::Left(((), rest)) => over = rest,
            Either::Right(_) => return,
        }
    }
}

/// Makes the error of a run that waits for a slot, and is left to the dispatcher meanwhile.
pub(crate) fn queued(mut output: RunOutput) -> Error {
    output.status = RunStatus::Pending;
    let why = output.queued.as_ref().map(ToString::to_string).unwrap_or_default();
    let what = format!("run `{}` is {why}", output.run_id);
    Error::new(ErrorKind::Store, what).with_source(Held::queued()).with_output(output)
}
