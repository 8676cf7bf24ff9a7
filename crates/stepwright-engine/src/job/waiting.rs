//! A walk that waits: answers from the inbox, deadlines that pass, and the end of the walk when
//! everything in the run waits.

use super::{Job, Stage};
use crate::pending::Look;
use crate::stop::Stop;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::event::Reply;
use stepwright_core::store::SignalKind;
use stepwright_core::{Answer, EventKind, StepPath, Timestamp};

/// The longest wait for a deadline during which a background run stays with its driver.
const LINGER: Duration = Duration::from_secs(5);

/// A deadline, and the timer for it.
pub(super) type Alarm = (Timestamp, BoxFuture<'static, ()>);

impl Job {
    /// Decides if a waiting walk must be interrupted.
    pub(super) fn look(&self, cx: &mut Context<'_>, alarm: &mut Option<Alarm>) -> Poll<Stage> {
        match self.recorder.pending().look(cx) {
            Look::Away | Look::Busy(None) => Poll::Pending,
            Look::Poked => Poll::Ready(Stage::Look),
            Look::Idle => Poll::Ready(Stage::Idle),
            Look::Busy(Some(due)) => {
                if alarm.as_ref().is_none_or(|(set, _)| *set != due) {
                    *alarm = Some((due, self.world.sleep(due.since(self.world.now()))));
                }
                match alarm {
                    Some((_, sleep)) => sleep.as_mut().poll(cx).map(|()| {
                        *alarm = None;
                        Stage::Look
                    }),
                    None => Poll::Pending,
                }
            }
        }
    }

    /// Records answers from the inbox and deadlines that have passed. Returns `true` if there were
    /// any.
    pub(super) async fn drain_inbox(&self) -> Result<bool, Stop> {
        let recorder = &self.recorder;
        let open = recorder.pending().open();
        let mut heard = false;
        if let Some(store) = recorder.store() {
            let run = recorder.run_id();
            let inbox = store.inbox(run).await.map_err(|error| Stop::Lost(Arc::new(error)))?;
            let late = recorder.refuse_late(&inbox)?;
            for signal in inbox {
                match signal.kind {
                    SignalKind::Cancel { reason, .. } if self.unwinds => {
                        let _ = self.asked.set(reason);
                        recorder.cancel_token().cancel();
                    }
                    SignalKind::Cancel { reason, .. } => return Err(Stop::Cancelled(reason)),
                    SignalKind::Answer(reply) => {
                        let asked = open.iter().find(|asked| asked.id == reply.requirement_id);
                        let Some(asked) = asked.filter(|asked| {
                            // The answer before may have answered this one too.
                            recorder.pending().is_open(&asked.id)
                                && !late.contains(&asked.id)
                                && asked.check(&reply.answer).is_ok()
                        }) else {
                            continue;
                        };
                        recorder.answered(asked, reply)?;
                        heard = true;
                    }
                    _ => {}
                }
            }
        }
        let now = self.world.now();
        for asked in open.iter().filter(|asked| asked.due.is_some_and(|due| due <= now)) {
            if recorder.pending().is_open(&asked.id) {
                let reply = Reply {
                    requirement_id: asked.id.clone(),
                    answer: asked.at_timeout().unwrap_or(Answer::Reject { feedback: None }),
                    by: None,
                    timed_out: asked.needs_answer(),
                };
                recorder.answered(asked, reply)?;
                heard = true;
            }
        }
        Ok(heard)
    }

    /// Handles a run in which everything waits. Returns `true` if the run was left, and `false` if
    /// an answer or a deadline lets it go on.
    pub(super) async fn park(&self) -> Result<bool, Stop> {
        let (recorder, world) = (&self.recorder, &self.world);
        if self.drain_inbox().await? {
            return Ok(false);
        }
        let open = recorder.pending().open();
        let due = open.iter().filter_map(|asked| asked.due).min();
        let outside = open.iter().any(|asked| asked.needs_answer());
        let soon = |due: Timestamp| due.since(world.now()) <= LINGER;
        let lingers = !outside && due.is_some_and(|due| !self.leaves || soon(due));
        if let Some(due) = due.filter(|_| lingers) {
            world.sleep(due.since(world.now())).await;
            return self.drain_inbox().await.map(|_| false);
        }
        // The run's timeout passes even while a person is asked.
        let limit = self.started.timeout_ms.map(Duration::from_millis);
        let limit = limit.filter(|_| self.cause.get().is_none());
        let end = limit.map(|limit| recorder.timed_from().plus(limit));
        let until = due.into_iter().chain(end).min();
        recorder.record(&StepPath::root(), EventKind::WorkflowPaused { until })?;
        recorder.settle().await?;
        Ok(true)
    }
}
