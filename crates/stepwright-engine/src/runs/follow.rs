//! Streams of the events of stored runs.

use super::Runs;
use crate::outbox::{Outbox, Tail};
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stepwright_core::store::Watched;
use stepwright_core::{Error, Event, RunId};

/// The recorded and the new events of a stored run: see [`Runs::follow`]. Dropping the stream does
/// not affect the run.
///
/// ```
/// use futures_util::StreamExt as _;
/// # use stepwright_engine::Workflow;
/// # async fn think(topic: String) -> String { topic }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Deep Research").step(think).build()?;
/// let handle = workflow.run("ants").background().await?;
/// let mut events = handle.events(0).await?;
/// let mut names = Vec::new();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     if event.is_fact() {
///         names.push(event.name());
///     }
/// }
/// assert_eq!(names, ["WorkflowStarted", "StepStarted", "StepCompleted", "WorkflowCompleted"]);
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct Events {
    runs: Runs,
    run: RunId,
    tail: Tail,
    stage: Stage,
    /// `true` if the stream goes on at the end of the journal.
    follows: bool,
}

enum Stage {
    /// Reads the journal. Changes meanwhile are noticed.
    Journal {
        changed: BoxFuture<'static, ()>,
        live: Option<Arc<Outbox>>,
        any: bool,
    },
    /// The journal has no new facts. Checks if the run has ended, or was deleted.
    Checking {
        changed: BoxFuture<'static, ()>,
        ended: BoxFuture<'static, Result<bool, Error>>,
    },
    /// Reads the events of this process' driver.
    Live(Arc<Outbox>),
    /// Waits until more facts are recorded.
    Waiting(BoxFuture<'static, ()>),
    Over,
}

impl Events {
    pub(crate) fn new(runs: Runs, run: RunId, from: u64) -> Self {
        let (tail, stage) = (Tail::from(from), Stage::Over);
        let mut events = Self { runs, run, tail, stage, follows: true };
        events.stage = events.journal();
        events
    }

    /// Creates a stream of a run that a driver of this process begins to show to `outbox`.
    pub(crate) fn of_driver(runs: Runs, run: RunId, outbox: Arc<Outbox>) -> Self {
        Self { runs, run, tail: Tail::from(0), stage: Stage::Live(outbox), follows: true }
    }

    /// Creates a stream of the recorded facts only.
    pub(super) fn recorded(runs: Runs, run: RunId, from: u64) -> Self {
        let mut tail = Tail::from(from);
        tail.load(runs.store(), &run);
        let changed = Box::pin(std::future::pending());
        let stage = Stage::Journal { changed, live: None, any: false };
        Self { runs, run, tail, stage, follows: false }
    }

    /// Begins to read the journal.
    fn journal(&mut self) -> Stage {
        let store = self.runs.store();
        // Subscribe first: facts that are recorded during the read must be noticed.
        let changed = store.changed(Watched::Facts(self.run.clone()));
        let recorder = self.runs.known_here(&self.run).and_then(|run| run.recorder());
        let live = recorder.and_then(|recorder| {
            let outbox = Arc::new(Outbox::of(store.clone(), self.run.clone()));
            recorder.read_along(&outbox).then_some(outbox)
        });
        self.tail.load(store, &self.run);
        Stage::Journal { changed, live, any: false }
    }

    /// Returns `true` if the run has ended before the next fact of this reader.
    fn ended(&self) -> BoxFuture<'static, Result<bool, Error>> {
        let (runs, run, next) = (self.runs.clone(), self.run.clone(), self.tail.next());
        Box::pin(async move {
            if !runs.row(&run).await?.status.is_terminal() {
                return Ok(false);
            }
            // The end may have been recorded after the journal was read.
            Ok(runs.store().load(&run, next, 1).await?.is_empty())
        })
    }
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let next = match &mut this.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Waiting(changed) => {
                    ready!(changed.as_mut().poll(cx));
                    this.stage = this.journal();
                    continue;
                }
                Stage::Checking { ended, .. } => match ready!(ended.as_mut().poll(cx)) {
                    Ok(true) => {
                        this.stage = Stage::Over;
                        continue;
                    }
                    Ok(false) => None,
                    Err(error) => {
                        this.stage = Stage::Over;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Stage::Journal { any, .. } => {
                    let next = ready!(this.tail.poll_loaded(cx));
                    *any |= next.is_some();
                    next
                }
                Stage::Live(outbox) => ready!(this.tail.poll(cx, outbox)),
            };
            match next {
                Some(Ok(event)) => {
                    return Poll::Ready(Some(Ok(event)));
                }
                Some(Err(error)) => {
                    this.stage = Stage::Over;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {}
            }
            this.stage = match std::mem::replace(&mut this.stage, Stage::Over) {
                // The journal may have another page.
                Stage::Journal { changed, live, any: true } => {
                    this.tail.load(this.runs.store(), &this.run);
                    Stage::Journal { changed, live, any: false }
                }
                Stage::Journal { .. } if !this.follows => Stage::Over,
                Stage::Journal { live: Some(outbox), .. } => Stage::Live(outbox),
                Stage::Journal { changed, live: None, .. } => {
                    Stage::Checking { changed, ended: this.ended() }
                }
                Stage::Checking { changed, .. } => Stage::Waiting(changed),
                // The driver has left the run.
                _ => this.journal(),
            };
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Stage::Live(outbox) | Stage::Journal { live: Some(outbox), .. } = &self.stage {
            outbox.leave();
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("run", &self.run)
            .field("next", &self.tail.next())
            .finish_non_exhaustive()
    }
}
