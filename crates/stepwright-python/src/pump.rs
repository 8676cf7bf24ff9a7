//! Generators that the reader of a run goes on with.
//!
//! The run of a stream has a task of its own as soon as it waits. A generator stays with the
//! reader: whenever there is nothing to read, the reader takes one piece of it, and reads the
//! event of that piece. So no piece costs a change of threads, and none is made before it is
//! wanted.

use crate::answer::{Answer, Ended};
use crate::caller::{Caller, Generating};
use crate::convert::bridge;
use crate::errors::step_error;
use crate::function::{Changed, Function, emit, raised_or_waits, step_output_class};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};
use stepwright::StepContext;
use tokio::sync::oneshot;

/// A generator of a step: its pieces one by one, and its output at the end.
pub(crate) struct Pieces {
    iterator: Py<PyIterator>,
    texts: String,
    output: Option<Py<PyAny>>,
    changed: Option<Changed>,
}

impl Pieces {
    /// Takes a generator, or anything else to iterate over.
    pub(crate) fn of(value: &Bound<'_, PyAny>, changed: Option<Changed>) -> PyResult<Self> {
        let iterator = value.try_iter()?.unbind();
        Ok(Self { iterator, texts: String::new(), output: None, changed })
    }

    /// Shows the next piece. Returns `false` at the end.
    #[expect(clippy::result_large_err, reason = "the answer of a function")]
    pub(crate) fn show_next(
        &mut self,
        py: Python<'_>,
        cx: Option<&StepContext>,
        caller: &Caller,
    ) -> Result<bool, Answer> {
        loop {
            let Some(next) = self.iterator.bind(py).clone().next() else { return Ok(false) };
            let piece = next.map_err(|error| raised_or_waits(py, error, Some(caller)))?;
            if let Ok(text) = piece.cast::<PyString>() {
                let text = text.to_cow().map_err(|error| Err(step_error(py, error)))?;
                self.texts.push_str(&text);
                if let Some(cx) = cx {
                    cx.emit(&*text);
                }
                return Ok(true);
            }
            let class = step_output_class(py).map_err(|error| Err(step_error(py, error)))?;
            if piece.is_exact_instance(class) {
                self.output = Some(piece.unbind());
                continue;
            }
            emit(&piece, cx).map_err(|error| Err(step_error(py, error)))?;
            return Ok(true);
        }
    }

    /// Returns the output: the last `StepOutput`, or else the texts together.
    pub(crate) fn output(self, py: Python<'_>) -> Answer {
        let value = match self.output {
            Some(output) => output.into_bound(py),
            None => PyString::new(py, &self.texts).into_any(),
        };
        Function::returned(py, &value, self.changed).map(Ended::Output)
    }

    /// Ends the generator before its end.
    pub(crate) fn close(self, py: Python<'_>) {
        if let Ok(close) = bridge(py, "close") {
            let _ = close.call1((self.iterator,));
        }
    }
}

/// A generator on the way to its output.
pub(crate) struct Pump {
    pieces: Pieces,
    cx: Option<StepContext>,
    sender: oneshot::Sender<Answer>,
}

impl Pump {
    pub(crate) fn new(
        pieces: Pieces,
        cx: Option<StepContext>,
    ) -> (Self, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        (Self { pieces, cx, sender }, receiver)
    }
}

impl Generating for Pump {
    fn next(mut self: Box<Self>, py: Python<'_>, caller: &Caller) -> Option<Box<dyn Generating>> {
        if self.sender.is_closed() {
            self.pieces.close(py);
            return None;
        }
        match self.pieces.show_next(py, self.cx.as_ref(), caller) {
            Ok(true) => return Some(self),
            Ok(false) => drop(self.sender.send(self.pieces.output(py))),
            Err(answer) => drop(self.sender.send(answer)),
        }
        None
    }
}
