//! The events of a run.

use crate::caller::Caller;
use crate::convert::{content_to_python, data_to_python};
use crate::enter::{Inside, block, poll_once};
use crate::errors::raise;
use crate::process::runtime;
use futures_util::StreamExt as _;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyStopAsyncIteration};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use stepwright::{BoxFuture, Error, RunStream};

/// An event of a run. Fields that an event does not have are `None`.
#[pyclass(frozen, name = "WorkflowRunOutputEvent", module = "stepwright")]
pub(crate) struct Event {
    event: stepwright::Event,
}

#[pymethods]
impl Event {
    #[new]
    fn new(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { event: crate::convert::data_from_python(data)? })
    }

    /// The name of the kind of event, such as `StepStarted`.
    #[getter]
    fn event(&self) -> &'static str {
        self.event.name()
    }

    /// The text of the event, if it has any: a piece of text, an output, an error message.
    #[getter]
    fn content<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        match self.event.content() {
            Some(content) => content_to_python(py, &content),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// The path of the step, such as `Facts/web`, or `None` for events of the run as a whole.
    #[getter]
    fn step_id(&self) -> Option<&str> {
        Some(self.event.path.as_str()).filter(|path| !path.is_empty())
    }

    /// The name of the step, or `None` for events of the run as a whole.
    #[getter]
    fn step_name(&self) -> Option<&str> {
        Some(self.event.step_name()).filter(|name| !name.is_empty())
    }

    /// The id of the run.
    #[getter]
    fn run_id(&self) -> &str {
        self.event.run.as_str()
    }

    /// The number of this fact, or of the fact that this event follows.
    #[getter]
    fn sequence(&self) -> u64 {
        self.event.sequence
    }

    /// The time of the event, in seconds since 1970.
    #[getter]
    fn created_at(&self) -> u64 {
        self.event.time.0 / 1000
    }

    /// Returns the event as a dictionary.
    fn to_dict<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        data_to_python(py, &self.event)
    }

    fn __getattr__<'p>(&self, py: Python<'p>, name: &str) -> PyResult<Bound<'p, PyAny>> {
        if name.starts_with('_') {
            return Err(PyAttributeError::new_err(name.to_owned()));
        }
        let data = self.to_dict(py)?;
        let data = data.cast::<PyDict>()?;
        Ok(data.get_item(name)?.unwrap_or_else(|| py.None().into_bound(py)))
    }

    fn __reduce__<'p>(slf: &Bound<'p, Self>) -> PyResult<(Bound<'p, PyAny>, (Bound<'p, PyAny>,))> {
        let data = slf.get().to_dict(slf.py())?;
        Ok((slf.get_type().into_any(), (data,)))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.event == other.event
    }

    fn __hash__(&self) -> u64 {
        self.event.sequence ^ (u64::from(self.event.delta) << 32)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("WorkflowRunOutputEvent({})", self.to_dict(py)?.repr()?))
    }
}

/// The events of a run under way.
#[pyclass(frozen)]
pub(crate) struct Events {
    caller: Caller,
    reading: Mutex<Reading>,
    cancel: Box<dyn Fn() + Send + Sync>,
}

/// The next item of a stream, or its end.
enum Next {
    Event(Box<stepwright::Event>),
    End(Result<(), Box<Error>>),
}

/// A stream, and then the output after it. Either may be polled and left again.
#[derive(Default)]
struct Reading {
    /// `true` if the stream was polled.
    has_begun: bool,
    stream: Option<RunStream>,
    ending: Option<BoxFuture<'static, Result<(), Box<Error>>>>,
}

impl Reading {
    async fn next(&mut self) -> Next {
        if let Some(stream) = self.stream.as_mut() {
            if let Some(event) = stream.next().await {
                return Next::Event(Box::new(event));
            }
            if let Some(stream) = self.stream.take() {
                let output = stream.output();
                self.ending =
                    Some(Box::pin(async move { output.await.map(drop).map_err(Box::new) }));
            }
        }
        let Some(ending) = self.ending.as_mut() else { return Next::End(Ok(())) };
        let answer = ending.await;
        self.ending = None;
        Next::End(answer)
    }
}

impl Events {
    pub(crate) fn new(
        caller: Caller,
        stream: RunStream,
        cancel: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let reading = Reading { stream: Some(stream), ..Reading::default() };
        Self { caller, reading: Mutex::new(reading), cancel: Box::new(cancel) }
    }

    /// Returns the stream. Another thread that reads it may need the interpreter, so this does not
    /// wait for it.
    fn reading(&self) -> PyResult<MutexGuard<'_, Reading>> {
        match self.reading.try_lock() {
            Ok(reading) => Ok(reading),
            Err(TryLockError::Poisoned(reading)) => Ok(reading.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(PyRuntimeError::new_err("another thread reads this stream already"))
            }
        }
    }

    /// Returns an event that is there, or that the next piece of a generator makes.
    fn at_once(
        &self,
        py: Python<'_>,
        reading: &mut Reading,
    ) -> PyResult<Option<stepwright::Event>> {
        if !reading.has_begun {
            reading.has_begun = true;
            return Ok(None);
        }
        let runtime = runtime(py)?;
        let _entered = runtime.enter();
        for _ in 0..2 {
            let Some(stream) = reading.stream.as_mut() else { return Ok(None) };
            // If nothing is there, the stream is polled again, with a waker.
            let mut cx = Context::from_waker(Waker::noop());
            match stream.poll_next_unpin(&mut cx) {
                Poll::Ready(Some(event)) => return Ok(Some(event)),
                // The end of the stream is found again.
                Poll::Ready(None) => return Ok(None),
                Poll::Pending => {}
            }
            let _inside = Inside::enter(self.caller.home())?;
            if !self.caller.pump(py) || self.caller.is_interrupted() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn made(py: Python<'_>, next: Next) -> PyResult<Option<Py<Event>>> {
        match next {
            Next::Event(event) => Py::new(py, Event { event: *event }).map(Some),
            Next::End(Ok(())) => Ok(None),
            Next::End(Err(error)) => Err(raise(py, &error)),
        }
    }
}

#[pymethods]
impl Events {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<Event>>> {
        let mut reading = self.reading()?;
        if let Some(event) = self.at_once(py, &mut reading)? {
            return Py::new(py, Event { event }).map(Some);
        }
        let given = block(py, &self.caller, || (self.cancel)(), reading.next());
        match given {
            Ok(next) => {
                if matches!(next, Next::End(_)) {
                    self.caller.close();
                }
                Self::made(py, next)
            }
            Err(interrupt) => {
                let runtime = runtime(py)?;
                let _entered = runtime.enter();
                *reading = Reading::default();
                self.caller.close();
                Err(interrupt)
            }
        }
    }

    /// Returns the next event, or `None` if the run waits. Raises `StopAsyncIteration` at the end.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<Py<Event>>> {
        let mut reading = self.reading()?;
        let mut work = std::pin::pin!(reading.next());
        match poll_once(py, &self.caller, work.as_mut())? {
            Some(Next::End(Ok(()))) => Err(PyStopAsyncIteration::new_err(())),
            Some(next) => Self::made(py, next),
            None => Ok(None),
        }
    }

    /// Wakes this future when there is something to do. Returns `False` if there is already.
    fn wait_with(&self, future: Py<PyAny>) -> bool {
        self.caller.wakeup().is_some_and(|wakeup| wakeup.get().wait_with(future))
    }

    /// Cancels the run if it is under way.
    fn close(&self, py: Python<'_>) {
        let Ok(runtime) = runtime(py) else { return };
        let _entered = runtime.enter();
        if let Ok(mut reading) = self.reading.try_lock() {
            *reading = Reading::default();
        }
        self.caller.close();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let reading = self.reading.get_mut().unwrap_or_else(PoisonError::into_inner);
        let reading = std::mem::take(reading);
        self.caller.close();
        let _ = Python::try_attach(|py| {
            if let Ok(runtime) = runtime(py) {
                let _entered = runtime.enter();
                drop(reading);
            }
        });
    }
}
