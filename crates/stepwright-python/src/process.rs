//! The runtime, of which this process has one.

use crate::errors::plain_error;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_host::HostRuntime;
use tokio::runtime::Handle;

pub(crate) static RUNTIME: HostRuntime = HostRuntime::new();

/// The threads of the runtime. They wait for models and stores, and compute little.
const THREADS: usize = 2;

/// Returns the runtime, which begins at its first use.
pub(crate) fn runtime(py: Python<'_>) -> PyResult<Handle> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    let handle = RUNTIME
        .handle(THREADS)
        .map_err(|error| plain_error(py, "StepwrightError", error.to_string(), error.hint()))?;
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        let end = py.import("stepwright._native")?.getattr("shutdown")?;
        py.import("atexit")?.call_method1("register", (end,))?;
    }
    Ok(handle)
}

/// Fails in a process that was forked after the runtime had begun.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    RUNTIME
        .check()
        .map_err(|error| plain_error(py, "StepwrightError", error.to_string(), error.hint()))
}
