//! Attempts that take too long are dropped.

use super::{Attempt, Effects, Stop, hand_on};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{Node, NodeKind};
use stepwright_core::{ErrorCode, StepError, StepInput, StepOutput, StepPath, World};

/// Ends an attempt that takes longer than its step's timeout.
pub(crate) struct Timed<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
}

impl<E: Effects> Effects for Timed<'_, E> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        let work = self.inner.execute(attempt);
        let NodeKind::Step { timeout_ms: Some(limit), .. } = attempt.node.kind else {
            return work.await;
        };
        let limit = Duration::from_millis(limit);
        // Boxed, because a timer is rare and its room would be part of every waiting step.
        if let Some(done) = Box::pin(self.world.timeout(limit, work)).await {
            return done;
        }
        let error = StepError::new(format!("it took longer than {limit:?}"))
            .with_code(ErrorCode::TimedOut)
            .with_hint("give the step a longer `timeout`, or `retries`");
        Err(Stop::failed(attempt.step, error, attempt.number))
    }

    hand_on!(decide, notes, branches);
}
