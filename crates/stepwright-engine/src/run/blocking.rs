//! Runs in programs without async.

use super::RunStream;
use futures_util::StreamExt as _;
use std::cell::RefCell;
use std::fmt;
use stepwright_core::{Error, ErrorId, Event, RunOutput};
use tokio::runtime::Runtime;

thread_local! {
    /// The runtime of this thread's last blocking run, and the process that made it. It is kept
    /// because making one takes longer than a small run.
    static IDLE: RefCell<Option<(u32, Runtime)>> = const { RefCell::new(None) };
}

/// A runtime on this thread, for one run.
pub(super) struct ThreadRuntime(Option<Runtime>);

/// Returns a runtime on this thread, for one run.
///
/// # Errors
/// If the caller is async code, which the runtime would block.
pub(super) fn runtime() -> Result<ThreadRuntime, Error> {
    if tokio::runtime::Handle::try_current().is_ok() {
        let error = Error::usage("`blocking` was called inside of async code");
        return Err(error
            .with_id(ErrorId::BLOCKING_IN_ASYNC)
            .with_hint("await the run, or its stream, instead"));
    }
    match IDLE.with_borrow_mut(Option::take) {
        Some((process, runtime)) if process == std::process::id() => {
            return Ok(ThreadRuntime(Some(runtime)));
        }
        // A child that was forked shares the parent's runtime: closing it would disturb the parent.
        Some((_, runtime)) => std::mem::forget(runtime),
        None => {}
    }
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map(|runtime| ThreadRuntime(Some(runtime))).map_err(|error| {
        Error::usage("the runtime for a blocking run could not be started")
            .with_id(ErrorId::THREADS_UNAVAILABLE)
            .with_source(error)
    })
}

impl ThreadRuntime {
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.0.as_ref().expect("it is taken when this is dropped").block_on(work)
    }
}

impl Drop for ThreadRuntime {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else { return };
        // Tasks that are left would not run again before the next blocking run: end them here.
        if runtime.metrics().num_alive_tasks() == 0 {
            let kept = (std::process::id(), runtime);
            let _ = IDLE.try_with(|idle| idle.replace(Some(kept)));
        }
    }
}

/// Executes async work on this thread, for programs without async.
///
/// ```
/// use stepwright_engine::{Workflow, block_on};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let output = block_on(async { workflow.run("Ada").await })?;
/// assert_eq!(output.content.text(), "Hello Ada");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
///
/// # Errors
/// If the work fails, or if the caller is async code, which this would block.
pub fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    runtime()?.block_on(work)
}

/// The events of a run, as they happen, for programs without async: see [`RunStream::blocking`].
///
/// The run makes progress only while the program waits for the next event. Dropping the iterator
/// cancels the run.
#[must_use = "the run does nothing until its events are read"]
pub struct BlockingEvents {
    runtime: ThreadRuntime,
    /// `None` once the output has been taken.
    stream: Option<RunStream>,
}

impl RunStream {
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
        Ok(Self { runtime: runtime()?, stream: Some(stream) })
    }

    /// Waits for the end of the run, and returns its output. Unread events are skipped.
    ///
    /// # Errors
    /// The errors of awaiting the run: it failed, it was cancelled, or it could not begin.
    pub fn output(mut self) -> Result<RunOutput, Error> {
        match self.stream.take() {
            Some(stream) => self.runtime.block_on(stream.output()),
            None => unreachable!("the output is taken once"),
        }
    }
}

impl Iterator for BlockingEvents {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.runtime.block_on(self.stream.as_mut()?.next())
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
