//! Drives one run from where its journal ends to its end. Running and resuming are the same.

use crate::compile::Compiled;
use crate::effects::{Effects, Failure, Journaled, Live, Recalled, Retrying, Stop, Timed};
use crate::interpret::{Flow, sequence};
use crate::recorder::{Recorder, Recording};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::{Event, WorkflowStarted};
use stepwright_core::fold::Fold;
use stepwright_core::scope::Scope;
use stepwright_core::{
    AnyStore, Error, ErrorCode, ErrorData, EventKind, RunId, RunOutput, RunStatus, StepPath,
    StoreError, Timestamp, World,
};

/// How many facts are read from a store at once.
pub(crate) const PAGE: usize = 10_000;

/// One run, ready to be driven.
pub(crate) struct Job {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) started: Arc<WorkflowStarted>,
    /// When it began, for one that is taken up again.
    pub(crate) began: Option<Timestamp>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) recalled: Option<Box<Recalled>>,
    pub(crate) world: World,
}

/// Why a walk was left.
enum Ending {
    Walked(Result<(), Stop>),
    Cancelled,
    TimedOut(Duration),
}

impl Job {
    /// A job that goes on after `past`, which is in the journal already. `started` is how it
    /// begins, or began.
    pub(crate) fn new(
        compiled: Arc<Compiled>,
        started: Arc<WorkflowStarted>,
        recording: Recording,
        past: &[Event],
    ) -> Result<Self, StoreError> {
        let world = recording.world.clone();
        let recorder = Arc::new(Recorder::new(recording, &started, past)?);
        let recalled = (!past.is_empty()).then(|| Box::new(Recalled::of(past)));
        let began = past.first().map(|event| event.time);
        Ok(Self { compiled, started, began, recorder, recalled, world })
    }

    /// Notes that the run has begun, unless it had.
    pub(crate) fn begin(&self) -> Result<(), Stop> {
        if self.began.is_some() {
            return Ok(());
        }
        let started = EventKind::WorkflowStarted(self.started.clone());
        self.recorder.record(&StepPath::root(), started)
    }

    /// Drives the run to its end.
    ///
    /// # Errors
    /// If the run did not complete: what was done is in the error. If the journal is lost, or
    /// another process drives the run.
    pub(crate) async fn drive(&self) -> Result<RunOutput, Error> {
        let recorder = &self.recorder;
        let ended = self.walk_to_the_end().await;
        recorder.close_readers();
        match ended {
            Ok(()) => {}
            Err(Stop::Lost(error)) => return Err(lost(&error, recorder.take_output())),
            // What ends a run is let through at every limit.
            Err(_) => {}
        }
        let output = recorder.take_output().expect("the run has begun");
        match output.status {
            RunStatus::Completed => Ok(output),
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
        self.recorder.time_passes();
        let (recorder, root) = (&self.recorder, StepPath::root());
        let (kind, patches) = match ending {
            Ending::Walked(Ok(())) => {
                // Where no step gave anything, what the run was given flows through.
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
            Ending::TimedOut(limit) => (timed_out(limit), Vec::new()),
        };
        recorder.stop_within(&root)?;
        if !patches.is_empty() {
            // A store may refuse an end for its changes of the session state. Everything before it
            // is made safe first, so that it can be taken back alone.
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

    /// What flows into the first step.
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
        }
    }

    /// The layers through which the interpreter sees the world.
    fn effects(&self) -> impl Effects {
        let Self { compiled, recorder, world, .. } = self;
        let live = Live { table: &compiled.table, recorder: recorder.clone() };
        let timed = Timed { inner: live, world };
        let recalled = self.recalled.as_deref();
        let journaled = Journaled { inner: timed, recorder: recorder.clone(), recalled };
        Retrying { inner: journaled, world }
    }

    /// Walks until the end, or until the run is cancelled or has taken too long.
    async fn walk(&self, flow: &mut Flow) -> Ending {
        let Self { compiled, started, recorder, world, .. } = self;
        let fx = self.effects();
        let root = StepPath::root();
        let walk = pin!(sequence(&fx, &compiled.plan.body, &root, flow));
        // Polled first, so that a run that is cancelled before it begins does nothing.
        let cancelled = pin!(recorder.cancel_token().cancelled());
        let cancellable = select(cancelled, walk);
        let Some(limit) = started.timeout_ms.map(Duration::from_millis) else {
            return match cancellable.await {
                Either::Left(_) => Ending::Cancelled,
                Either::Right((walked, _)) => Ending::Walked(walked),
            };
        };
        let gone = self.began.map_or(Duration::ZERO, |began| world.now().since(began));
        match Box::pin(world.timeout(limit.saturating_sub(gone), cancellable)).await {
            None => Ending::TimedOut(limit),
            Some(Either::Left(_)) => Ending::Cancelled,
            Some(Either::Right((walked, _))) => Ending::Walked(walked),
        }
    }
}

fn timed_out(limit: Duration) -> EventKind {
    let error = ErrorData {
        code: ErrorCode::TimedOut,
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

/// All facts of a run.
pub(crate) async fn load_all(store: &AnyStore, run: &RunId) -> Result<Vec<Event>, StoreError> {
    let mut facts: Vec<Event> = Vec::new();
    loop {
        let page = store.load(run, facts.len() as u64, PAGE).await?;
        let last = page.len() < PAGE;
        facts.extend(page);
        if last {
            return Ok(facts);
        }
    }
}

/// The fold of all facts of a run.
pub(crate) fn fold_all(run: &RunId, facts: &[Event]) -> Result<Fold, StoreError> {
    let mut fold = Fold::default();
    for fact in facts {
        fold.apply(fact).map_err(|illegal| StoreError::Corrupt {
            run: run.clone(),
            sequence: fact.sequence,
            path: Some(fact.path.clone()),
            what: illegal.to_string(),
        })?;
    }
    Ok(fold)
}
