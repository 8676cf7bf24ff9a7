//! Streams of a run's events.

use super::builder::Setup;
use super::{Resume, Run};
use crate::outbox::{Outbox, Tail};
use futures_util::future::FutureExt as _;
use futures_util::stream::Stream;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stepwright_core::{
    Error, ErrorId, ErrorKind, Event, EventKind, RunId, RunOutput, StepPath, World,
};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// The events of a run, as they happen.
///
/// The run begins when the stream is first polled: in that poll, until it first waits. Then it goes
/// on by itself, however slowly the stream is read. Dropping the stream cancels the run.
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
    /// `true` if the run has a task of its own from its beginning.
    in_task: bool,
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
        driver: Driver,
    },
    /// The events have ended before the first one.
    Unbegun(Driver),
    Read(Driver),
    Ended,
}

/// The driver of a run that has begun.
enum Driver {
    Task(JoinHandle<Result<RunOutput, Error>>),
    /// It has left the run, with this answer.
    Done(Box<Result<RunOutput, Error>>),
}

impl Driver {
    async fn answer(self) -> Result<RunOutput, Error> {
        match self {
            Self::Task(task) => joined(task.await),
            Self::Done(answer) => *answer,
        }
    }

    /// Waits until the driver has left the run.
    fn poll_done(self, cx: &mut Context<'_>) -> Result<Box<Result<RunOutput, Error>>, Self> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::Task(mut task) => match Pin::new(&mut task).poll(cx) {
                Poll::Ready(answer) => Ok(Box::new(joined(answer))),
                Poll::Pending => Err(Self::Task(task)),
            },
        }
    }
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
        Self::at(Stage::Ready(Box::new(setup)), all, cancel, (run, world))
    }

    pub(super) fn of_resume(resume: Resume) -> Self {
        let (cancel, all) = (resume.cancel_token(), resume.wants_all_events());
        let (run, world) = (resume.chosen_run_id(), resume.workflow.runner().world.clone());
        Self::at(Stage::Resumed(Box::new(resume)), all, cancel, (run, world))
    }

    fn at(
        stage: Stage,
        all: bool,
        cancel: CancellationToken,
        (run, world): (Option<RunId>, World),
    ) -> Self {
        let tail = Tail::default();
        Self { stage, tail, all, in_task: false, cancel, run, world, begun: false }
    }

    /// Gives the run a task of its own from its beginning, and not only when it first waits. For
    /// readers that show a run while its first step computes for long without waiting.
    ///
    /// ```
    /// # use futures_util::StreamExt as _;
    /// # use stepwright_engine::Workflow;
    /// # async fn primes(_: String) -> String { "2 3 5 7".into() }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Primes").step(primes).build()?;
    /// let mut events = workflow.run("below 10").stream_events(true).stream().in_task();
    /// while let Some(event) = events.next().await {
    ///     println!("{} {}", event.name(), event.path);
    /// }
    /// # assert_eq!(events.output().await?.content.text(), "2 3 5 7");
    /// # Ok(()) }
    /// ```
    pub fn in_task(mut self) -> Self {
        self.in_task = true;
        self
    }

    /// Lets the run go on when the stream is dropped, which otherwise cancels it.
    ///
    /// ```
    /// # use futures_util::StreamExt as _;
    /// # use stepwright_core::{Memory, RunStatus};
    /// # use stepwright_engine::Workflow;
    /// # async fn think(topic: String) -> String { tokio::task::yield_now().await; topic }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let store = Memory::default();
    /// let workflow = Workflow::builder("Research").store(store).step(think).build()?;
    /// let mut events = workflow.run("ants").run_id("r-1").stream().outlived();
    /// events.next().await;
    /// drop(events);
    /// let output = workflow.handle("r-1").await?.wait().await?;
    /// assert_eq!(output.status, RunStatus::Completed);
    /// # Ok(()) }
    /// ```
    pub fn outlived(mut self) -> Self {
        self.cancel = CancellationToken::new();
        self
    }

    /// Returns the context in which the run begins, unless it has a task of its own from its
    /// beginning.
    fn reader<'c, 'w>(&self, cx: &'c mut Context<'w>) -> Option<&'c mut Context<'w>> {
        (!self.in_task).then_some(cx)
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
            Stage::Read(driver) => driver.answer().await,
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

fn joined(answer: Result<Result<RunOutput, Error>, JoinError>) -> Result<RunOutput, Error> {
    answer.unwrap_or_else(|error| Err(stopped().with_source(error)))
}

fn stopped() -> Error {
    Error::new(ErrorKind::Run, "the run's task was stopped").with_id(ErrorId::RUN_STOPPED)
}

impl Stream for RunStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        loop {
            if let Stage::Running { .. } = this.stage
                && let Some(event) = this.tail.peek()
            {
                this.begun = true;
                let is_shown = this.all || event.is_content();
                let event = this.tail.take();
                if is_shown {
                    return Poll::Ready(event);
                }
                continue;
            }
            match std::mem::replace(&mut this.stage, Stage::Ended) {
                Stage::Ready(run) => {
                    if run.may_join() {
                        this.tail = Tail::anywhere();
                    }
                    this.stage = begin(this.reader(cx), move |outbox| run.drive(Some(outbox)));
                }
                Stage::Resumed(resume) => {
                    this.tail = Tail::anywhere();
                    this.stage =
                        begin(this.reader(cx), move |outbox| resume.carry_on(Some(outbox)));
                }
                Stage::Running { outbox, driver } => {
                    let next = this.tail.poll(cx, &outbox);
                    this.stage = match next {
                        // The output reports a journal that cannot be read.
                        Poll::Ready(None | Some(Err(_))) if this.begun => {
                            this.stage = Stage::Read(driver);
                            return Poll::Ready(None);
                        }
                        Poll::Ready(None | Some(Err(_))) => {
                            this.stage = Stage::Unbegun(driver);
                            continue;
                        }
                        _ => Stage::Running { outbox, driver },
                    };
                    if let Some(Ok(event)) = ready!(next) {
                        this.begun = true;
                        if this.all || event.is_content() {
                            return Poll::Ready(Some(event));
                        }
                    }
                }
                Stage::Unbegun(driver) => {
                    let outcome = match driver.poll_done(cx) {
                        Ok(outcome) => outcome,
                        Err(driver) => {
                            this.stage = Stage::Unbegun(driver);
                            return Poll::Pending;
                        }
                    };
                    // A run with an output has a journal, and the end of it is there.
                    let unbegun = outcome.as_ref().as_ref().err();
                    let unbegun = unbegun.filter(|error| error.output().is_none());
                    let event = unbegun.map(|error| this.cannot_begin(error));
                    this.stage = Stage::Read(Driver::Done(outcome));
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

/// Begins to drive a run: on the task of its `reader`, until the run waits for the first time, and
/// from then on in a task of its own. A run that never waits needs no second task, and wakes no
/// reader. Without a reader, the run has a task of its own from its beginning.
fn begin<F>(reader: Option<&mut Context<'_>>, drive: impl FnOnce(Arc<Outbox>) -> F) -> Stage
where
    F: Future<Output = Result<RunOutput, Error>> + Send + 'static,
{
    let outbox = Arc::new(Outbox::beside_reader());
    let mut driving = Box::pin(drive(outbox.clone()));
    // A panic ends the run, as it does in a task, and not its reader.
    let poll = AssertUnwindSafe(|| match reader {
        Some(cx) => driving.poll_unpin(cx),
        None => Poll::Pending,
    });
    let driver = match std::panic::catch_unwind(poll) {
        Ok(Poll::Ready(answer)) => {
            // A run that could not begin has not closed the outbox.
            outbox.close();
            Driver::Done(Box::new(answer))
        }
        Ok(Poll::Pending) => {
            outbox.leave_reader();
            let shown = outbox.clone();
            Driver::Task(tokio::spawn(async move {
                let answer = driving.await;
                shown.close();
                answer
            }))
        }
        Err(_) => {
            outbox.close();
            Driver::Done(Box::new(Err(stopped())))
        }
    };
    Stage::Running { outbox, driver }
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
