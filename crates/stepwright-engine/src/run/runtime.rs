//! Runtimes for programs without async.

use std::cell::RefCell;
use stepwright_core::{BoxFuture, Error, ErrorId};
use tokio::runtime::Runtime;

thread_local! {
    /// The runtime of this thread's last blocking run, and the process that made it. It is kept
    /// because making one takes longer than a small run.
    static IDLE: RefCell<Option<(u32, Runtime)>> = const { RefCell::new(None) };
}

/// A runtime on this thread, for one run, with the process that made it.
pub(super) struct ThreadRuntime(Option<(u32, Runtime)>);

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
    // Asked for once a run, because it takes a system call.
    let here = std::process::id();
    match IDLE.with_borrow_mut(Option::take) {
        Some((process, runtime)) if process == here => {
            return Ok(ThreadRuntime(Some((here, runtime))));
        }
        // A child that was forked shares the parent's runtime: closing it would disturb the parent.
        Some((_, runtime)) => std::mem::forget(runtime),
        None => {}
    }
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map(|runtime| ThreadRuntime(Some((here, runtime)))).map_err(|error| {
        Error::usage("the runtime for a blocking run could not be started")
            .with_id(ErrorId::THREADS_UNAVAILABLE)
            .with_source(error)
    })
}

impl ThreadRuntime {
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.0.as_ref().expect("it is taken when this is dropped").1.block_on(work)
    }
}

impl Drop for ThreadRuntime {
    fn drop(&mut self) {
        let Some((process, runtime)) = self.0.take() else { return };
        // Tasks that are left would not run again before the next blocking run: end them here.
        if runtime.metrics().num_alive_tasks() == 0 {
            let _ = IDLE.try_with(|idle| idle.replace(Some((process, runtime))));
        }
    }
}

/// Executes async work on a runtime of the caller's.
pub(super) fn block_on_given<T: Send>(
    block_on: impl FnOnce(BoxFuture<'_, ()>),
    work: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Error> {
    let mut answer = None;
    block_on(Box::pin(async { answer = Some(work.await) }));
    answer.unwrap_or_else(|| {
        Err(Error::usage("`block_on` has returned before the work had ended")
            .with_id(ErrorId::RUN_STOPPED)
            .with_hint("drive the work to its end, as `block_on` of a runtime does"))
    })
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
