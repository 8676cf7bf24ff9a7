//! The output of a run, which is converted when Python reads it.

use crate::convert::{content_to_python, data_to_python};
use pyo3::prelude::*;
use stepwright::RunOutput;

/// The output of a run.
#[pyclass(frozen)]
pub(crate) struct Output {
    output: RunOutput,
}

impl Output {
    pub(crate) fn new(output: RunOutput) -> Self {
        Self { output }
    }
}

#[pymethods]
impl Output {
    #[getter]
    fn content<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        content_to_python(py, &self.output.content)
    }

    #[getter]
    fn run_id(&self) -> &str {
        self.output.run_id.as_str()
    }

    #[getter]
    fn status<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        data_to_python(py, &self.output.status)
    }

    /// Returns the output as a dictionary.
    fn to_dict<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        data_to_python(py, &self.output)
    }
}
