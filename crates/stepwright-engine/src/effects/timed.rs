//! Timeouts of attempts.

use super::{Attempt, Effects, Facts, Stop};
use crate::activity::Activity;
use crate::pending::PendingRequests;
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use stepwright_core::event::Decision;
use stepwright_core::plan::{Node, NodeKind};
use stepwright_core::{
    ErrorCode, ErrorId, StepError, StepInput, StepOutput, StepPath, Timestamp, World,
};

/// Ends an attempt that takes longer than its step's timeout, or is idle for longer than its idle
/// timeout.
pub(crate) struct Timed<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
    pub(crate) pending: &'w PendingRequests,
    pub(crate) activity: &'w Activity,
}

impl<E: Effects> Effects for Timed<'_, E> {
    fn facts(&self) -> &Facts<'_> {
        self.inner.facts()
    }

    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        match attempt.node.kind {
            NodeKind::Step { timeout_ms, idle_ms, .. }
                if timeout_ms.is_some() || idle_ms.is_some() =>
            {
                let limits = [timeout_ms, idle_ms].map(|limit| limit.map(Duration::from_millis));
                // Boxed, because timeouts are rare, and each waiting step would keep the space for
                // one.
                Box::pin(self.limited(limits, attempt)).await
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

/// The limit that an attempt has exceeded.
enum Late {
    /// Its timeout.
    Total(Duration),
    /// Its idle timeout.
    Idle(Duration),
}

/// Makes the failure of an attempt that was idle for too long.
fn idle_for(limit: Duration) -> StepError {
    let error = StepError::new(format!(
        "it was idle for {limit:?}: no output, no tool call and no progress in that time"
    ));
    error.with_code(ErrorCode::TimedOut).with_id(ErrorId::STEP_IDLE).with_hint(
        "if it is slow and not stuck, give it a longer idle timeout, or let it report progress",
    )
}

/// Makes the failure of an attempt or a container that took too long.
pub(crate) fn too_long(limit: Duration, hint: &str) -> StepError {
    let error = StepError::new(format!("it took longer than {limit:?}"));
    error.with_code(ErrorCode::TimedOut).with_hint(hint)
}

impl<E: Effects> Timed<'_, E> {
    /// Executes an attempt that has a timeout, an idle timeout, or both.
    async fn limited(
        &self,
        [total, idle]: [Option<Duration>; 2],
        attempt: &Attempt<'_>,
    ) -> Result<Arc<StepOutput>, Stop> {
        let work = self.inner.execute(attempt);
        let error = match self.in_time((total, idle), attempt.step, work).await {
            Ok(done) => return done,
            Err(Late::Total(limit)) => {
                too_long(limit, "give the step a longer timeout, or retries")
            }
            Err(Late::Idle(limit)) => idle_for(limit),
        };
        Err(Stop::failed(attempt.step, error, attempt.number))
    }

    /// Returns the result of `work`, unless it takes longer than `total`, or gives no sign of life
    /// for longer than `idle`. The time in which the step waits for a person does not count: a
    /// reply after days must not time out the attempt.
    async fn in_time<T>(
        &self,
        (total, idle): (Option<Duration>, Option<Duration>),
        step: &StepPath,
        work: impl Future<Output = T>,
    ) -> Result<T, Late> {
        let mut work = pin!(work);
        let mut alarm: Option<BoxFuture<'static, ()>> = None;
        let mut silence: Option<BoxFuture<'static, ()>> = None;
        let watch = idle.map(|limit| (limit, self.activity.watch(step)));
        let mut heard = 0;
        poll_fn(|cx| {
            if let Some((_, watch)) = &watch {
                watch.rest();
            }
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.pending.is_waiting(step) {
                // The attempt gets its whole time again afterwards, as it does when the run is
                // resumed.
                (alarm, silence) = (None, None);
                return Poll::Pending;
            }
            if let Some(limit) = total {
                let alarm = alarm.get_or_insert_with(|| self.world.sleep(limit));
                if alarm.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Late::Total(limit)));
                }
            }
            if let Some((limit, watch)) = &watch {
                let (count, pause) = watch.heard(cx.waker());
                if std::mem::replace(&mut heard, count) != count {
                    silence = None;
                }
                let silence = silence.get_or_insert_with(|| self.world.sleep(*limit + pause));
                if silence.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Late::Idle(*limit)));
                }
            }
            Poll::Pending
        })
        .await
    }
}
