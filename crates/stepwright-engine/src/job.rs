//! Drives one run from the end of its journal to its own end. A new run has an empty journal, so
//! running and resuming are the same.

mod ends;
pub(crate) mod left;
mod waiting;

use crate::effects::{Effects, Facts, Journaled, Live, Recalled, Retrying, Routes, Timed};
use crate::held::HandedOver;
use crate::interpret::{Flow, Halt, Walk, whole};
use crate::recorder::{Recorder, Recording};
use crate::slot::{Admitted, Slot, queued};
use crate::stop::{Stop, stop_error};
use crate::table::Compiled;
use ends::{BY_REQUEST, cancelled, failed, lost, not_begun, released, timed_out, too_late};
pub(crate) use left::Left;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;
use stepwright_core::event::{Event, WorkflowStarted};
use stepwright_core::rewind::effective;
use stepwright_core::scope::Scope;
use stepwright_core::store::Signal;
use stepwright_core::values::HostValues;
use stepwright_core::{
    Error, EventKind, FailureInfo, RunOutput, RunStatus, StepPath, StoreError, Timestamp, World,
};
use tokio_util::sync::CancellationToken;

/// The reason for which also the steps are stopped that run after others.
const AGAIN: &str = "cancelled again";

/// One run, ready to be driven.
pub(crate) struct Job {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) started: Arc<WorkflowStarted>,
    /// Of a run that is resumed, the time from which its timeout counts.
    pub(crate) began: Option<Timestamp>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) recalled: Option<Box<Recalled>>,
    pub(crate) world: World,
    /// `true` if the driver leaves the run when only deadlines are pending: the dispatcher wakes
    /// the run again.
    pub(crate) leaves: bool,
    /// The slot that the run needs to go on.
    pub(crate) slot: Option<Box<Slot>>,
    /// `true` once the run waits for its slot without a driver.
    yields: AtomicBool,
    /// The queues that the driver serves. `None` if it carries out all steps.
    pub(crate) served: Option<Arc<[Arc<str>]>>,
    /// The queues to whose drivers the run was handed over since something last happened in it.
    tried: Vec<Arc<str>>,
    /// The number of the first fact that this driver adds, besides that it took the run over.
    first: u64,
    /// The wait for a worker, once the run was handed over.
    handed_over: OnceLock<HandedOver>,
    /// The values of the host program.
    values: HostValues,
    /// `true` if the steps are stopped, and not dropped, when the run is cancelled or times out:
    /// some run afterwards.
    pub(crate) unwinds: bool,
    /// The reason for which the run is about to end early.
    cause: OnceLock<Cause>,
    /// The reason of a request to cancel, from the inbox.
    asked: OnceLock<Arc<str>>,
}

/// The reason for which the steps of a run were stopped.
#[derive(Clone)]
enum Cause {
    Cancelled(Arc<str>),
    TimedOut(Duration),
}

impl Cause {
    /// Returns the reason as the steps that run afterwards find it.
    fn info(&self) -> FailureInfo {
        let root = StepPath::root();
        match self {
            Self::Cancelled(reason) => FailureInfo::cancelled(reason.clone(), root),
            Self::TimedOut(limit) => FailureInfo::of(&too_late(*limit), root),
        }
    }
}

/// Reasons why a walk over the plan ended.
enum Ending {
    Walked(Walk),
    Cancelled,
    TimedOut(Duration),
    /// Everything in the run waits. The run is left, and its journal says so.
    Parked,
}

/// Reasons why a walk is interrupted.
enum Stage {
    Walked(Result<Walk, Stop>),
    /// The inbox has a signal, or a deadline has passed.
    Look,
    /// Everything in the run waits.
    Idle,
}

impl Job {
    /// Creates a job that goes on after `past`, which is in the journal already. `started` is the
    /// beginning of the run.
    pub(crate) fn new(
        compiled: Arc<Compiled>,
        started: Arc<WorkflowStarted>,
        recording: Recording,
        past: &[Event],
    ) -> Result<Self, StoreError> {
        let world = recording.world.clone();
        let recorder = Recorder::new(recording, &started, past)?;
        Ok(Self::of((compiled, started, recorder, world), past))
    }

    fn of(
        (compiled, started, recorder, world): (
            Arc<Compiled>,
            Arc<WorkflowStarted>,
            Arc<Recorder>,
            World,
        ),
        past: &[Event],
    ) -> Self {
        let recalled = (!past.is_empty()).then(|| Box::new(Recalled::of(&effective(past))));
        let began = (!past.is_empty()).then(|| recorder.timed_from());
        let (unwinds, cause, asked) = (compiled.unwinds, OnceLock::new(), OnceLock::new());
        if let Some((status, reason)) = recalled.as_ref().and_then(|past| past.stopping.clone()) {
            let limit = Duration::from_millis(started.timeout_ms.unwrap_or(0));
            let _ = cause.set(match status {
                RunStatus::Cancelled => Cause::Cancelled(reason),
                _ => Cause::TimedOut(limit),
            });
        }
        let (leaves, values) = (false, compiled.values.clone());
        let (slot, yields) = (None, AtomicBool::new(false));
        let (served, tried, handed_over) = (None, waiting::tried(past), OnceLock::new());
        let first = past.len() as u64 + 1;
        Self {
            compiled,
            started,
            began,
            recorder,
            recalled,
            world,
            leaves,
            slot,
            yields,
            served,
            tried,
            first,
            handed_over,
            values,
            unwinds,
            cause,
            asked,
        }
    }

    /// Adds values of the host program for this run, which override those of the workflow.
    pub(crate) fn add_values(&mut self, mut values: HostValues) {
        values.add_missing(&self.compiled.values);
        self.values = values;
    }

    /// Records that this driver resumes the run. Once this returns, the previous driver can record
    /// nothing more. `digest` is that of the plan, if the plan has changed.
    pub(crate) async fn take_over(
        &self,
        driver: Arc<str>,
        digest: Option<Arc<str>>,
        inbox: &[Signal],
    ) -> Result<(), Stop> {
        if !self.recorder.status().is_terminal() {
            let continued = EventKind::WorkflowContinued { driver, digest };
            self.recorder.record(&StepPath::root(), continued)?;
            // Before the walk: afterwards the requests that the answers belong to may be gone.
            self.recorder.refuse_late(inbox)?;
        }
        self.recorder.settle_rules().await
    }

    /// Records the beginning of the run, unless it is resumed.
    pub(crate) fn begin(&self) -> Result<(), Stop> {
        if self.began.is_some() {
            return Ok(());
        }
        let started = EventKind::WorkflowStarted(self.started.clone());
        self.recorder.record(&StepPath::root(), started)
    }

    /// Records the beginning of a run that another driver executes.
    ///
    /// # Errors
    /// If it cannot be recorded.
    pub(crate) async fn begin_for_others(&self) -> Result<(), Error> {
        let begun = match self.begin() {
            Ok(()) => self.recorder.settle().await,
            Err(stop) => Err(stop),
        };
        if begun.is_err()
            && let Some(slot) = &self.slot
            && self.recorder.was_never_begun().await
        {
            slot.leave(&self.recorder, false).await;
        }
        begun.map_err(|stop| stop_error(&stop))
    }

    /// Returns `true` if the run is about to end early.
    pub(crate) fn is_stopping(&self) -> bool {
        self.cause.get().is_some()
    }

    /// Drives the run until it ends, or until everything in it waits. Then [`Job::output`] has its
    /// output, which would take space in the future of a run that waits.
    ///
    /// # Errors
    /// If the journal is lost, or another driver has the run.
    pub(crate) async fn drive(&self) -> Result<(), Error> {
        let recorder = &self.recorder;
        let ended = self.walk_to_the_end().await;
        recorder.close_readers();
        recorder.work_at_end();
        if let Some(slot) = self.slot.as_ref().filter(|_| recorder.status().is_terminal()) {
            // Boxed, because few runs need a slot.
            Box::pin(slot.leave(recorder, true)).await;
        }
        match ended {
            Err(Stop::Lost(error)) => {
                recorder.forget_end();
                if recorder.was_never_begun().await {
                    if let Some(slot) = &self.slot {
                        Box::pin(slot.leave(recorder, false)).await;
                    }
                    return Err(not_begun(&error));
                }
                Err(lost(&error, recorder.take_output()))
            }
            // The facts that end a run are accepted at every limit.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns the output of a run that has been driven. The job has it once.
    ///
    /// # Errors
    /// If the run did not complete: the error has its output.
    pub(crate) fn output(&self) -> Result<RunOutput, Error> {
        let mut output = self.recorder.take_output().expect("a run that was driven has begun");
        if let Some(waits) = self.handed_over.get() {
            return Err(waits.clone().error(output));
        }
        match output.status {
            _ if self.yields.load(Ordering::Relaxed) => Err(queued(output)),
            RunStatus::Running | RunStatus::Pending if self.recorder.is_released() => {
                output.status = RunStatus::Pending;
                Err(released(output))
            }
            RunStatus::Completed | RunStatus::Paused => Ok(output),
            _ => Err(Error::of_run(output)),
        }
    }

    async fn walk_to_the_end(&self) -> Result<(), Stop> {
        if self.recorder.status().is_terminal() {
            return Ok(());
        }
        self.begin()?;
        if let Some(slot) = &self.slot
            && let Admitted::Later =
                Box::pin(slot.wait(&self.recorder, &self.world, self.leaves)).await?
        {
            self.yields.store(true, Ordering::Relaxed);
            return self.recorder.leave().await;
        }
        let mut flow = self.given();
        let ending = self.walk(&mut flow).await;
        if !matches!(ending, Ending::Walked(_)) {
            self.recorder.time_passes();
        }
        if matches!(ending, Ending::Cancelled) && self.recorder.is_released() {
            return self.recorder.leave().await;
        }
        let (recorder, root) = (&self.recorder, StepPath::root());
        let (kind, patches) = match ending {
            Ending::Parked => return Ok(()),
            Ending::Cancelled => (cancelled(self.asked.get().cloned()), Vec::new()),
            Ending::TimedOut(limit) => (timed_out(limit), Vec::new()),
            Ending::Walked(Walk { body: Err(Stop::Lost(error)), .. }) => {
                return Err(Stop::Lost(error));
            }
            Ending::Walked(Walk { body: Err(Stop::Failed(failure)), .. }) => {
                (failed(&failure), Vec::new())
            }
            Ending::Walked(Walk { body: Err(Stop::Cancelled(reason)), .. }) => {
                (cancelled(Some(reason)), Vec::new())
            }
            Ending::Walked(Walk { body, after }) => match (self.cause.get(), body, after) {
                (Some(Cause::Cancelled(reason)), ..) => {
                    (cancelled(Some(reason.clone())), Vec::new())
                }
                (Some(Cause::TimedOut(limit)), ..) => (timed_out(*limit), Vec::new()),
                (None, Err(_), _) => (cancelled(None), Vec::new()),
                (None, Ok(()), Some(failure)) if flow.broken.is_none() => {
                    (failed(&failure), Vec::new())
                }
                (None, Ok(()), _) => {
                    // If no step had an output, the input of the run becomes its output.
                    let content = flow.previous.as_ref().map_or(&flow.run.content, |p| &p.content);
                    let (content, stopped_at) = (content.clone(), flow.ended.take());
                    let kind = match &flow.broken {
                        Some(failure) => failed(failure),
                        None => EventKind::WorkflowCompleted { content, stopped_at },
                    };
                    (kind, flow.patches)
                }
            },
        };
        recorder.stop_within(&root)?;
        recorder.forget_events().await;
        if !patches.is_empty() {
            // The store may refuse the end because of its changes of the session state. Append the
            // rest first, so that the end alone can be taken back.
            recorder.settle().await?;
        }
        recorder.end(kind, patches)?;
        match recorder.settle().await {
            Err(Stop::Lost(error)) if matches!(*error, StoreError::Patch(_)) => {
                recorder.take_back_end(error.to_string())?;
                recorder.settle().await
            }
            answer => answer,
        }
    }

    /// Returns the input of the first step.
    fn given(&self) -> Flow {
        let started = &self.started;
        Flow {
            run: started.input.clone(),
            previous: None,
            scope: Scope::default(),
            state: started.state.clone(),
            patches: started.patches.clone(),
            item: None,
            nth: 0,
            ended: None,
            broken: None,
            turn_before: Scope::default(),
            user_input: None,
            feedback: None,
            halt: Halt::default(),
            failure: None,
            is_hurried: false,
        }
    }

    /// Builds the layers of effects for the interpreter.
    fn effects(&self) -> impl Effects {
        let Self { compiled, recorder, world, .. } = self;
        let reducers = &compiled.plan.reducers;
        let routes =
            self.served.as_deref().map(|served| Routes { queues: &compiled.queues, served });
        let facts = Facts::new(recorder.clone(), self.recalled.as_deref(), reducers);
        let facts = facts.with_routes(routes);
        let (table, deadlines) = (&compiled.table, &compiled.deadlines);
        let live = Live { table, deadlines, facts, values: &self.values };
        let (pending, activity) = (recorder.pending(), recorder.activity());
        let journaled = Journaled { inner: Timed { inner: live, world, pending, activity } };
        Retrying { inner: journaled, world }
    }

    /// Walks the plan until its end, until everything waits, or until the run is cancelled or its
    /// timeout passes.
    async fn walk(&self, flow: &mut Flow) -> Ending {
        let fx = self.effects();
        if let Some(budget) = &self.compiled.plan.budget {
            self.recorder.enter(None, &StepPath::root(), std::slice::from_ref(budget));
        }
        // A second request to cancel stops everything, the first one the steps and not those that
        // run afterwards.
        let everything = flow.halt.clone();
        let steps = everything.inside();
        flow.halt = steps.clone();
        let mut walk = pin!(whole(&fx, &self.compiled.plan, flow));
        let stages = async {
            let mut alarm = None;
            loop {
                let stage = poll_fn(|cx| match walk.as_mut().poll(cx) {
                    Poll::Ready(walked) => Poll::Ready(Stage::Walked(walked)),
                    Poll::Pending => self.look(cx, &mut alarm),
                });
                let left = match stage.await {
                    Stage::Walked(Ok(walked)) => return Ending::Walked(walked),
                    Stage::Walked(Err(stop)) => Err(stop),
                    // Boxed, because most runs have no pending requests.
                    Stage::Look => Box::pin(self.drain_inbox()).await.map(|_| false),
                    Stage::Idle => Box::pin(self.park()).await,
                };
                match left {
                    Ok(false) => {}
                    Ok(true) => return Ending::Parked,
                    Err(stop) => return Ending::Walked(Walk { body: Err(stop), after: None }),
                }
            }
        };
        let mut stages = pin!(stages);
        if self.cause.get().is_none() {
            let ending = self.until_stopped(stages.as_mut()).await;
            let cause = match ending {
                Ending::Cancelled if self.recorder.is_released() => return ending,
                Ending::Cancelled => {
                    let reason = self.asked.get().cloned();
                    Cause::Cancelled(reason.unwrap_or_else(|| BY_REQUEST.into()))
                }
                Ending::TimedOut(limit) => Cause::TimedOut(limit),
                ending => return ending,
            };
            let stays = self.recorder.stay();
            if !self.unwinds && stays.is_ok() {
                return ending;
            }
            if let Err(stop) = stays.and_then(|()| self.note_stopping(&cause)) {
                return Ending::Walked(Walk { body: Err(stop), after: None });
            }
            let _ = self.cause.set(cause);
        }
        if let Some(cause) = self.cause.get() {
            if !self.unwinds {
                // The definition has changed since.
                return match cause {
                    Cause::Cancelled(_) => Ending::Cancelled,
                    Cause::TimedOut(limit) => Ending::TimedOut(*limit),
                };
            }
            steps.stop(cause.info());
        }
        let again = self.recorder.second_cancel_token();
        let mut rest = pin!(async {
            if let Some(ending) = cancellable(again, stages.as_mut()).await {
                return ending;
            }
            everything.stop(FailureInfo::cancelled(AGAIN, StepPath::root()));
            stages.await
        });
        // A process that ends does not wait for the steps that run afterwards: they go on where
        // they were when the run is resumed.
        let leaving = self.recorder.leaving_token();
        cancellable(leaving, rest.as_mut()).await.unwrap_or(Ending::Cancelled)
    }

    /// Waits for the end of the walk, unless the run is cancelled or its timeout passes before.
    async fn until_stopped(&self, stages: Pin<&mut impl Future<Output = Ending>>) -> Ending {
        let Self { started, recorder, world, .. } = self;
        let cancellable = cancellable(recorder.cancel_token(), stages);
        let Some(limit) = started.timeout_ms.map(Duration::from_millis) else {
            return cancellable.await.unwrap_or(Ending::Cancelled);
        };
        let gone = self.began.map_or(Duration::ZERO, |began| world.now().since(began));
        let left = limit.saturating_sub(gone);
        if left.is_zero() && !recorder.cancel_token().is_cancelled() {
            // The timeout passed while no process drove the run: nothing more begins.
            return Ending::TimedOut(limit);
        }
        match Box::pin(world.timeout(left, cancellable)).await {
            None => Ending::TimedOut(limit),
            Some(ended) => ended.unwrap_or(Ending::Cancelled),
        }
    }

    /// Records that the run is about to end early.
    fn note_stopping(&self, cause: &Cause) -> Result<(), Stop> {
        let (status, reason) = match cause {
            Cause::Cancelled(reason) => (RunStatus::Cancelled, reason.clone()),
            Cause::TimedOut(limit) => (RunStatus::Error, too_late(*limit).message.into()),
        };
        self.recorder.record(&StepPath::root(), EventKind::WorkflowStopping { status, reason })
    }
}

/// Returns the output of `work`, or `None` if `token` is cancelled first. A run that is cancelled
/// before it begins does nothing. The token is watched only when the work waits, because that costs
/// as much as a step.
async fn cancellable<T>(
    token: &CancellationToken,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    if token.is_cancelled() {
        return None;
    }
    let mut cancelled = pin!(token.cancelled());
    let mut waited = false;
    poll_fn(|cx| {
        if waited && cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if !std::mem::replace(&mut waited, true) && cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}
