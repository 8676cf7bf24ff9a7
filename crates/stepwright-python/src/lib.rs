//! The extension module `stepwright._native`. Nothing in it is stable: users see the Python package
//! above it.
//!
//! One rule keeps it free of deadlocks: no thread of the runtime ever waits for the interpreter.
//! Python code runs on the caller's thread, on the event loop, or on threads that Python owns.

// The macros of PyO3 write unsafe code at the boundary. No code of ours is unsafe.
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]
// Methods of Python classes take what Python passes, by value.
#![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]

mod answer;
mod call;
mod caller;
mod calling;
mod command;
mod convert;
mod driving;
mod enter;
mod errors;
mod events;
mod function;
mod input;
mod jobs;
mod knowledge;
mod logs;
mod options;
mod output;
mod process;
mod pump;
mod server;
mod shutdown;
mod stores;
mod suspended;
mod waits;
mod workflow;

use pyo3::prelude::*;

/// The private part of the package `stepwright`.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("version", env!("CARGO_PKG_VERSION"))?;
    module.add("is_debug", cfg!(debug_assertions))?;
    module.add_class::<call::Call>()?;
    module.add_class::<driving::Driving>()?;
    module.add_class::<events::Event>()?;
    module.add_class::<events::Events>()?;
    module.add_class::<input::Input>()?;
    module.add_class::<knowledge::Knowledge>()?;
    module.add_class::<output::Output>()?;
    module.add_class::<server::AnswerBody>()?;
    module.add_class::<server::Server>()?;
    module.add_class::<stores::Store>()?;
    module.add_class::<workflow::Workflow>()?;
    module.add_function(wrap_pyfunction!(call::take_call, module)?)?;
    module.add_function(wrap_pyfunction!(command::command, module)?)?;
    module.add_function(wrap_pyfunction!(logs::log_to, module)?)?;
    module.add_function(wrap_pyfunction!(shutdown::shutdown, module)?)?;
    Ok(())
}
