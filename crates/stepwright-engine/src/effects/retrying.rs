//! Steps that failed are tried again.

use super::{Attempt, Effects, Stop, hand_on};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{Node, NodeKind, Retry};
use stepwright_core::{EventKind, StepInput, StepOutput, StepPath, World};

/// Tries a failed step again, after a while, as often as its definition says.
pub(crate) struct Retrying<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
}

impl<E: Effects> Effects for Retrying<'_, E> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        match attempt.node.kind {
            NodeKind::Step { retry, .. } if retry.retries > 0 => {
                Box::pin(self.persist(attempt, retry)).await
            }
            _ => self.inner.execute(attempt).await,
        }
    }

    hand_on!(decide, notes, branches);
}

impl<E: Effects> Retrying<'_, E> {
    async fn persist(&self, first: &Attempt<'_>, retry: Retry) -> Result<Arc<StepOutput>, Stop> {
        let step = first.step;
        let past = self.inner.past(step);
        let mut failed = past.failed_attempts;
        if let Some(due) = past.due.filter(|_| !past.ended) {
            self.world.sleep(due.since(self.world.now())).await;
        }
        loop {
            let attempt = Attempt { number: failed + 1, ..*first };
            let failure = match self.inner.execute(&attempt).await {
                Err(Stop::Failed(failure)) if !past.ended => failure,
                answer => return answer,
            };
            failed += 1;
            if failed > retry.retries || !failure.error.retryable {
                return Err(Stop::Failed(failure));
            }
            let backoff = retry.delay_ms(failed, self.world.chance());
            let delay_ms = backoff.max(failure.error.retry_after_ms.unwrap_or(0));
            let error = Box::new(failure.error.clone());
            self.inner
                .record(step, EventKind::StepRetrying { attempt: failed, error, delay_ms })?;
            self.inner.settle().await?;
            self.world.sleep(Duration::from_millis(delay_ms)).await;
        }
    }
}
