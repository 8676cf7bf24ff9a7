//! Work that an event loop drives.

use crate::caller::Caller;
use crate::enter::poll_once;
use crate::process::runtime;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use stepwright::BoxFuture;

/// The result of work, which becomes a value of Python on Python's thread.
pub(crate) type Made = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Work that a coroutine drives: it calls `poll`, and waits until it is woken if that has no
/// result.
#[pyclass(frozen)]
pub(crate) struct Driving {
    caller: Caller,
    work: Mutex<Option<BoxFuture<'static, Made>>>,
    cancel: Box<dyn Fn() + Send + Sync>,
}

impl Driving {
    pub(crate) fn new(
        caller: Caller,
        cancel: impl Fn() + Send + Sync + 'static,
        work: impl Future<Output = Made> + Send + 'static,
    ) -> Self {
        let work: BoxFuture<'static, Made> = Box::pin(work);
        Self { caller, work: Mutex::new(Some(work)), cancel: Box::new(cancel) }
    }
}

#[pymethods]
impl Driving {
    /// Returns a tuple with the result, or `None` if the work waits.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<(Py<PyAny>,)>> {
        let mut held = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let work = held.as_mut().ok_or_else(|| PyRuntimeError::new_err("the work has ended"))?;
        let Some(made) = poll_once(py, &self.caller, work.as_mut())? else { return Ok(None) };
        *held = None;
        drop(held);
        made(py).map(|value| Some((value,)))
    }

    /// Wakes this future when there is something to do. Returns `False` if there is already.
    fn wait_with(&self, future: Py<PyAny>) -> bool {
        self.caller.wakeup().is_some_and(|wakeup| wakeup.get().wait_with(future))
    }

    /// Ends the work, because the coroutine that drives it was cancelled.
    fn cancel(&self, py: Python<'_>) {
        (self.cancel)();
        self.caller.home().close();
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Ok(runtime) = runtime(py) {
            // Within the runtime, which tells the journal.
            let _entered = runtime.enter();
            drop(work);
        }
    }
}
