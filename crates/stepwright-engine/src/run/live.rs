//! The runs that this process drives or is about to drive.

use crate::recorder::Recorder;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use stepwright_core::{RunId, RunOutput, RunStatus};
use tokio_util::sync::CancellationToken;

/// A run that this process drives or is about to drive.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) cancel: CancellationToken,
    pub(crate) recorder: Mutex<Option<Arc<Recorder>>>,
    /// Is cancelled when the run has ended, one way or another.
    pub(crate) ended: CancellationToken,
    /// How it ended, for those who wait: a report of the error if the journal was lost.
    pub(crate) outcome: OnceLock<Outcome>,
    /// Whether somebody has begun to drive it.
    pub(crate) driven: OnceLock<()>,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Output(Box<RunOutput>),
    Lost(String),
}

impl Live {
    /// Somebody has begun to drive it.
    pub(crate) fn now_driven(&self, recorder: Arc<Recorder>) {
        *self.recorder.lock().unwrap_or_else(PoisonError::into_inner) = Some(recorder);
        let _ = self.driven.set(());
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn status(&self) -> RunStatus {
        match (self.outcome.get(), self.recorder(), self.driven.get()) {
            (Some(Outcome::Output(output)), ..) => output.status,
            (_, Some(recorder), Some(())) => recorder.status(),
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

/// All of them.
#[derive(Default)]
pub(crate) struct LiveRuns(Mutex<HashMap<RunId, Arc<Live>>>);

impl LiveRuns {
    pub(crate) fn get(&self, run: &str) -> Option<Arc<Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned()
    }

    /// Registers a run. `false` if one of that name is there already.
    pub(crate) fn insert(&self, run: RunId, live: Arc<Live>) -> bool {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match runs.entry(run) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(live);
                true
            }
        }
    }

    pub(crate) fn remove(&self, run: &RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }
}
