//! The driver leaves a run to another one.

use super::Recorder;
use crate::stop::Stop;
use std::sync::Arc;
use stepwright_core::{EventKind, RunStatus, StepPath, StoreError};

impl Recorder {
    /// Asks the driver to leave the run, so that another one can resume it.
    pub(crate) fn release(&self) {
        self.state().released = true;
        // The token wakes the driver, and stops what the steps have started.
        self.cancelled.cancel();
        self.leaving_token().cancel();
    }

    /// Records that the run goes on, if it was about to be left: a request to cancel may come while
    /// the append says that the run is paused.
    pub(crate) fn stay(&self) -> Result<(), Stop> {
        self.time_passes();
        if self.status() != RunStatus::Paused {
            return Ok(());
        }
        let driver = self.state().driver.clone().unwrap_or_default();
        let continued = EventKind::WorkflowContinued { driver, digest: None };
        self.record(&StepPath::root(), continued)
    }

    /// Returns `true` if the driver was asked to leave the run.
    pub(crate) fn is_released(&self) -> bool {
        self.state().released
    }

    /// Appends what is recorded so far, and gives the run up in the store. Steps under way stay
    /// open in the journal, as after a crash: whether they were done is not known.
    pub(crate) async fn leave(&self) -> Result<(), Stop> {
        self.settle().await?;
        let driver = {
            let mut state = self.state();
            // Tasks of steps that still run must record nothing beside the next driver.
            let (run, sequence) = (self.run.run_id.clone(), state.durable);
            state.lost = Some(Arc::new(StoreError::Taken { run, sequence }));
            state.driver.clone()
        };
        if let (Some(store), Some(driver)) = (self.store(), driver) {
            let released = store.release(self.run_id(), &driver).await;
            released.map_err(|error| Stop::Lost(Arc::new(error)))?;
        }
        Ok(())
    }
}
