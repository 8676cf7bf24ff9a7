//! Retries of failed steps.

use super::interrupted::{Settled, is_unknown, not_done, settle};
use super::{About, Attempt, Effects, Facts, Stop};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_core::event::Decision;
use stepwright_core::plan::{Node, NodeKind, Retry};
use stepwright_core::{
    EventKind, OnInterrupted, StepInput, StepOutput, StepPath, Timestamp, World,
};

/// Retries a failed step with the backoff and the number of retries of its definition.
pub(crate) struct Retrying<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
}

impl<E: Effects> Effects for Retrying<'_, E> {
    fn facts(&self) -> &Facts<'_> {
        self.inner.facts()
    }

    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        match attempt.node.kind {
            NodeKind::Step { ref retry, on_interrupted, .. }
                if retry.retries > 0 || on_interrupted != OnInterrupted::Retry =>
            {
                Box::pin(self.persist(attempt, retry, on_interrupted)).await
            }
            _ => self.inner.execute(attempt).await,
        }
    }

    async fn decide(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> Result<Decision, Stop> {
        self.inner.decide(node, at, input).await
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
        self.inner.due(node, at, input).await
    }
}

impl<E: Effects> Retrying<'_, E> {
    /// Waits between two attempts. It counts as work, so that the run is not left.
    async fn pause(&self, due: Timestamp) {
        let _working = self.inner.facts().work(None);
        self.world.sleep(due.since(self.world.now())).await;
        self.inner.facts().time_passes();
    }

    async fn persist(
        &self,
        first: &Attempt<'_>,
        retry: &Retry,
        policy: OnInterrupted,
    ) -> Result<Arc<StepOutput>, Stop> {
        let (fx, step) = (&self.inner, first.step);
        let past = fx.facts().past(step);
        // Attempts that a person rejected, or whose failure a person answered with a retry, do not
        // count as retries.
        let before = first.number - 1;
        let mut failed = past.failed_attempts.max(before);
        if let Some(due) = past.due.filter(|_| !past.ended && failed > before) {
            self.pause(due).await;
        }
        let repeats = policy == OnInterrupted::Retry;
        let mut unknown = past.unknown.filter(|unknown| {
            !repeats && !past.ended && unknown.attempt == failed.saturating_add(1)
        });
        loop {
            let attempt = Attempt { number: failed + 1, ..*first };
            if let Some(last) = first.last {
                last.store(attempt.number, Ordering::Relaxed);
            }
            let unknown = unknown.take();
            if let Some(unknown) = unknown {
                match settle(fx, &attempt, policy, unknown.asked, None).await? {
                    Settled::Done(output) => return Ok(output),
                    Settled::Again if unknown.asked == Some(About::Failure) => {
                        failed += 1;
                        let error = not_done().data;
                        let kind = EventKind::StepRetrying { attempt: failed, error, delay_ms: 0 };
                        fx.facts().record(step, kind)?;
                        continue;
                    }
                    Settled::Again => {}
                }
            }
            // The journal has the beginning of the first attempt as the beginning of its step.
            if !repeats && !past.ended && (unknown.is_some() || attempt.number > 1) {
                let attempt = attempt.number;
                fx.facts().record(step, EventKind::StepAttemptStarted { attempt })?;
            }
            let failure = match fx.execute(&attempt).await {
                Err(Stop::Failed(failure)) if !past.ended => failure,
                answer => return answer,
            };
            failed += 1;
            let over = failed - before > retry.retries || !retry.is_for(&failure.error);
            let (error, delay_ms) = if !repeats && is_unknown(&failure.error, over) {
                match settle(fx, &attempt, policy, None, Some(&failure)).await? {
                    Settled::Done(output) => return Ok(output),
                    Settled::Again => (not_done().data, 0),
                }
            } else if over {
                return Err(Stop::Failed(failure));
            } else {
                let backoff = retry.delay_ms(failed - before, self.world.chance());
                let delay_ms = backoff.max(failure.error.retry_after_ms.unwrap_or(0));
                (Box::new(failure.error.clone()), delay_ms)
            };
            fx.facts()
                .record(step, EventKind::StepRetrying { attempt: failed, error, delay_ms })?;
            fx.facts().settle().await?;
            let due = self.world.now().plus(Duration::from_millis(delay_ms));
            self.pause(due).await;
        }
    }
}
