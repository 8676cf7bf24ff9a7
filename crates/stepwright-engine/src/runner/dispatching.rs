//! Hands background runs to a dispatcher, and drives those that a dispatcher hands over.

use super::supervise::supervise;
use super::{LocalDispatcher, Runner, TakeUp};
use crate::held::Held;
use crate::local::{Local, Outcome};
use crate::process::PerProcess;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::dispatch::{Dispatcher, Drive, Driven};
use stepwright_core::{
    BoxFuture, Error, ErrorId, ErrorKind, RunId, RunOutput, RunStatus, Timestamp,
};
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

    /// Hands a run to the dispatcher. The local dispatcher starts with the first run.
    pub(crate) async fn dispatch(
        self: &Arc<Self>,
        run: &RunId,
        at: Option<Timestamp>,
    ) -> Result<(), Error> {
        if self.local().is_closed() && !self.is_dispatched() {
            // The run stays in the store, for another process.
            return Ok(());
        }
        let woken = match &self.dispatching {
            Dispatching::Given(given) => given.wake(run, at).await,
            Dispatching::Local(local) => self.local_dispatcher(local.here()).wake(run, at).await,
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
        let (drive, stop) = (Arc::new(Background(self.clone())), CancellationToken::new());
        let serving = dispatcher.clone().serve(drive, self.limits, stop.clone());
        let task = tokio::spawn(async move {
            let _ = serving.await;
        });
        kept.insert(Started { dispatcher, stop, task }).dispatcher.clone()
    }

    /// Drives runs in the background until `stop` is cancelled.
    ///
    /// # Errors
    /// If there is a dispatcher and no store, or if the dispatcher fails.
    pub(crate) async fn serve(self: &Arc<Self>, stop: CancellationToken) -> Result<(), Error> {
        let Dispatching::Given(dispatcher) = &self.dispatching else {
            self.supervise();
            stop.cancelled().await;
            return Ok(());
        };
        if self.remembering().is_none() {
            let error = Error::usage("a workflow without a store has no runs to be served");
            return Err(error
                .with_id(ErrorId::STORE_MISSING)
                .with_hint("add one with `.store(…)`"));
        }
        let drive = Arc::new(Background(self.clone()));
        let serving = pin!(dispatcher.clone().serve(drive, self.limits, stop));
        let supervising = pin!(supervise(Arc::downgrade(self)));
        match select(serving, supervising).await {
            Either::Left((served, _)) => served.map_err(|error| {
                Error::new(ErrorKind::Store, "the dispatcher failed")
                    .with_id(ErrorId::DISPATCHER_FAILED)
                    .with_source(error)
            }),
            Either::Right(_) => Ok(()),
        }
    }

    /// Waits for the outcome of a run that this process drives or is about to drive in the
    /// background.
    pub(crate) async fn outcome(self: &Arc<Self>, run: &RunId, local: &Local) -> Option<Outcome> {
        let waiters = local.waiters.as_ref()?;
        if local.status() == RunStatus::Pending && Handle::try_current().is_ok() {
            // The runtime of its driver may have ended. If not, this wake changes nothing.
            let _ = self.dispatch(run, None).await;
        }
        Some(waiters.outcome().await.clone())
    }

    /// Schedules a paused run to go on by itself when its deadline passes.
    pub(crate) async fn wake_later(self: &Arc<Self>, run: &RunId, output: &RunOutput) {
        self.supervise();
        if let Some(due) = self.wakes_at(run, output).await
            && (self.is_dispatched() || Handle::try_current().is_ok())
        {
            // If this fails, the supervisor finds the run.
            let _ = self.dispatch(run, Some(due)).await;
        }
    }

    /// Returns when a paused run must be taken up if no answer arrives: at its first deadline, or
    /// when its timeout passes.
    async fn wakes_at(&self, run: &RunId, output: &RunOutput) -> Option<Timestamp> {
        let row = match self.remembering() {
            Some(store) => store.run(run).await.ok().flatten(),
            None => None,
        };
        let dues = output.requirements.iter().filter_map(|asked| asked.due);
        row.and_then(|row| row.wake_at).or_else(|| dues.min())
    }
}

/// Drives background runs for a dispatcher.
struct Background(Arc<Runner>);

impl Drive for Background {
    fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven> {
        Box::pin(async move {
            // A run that waits here for its turn is driven as long as the shutdown is patient.
            if self.0.local().is_closed() && self.0.local().get(run.as_str()).is_none() {
                return Driven::Lost;
            }
            match self.0.drive(run, TakeUp { leaves: true, ..TakeUp::default() }).await {
                Ok(output) if output.is_paused() => {
                    Driven::Parked { until: self.0.wakes_at(run, &output).await }
                }
                Err(error) if error.kind() == ErrorKind::Store => match Held::retry_after(&error) {
                    Some(after) => Driven::Retry { after },
                    None => Driven::Lost,
                },
                Err(error) if error.output().is_none() => {
                    self.0.supervision.here().refuse(run, &error);
                    Driven::Done
                }
                _ => Driven::Done,
            }
        })
    }
}
