//! The runs that this process drives or is about to drive.

use crate::job::left::Left;
use crate::recorder::Recorder;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use stepwright_core::values::HostValues;
use stepwright_core::{Error, ErrorId, RunId, RunOutput, RunStatus, World};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio_util::sync::CancellationToken;

/// The stage of a run in this process. A run that has ended here is no longer in the registry: its
/// waiters have the [`Outcome`].
#[derive(Clone)]
pub(crate) enum LocalRun {
    /// The run waits for a driver of this process.
    Queued {
        cancel: CancellationToken,
        /// The recorder of its beginning, if this process has begun it. No other process can have
        /// claimed it since.
        begun: Option<Arc<Recorder>>,
    },
    /// A driver has acquired the run, and claims and loads it.
    Claimed { cancel: CancellationToken },
    /// A driver walks the plan.
    Driving(Arc<Recorder>),
}

/// A run of this process.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) run: LocalRun,
    /// `None` if the run is driven by a future that the caller awaits.
    pub(crate) waiters: Option<Arc<Waiters>>,
}

/// The tasks that wait for the outcome of a run.
#[derive(Default)]
pub(crate) struct Waiters {
    outcome: OnceLock<Outcome>,
    ended: Notify,
}

/// The outcome of driving a run. If the journal was lost, it is a report of the error.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The run has ended, or waits.
    Output(Box<RunOutput>),
    Lost(String),
    /// Nothing was done: another driver has the run.
    Elsewhere(String),
}

impl Outcome {
    pub(crate) fn of(answer: &Result<RunOutput, Error>) -> Self {
        match answer {
            Ok(output) => Self::Output(Box::new(output.clone())),
            Err(error) => match error.output() {
                // One that waits for a slot or a worker is left to its next driver.
                Some(output)
                    if output.is_terminal()
                        || output.queued.is_some()
                        || !output.awaited_queues.is_empty() =>
                {
                    Self::Output(Box::new(output.clone()))
                }
                _ if error.id() == ErrorId::RUN_DRIVEN_ELSEWHERE => Self::Elsewhere(error.report()),
                _ => Self::Lost(error.report()),
            },
        }
    }
}

impl Waiters {
    /// Sets the outcome, and wakes those who wait.
    fn end(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
        self.ended.notify_waiters();
    }

    /// Waits for the outcome.
    pub(crate) async fn outcome(&self) -> &Outcome {
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            match self.outcome.get() {
                Some(outcome) => return outcome,
                None => ended.await,
            }
        }
    }
}

impl Local {
    /// Creates the entry of a run that the caller's own future drives.
    pub(crate) fn awaited(recorder: Arc<Recorder>) -> Self {
        Self { run: LocalRun::Driving(recorder), waiters: None }
    }

    /// Creates the entry of a run that this process has begun, and that waits for a driver.
    pub(crate) fn queued(begun: Arc<Recorder>) -> Self {
        let (cancel, begun) = (begun.cancel_token().clone(), Some(begun));
        Self { run: LocalRun::Queued { cancel, begun }, waiters: Some(Arc::default()) }
    }

    fn claimed(cancel: CancellationToken) -> Self {
        Self { run: LocalRun::Claimed { cancel }, waiters: Some(Arc::default()) }
    }

    pub(crate) fn cancel(&self) {
        match &self.run {
            LocalRun::Queued { cancel, .. } | LocalRun::Claimed { cancel } => cancel.cancel(),
            LocalRun::Driving(recorder) => recorder.cancel(),
        }
    }

    /// Returns `true` if no other process can drive the run: a driver of this one does, or this one
    /// has begun it and not claimed it yet.
    pub(crate) fn is_ours(&self) -> bool {
        match &self.run {
            LocalRun::Driving(_) => true,
            LocalRun::Queued { begun, .. } => begun.is_some(),
            LocalRun::Claimed { .. } => false,
        }
    }

    /// Cancels the run, as a signal in its inbox asks. Such a signal is met again and again until
    /// the run ends, so only `is_second` tells that there are two.
    pub(crate) fn cancel_signalled(&self, is_second: bool) {
        match &self.run {
            LocalRun::Driving(recorder) if is_second => recorder.cancel(),
            LocalRun::Driving(recorder) => recorder.cancel_token().cancel(),
            _ => self.cancel(),
        }
    }

    /// Asks the driver to leave the run. Returns `false` if no driver walks the plan.
    pub(crate) fn release(&self) -> bool {
        let Some(recorder) = self.recorder().filter(|run| !run.status().is_terminal()) else {
            return false;
        };
        recorder.release();
        true
    }

    /// Tells the agents of the run that its inbox has a new message.
    pub(crate) fn mail_arrived(&self) {
        if let Some(recorder) = self.recorder() {
            recorder.mail_arrived();
        }
    }

    /// Tells the driver that the run's inbox has a new signal.
    pub(crate) fn poke(&self) {
        if let Some(recorder) = self.recorder() {
            recorder.pending().poke();
        }
    }

    /// Returns the recorder of the driver. A run that waits for its turn has none: its driver makes
    /// a new one.
    pub(crate) fn recorder(&self) -> Option<Arc<Recorder>> {
        match &self.run {
            LocalRun::Driving(recorder) => Some(recorder.clone()),
            LocalRun::Queued { .. } | LocalRun::Claimed { .. } => None,
        }
    }

    pub(crate) fn status(&self) -> RunStatus {
        match &self.run {
            LocalRun::Queued { .. } | LocalRun::Claimed { .. } => RunStatus::Pending,
            LocalRun::Driving(recorder) => recorder.status(),
        }
    }

    /// Returns the output so far, unless it is only in the store.
    pub(crate) fn output(&self) -> Option<RunOutput> {
        match &self.run {
            LocalRun::Queued { begun, .. } => {
                let mut output = begun.as_ref()?.output()?;
                output.status = RunStatus::Pending;
                Some(output)
            }
            LocalRun::Claimed { .. } => None,
            LocalRun::Driving(recorder) => recorder.output(),
        }
    }
}

type Registry = Mutex<FxHashMap<RunId, Local>>;

/// The runs of one process. A child that was forked has a registry of its own.
pub(crate) struct LocalRuns {
    runs: Arc<Registry>,
    /// The values of the host program for runs that have values of their own. A run that pauses
    /// keeps them, for the driver of this process that takes it up.
    values: Mutex<FxHashMap<RunId, HostValues>>,
    closed: AtomicBool,
    /// Notified when a run leaves the registry.
    left: Arc<Notify>,
    pid: u32,
    chance: OnceLock<u64>,
}

impl Default for LocalRuns {
    fn default() -> Self {
        Self {
            runs: Arc::default(),
            values: Mutex::default(),
            closed: AtomicBool::new(false),
            left: Arc::default(),
            pid: std::process::id(),
            chance: OnceLock::new(),
        }
    }
}

impl LocalRuns {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<RunId, Local>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns [`World::process`] of this registry's process. Finding the registry already took a
    /// system call: the cached value saves a second one.
    pub(crate) fn process(&self, world: &World) -> u64 {
        *self.chance.get_or_init(|| world.process())
    }

    fn values(&self) -> MutexGuard<'_, FxHashMap<RunId, HostValues>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the values of the host program for a run until it ends.
    pub(crate) fn keep_values(&self, run: &RunId, values: &HostValues) {
        if !values.is_empty() {
            self.values().insert(run.clone(), values.clone());
        }
    }

    pub(crate) fn values_of(&self, run: &RunId) -> HostValues {
        self.values().get(run).cloned().unwrap_or_default()
    }

    pub(crate) fn forget_values(&self, run: &RunId) {
        self.values().remove(run);
    }

    /// Accepts no more runs.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Refuses a run that begins or is resumed after the end.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if !self.is_closed() {
            return Ok(());
        }
        Err(Error::usage("the workflow was shut down")
            .with_id(ErrorId::WORKFLOW_SHUT_DOWN)
            .with_hint("build the workflow again to begin further runs"))
    }

    /// Returns the runs, with their ids.
    pub(crate) fn all(&self) -> Vec<(RunId, Local)> {
        self.lock().iter().map(|(run, local)| (run.clone(), local.clone())).collect()
    }

    /// Waits until a run leaves the registry after this call.
    pub(crate) fn next_left(&self) -> OwnedNotified {
        self.left.clone().notified_owned()
    }

    /// Removes a run that no driver of this process has taken yet. Returns `false` if one has.
    pub(crate) fn remove_queued(&self, run: &RunId) -> bool {
        let mut runs = self.lock();
        let queued =
            runs.get(run).is_some_and(|local| matches!(local.run, LocalRun::Queued { .. }));
        let local = if queued { runs.remove(run) } else { None };
        drop(runs);
        if let Some(waiters) = local.and_then(|local| local.waiters) {
            waiters.end(Outcome::Lost("the workflow was shut down".into()));
            self.left.notify_waiters();
        }
        queued
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn get(&self, run: &str) -> Option<Local> {
        self.lock().get(run).cloned()
    }

    fn place(&self, run: &RunId) -> Place {
        let (runs, left) = (self.runs.clone(), self.left.clone());
        Place { runs, left, pid: self.pid, run: run.clone(), stays: false }
    }

    /// Registers a run until its place is dropped. Returns `None` if the registry has a run with
    /// this id.
    pub(crate) fn register(&self, run: &RunId, local: Local) -> Option<Place> {
        match self.lock().entry(run.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                vacant.insert(local);
                Some(self.place(run))
            }
        }
    }

    /// Acquires a run that the registry does not have. `cancel` is its token.
    pub(crate) fn claim_new(&self, run: &RunId, cancel: CancellationToken) -> Option<Hold> {
        let local = Local::claimed(cancel.clone());
        let waiters = local.waiters.clone()?;
        let place = self.register(run, local)?;
        Some(Hold { place, cancel, waiters, left: None, is_fresh: false, is_over: false })
    }

    /// Acquires a run that waits for a driver, or that the registry does not have.
    ///
    /// # Errors
    /// The present entry, if a driver or an awaited future has the run.
    pub(crate) fn claim(&self, run: &RunId) -> Result<Hold, Local> {
        let mut runs = self.lock();
        let Some(local) = runs.get_mut(run) else {
            drop(runs);
            return match self.claim_new(run, CancellationToken::new()) {
                Some(hold) => Ok(hold),
                // Another task was faster.
                None => self.claim(run),
            };
        };
        let (LocalRun::Queued { cancel, begun }, Some(waiters)) = (&local.run, &local.waiters)
        else {
            return Err(local.clone());
        };
        let (cancel, is_fresh, waiters) = (cancel.clone(), begun.is_some(), waiters.clone());
        local.run = LocalRun::Claimed { cancel: cancel.clone() };
        let place = self.place(run);
        Ok(Hold { place, cancel, waiters, left: None, is_fresh, is_over: false })
    }
}

/// The place of a run in the registry. Dropping it removes the run, also if the run's future is
/// dropped early.
pub(crate) struct Place {
    runs: Arc<Registry>,
    left: Arc<Notify>,
    pid: u32,
    run: RunId,
    stays: bool,
}

impl Place {
    /// Keeps the run in the registry: its driver removes it.
    pub(crate) fn stay(mut self) {
        self.stays = true;
    }

    fn lock(&self) -> Option<MutexGuard<'_, FxHashMap<RunId, Local>>> {
        match self.runs.try_lock() {
            Ok(runs) => Some(runs),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            // In a child that was forked, the thread that holds the lock may not exist.
            Err(TryLockError::WouldBlock) if std::process::id() != self.pid => None,
            Err(TryLockError::WouldBlock) => {
                Some(self.runs.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.stays
            && let Some(mut runs) = self.lock()
        {
            runs.remove(&self.run);
            drop(runs);
            self.left.notify_waiters();
        }
    }
}

/// A run that a driver of this process has acquired. Its waiters get an outcome even if the future
/// that drives the run is dropped.
pub(crate) struct Hold {
    place: Place,
    cancel: CancellationToken,
    waiters: Arc<Waiters>,
    left: Option<Left>,
    is_fresh: bool,
    is_over: bool,
}

impl Hold {
    pub(crate) fn cancel_token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Returns `true` if this process has begun the run, and no driver has had it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Notes that a driver walks the plan now.
    pub(crate) fn drives(&mut self, recorder: Arc<Recorder>, left: Left) {
        self.left = Some(left);
        if let Some(mut runs) = self.place.lock()
            && let Some(local) = runs.get_mut(&self.place.run)
        {
            local.run = LocalRun::Driving(recorder);
        }
    }

    /// Gives the outcome to the run's waiters, and removes the run.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.is_over = true;
        self.waiters.end(outcome);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.waiters.end(Outcome::Lost("the driver of the run has left it".into()));
        if let Some(left) = self.left.take() {
            left.abandon();
        }
    }
}
