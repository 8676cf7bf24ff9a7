//! Finds and admits runs to the slots of their keys.

use super::Runner;
use crate::define::{Concurrency, KEY_BYTES_MAX, WhenFull, key_of};
use crate::slot::{Slot, add_dead, stale};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::store::{Entered, FirstClaim, SlotHolder};
use stepwright_core::{AnyStore, Error, ErrorId, ErrorKind, RunId, StepInput, Timestamp};

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
