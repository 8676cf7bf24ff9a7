//! Hands background runs to a dispatcher.

use super::registry::Registry;
use super::{LocalDispatcher, Runner};
use crate::local::{Local, Outcome};
use crate::process::PerProcess;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::dispatch::{Cause, Dispatcher, Wake};
use stepwright_core::{Error, ErrorId, ErrorKind, RunId, RunOutput, RunStatus, Timestamp};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The dispatcher of background runs.
pub(crate) enum Dispatching {
    /// The local one, which starts with the first background run.
    Local(PerProcess<LocalDispatching>),
    /// A given one: runs are driven in the processes that serve it.
    Given(Arc<dyn Dispatcher>),
}

/// The local dispatcher of one process, if it has started.
#[derive(Default)]
pub(crate) struct LocalDispatching(Mutex<Option<Started>>);

struct Started {
    dispatcher: Arc<LocalDispatcher>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl LocalDispatching {
    fn lock(&self) -> MutexGuard<'_, Option<Started>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the dispatcher, and waits until its tasks have ended.
    pub(super) async fn stop(&self) {
        let started = self.lock().take();
        if let Some(Started { stop, task, .. }) = started {
            stop.cancel();
            let _ = task.await;
        }
    }
}

impl Runner {
    /// Returns `true` if a dispatcher was given, so that other processes may drive the background
    /// runs.
    pub(crate) fn is_dispatched(&self) -> bool {
        matches!(self.dispatching, Dispatching::Given(_))
    }

    /// Returns the given dispatcher, if it guarantees that one worker at a time drives a run.
    pub(super) fn is_driven_one_at_a_time(&self) -> bool {
        match &self.dispatching {
            Dispatching::Given(given) => given.drives_one_at_a_time(),
            Dispatching::Local(_) => false,
        }
    }

    /// Returns the given dispatcher, if there is one.
    pub(super) fn given_dispatcher(&self) -> Option<&Arc<dyn Dispatcher>> {
        match &self.dispatching {
            Dispatching::Given(given) => Some(given),
            Dispatching::Local(_) => None,
        }
    }

    /// Makes the request to drive a run.
    pub(super) fn wake_of(&self, run: &RunId, at: Option<Timestamp>, cause: Cause) -> Wake {
        let (workflow, digest) = (self.definition.id.clone(), self.definition.digest.clone());
        Wake { workflow, run: run.clone(), digest, at, cause }
    }

    /// Hands a run to the dispatcher. The local dispatcher starts with the first run.
    pub(crate) async fn dispatch(
        self: &Arc<Self>,
        run: &RunId,
        at: Option<Timestamp>,
        cause: Cause,
    ) -> Result<(), Error> {
        if self.local().is_closed() && !self.is_dispatched() {
            // The run stays in the store, for another process.
            return Ok(());
        }
        let wake = self.wake_of(run, at, cause);
        let woken = match &self.dispatching {
            Dispatching::Given(given) => given.wake(wake).await,
            Dispatching::Local(local) => self.local_dispatcher(local.here()).wake(wake).await,
        };
        woken.map_err(|error| {
            Error::new(ErrorKind::Store, "the run could not be handed to the dispatcher")
                .with_id(ErrorId::DISPATCHER_FAILED)
                .with_source(error)
        })
    }

    fn local_dispatcher(self: &Arc<Self>, kept: &LocalDispatching) -> Arc<LocalDispatcher> {
        let mut kept = kept.lock();
        // An earlier dispatcher is of no use if its runtime has ended.
        if let Some(started) = kept.as_ref().filter(|started| !started.dispatcher.has_stopped()) {
            return started.dispatcher.clone();
        }
        let dispatcher = Arc::new(LocalDispatcher::new(self.world.clone()));
        let (drive, stop) = (Arc::new(Registry::of(self)), CancellationToken::new());
        let serving = dispatcher.clone().serve(drive, self.limits, stop.clone());
        let task = tokio::spawn(async move {
            let _ = serving.await;
        });
        kept.insert(Started { dispatcher, stop, task }).dispatcher.clone()
    }

    /// Waits for the outcome of a run that this process drives or is about to drive in the
    /// background.
    pub(crate) async fn outcome(self: &Arc<Self>, run: &RunId, local: &Local) -> Option<Outcome> {
        let waiters = local.waiters.as_ref()?;
        if local.status() == RunStatus::Pending && Handle::try_current().is_ok() {
            // The runtime of its driver may have ended. If not, this wake changes nothing.
            let _ = self.dispatch(run, None, Cause::Asked).await;
        }
        Some(waiters.outcome().await.clone())
    }

    /// Returns `true` if the driver of a run that was cancelled sees that. One that was leaving the
    /// run just then does not look any more.
    pub(crate) async fn heeds_cancel(&self, run: &RunId, local: &Local) -> bool {
        let now = self.local().get(run.as_str());
        if now.is_some_and(|now| now.status() != RunStatus::Paused) {
            return true;
        }
        match &local.waiters {
            Some(waiters) => match waiters.outcome().await {
                Outcome::Output(output) => output.is_terminal(),
                Outcome::Lost(_) | Outcome::Elsewhere(_) => false,
            },
            None => true,
        }
    }

    /// Schedules a paused run to go on by itself when its deadline passes.
    pub(crate) async fn wake_later(self: &Arc<Self>, run: &RunId, output: &RunOutput) {
        self.supervise();
        if let Some(due) = self.wakes_at(run, output).await
            && (self.is_dispatched() || Handle::try_current().is_ok())
        {
            // If this fails, the supervisor finds the run.
            let _ = self.dispatch(run, Some(due), Cause::Due).await;
        }
    }

    /// Returns when a paused run must be taken up if no answer arrives: at its first deadline, or
    /// when its timeout passes.
    pub(super) async fn wakes_at(&self, run: &RunId, output: &RunOutput) -> Option<Timestamp> {
        let row = match self.remembering() {
            Some(store) => store.run(run).await.ok().flatten(),
            None => None,
        };
        let dues = output.requirements.iter().filter_map(|asked| asked.due);
        row.and_then(|row| row.wake_at).or_else(|| dues.min())
    }
}
