//! Async functions that run in the task that awaits their run.
//!
//! The first part of such a function, up to where it waits for the first time, is executed where
//! the run is polled. Many functions end there. Otherwise the task of the caller goes on with it.

use crate::answer::{Answer, Ended};
use crate::caller::{Caller, Suspends};
use crate::errors::step_error;
use crate::function::{Changed, Function, Prepared, raised_or_waits};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3::types::iterator::PySendResult;
use stepwright::StepContext;
use stepwright_host::Asked;
use tokio::sync::oneshot;

/// A function that waits.
struct Suspended {
    /// The coroutine, as an iterator.
    coroutine: Py<PyIterator>,
    /// The future that it waits for, for the event loop.
    awaited: Py<PyAny>,
    changed: Option<Changed>,
    sender: oneshot::Sender<Answer>,
}

impl Suspends for Suspended {
    fn parts(&self, py: Python<'_>) -> [Py<PyAny>; 2] {
        [self.coroutine.clone_ref(py).into_any(), self.awaited.clone_ref(py)]
    }

    fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    fn done(self: Box<Self>, py: Python<'_>, value: &Bound<'_, PyAny>) {
        let _ = self.sender.send(Function::returned(py, value, self.changed).map(Ended::Output));
    }

    fn failed(self: Box<Self>, py: Python<'_>, error: PyErr) {
        let _ = self.sender.send(raised_or_waits(py, error, None));
    }
}

/// Carries out an async function in the task of the caller.
pub(crate) async fn in_task(
    function: Function,
    caller: &Caller,
    asked: Asked,
    cx: Option<StepContext>,
    answers: crate::waits::Answers,
) -> Answer {
    let at = caller.clone();
    let begun = caller.at_home(move |py| {
        let Prepared { arguments, keywords, changed } = function
            .prepare(py, asked, cx.as_ref(), &answers)
            .map_err(|error| step_error(py, error))?;
        let keywords = keywords.as_ref().map(|keywords| keywords.bind(py));
        let begun = function.callable().bind(py).call(arguments.bind(py), keywords);
        let first = begun.and_then(|awaitable| first_part(&awaitable));
        match first {
            Ok((_, PySendResult::Return(value))) => {
                Ok(Begun::Ended(Function::returned(py, &value, changed).map(Ended::Output)))
            }
            Ok((coroutine, PySendResult::Next(awaited))) => {
                let (sender, receiver) = oneshot::channel();
                let (coroutine, awaited) = (coroutine.unbind(), awaited.unbind());
                at.suspend(Box::new(Suspended { coroutine, awaited, changed, sender }));
                Ok(Begun::Waits(receiver))
            }
            Err(error) => Ok(Begun::Ended(raised_or_waits(py, error, Some(&at)))),
        }
    });
    match begun.await.unwrap_or_else(crate::function::gone)? {
        Begun::Ended(answer) => answer,
        Begun::Waits(receiver) => {
            receiver.await.unwrap_or_else(|_| crate::function::gone(crate::caller::Gone))
        }
    }
}

enum Begun {
    Ended(Answer),
    Waits(oneshot::Receiver<Answer>),
}

/// Executes a coroutine until it waits for the first time, or ends.
fn first_part<'p>(
    awaitable: &Bound<'p, PyAny>,
) -> PyResult<(Bound<'p, PyIterator>, PySendResult<'p>)> {
    let py = awaitable.py();
    let iterator = awaitable.call_method0(pyo3::intern!(py, "__await__"))?;
    let iterator = iterator.cast_into::<PyIterator>()?;
    let sent = iterator.send(&py.None().into_bound(py))?;
    Ok((iterator, sent))
}
