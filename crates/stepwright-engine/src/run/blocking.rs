//! Runs in programs without async.

use super::RunStream;
use super::runtime::{ThreadRuntime, runtime};
use futures_util::StreamExt as _;
use std::fmt;
use stepwright_core::{BoxFuture, Error, ErrorId, Event, RunOutput};

/// The events of a run, as they happen, for programs without async: see [`RunStream::blocking`].
///
/// The run makes progress only while the program waits for the next event. Dropping the iterator
/// cancels the run.
///
/// ```
/// # use stepwright_engine::{BlockingEvents, Workflow};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let events: BlockingEvents = workflow.run("Ada").stream().blocking()?;
/// assert_eq!(events.filter_map(|event| event.content()).last().unwrap().text(), "Hello Ada");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "the run does nothing until its events are read"]
pub struct BlockingEvents {
    runtime: Blocker,
    /// `None` once the output has been taken.
    stream: Option<RunStream>,
}

/// A function of the caller that drives work to its end.
type BlockOn = dyn FnMut(BoxFuture<'_, ()>) + Send;

enum Blocker {
    Thread(ThreadRuntime),
    Given(Box<BlockOn>),
}

impl Blocker {
    /// Returns `None` if the caller's `block_on` has returned too early.
    fn block_on<T: Send>(&mut self, work: impl Future<Output = T> + Send) -> Option<T> {
        match self {
            Self::Thread(runtime) => Some(runtime.block_on(work)),
            Self::Given(block_on) => {
                let mut answer = None;
                block_on(Box::pin(async { answer = Some(work.await) }));
                answer
            }
        }
    }
}

impl RunStream {
    /// Returns the events for programs without async like [`RunStream::blocking`], on a runtime of
    /// yours. `block_on` drives the work that it is given to its end, once for each event.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// let events = workflow.run("Ada").stream().blocking_on(move |work| runtime.block_on(work));
    /// assert_eq!(events.output()?.content.text(), "Hello Ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocking_on(
        self,
        block_on: impl FnMut(BoxFuture<'_, ()>) + Send + 'static,
    ) -> BlockingEvents {
        BlockingEvents { runtime: Blocker::Given(Box::new(block_on)), stream: Some(self) }
    }

    /// Returns the events for programs without async: an iterator that waits for each event on this
    /// thread.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// let mut events = workflow.run("Ada").stream().blocking()?;
    /// for event in &mut events {
    ///     if let Some(content) = event.content() {
    ///         println!("{content}");
    ///     }
    /// }
    /// assert_eq!(events.output()?.content.text(), "Hello Ada");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the caller is async code, which this would block.
    pub fn blocking(self) -> Result<BlockingEvents, Error> {
        BlockingEvents::new(self)
    }
}

impl BlockingEvents {
    pub(super) fn new(stream: RunStream) -> Result<Self, Error> {
        Ok(Self { runtime: Blocker::Thread(runtime()?), stream: Some(stream) })
    }

    /// Waits for the end of the run, and returns its output. Unread events are skipped.
    ///
    /// # Errors
    /// The errors of awaiting the run: it failed, it was cancelled, or it could not begin.
    pub fn output(mut self) -> Result<RunOutput, Error> {
        match self.stream.take() {
            Some(stream) => self.runtime.block_on(stream.output()).unwrap_or_else(|| {
                Err(Error::usage("`block_on` has returned before the run had ended")
                    .with_id(ErrorId::RUN_STOPPED))
            }),
            None => unreachable!("the output is taken once"),
        }
    }
}

impl Iterator for BlockingEvents {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.runtime.block_on(self.stream.as_mut()?.next())?
    }
}

impl Drop for BlockingEvents {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            // The journal must have the end of the run before the runtime is gone.
            let _ = self.runtime.block_on(stream.stop());
        }
    }
}

impl fmt::Debug for BlockingEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingEvents").finish_non_exhaustive()
    }
}
