//! Drives one run from the end of its journal to its own end. A new run has an empty journal, so
//! running and resuming are the same.

use crate::effects::{Effects, Facts, Journaled, Live, Recalled, Retrying, Timed};
use crate::interpret::{Flow, sequence};
use crate::pending::Look;
use crate::recorder::{Recorder, Recording};
use crate::stop::{Failure, Stop, stop_error};
use crate::table::Compiled;
use futures_util::future::{BoxFuture, Either, select};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::event::{Event, Reply, WorkflowStarted};
use stepwright_core::rewind::effective;
use stepwright_core::scope::Scope;
use stepwright_core::store::{Signal, SignalKind};
use stepwright_core::{
    Answer, Error, ErrorCode, ErrorData, ErrorId, EventKind, RunOutput, RunStatus, StepPath,
    StoreError, Timestamp, World,
};

/// The longest wait for a deadline during which a background run stays with its driver.
const LINGER: Duration = Duration::from_secs(5);

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
}

/// Reasons why a walk over the plan ended.
enum Ending {
    Walked(Result<(), Stop>),
    Cancelled,
    TimedOut(Duration),
    /// Everything in the run waits. The run is left, and its journal says so.
    Parked,
}

/// Reasons why a walk is interrupted.
enum Stage {
    Walked(Result<(), Stop>),
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
        let recorder = Arc::new(Recorder::new(recording, &started, past)?);
        let recalled = (!past.is_empty()).then(|| Box::new(Recalled::of(&effective(past))));
        let began = (!past.is_empty()).then(|| recorder.timed_from());
        Ok(Self { compiled, started, began, recorder, recalled, world, leaves: false })
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
        self.recorder.settle().await
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
        begun.map_err(|stop| stop_error(&stop))
    }

    /// Drives the run until it ends, or until everything in it waits.
    ///
    /// # Errors
    /// If the run did not complete: the error has its output. If the journal is lost, or another
    /// driver has the run.
    pub(crate) async fn drive(&self) -> Result<RunOutput, Error> {
        let recorder = &self.recorder;
        let ended = self.walk_to_the_end().await;
        recorder.close_readers();
        match ended {
            Ok(()) => {}
            Err(Stop::Lost(error)) => {
                recorder.forget_end();
                if recorder.was_never_begun().await {
                    return Err(not_begun(&error));
                }
                return Err(lost(&error, recorder.take_output()));
            }
            // The facts that end a run are accepted at every limit.
            Err(_) => {}
        }
        let output = recorder.take_output().expect("the run has begun");
        match output.status {
            RunStatus::Completed | RunStatus::Paused => Ok(output),
            _ => Err(Error::of_run(output)),
        }
    }

    async fn walk_to_the_end(&self) -> Result<(), Stop> {
        if self.recorder.status().is_terminal() {
            return Ok(());
        }
        self.begin()?;
        let mut flow = self.given();
        let ending = self.walk(&mut flow).await;
        if !matches!(ending, Ending::Walked(_)) {
            self.recorder.time_passes();
        }
        let (recorder, root) = (&self.recorder, StepPath::root());
        let (kind, patches) = match ending {
            Ending::Walked(Ok(())) => {
                // If no step had an output, the input of the run becomes its output.
                let content = flow.previous.as_ref().map_or(&flow.run.content, |p| &p.content);
                let kind = match &flow.broken {
                    Some(failure) => failed(failure),
                    None => EventKind::WorkflowCompleted { content: content.clone() },
                };
                (kind, flow.patches)
            }
            Ending::Walked(Err(Stop::Failed(failure))) => (failed(&failure), Vec::new()),
            Ending::Walked(Err(Stop::Lost(error))) => return Err(Stop::Lost(error)),
            Ending::Walked(Err(Stop::Sibling)) | Ending::Cancelled => {
                let reason = "cancelled by request".into();
                (EventKind::WorkflowCancelled { reason }, Vec::new())
            }
            Ending::Walked(Err(Stop::Cancelled(reason))) => {
                (EventKind::WorkflowCancelled { reason }, Vec::new())
            }
            Ending::Parked => return Ok(()),
            Ending::TimedOut(limit) => (timed_out(limit), Vec::new()),
        };
        recorder.stop_within(&root)?;
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
            ended: false,
            broken: None,
            turn_before: Scope::default(),
            user_input: None,
            feedback: None,
        }
    }

    /// Builds the layers of effects for the interpreter.
    fn effects(&self) -> impl Effects {
        let Self { compiled, recorder, world, .. } = self;
        let reducers = &compiled.plan.reducers;
        let facts = Facts::new(recorder.clone(), self.recalled.as_deref(), reducers);
        let live = Live { table: &compiled.table, facts };
        let (pending, activity) = (recorder.pending(), recorder.activity());
        let journaled = Journaled { inner: Timed { inner: live, world, pending, activity } };
        Retrying { inner: journaled, world, pending }
    }

    /// Walks the plan until its end, until everything waits, or until the run is cancelled or its
    /// timeout passes.
    async fn walk(&self, flow: &mut Flow) -> Ending {
        let Self { compiled, started, recorder, world, .. } = self;
        let fx = self.effects();
        let root = StepPath::root();
        let mut walk = pin!(sequence(&fx, &compiled.plan.body, &root, flow));
        let stages = async {
            let mut alarm = None;
            loop {
                let stage = poll_fn(|cx| match walk.as_mut().poll(cx) {
                    Poll::Ready(walked) => Poll::Ready(Stage::Walked(walked)),
                    Poll::Pending => self.look(cx, &mut alarm),
                });
                let left = match stage.await {
                    Stage::Walked(walked) => return Ending::Walked(walked),
                    // Boxed, because most runs have no pending requests.
                    Stage::Look => Box::pin(self.drain_inbox()).await.map(|_| false),
                    Stage::Idle => Box::pin(self.park()).await,
                };
                match left {
                    Ok(false) => {}
                    Ok(true) => return Ending::Parked,
                    Err(stop) => return Ending::Walked(Err(stop)),
                }
            }
        };
        let stages = pin!(stages);
        // Polled first, so that a run that is cancelled before it begins does nothing.
        let cancelled = pin!(recorder.cancel_token().cancelled());
        let cancellable = select(cancelled, stages);
        let Some(limit) = started.timeout_ms.map(Duration::from_millis) else {
            return match cancellable.await {
                Either::Left(_) => Ending::Cancelled,
                Either::Right((ending, _)) => ending,
            };
        };
        let gone = self.began.map_or(Duration::ZERO, |began| world.now().since(began));
        let left = limit.saturating_sub(gone);
        if left.is_zero() && !recorder.cancel_token().is_cancelled() {
            // The timeout passed while no process drove the run: nothing more begins.
            return Ending::TimedOut(limit);
        }
        match Box::pin(world.timeout(left, cancellable)).await {
            None => Ending::TimedOut(limit),
            Some(Either::Left(_)) => Ending::Cancelled,
            Some(Either::Right((ending, _))) => ending,
        }
    }

    /// Decides if a waiting walk must be interrupted.
    fn look(&self, cx: &mut Context<'_>, alarm: &mut Option<Alarm>) -> Poll<Stage> {
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
    async fn drain_inbox(&self) -> Result<bool, Stop> {
        let recorder = &self.recorder;
        let open = recorder.pending().open();
        let mut heard = false;
        if let Some(store) = recorder.store() {
            let run = recorder.run_id();
            let inbox = store.inbox(run).await.map_err(|error| Stop::Lost(Arc::new(error)))?;
            let late = recorder.refuse_late(&inbox)?;
            for signal in inbox {
                match signal.kind {
                    SignalKind::Cancel { reason } => return Err(Stop::Cancelled(reason)),
                    SignalKind::Answer(reply) => {
                        let asked = open.iter().find(|asked| asked.id == reply.requirement_id);
                        let Some(asked) = asked.filter(|asked| {
                            !late.contains(&asked.id) && asked.check(&reply.answer).is_ok()
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
                    timed_out: asked.needs_person(),
                };
                recorder.answered(asked, reply)?;
                heard = true;
            }
        }
        Ok(heard)
    }

    /// Handles a run in which everything waits. Returns `true` if the run was left, and `false` if
    /// an answer or a deadline lets it go on.
    async fn park(&self) -> Result<bool, Stop> {
        let (recorder, world) = (&self.recorder, &self.world);
        if self.drain_inbox().await? {
            return Ok(false);
        }
        let open = recorder.pending().open();
        let due = open.iter().filter_map(|asked| asked.due).min();
        let people = open.iter().any(|asked| asked.needs_person());
        let soon = |due: Timestamp| due.since(world.now()) <= LINGER;
        let lingers = !people && due.is_some_and(|due| !self.leaves || soon(due));
        if let Some(due) = due.filter(|_| lingers) {
            world.sleep(due.since(world.now())).await;
            return self.drain_inbox().await.map(|_| false);
        }
        // The run's timeout passes even while a person is asked.
        let limit = self.started.timeout_ms.map(Duration::from_millis);
        let end = limit.map(|limit| recorder.timed_from().plus(limit));
        let until = due.into_iter().chain(end).min();
        recorder.record(&StepPath::root(), EventKind::WorkflowPaused { until })?;
        recorder.settle().await?;
        Ok(true)
    }
}

/// A deadline, and the timer for it.
type Alarm = (Timestamp, BoxFuture<'static, ()>);

fn timed_out(limit: Duration) -> EventKind {
    let error = ErrorData {
        code: ErrorCode::TimedOut,
        id: Some(ErrorId::RUN_TIMED_OUT),
        message: format!("the run took longer than {limit:?}"),
        hint: Some("give the run a longer `timeout`".into()),
        ..ErrorData::default()
    };
    EventKind::WorkflowError { error: Box::new(error), step: None, attempts: 0 }
}

fn failed(failure: &Failure) -> EventKind {
    EventKind::WorkflowError {
        error: Box::new(failure.error.clone()),
        step: Some(failure.path.clone()),
        attempts: failure.attempts,
    }
}

fn lost(error: &StoreError, output: Option<RunOutput>) -> Error {
    let made = Error::from_store(error);
    match output {
        Some(output) => made.with_output(output),
        None => made,
    }
}

/// Makes the error of a run that the store does not know: there is nothing to resume.
fn not_begun(error: &StoreError) -> Error {
    let hint = match error.hint() {
        Some(hint) => hint.replace("resume the run", "run it again"),
        None => "run it again".to_owned(),
    };
    Error::from_store(error).with_hint(format!("nothing was begun; {hint}"))
}
