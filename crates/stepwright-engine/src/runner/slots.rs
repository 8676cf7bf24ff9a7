//! Finds and admits runs to the slots of their keys.

use super::Runner;
use crate::define::{Concurrency, Dedupe, KEY_BYTES_MAX, OnBusy, WhenFull, key_of};
use crate::slot::{Slot, stale};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::sent::SendMode;
use stepwright_core::store::{FirstClaim, SlotHolder};
use stepwright_core::{
    AnyStore, Error, ErrorId, ErrorKind, RunId, StepInput, Timestamp, WorkflowId,
};

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
        let of_key = self.slot_of_key(store, started, now).await?;
        if self.definition.limits.on_busy.is_none() {
            return Ok(of_key);
        }
        let also = of_key.map(Box::new);
        Ok(Some(Slot { also, ..self.slot_of_session(store, started) }))
    }

    /// Returns the slot of `concurrency`.
    async fn slot_of_key(
        &self,
        store: &AnyStore,
        started: &WorkflowStarted,
        now: Timestamp,
    ) -> Result<Option<Slot>, Error> {
        let Some(limit) = &self.definition.limits.concurrency else { return Ok(None) };
        let Concurrency { max, then, key } = limit;
        let input = input_of(started, now);
        let key = key_of("concurrency", key.as_ref(), &input, String::new).await?;
        let scope = format!("runs:{}:{key}", self.definition.id).into();
        let (max, then) = (*max, *then);
        Ok(Some(Slot { scope, key, max, then, ..self.no_slot(store, started) }))
    }

    /// Returns the slot of `on_busy`, of which a session has one. Sessions may be used by several
    /// workflows.
    fn slot_of_session(&self, store: &AnyStore, started: &WorkflowStarted) -> Slot {
        let session = &started.session_id;
        let scope = format!("session:{session}").into();
        let key = format!("session {session}").into();
        Slot { scope, key, max: 1, ..self.no_slot(store, started) }
    }

    /// Checks that a run may begin: that no run of the same key has, and that it need not be
    /// skipped. Returns the slot that it needs, or the run of its session that gets its input.
    ///
    /// # Errors
    /// [`ErrorKind::Skipped`] if it must not begin.
    pub(crate) async fn admit(
        &self,
        store: &AnyStore,
        run: &RunId,
        started: &WorkflowStarted,
    ) -> Result<Admission, Error> {
        let (limits, world) = (&self.definition.limits, &self.world);
        // Other processes take a driver that was never seen for dead.
        let wall = world.wall();
        store.heartbeat(self.driver_name(), wall).await?;
        if let Some(on_busy) = limits.on_busy.filter(|on_busy| *on_busy != OnBusy::Queue) {
            let slot = self.slot_of_session(store, started);
            if let Some(before) = slot.before(store, run, wall).await? {
                store.leave(&slot.scope, run.as_str()).await?;
                let held = before.iter().find(|other| other.held).or(before.first());
                let other = held.map(|held| held.holder.clone()).unwrap_or_default();
                return match on_busy.sends() {
                    Some(mode) => Ok(Admission::Busy(RunId::new(&*other)?, mode)),
                    None => Err(session_busy(&self.definition.name, started, &other)),
                };
            }
        }
        match self.admit_key(store, run, started).await {
            Ok(slot) => Ok(Admission::Slot(slot)),
            Err(error) => {
                if limits.on_busy.is_some() {
                    let slot = self.slot_of_session(store, started);
                    slot.leave_as(store, run, false).await;
                }
                Err(error)
            }
        }
    }

    async fn admit_key(
        &self,
        store: &AnyStore,
        run: &RunId,
        started: &WorkflowStarted,
    ) -> Result<Option<Slot>, Error> {
        let (limits, world) = (&self.definition.limits, &self.world);
        let wall = world.wall();
        let mut slot = self.slot_of_key(store, started, world.now()).await?;
        let mut first = None;
        if let Some(dedupe) = &limits.dedupe {
            let key = dedupe_key(dedupe, started, world.now()).await?;
            let scope: Arc<str> = once_scope(&self.definition.id, started, &key).into();
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
        if let Some(slot) = slot.as_mut().filter(|slot| slot.then == WhenFull::Skip)
            && let Some(before) = slot.before(store, run, wall).await?
        {
            store.leave(&slot.scope, run.as_str()).await?;
            if let Some(first) = &first {
                store.leave(first, run.as_str()).await?;
            }
            let mut known = Vec::new();
            for other in before.iter().filter(|other| other.held) {
                if slot.is_of_user(store, &RunId::new(&*other.holder)?).await? {
                    known.push(other);
                }
            }
            return Err(skipped_behind(&self.definition.name, slot, &known));
        }
        match (&mut slot, first) {
            (Some(slot), first) => slot.first = first,
            // It needs none, and is the first of its key.
            (None, first @ Some(_)) => slot = Some(Slot { first, ..self.no_slot(store, started) }),
            (None, None) => {}
        }
        if limits.on_busy.is_some() {
            let also = slot.map(Box::new);
            slot = Some(Slot { also, ..self.slot_of_session(store, started) });
        }
        Ok(slot)
    }

    /// Removes the entries of a run that has not begun.
    pub(crate) async fn leave_slots(
        &self,
        store: &AnyStore,
        run: &RunId,
        started: &WorkflowStarted,
    ) {
        let (limits, now) = (&self.definition.limits, self.world.now());
        let mut slot = self.no_slot(store, started);
        if let Some(dedupe) = &limits.dedupe
            && let Ok(key) = dedupe_key(dedupe, started, now).await
        {
            slot.first = Some(once_scope(&self.definition.id, started, &key).into());
        }
        if limits.on_busy.is_some() {
            slot = Slot { also: Some(Box::new(slot)), ..self.slot_of_session(store, started) };
        }
        slot.leave_as(store, run, false).await;
        if let Ok(Some(slot)) = self.slot_of_key(store, started, now).await {
            slot.leave_as(store, run, false).await;
        }
    }

    fn no_slot(&self, store: &AnyStore, started: &WorkflowStarted) -> Slot {
        Slot {
            scope: "".into(),
            key: "".into(),
            max: u32::MAX,
            then: WhenFull::Queue,
            driver: self.driver_name().clone(),
            first: None,
            is_shared: store.is_shared(),
            user: started.user_id.clone(),
            also: None,
        }
    }
}

/// The answer to a run that is about to begin.
pub(crate) enum Admission {
    /// It begins, and needs this slot to go on.
    Slot(Option<Slot>),
    /// Its input becomes a message of this mode to the run of its session that is under way.
    Busy(RunId, SendMode),
}

/// Returns the key of the runs of which one may begin: by default, the whole input.
async fn dedupe_key(
    dedupe: &Dedupe,
    started: &WorkflowStarted,
    now: Timestamp,
) -> Result<Arc<str>, Error> {
    let whole = || digest(&serde_json::to_string(&*started.input).unwrap_or_default());
    key_of("dedupe", dedupe.key.as_ref(), &input_of(started, now), whole).await
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

/// Returns the scope of the runs of which one may begin. Those of another user are not compared:
/// the answer would tell that they exist.
///
/// It outlives its runs, so that it has neither the user nor the key, but their hash.
fn once_scope(workflow: &WorkflowId, started: &WorkflowStarted, key: &str) -> String {
    let of = match &started.user_id {
        Some(user) => format!("{}:{}:{key}", user.as_str().len(), user.as_str()),
        None => format!(":{key}"),
    };
    format!("once:{workflow}:{}", digest(&of))
}

/// `known` are the runs under way that the user may know.
fn skipped_behind(workflow: &str, slot: &Slot, known: &[&SlotHolder]) -> Error {
    let runs: Vec<String> = known.iter().map(|other| format!("`{}`", other.holder)).collect();
    let of = if slot.key.is_empty() { String::new() } else { format!(" of key `{}`", slot.key) };
    let under_way = match runs.as_slice() {
        [] => "as many are".to_owned(),
        [one] => format!("{one} is"),
        _ => format!("{} are", runs.join(", ")),
    };
    let what = format!(
        "the run was skipped: workflow `{workflow}` lets {} runs{of} go on at once, and \
         {under_way} under way",
        slot.max,
    );
    let what = what.replace("lets 1 runs", "lets 1 run");
    Error::new(ErrorKind::Skipped, what)
        .with_id(ErrorId::RUN_SKIPPED)
        .with_hint("begin it later, or let it wait with `then: queue`")
}

fn session_busy(workflow: &str, started: &WorkflowStarted, other: &str) -> Error {
    let session = &started.session_id;
    let what = format!(
        "the run was rejected: run `{other}` of session `{session}` is under way, and workflow \
         `{workflow}` has `on_busy: reject`"
    );
    Error::new(ErrorKind::Skipped, what)
        .with_id(ErrorId::SESSION_BUSY)
        .with_hint("begin it when the other run has ended, or let it wait with `on_busy: queue`")
}

fn duplicate(workflow: &str, key: &str, earlier: &str) -> Error {
    let (run, hint) = match earlier {
        "" => {
            let hint = "its run was deleted; use another key, or wait until `within` is over";
            ("a run".to_owned(), hint.to_owned())
        }
        _ => (format!("run `{earlier}`"), format!("look at it with `stepwright show {earlier}`")),
    };
    let what = format!(
        "the run was skipped: {run} of workflow `{workflow}` has begun before, with the same key \
         `{key}`"
    );
    Error::new(ErrorKind::Skipped, what).with_id(ErrorId::RUN_DUPLICATE).with_hint(hint)
}

const _: () = assert!(KEY_BYTES_MAX < 1_000, "keys are part of an index");
