//! The events of any run that is remembered, from any fact on.

use super::outbox::{Outbox, Tail};
use crate::workflow::Workflow;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stepwright_core::store::Watched;
use stepwright_core::{AnyStore, Error, Event, RunId};

/// The events of a run that is remembered, as they are and as they come: see
/// [`Workflow::events`]. Dropping it changes nothing.
///
/// ```
/// use futures_util::StreamExt as _;
/// # use stepwright_engine::Workflow;
/// # async fn think(topic: String) -> String { topic }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
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
    workflow: Workflow,
    store: AnyStore,
    run: RunId,
    tail: Tail,
    stage: Stage,
}

enum Stage {
    /// Reads the journal; what happens meanwhile is noticed.
    Journal {
        changed: BoxFuture<'static, ()>,
        live: Option<Arc<Outbox>>,
        any: bool,
    },
    /// Reads along with the run, which this process drives.
    Live(Arc<Outbox>),
    /// Waits until somebody has recorded something.
    Waiting(BoxFuture<'static, ()>),
    Over,
}

impl Events {
    pub(crate) fn new(workflow: Workflow, store: AnyStore, run: RunId, after: u64) -> Self {
        let mut events = Self { workflow, store, run, tail: Tail::from(after), stage: Stage::Over };
        events.stage = events.journal();
        events
    }

    /// Begins to read the journal.
    fn journal(&mut self) -> Stage {
        // Whatever is recorded from here on is noticed.
        let changed = self.store.changed(Watched::Facts(self.run.clone()));
        let recorder = self.workflow.live().get(self.run.as_str()).and_then(|run| run.recorder());
        let live = recorder.map(|recorder| {
            let outbox = Arc::new(Outbox::of(self.store.clone(), self.run.clone()));
            recorder.read_along(outbox.clone());
            outbox
        });
        self.tail.load(&self.store, &self.run);
        Stage::Journal { changed, live, any: false }
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
                Stage::Journal { any, .. } => {
                    let next = ready!(this.tail.poll_loaded(cx));
                    *any |= next.is_some();
                    next
                }
                Stage::Live(outbox) => ready!(this.tail.poll(cx, outbox)),
            };
            match next {
                Some(Ok(event)) => {
                    if event.is_fact() && event.kind.is_terminal() {
                        this.stage = Stage::Over;
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                Some(Err(error)) => {
                    this.stage = Stage::Over;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {}
            }
            this.stage = match std::mem::replace(&mut this.stage, Stage::Over) {
                // There may be another page.
                Stage::Journal { changed, live, any: true } => {
                    this.tail.load(&this.store, &this.run);
                    Stage::Journal { changed, live, any: false }
                }
                Stage::Journal { live: Some(outbox), .. } => Stage::Live(outbox),
                Stage::Journal { changed, live: None, .. } => Stage::Waiting(changed),
                // Whoever drove it has left it.
                _ => this.journal(),
            };
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
