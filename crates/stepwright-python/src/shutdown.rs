//! The end of the runtime, at the end of the program.

use crate::process::RUNTIME;
use crate::{call, jobs};
use pyo3::prelude::*;
use std::time::Duration;

/// The longest time that the end of the program waits for runs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends what runs. Called when the program ends, while the interpreter still works.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>) {
    if RUNTIME.check().is_err() {
        return;
    }
    py.detach(|| {
        RUNTIME.end(PATIENCE);
        call::end_threads();
        jobs::end();
    });
}
