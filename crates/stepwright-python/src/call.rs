//! A call that happens on a thread of Python's or on an event loop.
//!
//! The functions of users are called by Python code there, so that no frame of ours is beneath
//! them: a thread that the interpreter ends at its exit must not unwind through Rust.

use crate::answer::{Answer, Ended};
use crate::caller::Caller;
use crate::convert::bridge;
use crate::errors::step_error;
use crate::function::{Changed, Function, Prepared, emit, gone, raised_or_waits};
use crate::jobs;
use crate::waits::Answers;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use stepwright::StepContext;
use stepwright_host::Asked;
use tokio::sync::oneshot;

/// A function with its arguments, by position and by name.
type Callable = (Py<PyAny>, Py<PyTuple>, Option<Py<PyDict>>);

/// One call of a function.
#[pyclass(frozen)]
pub(crate) struct Call {
    function: Function,
    cx: Option<StepContext>,
    caller: Option<Caller>,
    answers: Answers,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    asked: Option<Asked>,
    changed: Option<Changed>,
    sender: Option<oneshot::Sender<Answer>>,
    /// The task of the event loop.
    task: Option<Py<PyAny>>,
    cancelled: bool,
}

impl Call {
    pub(crate) fn new(
        function: Function,
        asked: Asked,
        cx: Option<StepContext>,
        caller: Option<Caller>,
        answers: Answers,
    ) -> (Self, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let held = Held { asked: Some(asked), sender: Some(sender), ..Held::default() };
        (Self { function, cx, caller, answers, held: Mutex::new(held) }, receiver)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, answer: Answer) {
        let sender = self.held().sender.take();
        if let Some(sender) = sender {
            let _ = sender.send(answer);
        }
    }
}

#[pymethods]
impl Call {
    /// Returns the function with its arguments.
    fn prepare(&self, py: Python<'_>) -> PyResult<Callable> {
        let asked = self.held().asked.take();
        let asked = asked
            .ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("a call is prepared once"))?;
        let prepared = self.function.prepare(py, asked, self.cx.as_ref(), &self.answers)?;
        let Prepared { arguments, keywords, changed } = prepared;
        self.held().changed = changed;
        Ok((self.function.callable().clone_ref(py), arguments, keywords))
    }

    /// Shows a piece that a generator gave.
    fn piece(&self, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        emit(piece, self.cx.as_ref())
    }

    /// Ends the call with what the function returned.
    fn done(&self, py: Python<'_>, value: &Bound<'_, PyAny>) {
        let changed = self.held().changed.take();
        self.answer(Function::returned(py, value, changed).map(Ended::Output));
    }

    /// Ends the call with what the function raised.
    fn failed(&self, py: Python<'_>, error: &Bound<'_, PyAny>) {
        let error = PyErr::from_value(error.clone());
        let caller = self.caller.as_ref().filter(|caller| caller.event_loop().is_none());
        self.answer(raised_or_waits(py, error, caller));
    }

    /// Notes the task of the event loop. Returns `False` if the call was cancelled meanwhile.
    fn runs_in(&self, task: Py<PyAny>) -> bool {
        let mut held = self.held();
        held.task = Some(task);
        !held.cancelled
    }

    /// The context variables of the caller.
    #[getter]
    fn context(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.caller.as_ref().map(|caller| caller.context().clone_ref(py))
    }

    /// Returns `True` if the run does not need the answer any more.
    fn is_cancelled(&self) -> bool {
        self.held().cancelled
    }
}

/// Cancels the task of a call whose future is dropped.
struct CancelGuard(Option<Py<Call>>);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let Some(call) = self.0.take() else { return };
        jobs::push(move |py| {
            let task = {
                let mut held = call.get().held();
                held.cancelled = true;
                held.task.as_ref().map(|task| task.clone_ref(py))
            };
            if let Some(task) = task
                && let Ok(cancel) = bridge(py, "cancel")
            {
                let _ = cancel.call1((task,));
            }
        });
    }
}

/// Carries out a call of an async function: on the caller's event loop, or on one of ours if the
/// caller has none.
pub(crate) async fn on_event_loop((call, receiver): (Call, oneshot::Receiver<Answer>)) -> Answer {
    let caller = call.caller.clone();
    let begin = move |py: Python<'_>, event_loop: Option<&Py<PyAny>>| -> PyResult<Py<Call>> {
        let call = Py::new(py, call)?;
        bridge(py, "begin")?.call1((event_loop, &call))?;
        Ok(call)
    };
    let begun = match caller.filter(|caller| caller.event_loop().is_some()) {
        Some(caller) => {
            let at = caller.clone();
            let begun = caller.at_home(move |py| {
                begin(py, at.event_loop()).map_err(|error| step_error(py, error))
            });
            begun.await.unwrap_or_else(gone)?
        }
        None => {
            let (sender, begun) = oneshot::channel();
            jobs::push(move |py| {
                let _ = sender.send(begin(py, None).map_err(|error| step_error(py, error)));
            });
            begun.await.unwrap_or_else(|_| gone(crate::caller::Gone))?
        }
    };
    let mut guard = CancelGuard(Some(begun));
    let answer = receiver.await;
    guard.0 = None;
    answer.unwrap_or_else(|_| gone(crate::caller::Gone))
}

/// The calls that wait for a thread.
struct Waiting {
    calls: VecDeque<Call>,
    idle: usize,
    threads: usize,
    ended: bool,
}

static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { calls: VecDeque::new(), idle: 0, threads: 0, ended: false });
static READY: Condvar = Condvar::new();

/// The largest number of threads for functions that are not async.
pub(crate) const THREADS_MAX: usize = 64;

fn waiting() -> std::sync::MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries out a call on a thread of Python's.
pub(crate) async fn on_thread((call, receiver): (Call, oneshot::Receiver<Answer>)) -> Answer {
    {
        let mut waiting = waiting();
        waiting.calls.push_back(call);
        if waiting.idle < waiting.calls.len() && waiting.threads < THREADS_MAX {
            waiting.threads += 1;
            jobs::push(|py| {
                let begun = bridge(py, "begin_thread").and_then(|begin| begin.call0());
                if begun.is_err() {
                    self::waiting().threads -= 1;
                }
            });
        }
    }
    READY.notify_one();
    receiver.await.unwrap_or_else(|_| gone(crate::caller::Gone))
}

/// Waits for a call, on a thread of Python's. Returns `None` at the end of the program.
#[pyfunction]
pub(crate) fn take_call(py: Python<'_>) -> PyResult<Option<Py<Call>>> {
    let call = py.detach(|| {
        let mut waiting = waiting();
        waiting.idle += 1;
        while waiting.calls.is_empty() && !waiting.ended {
            waiting = READY.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle -= 1;
        waiting.calls.pop_front()
    });
    call.map(|call| Py::new(py, call)).transpose()
}

/// Ends the threads that wait. Those inside of a function end with the program.
pub(crate) fn end_threads() {
    let mut waiting = waiting();
    waiting.ended = true;
    waiting.calls.clear();
    READY.notify_all();
}
