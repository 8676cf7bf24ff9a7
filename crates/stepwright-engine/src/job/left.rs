//! Ends runs whose futures were dropped.

use super::Job;
use crate::journal::load_all;
use crate::recorder::Recorder;
use crate::slot::Slot;
use crate::table::Compiled;
use std::sync::Arc;
use stepwright_core::World;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::values::HostValues;

/// The reason of a run whose future was dropped.
const DROPPED: &str = "its future was dropped";

/// A run whose future may be dropped.
pub(crate) struct Left {
    recorder: Arc<Recorder>,
    /// The parts of the job, if steps run after the others were stopped.
    unwinds: Option<Box<Parts>>,
    slot: Option<Box<Slot>>,
}

/// The parts of a job besides its recorder.
type Parts = (Arc<Compiled>, Arc<WorkflowStarted>, World, HostValues);

impl Job {
    /// Returns what is needed to end the run if the future that drives it is dropped.
    pub(crate) fn left(&self) -> Left {
        let (recorder, unwinds) = (self.recorder.clone(), self.unwinds);
        let slot = self.slot.clone();
        let parts = || {
            let Self { compiled, started, world, values, .. } = self;
            Box::new((compiled.clone(), started.clone(), world.clone(), values.clone()))
        };
        Left { recorder, unwinds: unwinds.then(parts), slot }
    }
}

impl Left {
    /// Cancels the run, whose future was dropped, and ends it. The steps under way are gone with
    /// the future. Without a runtime, the run stays as after a crash.
    pub(crate) fn abandon(self) {
        self.recorder.cancel_token().cancel();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.end());
        }
    }

    async fn end(self) {
        let Self { recorder, unwinds, slot } = self;
        Self::end_run(recorder.clone(), unwinds).await;
        if let Some(slot) = slot {
            let has_begun = !recorder.was_never_begun().await;
            slot.leave(&recorder, has_begun).await;
        }
    }

    async fn end_run(recorder: Arc<Recorder>, unwinds: Option<Box<Parts>>) {
        let Some((parts, store)) = unwinds.zip(recorder.store().cloned()) else {
            return recorder.abandon().await;
        };
        let past = match recorder.settle().await {
            Ok(()) => load_all(&store, recorder.run_id()).await,
            Err(_) => return,
        };
        let Ok(past) = past else { return recorder.abandon().await };
        let (compiled, started, world, values) = *parts;
        let mut job = Job::of((compiled, started, recorder, world), &past);
        job.values = values;
        let _ = job.asked.set(DROPPED.into());
        let _ = job.drive().await;
    }
}
