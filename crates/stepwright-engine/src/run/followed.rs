//! Background runs whose events are followed from the beginning.

use super::builder::{Prepared, Setup, taken_meanwhile, whole};
use super::{Run, RunHandle};
use crate::journal::load_all;
use crate::outbox::Outbox;
use crate::runs::Events;
use std::sync::Arc;
use stepwright_core::Error;
use stepwright_core::dispatch::Cause;

impl Run {
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
