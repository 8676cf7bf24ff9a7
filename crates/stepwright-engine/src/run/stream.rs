//! Streams of a run's events.

use super::builder::Setup;
use super::{Resume, Run};
use crate::outbox::{Outbox, Tail};
use futures_util::stream::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stepwright_core::{Error, ErrorId, Event, EventKind, RunId, RunOutput, StepPath, World};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The events of a run, as they happen.
///
/// The run begins when the stream is first polled. Then it goes on by itself, however slowly the
/// stream is read. Dropping the stream cancels the run.
///
/// A run that cannot begin, or cannot be resumed, has one event: a
/// [`WorkflowError`](stepwright_core::EventKind::WorkflowError) that is in no journal.
///
/// ```
/// # use futures_util::StreamExt as _;
/// # use stepwright_core::EventKind;
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let mut events = workflow.run("Ada").stream_events(true).stream();
/// while let Some(event) = events.next().await {
///     match &event.kind {
///         EventKind::StepStarted { .. } => println!("{} …", event.path),
///         _ => if let Some(content) = event.content() { println!("{content}") },
///     }
/// }
/// assert_eq!(events.output().await?.content.text(), "Hello Ada");
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct RunStream {
    stage: Stage,
    tail: Tail,
    all: bool,
    cancel: CancellationToken,
    /// The id of the run, and the time, for the error of a run that cannot begin.
    run: Option<RunId>,
    world: World,
    begun: bool,
}

enum Stage {
    Ready(Box<Setup>),
    Resumed(Box<Resume>),
    Running {
        outbox: Arc<Outbox>,
        task: JoinHandle<Result<RunOutput, Error>>,
    },
    /// The events have ended before the first one.
    Unbegun(JoinHandle<Result<RunOutput, Error>>),
    Read(JoinHandle<Result<RunOutput, Error>>),
    /// The outcome of a run without events.
    Known(Box<Result<RunOutput, Error>>),
    Ended,
}

impl Run {
    /// Returns the events of the run, as they happen. The run begins when the stream is first
    /// polled. Dropping the stream cancels the run. [`RunStream`] has an example.
    pub fn stream(self) -> RunStream {
        RunStream::new(self)
    }
}

impl Resume {
    /// Returns the events from now on, as they happen, in whichever process the run is driven.
    /// Dropping the stream cancels the run. [`RunStream`] has an example.
    pub fn stream(self) -> RunStream {
        RunStream::of_resume(self)
    }
}

impl RunStream {
    pub(super) fn new(run: Run) -> Self {
        let setup = run.into_setup();
        let (cancel, all) = (setup.cancel_token(), setup.wants_all_events());
        let (run, world) = (setup.chosen_run_id(), setup.world());
        let stage = Stage::Ready(Box::new(setup));
        Self { stage, tail: Tail::default(), all, cancel, run, world, begun: false }
    }

    pub(super) fn of_resume(resume: Resume) -> Self {
        let (cancel, all) = (resume.cancel_token(), resume.wants_all_events());
        let (run, world) = (resume.chosen_run_id(), resume.workflow.runner().world.clone());
        let stage = Stage::Resumed(Box::new(resume));
        Self { stage, tail: Tail::default(), all, cancel, run, world, begun: false }
    }

    /// Cancels the run if it has begun, and waits for its end.
    pub(super) async fn stop(self) -> Result<(), Error> {
        if matches!(self.stage, Stage::Running { .. }) {
            self.cancel.cancel();
            self.output().await?;
        }
        Ok(())
    }

    /// Waits for the end of the run, and returns its output. Unread events are skipped.
    ///
    /// # Errors
    /// The errors of awaiting the run: it failed, it was cancelled, or it could not begin.
    pub async fn output(mut self) -> Result<RunOutput, Error> {
        use futures_util::StreamExt as _;
        while self.next().await.is_some() {}
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Read(task) => joined(task.await),
            Stage::Known(outcome) => *outcome,
            _ => Err(Error::usage("the output of this stream has been taken")
                .with_id(ErrorId::OUTPUT_TAKEN)),
        }
    }
}

impl RunStream {
    /// Makes the only event of a run that cannot begin. It is in no journal.
    fn cannot_begin(&self, error: &Error) -> Event {
        let error = Box::new(error.to_data());
        Event {
            sequence: 0,
            delta: 1,
            time: self.world.now(),
            run: self.run.clone().unwrap_or_else(|| self.world.run_id()),
            path: StepPath::root(),
            kind: EventKind::WorkflowError { error, step: None, attempts: 0 },
        }
    }
}

fn joined(
    answer: Result<Result<RunOutput, Error>, tokio::task::JoinError>,
) -> Result<RunOutput, Error> {
    answer.unwrap_or_else(|error| {
        Err(Error::new(stepwright_core::ErrorKind::Run, "the run's task was stopped")
            .with_id(ErrorId::RUN_STOPPED)
            .with_source(error))
    })
}

impl Stream for RunStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.stage, Stage::Ended) {
                Stage::Ready(run) => {
                    this.stage = begin(move |outbox| run.drive(Some(outbox)));
                }
                Stage::Resumed(resume) => {
                    this.tail = Tail::anywhere();
                    this.stage = begin(move |outbox| resume.carry_on(Some(outbox)));
                }
                Stage::Running { outbox, task } => {
                    let next = this.tail.poll(cx, &outbox);
                    this.stage = match next {
                        // The output reports a journal that cannot be read.
                        Poll::Ready(None | Some(Err(_))) if this.begun => {
                            this.stage = Stage::Read(task);
                            return Poll::Ready(None);
                        }
                        Poll::Ready(None | Some(Err(_))) => {
                            this.stage = Stage::Unbegun(task);
                            continue;
                        }
                        _ => Stage::Running { outbox, task },
                    };
                    if let Some(Ok(event)) = ready!(next) {
                        this.begun = true;
                        if this.all || event.is_content() {
                            return Poll::Ready(Some(event));
                        }
                    }
                }
                Stage::Unbegun(mut task) => {
                    let Poll::Ready(outcome) = Pin::new(&mut task).poll(cx) else {
                        this.stage = Stage::Unbegun(task);
                        return Poll::Pending;
                    };
                    let outcome = joined(outcome);
                    // A run with an output has a journal, and the end of it is there.
                    let unbegun = outcome.as_ref().err().filter(|error| error.output().is_none());
                    let event = unbegun.map(|error| this.cannot_begin(error));
                    this.stage = Stage::Known(Box::new(outcome));
                    return Poll::Ready(event);
                }
                ended => {
                    this.stage = ended;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

/// Begins to drive a run with a reader.
fn begin<F>(drive: impl FnOnce(Arc<Outbox>) -> F) -> Stage
where
    F: Future<Output = Result<RunOutput, Error>> + Send + 'static,
{
    let outbox = Arc::new(Outbox::default());
    let (driving, shown) = (drive(outbox.clone()), outbox.clone());
    let task = tokio::spawn(async move {
        let answer = driving.await;
        // A run that could not begin has not closed the outbox.
        shown.close();
        answer
    });
    Stage::Running { outbox, task }
}

impl Drop for RunStream {
    fn drop(&mut self) {
        // This ends a run that is under way, and does not affect one that has ended.
        self.cancel.cancel();
    }
}

impl fmt::Debug for RunStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStream").finish_non_exhaustive()
    }
}
