//! The runs that this process drives or is about to drive.

use crate::recorder::Recorder;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use stepwright_core::{Error, RunId, RunOutput, RunStatus, World};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A run that this process drives in the background or is about to drive.
pub(crate) struct Live {
    pub(crate) cancel: CancellationToken,
    recorder: Mutex<Option<Arc<Recorder>>>,
    /// `true` if a driver has acquired it.
    held: AtomicBool,
    /// `true` if its driver has begun to drive it.
    driven: AtomicBool,
    /// `true` if this process has begun it and not driven it yet.
    fresh: AtomicBool,
    /// The outcome, for the run's waiters.
    outcome: OnceLock<Outcome>,
    ended: Notify,
}

/// The outcome of driving a run. If the journal was lost, it is a report of the error.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The run has ended, or waits.
    Output(Box<RunOutput>),
    Lost(String),
}

impl Outcome {
    pub(crate) fn of(answer: &Result<RunOutput, Error>) -> Self {
        match answer {
            Ok(output) => Self::Output(Box::new(output.clone())),
            Err(error) => match error.output() {
                Some(output) if output.is_terminal() => Self::Output(Box::new(output.clone())),
                _ => Self::Lost(error.report()),
            },
        }
    }
}

impl Live {
    pub(crate) fn of(cancel: CancellationToken, recorder: Option<Arc<Recorder>>) -> Self {
        Self {
            cancel,
            fresh: recorder.is_some().into(),
            recorder: recorder.into(),
            held: false.into(),
            driven: false.into(),
            outcome: OnceLock::new(),
            ended: Notify::new(),
        }
    }

    /// Acquires the run. Returns `false` if it is already held.
    pub(crate) fn take_hold(&self) -> bool {
        !self.held.swap(true, Ordering::AcqRel)
    }

    /// Returns `true` if this process has begun the run and not driven it yet. Only the first call
    /// returns `true`.
    pub(crate) fn take_fresh(&self) -> bool {
        self.fresh.swap(false, Ordering::AcqRel)
    }

    /// Notes that a driver has begun to drive the run.
    pub(crate) fn now_driven(&self, recorder: Arc<Recorder>) {
        *self.recorder.lock().unwrap_or_else(PoisonError::into_inner) = Some(recorder);
        self.driven.store(true, Ordering::Release);
    }

    /// Sets the outcome, and wakes its waiters.
    pub(crate) fn end(&self, outcome: Outcome) {
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

    /// Returns the recorder of the driver, once it drives the run.
    fn driving(&self) -> Option<Arc<Recorder>> {
        if self.driven.load(Ordering::Acquire) { self.recorder() } else { None }
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn status(&self) -> RunStatus {
        match (self.outcome.get(), self.recorder(), self.driven.load(Ordering::Acquire)) {
            (Some(Outcome::Output(output)), ..) => output.status,
            (_, Some(recorder), true) => recorder.status(),
            _ => RunStatus::Pending,
        }
    }

    pub(crate) fn output(&self) -> Option<RunOutput> {
        let mut output = match self.outcome.get() {
            Some(Outcome::Output(output)) => return Some((**output).clone()),
            _ => self.recorder()?.output()?,
        };
        output.status = self.status();
        Some(output)
    }
}

/// A run of this process: in the background, or driven by a future that the caller awaits.
#[derive(Clone)]
pub(crate) enum Known {
    Background(Arc<Live>),
    Foreground(Arc<Recorder>),
}

impl Known {
    pub(crate) fn cancel(&self) {
        match self {
            Self::Background(live) => live.cancel.cancel(),
            Self::Foreground(recorder) => recorder.cancel_token().cancel(),
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
        match self {
            Self::Background(live) => live.driving(),
            Self::Foreground(recorder) => Some(recorder.clone()),
        }
    }

    pub(crate) fn status(&self) -> RunStatus {
        match self {
            Self::Background(live) => live.status(),
            Self::Foreground(recorder) => recorder.status(),
        }
    }

    pub(crate) fn output(&self) -> Option<RunOutput> {
        match self {
            Self::Background(live) => live.output(),
            Self::Foreground(recorder) => recorder.output(),
        }
    }
}

type Runs = Mutex<FxHashMap<RunId, Known>>;

/// The runs of one process. A child that was forked has a registry of its own.
pub(crate) struct LiveRuns {
    runs: Arc<Runs>,
    pid: u32,
    chance: OnceLock<u64>,
}

impl Default for LiveRuns {
    fn default() -> Self {
        Self { runs: Arc::default(), pid: std::process::id(), chance: OnceLock::new() }
    }
}

impl LiveRuns {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<RunId, Known>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns [`World::process`] of this registry's process. Finding the registry already took a
    /// system call: the cached value saves a second one.
    pub(crate) fn process(&self, world: &World) -> u64 {
        *self.chance.get_or_init(|| world.process())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn get(&self, run: &str) -> Option<Known> {
        self.lock().get(run).cloned()
    }

    /// Returns a registered run, and registers it first if needed.
    pub(crate) fn get_or_insert_with(&self, run: &RunId, make: impl FnOnce() -> Known) -> Known {
        self.lock().entry(run.clone()).or_insert_with(make).clone()
    }

    /// Registers a run. Returns `false` if the registry has one with this id.
    pub(crate) fn insert(&self, run: RunId, known: Known) -> bool {
        match self.lock().entry(run) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(known);
                true
            }
        }
    }

    /// Registers a run until the registration is dropped. Returns `None` if the registry has a run
    /// with this id.
    pub(crate) fn register(&self, run: &RunId, known: Known) -> Option<Registration> {
        self.insert(run.clone(), known).then(|| Registration {
            runs: self.runs.clone(),
            pid: self.pid,
            run: run.clone(),
            handed_on: false,
        })
    }

    /// Replaces the entry of a run whose driver changes.
    pub(crate) fn replace(&self, run: &RunId, known: Known) {
        self.lock().insert(run.clone(), known);
    }

    pub(crate) fn remove(&self, run: &RunId) {
        self.lock().remove(run);
    }
}

/// The place of a run in the registry. Dropping it removes the run, also if the run's future is
/// dropped early.
pub(crate) struct Registration {
    runs: Arc<Runs>,
    pid: u32,
    run: RunId,
    handed_on: bool,
}

impl Registration {
    /// Keeps the run in the registry: its next driver removes it.
    pub(crate) fn hand_on(mut self) {
        self.handed_on = true;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.handed_on {
            return;
        }
        let mut runs = match self.runs.try_lock() {
            Ok(runs) => runs,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // In a child that was forked, the thread that holds the lock may not exist.
            Err(TryLockError::WouldBlock) if std::process::id() != self.pid => return,
            Err(TryLockError::WouldBlock) => {
                self.runs.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        runs.remove(&self.run);
    }
}
