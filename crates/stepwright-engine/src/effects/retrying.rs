//! Steps that failed are tried again.

use super::{Attempt, Effects, Stop, hand_on};
use crate::waits::Waits;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_core::plan::{Node, NodeKind, Retry};
use stepwright_core::{EventKind, StepInput, StepOutput, StepPath, Timestamp, World};

/// Tries a failed step again, after a while, as often as its definition says.
pub(crate) struct Retrying<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
    pub(crate) waits: &'w Waits,
}

impl<E: Effects> Effects for Retrying<'_, E> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        match attempt.node.kind {
            NodeKind::Step { ref retry, .. } if retry.retries > 0 => {
                Box::pin(self.persist(attempt, retry)).await
            }
            _ => self.inner.execute(attempt).await,
        }
    }

    hand_on!(decide, notes, branches, questions);
}

impl<E: Effects> Retrying<'_, E> {
    /// Waits between two attempts. The run is not left for that.
    async fn rest(&self, due: Timestamp) {
        let _working = self.waits.work();
        self.world.sleep(due.since(self.world.now())).await;
    }

    async fn persist(&self, first: &Attempt<'_>, retry: &Retry) -> Result<Arc<StepOutput>, Stop> {
        let step = first.step;
        let past = self.inner.past(step);
        // Attempts that were not enough for somebody, or failed before somebody had it tried again,
        // do not count as retries.
        let before = first.number - 1;
        let mut failed = past.failed_attempts.max(before);
        if let Some(due) = past.due.filter(|_| !past.ended && failed > before) {
            self.rest(due).await;
        }
        loop {
            let attempt = Attempt { number: failed + 1, ..*first };
            if let Some(last) = first.last {
                last.store(attempt.number, Ordering::Relaxed);
            }
            let failure = match self.inner.execute(&attempt).await {
                Err(Stop::Failed(failure)) if !past.ended => failure,
                answer => return answer,
            };
            failed += 1;
            if failed - before > retry.retries || !retry.is_for(&failure.error) {
                return Err(Stop::Failed(failure));
            }
            let backoff = retry.delay_ms(failed - before, self.world.chance());
            let delay_ms = backoff.max(failure.error.retry_after_ms.unwrap_or(0));
            let error = Box::new(failure.error.clone());
            self.inner
                .record(step, EventKind::StepRetrying { attempt: failed, error, delay_ms })?;
            self.inner.settle().await?;
            let due = self.world.now().plus(Duration::from_millis(delay_ms));
            self.rest(due).await;
        }
    }
}
