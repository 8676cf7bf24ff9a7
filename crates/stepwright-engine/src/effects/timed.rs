//! Attempts that take too long are dropped.

use super::{Attempt, Effects, Stop, hand_on};
use crate::activity::Activity;
use crate::pending::PendingRequests;
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use stepwright_core::plan::{Node, NodeKind};
use stepwright_core::{ErrorCode, StepError, StepInput, StepOutput, StepPath, World};

/// Ends an attempt that takes longer than its step's timeout, or is idle for longer than that.
pub(crate) struct Timed<'w, E> {
    pub(crate) inner: E,
    pub(crate) world: &'w World,
    pub(crate) pending: &'w PendingRequests,
    pub(crate) activity: &'w Activity,
}

impl<E: Effects> Effects for Timed<'_, E> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        let work = self.inner.execute(attempt);
        let NodeKind::Step { timeout_ms, idle_ms, .. } = attempt.node.kind else {
            return work.await;
        };
        if timeout_ms.is_none() && idle_ms.is_none() {
            return work.await;
        }
        let [total, idle] = [timeout_ms, idle_ms].map(|limit| limit.map(Duration::from_millis));
        // Boxed, because a timer is rare and its room would be part of every waiting step.
        let error = match Box::pin(self.in_time((total, idle), attempt.step, work)).await {
            Ok(done) => return done,
            Err(Late::Total(limit)) => {
                too_long(limit, "give the step a longer `timeout`, or `retries`")
            }
            Err(Late::Idle(limit)) => idle_for(limit),
        };
        Err(Stop::failed(attempt.step, error, attempt.number))
    }

    hand_on!(decide, notes, branches, questions);
}

/// Which limit an attempt has passed.
enum Late {
    /// It took too long in all.
    Total(Duration),
    /// It gave no sign of life for too long.
    Idle(Duration),
}

/// The failure of what gave no sign of life for too long.
fn idle_for(limit: Duration) -> StepError {
    let error = StepError::new(format!(
        "it was idle for {limit:?}: no output, no tool call and no progress in that time"
    ));
    error.with_code(ErrorCode::TimedOut).with_hint(
        "if it is slow and not stuck, give it a longer idle timeout, or let it report progress",
    )
}

/// The failure of what took too long.
pub(crate) fn too_long(limit: Duration, hint: &str) -> StepError {
    let error = StepError::new(format!("it took longer than {limit:?}"));
    error.with_code(ErrorCode::TimedOut).with_hint(hint)
}

impl<E> Timed<'_, E> {
    /// What `work` gives, unless it takes longer than one limit in all, or gives no sign of life
    /// for longer than the other. Time in which the step waits for somebody does not count: whoever
    /// comes back after days has not taken too long.
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
                // It has all of its time again then, as one that begins again has.
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
