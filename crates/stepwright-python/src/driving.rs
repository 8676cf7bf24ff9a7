//! Work that an event loop drives.

use crate::caller::{Caller, Manner, Suspends};
use crate::convert::data_to_python;
use crate::enter::{block, poll_once};
use crate::errors::raise;
use crate::process::runtime;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use stepwright::{BoxFuture, Error};

/// The result of work, which becomes a value of Python on Python's thread.
pub(crate) type Made = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Answers a question on this thread, or returns work for the event loop that does.
pub(crate) fn answer<T: Serialize + Send + 'static>(
    py: Python<'_>,
    event_loop: Option<Bound<'_, PyAny>>,
    asked: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> PyResult<Py<PyAny>> {
    let is_awaited = event_loop.is_some();
    let caller = Caller::of(py, event_loop, Manner::default())?;
    if is_awaited {
        let driving = Driving::new(caller, || {}, async move { made(asked.await) });
        return Ok(Py::new(py, driving)?.into_any());
    }
    made(block(py, &caller, || {}, asked)?)(py)
}

/// Returns what becomes a value of Python, or its exception.
fn made<T: Serialize + Send + 'static>(answer: Result<T, Error>) -> Made {
    Box::new(move |py| match answer {
        Ok(value) => Ok(data_to_python(py, &value)?.unbind()),
        Err(error) => Err(raise(py, &error)),
    })
}

/// Work that a coroutine drives: it calls `poll`, goes on with the function that this returns, and
/// waits until it is woken if there is none.
#[pyclass(frozen)]
pub(crate) struct Driving {
    caller: Caller,
    work: Mutex<Option<BoxFuture<'static, Made>>>,
    /// The function that the coroutine goes on with.
    running: Mutex<Option<Box<dyn Suspends>>>,
    cancel: Box<dyn Fn() + Send + Sync>,
}

impl Driving {
    pub(crate) fn new(
        caller: Caller,
        cancel: impl Fn() + Send + Sync + 'static,
        work: impl Future<Output = Made> + Send + 'static,
    ) -> Self {
        let work: BoxFuture<'static, Made> = Box::pin(work);
        let (work, running) = (Mutex::new(Some(work)), Mutex::new(None));
        Self { caller, work, running, cancel: Box::new(cancel) }
    }
}

#[pymethods]
impl Driving {
    /// Returns a tuple with the result, a tuple with a coroutine and what it waits for, or `None`
    /// if the work waits. `in_task` tells whether the task that awaits it does this.
    #[pyo3(signature = (in_task=true))]
    fn poll(&self, py: Python<'_>, in_task: bool) -> PyResult<Option<Py<PyTuple>>> {
        let mut held = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let work = held.as_mut().ok_or_else(|| PyRuntimeError::new_err("the work has ended"))?;
        self.caller.set_in_task(in_task);
        let polled = poll_once(py, &self.caller, work.as_mut());
        self.caller.set_in_task(false);
        if let Some(interrupt) = self.caller.take_interrupt() {
            return Err(interrupt);
        }
        let Some(made) = polled? else {
            drop(held);
            return self.suspended(py);
        };
        *held = None;
        drop(held);
        Ok(Some(PyTuple::new(py, [made(py)?])?.unbind()))
    }

    /// Goes on with what the coroutine returned, or with what it raised.
    #[pyo3(signature = (value, raised=None))]
    fn resume(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        raised: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<PyTuple>>> {
        let suspended = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(suspended) = suspended {
            let home = self.caller.home();
            // The poll below sees the answer, so nothing has to be woken.
            let entered = home.enter();
            match raised {
                Some(raised) => suspended.failed(py, PyErr::from_value(raised.clone())),
                None => suspended.done(py, value),
            }
            if entered {
                home.leave();
            }
        }
        self.poll(py, true)
    }

    /// Returns `True` if the run does not want the answer of the coroutine any more.
    fn is_abandoned(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_none_or(|running| running.is_abandoned())
    }

    /// Wakes this future when there is something to do. Returns `False` if there is already.
    fn wait_with(&self, future: Py<PyAny>) -> bool {
        self.caller.wakeup().is_some_and(|wakeup| wakeup.get().wait_with(future))
    }

    /// Ends the work, because the coroutine that drives it was cancelled.
    fn cancel(&self, py: Python<'_>) {
        (self.cancel)();
        self.caller.close();
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Ok(runtime) = runtime(py) {
            // Within the runtime, which tells the journal.
            let _entered = runtime.enter();
            drop(work);
        }
    }
}

impl Driving {
    fn suspended(&self, py: Python<'_>) -> PyResult<Option<Py<PyTuple>>> {
        let Some(suspended) = self.caller.take_suspended() else { return Ok(None) };
        let parts = suspended.parts(py);
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(suspended);
        Ok(Some(PyTuple::new(py, parts)?.unbind()))
    }
}
