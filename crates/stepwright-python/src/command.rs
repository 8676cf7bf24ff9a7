//! The `stepwright` command, from inside of the extension.

use pyo3::prelude::*;
use std::ffi::OsString;

/// Carries out a command line, which begins with the name of the program. Returns the exit code.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, given: Vec<OsString>) -> u8 {
    py.detach(|| stepwright_cli::command(&given))
}
