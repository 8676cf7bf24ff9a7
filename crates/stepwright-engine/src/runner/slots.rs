//! Slots of runs: a run waits until fewer runs of its key are under way.

use super::held::Held;
use super::supervise::LEASE;
use super::{Runner, is_dead};
use crate::define::{Concurrency, KEY_BYTES_MAX, WhenFull, key_of};
use crate::recorder::Recorder;
use crate::stop::Stop;
use futures_util::future::{Either, select};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::store::{Entered, FirstClaim, Signal, SlotClaim, SlotHolder, Watched};
use stepwright_core::{
    AnyStore, Error, ErrorId, ErrorKind, EventKind, RunId, RunOutput, RunStatus, StepInput,
    StepPath, Timestamp, World,
};

/// The first and the longest time between two looks at the slots. The end of the oldest run wakes
/// at once; the looks find what has no event, such as a lease that ends.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The slot that a run needs to go on.
#[derive(Clone)]
pub(crate) struct Slot {
    scope: Arc<str>,
    key: Arc<str>,
    max: u32,
    then: WhenFull,
    driver: Arc<str>,
    /// The scope of `dedupe`, of a run that is about to begin.
    first: Option<Arc<str>>,
    /// `false` if the holders are those of this process alone, which have no lease.
    is_shared: bool,
}

/// The answer to a run that waits.
pub(crate) enum Admitted {
    Yes,
    /// The run is left to the dispatcher, which comes back to it.
    Later,
}

fn stale(is_shared: bool, now: Timestamp) -> Timestamp {
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    if is_shared { Timestamp(now.0.saturating_sub(lease)) } else { Timestamp::default() }
}

impl Runner {
    /// Returns the slot that a run needs.
    ///
    /// # Errors
    /// If its key cannot be computed.
    pub(crate) async fn slot(
        &self,
        store: &AnyStore,
        started: &WorkflowStarted,
        now: Timestamp,
    ) -> Result<Option<Slot>, Error> {
        let Some(limit) = &self.definition.limits.concurrency else { return Ok(None) };
        let Concurrency { max, then, key } = limit;
        let input = input_of(started, now);
        let key = key_of("concurrency", key.as_ref(), &input, String::new).await?;
        Ok(Some(Slot {
            scope: format!("runs:{}:{key}", self.definition.id).into(),
            key,
            max: *max,
            then: *then,
            driver: self.driver_name().clone(),
            first: None,
            is_shared: store.is_shared(),
        }))
    }

    /// Checks that a run may begin: that no run of the same key has, and that it need not be
    /// skipped. Returns the slot that it needs.
    ///
    /// # Errors
    /// [`ErrorKind::Skipped`] if it must not begin.
    pub(crate) async fn admit(
        &self,
        store: &AnyStore,
        run: &RunId,
        started: &WorkflowStarted,
    ) -> Result<Option<Slot>, Error> {
        let (limits, world) = (&self.definition.limits, &self.world);
        // Other processes take a driver that was never seen for dead.
        let wall = world.wall();
        store.heartbeat(self.driver_name(), wall).await?;
        let mut slot = self.slot(store, started, world.now()).await?;
        let mut first = None;
        if let Some(dedupe) = &limits.dedupe {
            let input = input_of(started, world.now());
            let whole = || digest(&serde_json::to_string(&*started.input).unwrap_or_default());
            let key = key_of("dedupe", dedupe.key.as_ref(), &input, whole).await?;
            let scope: Arc<str> = format!("once:{}:{key}", self.definition.id).into();
            let claim = FirstClaim {
                scope: scope.clone(),
                holder: run.as_str().into(),
                driver: self.driver_name().clone(),
                at: wall,
                until: wall.plus(dedupe.within),
                stale: stale(store.is_shared(), wall),
                dead: Vec::new(),
            };
            if let Some(earlier) = store.first(claim).await? {
                return Err(duplicate(&self.definition.name, &key, &earlier));
            }
            first = Some(scope);
        }
        if let Some(slot) = slot.as_mut().filter(|slot| slot.then == WhenFull::Skip) {
            let mut dead = Vec::new();
            let skipped = loop {
                let entered = store.enter(slot.claim(run, wall, &dead)).await?;
                let Entered::Behind { before } = entered else { break None };
                if !add_dead(&mut dead, &before) {
                    break Some(before);
                }
            };
            if let Some(before) = skipped {
                store.leave(&slot.scope, run.as_str()).await?;
                if let Some(first) = &first {
                    store.leave(first, run.as_str()).await?;
                }
                return Err(skipped_behind(&self.definition.name, slot, &before));
            }
        }
        match (&mut slot, first) {
            (Some(slot), first) => slot.first = first,
            (None, Some(first)) => slot = Some(self.only_first(store, first)),
            (None, None) => {}
        }
        Ok(slot)
    }

    /// Returns the slot of a run that needs none, and is the first of its key.
    fn only_first(&self, store: &AnyStore, first: Arc<str>) -> Slot {
        Slot {
            scope: "".into(),
            key: "".into(),
            max: u32::MAX,
            then: WhenFull::Queue,
            driver: self.driver_name().clone(),
            first: Some(first),
            is_shared: store.is_shared(),
        }
    }
}

fn input_of(started: &WorkflowStarted, now: Timestamp) -> StepInput {
    let (run, state) = (started.input.clone(), started.state.clone());
    StepInput { run, state, now, ..StepInput::default() }
}

/// Returns a short name for a whole input.
fn digest(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(16).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// Adds the drivers that are dead. Returns `true` if there are new ones.
fn add_dead(dead: &mut Vec<Arc<str>>, before: &[SlotHolder]) -> bool {
    let drivers = before.iter().filter_map(|other| other.driver.as_ref());
    let new: Vec<Arc<str>> =
        drivers.filter(|driver| !dead.contains(*driver) && is_dead(driver)).cloned().collect();
    dead.extend(new.iter().cloned());
    !new.is_empty()
}

impl Slot {
    fn claim(&self, run: &RunId, at: Timestamp, dead: &[Arc<str>]) -> SlotClaim {
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

    /// Waits for the slot, unless the run is cancelled meanwhile. With `leaves`, the dispatcher
    /// comes back instead, so that runs that wait do not keep others from being driven.
    pub(crate) async fn wait(
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
        let mut dead = Vec::new();
        loop {
            match store.enter(self.claim(run, now, &dead)).await? {
                Entered::Held => return Ok(true),
                Entered::Behind { before } if add_dead(&mut dead, &before) => {}
                Entered::Behind { .. } => return Ok(false),
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
            let reason = format!("run `{run}` of the same key began");
            match store.submit(Signal::cancel(other, reason, now)).await {
                // It has not begun, or is deleted.
                Ok(_) | Err(stepwright_core::StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the slot back when the run has ended.
    pub(crate) async fn leave(&self, recorder: &Recorder, has_begun: bool) {
        let Some(store) = recorder.store() else { return };
        let run = recorder.run_id().as_str();
        // If it fails, the entry does not count all the same: its run has ended.
        if !self.scope.is_empty() {
            let _ = store.leave(&self.scope, run).await;
        }
        if let Some(first) = self.first.as_ref().filter(|_| !has_begun) {
            let _ = store.leave(first, run).await;
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

fn skipped_behind(workflow: &str, slot: &Slot, before: &[SlotHolder]) -> Error {
    let runs: Vec<String> =
        before.iter().filter(|other| other.held).map(|o| format!("`{}`", o.holder)).collect();
    let of = if slot.key.is_empty() { String::new() } else { format!(" of key `{}`", slot.key) };
    let what = format!(
        "the run was skipped: workflow `{workflow}` lets {} runs{of} go on at once, and {} {} \
         under way",
        slot.max,
        runs.join(", "),
        if runs.len() == 1 { "is" } else { "are" },
    );
    let what = what.replace("lets 1 runs", "lets 1 run");
    Error::new(ErrorKind::Skipped, what)
        .with_id(ErrorId::RUN_SKIPPED)
        .with_hint("begin it later, or let it wait with `then: queue`")
}

fn duplicate(workflow: &str, key: &str, earlier: &str) -> Error {
    let what = format!(
        "the run was skipped: run `{earlier}` of workflow `{workflow}` has begun before, with the \
         same key `{key}`"
    );
    Error::new(ErrorKind::Skipped, what)
        .with_id(ErrorId::RUN_DUPLICATE)
        .with_hint(format!("look at it with `stepwright show {earlier}`"))
}

const _: () = assert!(KEY_BYTES_MAX < 1_000, "keys are part of an index");
