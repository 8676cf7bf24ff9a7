//! Attempts that take too long are dropped.

use super::{Attempt, Effects, Stop, hand_on};
use crate::waits::Waits;
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use stepwright_core::plan::{Node, NodeKind};
use stepwright_core::{ErrorCode, StepError, StepInput, StepOutput, StepPath, World};

/// Ends an attempt that takes longer than its step's timeout.
pub(crate) struct Timed<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
    pub(crate) waits: &'w Waits,
}

impl<E: Effects> Effects for Timed<'_, E> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        let work = self.inner.execute(attempt);
        let NodeKind::Step { timeout_ms: Some(limit), .. } = attempt.node.kind else {
            return work.await;
        };
        let limit = Duration::from_millis(limit);
        // Boxed, because a timer is rare and its room would be part of every waiting step.
        if let Some(done) = Box::pin(self.in_time(limit, attempt.step, work)).await {
            return done;
        }
        let error = too_long(limit, "give the step a longer `timeout`, or `retries`");
        Err(Stop::failed(attempt.step, error, attempt.number))
    }

    hand_on!(decide, notes, branches, questions);
}

/// The failure of what took too long.
pub(crate) fn too_long(limit: Duration, hint: &str) -> StepError {
    let error = StepError::new(format!("it took longer than {limit:?}"));
    error.with_code(ErrorCode::TimedOut).with_hint(hint)
}

impl<E> Timed<'_, E> {
    /// What `work` gives, or nothing if it takes longer than `limit`. Time in which the step waits
    /// for somebody does not count: whoever comes back after days has not taken too long.
    async fn in_time<T>(
        &self,
        limit: Duration,
        step: &StepPath,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        let mut alarm: Option<BoxFuture<'static, ()>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if self.waits.is_waiting(step) {
                // It has all of its time again then, as one that begins again has.
                alarm = None;
                return Poll::Pending;
            }
            let alarm = alarm.get_or_insert_with(|| self.world.sleep(limit));
            alarm.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}
