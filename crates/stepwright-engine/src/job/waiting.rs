//! A walk that waits: answers from the inbox, deadlines that pass, and the end of the walk when
//! everything in the run waits.

use super::{Job, Stage};
use crate::held::HandedOver;
use crate::pending::Look;
use crate::stop::Stop;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::event::{Event, Reply};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::SignalKind;
use stepwright_core::{Answer, EventKind, StepPath, Timestamp};

/// The longest wait for a deadline during which a background run stays with its driver.
const LINGER: Duration = Duration::from_secs(5);

/// The pause before a run is handed over again to workers that did not go on with it.
const TRIED_AGAIN: Duration = Duration::from_mins(1);

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
        let mut until = self.goes_on_at(due);
        let queues = recorder.pending().queues();
        if !queues.is_empty() {
            if self.hand_over(&queues, until).await? {
                return Ok(true);
            }
            if open.iter().all(|asked| asked.kind == RequirementKind::Deadline) {
                // Workers disagree about the queue of a step: its definition is being changed.
                until = until.into_iter().chain([world.now().plus(TRIED_AGAIN)]).min();
            }
        }
        let outside = open.iter().any(|asked| asked.needs_answer());
        let soon = |due: Timestamp| due.since(world.now()) <= LINGER;
        let lingers = !outside && due.is_some_and(|due| !self.leaves || soon(due));
        if let Some(due) = due.filter(|_| lingers) {
            world.sleep(due.since(world.now())).await;
            return self.drain_inbox().await.map(|_| false);
        }
        recorder.record(&StepPath::root(), EventKind::WorkflowPaused { until })?;
        recorder.settle().await?;
        Ok(true)
    }

    /// Returns the time at which a run that waits goes on by itself: `due`, or when its timeout
    /// passes, which it does even while a person is asked.
    fn goes_on_at(&self, due: Option<Timestamp>) -> Option<Timestamp> {
        let limit = self.started.timeout_ms.map(Duration::from_millis);
        let limit = limit.filter(|_| self.cause.get().is_none());
        let end = limit.map(|limit| self.recorder.timed_from().plus(limit));
        due.into_iter().chain(end).min()
    }

    /// Leaves the run to a worker of one of `queues`. Returns `false` if they have all had it since
    /// something last happened in it: then its steps wait for something else, such as an answer,
    /// and it would be handed around for ever.
    async fn hand_over(&self, queues: &[Arc<str>], until: Option<Timestamp>) -> Result<bool, Stop> {
        let recorder = &self.recorder;
        let served = self.served.as_deref().unwrap_or_default();
        let is_new = recorder.next_sequence() > self.first;
        let waits = |queue: &&Arc<str>| is_new || !self.tried.contains(*queue);
        let queues: Vec<Arc<str>> = queues.iter().filter(waits).cloned().collect();
        if queues.is_empty() {
            return Ok(false);
        }
        recorder.time_passes();
        let kind =
            EventKind::WorkflowHandedOver { queues: queues.clone(), served: served.to_vec() };
        recorder.record(&StepPath::root(), kind)?;
        recorder.leave().await?;
        let _ = self.handed_over.set(HandedOver { queues, until });
        Ok(true)
    }
}

/// Returns the queues whose drivers have had a run since something last happened in it.
pub(super) fn tried(past: &[Event]) -> Vec<Arc<str>> {
    let mut tried = Vec::new();
    for fact in past.iter().rev() {
        match &fact.kind {
            EventKind::WorkflowHandedOver { served, .. } => tried.extend(served.iter().cloned()),
            EventKind::WorkflowContinued { .. } => {}
            _ => break,
        }
    }
    tried
}
