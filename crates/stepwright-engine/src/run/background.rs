//! Runs in the background, and those whose events are followed from the beginning.

use super::builder::{Prepared, Setup, taken_meanwhile};
use super::{Run, RunHandle};
use crate::journal::load_all;
use crate::outbox::Outbox;
use crate::runs::Events;
use std::sync::Arc;
use stepwright_core::Error;
use stepwright_core::dispatch::Cause;
use tokio::runtime::Handle;
use tracing::Instrument as _;

impl Run {
    /// Begins the run in the background, and returns a handle at once. Dropping the handle does not
    /// affect the run. If this process ends, the run stops, unless its workflow has a store: then
    /// another process can resume it. [`RunHandle`] has an example.
    ///
    /// The run begins in a task of its own, so dropping this future does not stop it halfway.
    ///
    /// # Errors
    /// If the run cannot begin.
    pub async fn background(self) -> Result<RunHandle, Error> {
        whole(self.into_setup().begin()).await
    }

    /// Begins the run in the background like [`Run::background`], and returns its handle and its
    /// events from the beginning. No piece of text is missed. Dropping the events does not affect
    /// the run.
    ///
    /// The run is driven at once in a task of its own, beside those of the
    /// [`concurrent_runs`](crate::WorkflowBuilder::concurrent_runs) of this process. With a
    /// [dispatcher](crate::WorkflowBuilder::dispatcher) it is left to the processes that serve it.
    ///
    /// ```
    /// # use futures_util::StreamExt as _;
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Greeting").store(Memory::default()).step(greet).build()?;
    /// let (handle, mut events) = workflow.run("Ada").followed().await?;
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.name());
    /// }
    /// assert_eq!(handle.wait().await?.content.text(), "Hello Ada");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the run cannot begin.
    pub async fn followed(self) -> Result<(RunHandle, Events), Error> {
        whole(self.into_setup().follow()).await
    }
}

impl Setup {
    /// Begins the run in the background.
    async fn begin(self) -> Result<RunHandle, Error> {
        let workflow = self.workflow.clone();
        let runner = workflow.runner();
        if runner.is_dispatched() {
            return self.dispatched().await;
        }
        let mut prepared = self.prepare(None, true).await?;
        if let Some(other) = prepared.admit().await? {
            return Ok(RunHandle::joined(workflow, other));
        }
        let Prepared { job, run, place, .. } = prepared;
        runner.supervise();
        job.begin_for_others().await.map_err(|error| taken_meanwhile(&run, error))?;
        runner.dispatch(&run, None, Cause::Begun).await?;
        place.stay();
        Ok(RunHandle::new(workflow, run))
    }

    /// Begins the run, and leaves it to the driver that the dispatcher tells.
    async fn dispatched(self) -> Result<RunHandle, Error> {
        let mut prepared = self.prepare(None, true).await?;
        if let Some(other) = prepared.admit().await? {
            return Ok(RunHandle::joined(prepared.workflow, other));
        }
        let Prepared { job, run, workflow, place } = prepared;
        job.begin_for_others().await.map_err(|error| taken_meanwhile(&run, error))?;
        // From here on any process may take up the run, including this one.
        drop(place);
        workflow.runner().supervise();
        if let Err(error) = workflow.runner().dispatch(&run, None, Cause::Begun).await {
            // The run has begun, and its supervisors wake the dispatcher again.
            tracing::warn!(target: "stepwright", %run, "{}", error.report());
        }
        Ok(RunHandle::new(workflow, run))
    }

    async fn follow(self) -> Result<(RunHandle, Events), Error> {
        let mut prepared = self.prepare(None, true).await?;
        let workflow = prepared.workflow.clone();
        let runner = workflow.runner();
        if let Some(other) = prepared.admit().await? {
            let runs = runner.reader(&other)?;
            let from = runs.load(&other).await?.fold().next_sequence();
            let events = Events::new(runs, other.clone(), from);
            return Ok((RunHandle::joined(workflow, other), events));
        }
        let Prepared { job, run, place, .. } = prepared;
        job.begin_for_others().await.map_err(|error| taken_meanwhile(&run, error))?;
        runner.supervise();
        let runs = runner.reader(&run)?;
        let handle = RunHandle::new(workflow.clone(), run.clone());
        if runner.is_dispatched() {
            // From here on any process may take up the run, including this one.
            drop(place);
            if let Err(error) = runner.dispatch(&run, None, Cause::Begun).await {
                // The run has begun, and its supervisors wake the dispatcher again.
                tracing::warn!(target: "stepwright", %run, "{}", error.report());
            }
            return Ok((handle, Events::new(runs, run, 0)));
        }
        let outbox = Arc::new(Outbox::of(runs.store().clone(), run.clone()));
        // Before the run is driven: facts that were read later would hide pieces before them.
        for fact in load_all(runs.store(), &run).await? {
            outbox.push(fact);
        }
        place.stay();
        runner.drive_in_task(&run, outbox.clone());
        Ok((handle, Events::of_driver(runs, run, outbox)))
    }
}

/// Begins a run in a task of its own, so that a caller who leaves does not stop it halfway: its
/// entries in the store would stay, and no driver would have it.
async fn whole<T: Send + 'static>(
    begins: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let Ok(runtime) = Handle::try_current() else { return begins.await };
    runtime.spawn(begins.in_current_span()).await.unwrap_or_else(|lost| {
        if lost.is_panic() {
            std::panic::resume_unwind(lost.into_panic());
        }
        Err(Error::usage("the run cannot begin: the runtime of its process is shutting down"))
    })
}
