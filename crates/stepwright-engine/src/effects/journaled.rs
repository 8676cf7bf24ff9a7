//! Replays the effects that the journal has, and makes the others durable.

use super::recalled::Ended;
use super::{Attempt, Effects, Facts, Stop};
use std::sync::Arc;
use stepwright_core::event::Decision;
use stepwright_core::plan::Node;
use stepwright_core::{StepInput, StepOutput, StepPath, Timestamp};

/// Replays recorded effects from the journal. Before a new one, everything before it is durable.
pub(crate) struct Journaled<E> {
    pub(crate) inner: E,
}

impl<E: Effects> Effects for Journaled<E> {
    fn facts(&self) -> &Facts<'_> {
        self.inner.facts()
    }

    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        match self.facts().recalled.and_then(|recalled| recalled.ends.get(attempt.step)) {
            Some(Ended::Completed(output)) => return Ok(output.clone()),
            Some(Ended::Failed(failure)) => return Err(Stop::Failed(failure.clone())),
            Some(Ended::Stopped) => return Err(Stop::Sibling),
            None => {}
        }
        let recorder = &self.facts().recorder;
        let _working = self.facts().work(Some(attempt.step));
        // Earlier facts must be durable before the next effect begins. Both note that time passes
        // if they wait: without a journal, the attempt begins at the time of the fact before it.
        recorder.settle().await?;
        recorder.give_way().await;
        let answer = self.inner.execute(attempt).await;
        recorder.time_passes();
        recorder.check()?;
        answer
    }

    async fn decide(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> Result<Decision, Stop> {
        if let Some(recalled) = self.facts().recalled {
            // A failed decision has a fact of its beginning, without a decision in it: look here
            // first.
            if let Some(failure) = recalled.failures.get(at) {
                return Err(Stop::Failed(failure.clone()));
            }
            if let Some(decision) = recalled.decisions.get(at) {
                return Ok(decision.clone());
            }
        }
        let recorder = &self.facts().recorder;
        // A decision cannot wait for a reply.
        let _working = self.facts().work(None);
        recorder.settle().await?;
        recorder.time_passes();
        let decided = self.inner.decide(node, at, input).await;
        recorder.time_passes();
        decided
    }

    fn has_deadline(&self, node: &Node) -> bool {
        self.inner.has_deadline(node)
    }

    async fn due(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> Result<Option<Timestamp>, Stop> {
        let recorder = &self.facts().recorder;
        let _working = recorder.pending().work();
        recorder.settle().await?;
        recorder.time_passes();
        let due = self.inner.due(node, at, input).await;
        recorder.time_passes();
        due
    }
}
