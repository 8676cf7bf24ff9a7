//! Drives the runs of a definition in this process.
//!
//! A runner has one registry of the runs that it drives or is about to drive, one dispatcher for
//! background runs, and one task that supervises both.

mod dispatching;
mod drive;
pub(crate) mod driver;
pub(crate) mod lease;
mod local_dispatcher;
mod registry;
mod shutdown;
mod silence;
mod slots;
mod supervise;
mod supervision;

pub(crate) use dispatching::Dispatching;
pub(crate) use drive::{TakeUp, driven_here};
pub(crate) use driver::Driver;
pub use driver::{is_dead, shown};
pub(crate) use lease::{HEARTBEAT, LEASE};
pub use local_dispatcher::LocalDispatcher;
pub(crate) use registry::serve;
pub(crate) use slots::Admission;
pub(crate) use supervision::Supervision;

use crate::changed::{difference, digest_of, same_past};
use crate::definition::Definition;
use crate::local::LocalRuns;
use crate::process::PerProcess;
use crate::runs::{Runs, not_found};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use stepwright_core::dispatch::Limits;
use stepwright_core::event::Event;
use stepwright_core::observe::{BeforeAppend, Observer};
use stepwright_core::plan::Plan;
use stepwright_core::rewind::effective;
use stepwright_core::{AnyStore, Error, Memory, RunId, RunOutput, StoreError, World};

/// A definition, the store of its runs, and the runs of this process.
pub(crate) struct Runner {
    pub(crate) definition: Definition,
    pub(crate) world: World,
    pub(crate) limits: Limits,
    /// Receives the events of the runs that this runner drives.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Stores something ahead of their facts.
    pub(crate) before_append: Option<Arc<dyn BeforeAppend>>,
    store: Option<AnyStore>,
    /// Holds sessions and background runs if there is no store.
    memory: OnceLock<AnyStore>,
    local: Arc<PerProcess<LocalRuns>>,
    dispatching: Dispatching,
    driver: Driver,
    supervision: PerProcess<Supervision>,
    /// `true` once the store has the plan.
    plan_known: AtomicBool,
}

impl Runner {
    pub(crate) fn new(
        definition: Definition,
        store: Option<AnyStore>,
        world: World,
        dispatching: Dispatching,
        limits: Limits,
    ) -> Self {
        Self {
            definition,
            world,
            limits,
            observer: None,
            before_append: None,
            store,
            memory: OnceLock::new(),
            local: Arc::new(PerProcess::new()),
            dispatching,
            driver: Driver::new(),
            supervision: PerProcess::new(),
            plan_known: false.into(),
        }
    }

    /// Returns the registry of this process.
    pub(crate) fn local(&self) -> &LocalRuns {
        self.local.here()
    }

    pub(crate) fn driver_name(&self) -> &Arc<str> {
        self.driver.name()
    }

    pub(crate) fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// Returns the store of a run: the given one, or the memory of this process if the run must be
    /// `remembered` or asks people, or none.
    pub(crate) fn store_for(&self, remembered: bool) -> Option<AnyStore> {
        match &self.store {
            Some(store) => Some(store.clone()),
            None if remembered || self.definition.compiled.asks => {
                Some(self.memory.get_or_init(|| AnyStore::new(Memory::default())).clone())
            }
            None => None,
        }
    }

    /// Returns the store, or the memory of this process if there is something in it.
    pub(crate) fn remembering(&self) -> Option<&AnyStore> {
        self.store.as_ref().or_else(|| self.memory.get())
    }

    /// Returns the stored runs and sessions. `None` if there is no store and nothing has been kept
    /// in memory yet.
    pub(crate) fn stored(&self) -> Option<Runs> {
        let store = self.remembering()?.clone();
        let (world, id) = (self.world.clone(), self.definition.id.clone());
        Some(Runs::of_workflow(store, world, self.local.clone(), id, !self.has_store()))
    }

    /// Returns the stored runs.
    ///
    /// # Errors
    /// [`NotFound`](stepwright_core::ErrorKind) if there is no store and nothing has been kept in
    /// memory yet.
    pub(crate) fn reader(&self, run: &RunId) -> Result<Runs, Error> {
        self.stored().ok_or_else(|| self.unknown(run))
    }

    /// Makes the error for a run that is not known.
    pub(crate) fn unknown(&self, run: &RunId) -> Error {
        not_found("run", run, !self.has_store())
    }

    /// Writes the plan to the store, so that a later run can show how the definition changed.
    pub(crate) async fn remember_plan(&self, store: &AnyStore) -> Result<(), StoreError> {
        if self.plan_known.load(Ordering::Acquire) {
            return Ok(());
        }
        let Definition { compiled, digest, .. } = &self.definition;
        let plan = serde_json::to_string(&compiled.plan).unwrap_or_default();
        store.remember_plan(digest, &plan).await?;
        self.plan_known.store(true, Ordering::Release);
        Ok(())
    }

    /// Checks that a run may go on with this plan. Returns the digest of this plan if the run used
    /// another one so far: the change must be recorded.
    ///
    /// # Errors
    /// If the run used another plan, and the change is not accepted.
    pub(crate) async fn check_plan(
        &self,
        store: &AnyStore,
        past: &[Event],
        accept: bool,
    ) -> Result<Option<Arc<str>>, Error> {
        let Definition { name, compiled, digest: now, .. } = &self.definition;
        let Some(digest) = digest_of(past.iter()).filter(|digest| digest != now) else {
            return Ok(None);
        };
        // Runs that began before plans had content are compared without it.
        if *digest != *compiled.plan.without_content().digest() {
            let before = store.plan(&digest).await?;
            let before = before.and_then(|plan| serde_json::from_str::<Plan>(&plan).ok());
            difference(name, before.as_ref(), &compiled.plan, &effective(past), accept)?;
        }
        self.remember_plan(store).await?;
        Ok(Some(now.clone()))
    }

    /// Checks that all that a run has done is the same in this plan. Returns `false` if the run
    /// uses this plan already.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) async fn check_past(&self, store: &AnyStore, past: &[Event]) -> Result<bool, Error> {
        let Definition { name, compiled, digest: now, .. } = &self.definition;
        let Some(digest) = digest_of(past.iter()).filter(|digest| digest != now) else {
            return Ok(false);
        };
        let before = store.plan(&digest).await?;
        let before = before.and_then(|plan| serde_json::from_str::<Plan>(&plan).ok());
        same_past(name, before.as_ref(), &compiled.plan, &effective(past))?;
        Ok(true)
    }

    /// Returns `true` if this process could not take up the run.
    pub(crate) fn has_refused(&self, run: &RunId) -> bool {
        self.supervision.here().has_refused(run)
    }

    /// Returns the result of a run with the events that its output may have.
    pub(crate) fn finished(
        &self,
        mut answer: Result<RunOutput, Error>,
    ) -> Result<RunOutput, Error> {
        let output = answer.as_ref().map_or_else(|error| error.output(), Some);
        if let Some(output) = output.filter(|output| output.is_terminal()) {
            self.local().forget_values(&output.run_id);
        }
        self.leave_out_skipped(&mut answer);
        answer
    }

    /// Removes the kinds of events that outputs leave out. In place, because an output is large.
    pub(crate) fn leave_out_skipped(&self, answer: &mut Result<RunOutput, Error>) {
        if let Ok(output) = answer {
            self.definition.leave_out_skipped(output);
        }
    }
}
