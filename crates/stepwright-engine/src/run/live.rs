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

/// A run that this process drives or is about to drive.
pub(crate) struct Live {
    pub(crate) cancel: CancellationToken,
    recorder: Mutex<Option<Arc<Recorder>>>,
    /// Whether it is in somebody's hands, who drives it or is about to.
    held: AtomicBool,
    /// Whether somebody has begun to drive it.
    driven: AtomicBool,
    /// Whether this process has begun it, and it is to be driven for the first time.
    fresh: AtomicBool,
    /// How it was left, for those who wait.
    outcome: OnceLock<Outcome>,
    ended: Notify,
}

/// How a run was left: a report of the error if the journal was lost.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It has ended, or waits.
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

    /// Takes it into one's hands. `false` if somebody has it.
    pub(crate) fn take_hold(&self) -> bool {
        !self.held.swap(true, Ordering::AcqRel)
    }

    /// Whether this process has begun it, and nobody has driven it yet. Says so once.
    pub(crate) fn take_fresh(&self) -> bool {
        self.fresh.swap(false, Ordering::AcqRel)
    }

    /// Somebody has begun to drive it.
    pub(crate) fn now_driven(&self, recorder: Arc<Recorder>) {
        *self.recorder.lock().unwrap_or_else(PoisonError::into_inner) = Some(recorder);
        self.driven.store(true, Ordering::Release);
    }

    /// Tells those who wait how it was left.
    pub(crate) fn end(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
        self.ended.notify_waiters();
    }

    /// Waits until it is left.
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

    /// The recorder of whoever drives it, once somebody does.
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

/// A run that this process works on: in the background, or in the hands of whoever awaits it.
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

    /// Somebody has left something in its inbox.
    pub(crate) fn poke(&self) {
        if let Some(recorder) = self.recorder() {
            recorder.pending().poke();
        }
    }

    /// The recorder of whoever drives it. One that waits for its turn has another by then.
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

/// The runs that one process works on. A child that was forked has a registry of its own.
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

    /// [`World::process`] of the process that this registry belongs to. To find the registry was a
    /// system call; this saves a second one.
    pub(crate) fn process(&self, world: &World) -> u64 {
        *self.chance.get_or_init(|| world.process())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn get(&self, run: &str) -> Option<Known> {
        self.lock().get(run).cloned()
    }

    /// A run that is registered; registers it if it is not.
    pub(crate) fn get_or_insert_with(&self, run: &RunId, make: impl FnOnce() -> Known) -> Known {
        self.lock().entry(run.clone()).or_insert_with(make).clone()
    }

    /// Registers a run. `false` if one of that name is there already.
    pub(crate) fn insert(&self, run: RunId, known: Known) -> bool {
        match self.lock().entry(run) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(known);
                true
            }
        }
    }

    /// Registers a run for as long as the registration is kept. `None` if one of that name is there
    /// already.
    pub(crate) fn register(&self, run: &RunId, known: Known) -> Option<Registration> {
        self.insert(run.clone(), known).then(|| Registration {
            runs: self.runs.clone(),
            pid: self.pid,
            run: run.clone(),
            handed_on: false,
        })
    }

    /// A run that is registered goes on in another way.
    pub(crate) fn replace(&self, run: &RunId, known: Known) {
        self.lock().insert(run.clone(), known);
    }

    pub(crate) fn remove(&self, run: &RunId) {
        self.lock().remove(run);
    }
}

/// The place of a run in the registry. Dropped, it takes the run out: a future can be dropped at
/// any moment.
pub(crate) struct Registration {
    runs: Arc<Runs>,
    pid: u32,
    run: RunId,
    handed_on: bool,
}

impl Registration {
    /// Leaves the run in the registry: the driver that goes on with it takes it out.
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
