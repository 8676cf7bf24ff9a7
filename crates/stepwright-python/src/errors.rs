//! Errors between Rust and Python.

use crate::convert::{bridge, data_to_python};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::fmt;
use stepwright::{Error, LiveSource, StepError};
use stepwright_host::FailureReport;

/// An exception of Python as the source of a failure. The interpreter is not needed to hold it.
struct Raised {
    exception: Py<PyAny>,
    message: String,
}

impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Raised {}

/// The message of an exception, its causes, whether it is final, and its hint.
type Told = (String, Vec<String>, bool, Option<String>);

/// Converts an exception into the failure of a step. The exception itself stays reachable.
pub(crate) fn step_error(py: Python<'_>, error: PyErr) -> StepError {
    let exception = error.into_value(py).into_any();
    let told = bridge(py, "describe")
        .and_then(|describe| describe.call1((&exception,)))
        .and_then(|told| told.extract::<Told>());
    let (message, causes, is_terminal, hint) =
        told.unwrap_or_else(|error| (error.to_string(), Vec::new(), false, None));
    let mut failed = match is_terminal {
        true => StepError::terminal(message.clone()),
        false => StepError::new(message.clone()),
    };
    failed.data.causes = causes;
    failed.data.hint = hint;
    failed.data.source = LiveSource::new(Raised { exception, message });
    failed
}

/// Makes an exception of a class of `stepwright.exceptions`.
pub(crate) fn plain_error(
    py: Python<'_>,
    class: &str,
    message: String,
    hint: Option<&str>,
) -> PyErr {
    let made = py
        .import("stepwright.exceptions")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((&message,)))
        .and_then(|value| {
            value.setattr("hint", hint)?;
            Ok(value)
        });
    match made {
        Ok(value) => PyErr::from_value(value),
        Err(_) => PyRuntimeError::new_err(message),
    }
}

/// Makes the exception of an error. What a step raised is its cause.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = || -> PyResult<PyErr> {
        let report = data_to_python(py, &FailureReport::of(error))?;
        let output = error.output().map(|output| data_to_python(py, output)).transpose()?;
        let value = bridge(py, "error")?.call1((report, output))?;
        if let Some(cause) = raised(error) {
            value.setattr("__cause__", cause.clone_ref(py))?;
        }
        Ok(PyErr::from_value(value))
    };
    made().unwrap_or_else(|error| error)
}

fn raised(error: &Error) -> Option<&Py<PyAny>> {
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(raised) = source.downcast_ref::<Raised>() {
            return Some(&raised.exception);
        }
        next = source.source();
    }
    None
}
