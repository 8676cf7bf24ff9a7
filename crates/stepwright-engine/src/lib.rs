//! The engine of Stepwright: compiles definitions into plans, drives runs, and streams their
//! events.
//!
//! A definition is compiled once into a plan, which is plain data, and a table of executors and
//! deciders. A run is the interpreter walking the plan. The interpreter reaches the outside world
//! through one trait only.

mod access;
mod activity;
mod builder;
mod called;
mod changed;
mod compile;
mod debug;
mod define;
mod definition;
mod effects;
mod gate;
mod held;
mod interpret;
mod job;
mod journal;
mod limited;
mod local;
mod nodes;
mod operations;
mod outbox;
mod owned;
mod pending;
mod process;
mod processes;
mod real;
mod recorder;
mod run;
mod runner;
mod runs;
mod slot;
mod stop;
mod table;
mod worker;
mod workflow;

/// Names of drivers, as [`RunRow::driver`](stepwright_core::store::RunRow) has them: how to show
/// one, and how to tell that it is dead.
pub mod drivers {
    pub use crate::runner::{is_dead, shown};
}

/// Process groups that steps start. For executors whose processes must not outlive their run
/// unnoticed.
pub mod groups {
    pub use crate::processes::{Kept, identify, keep};
}

/// Items for other crates of the project. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::define::guarded_executor as guarded;
}

pub use access::UserAccess;
pub use builder::WorkflowBuilder;
pub use called::WorkflowTool;
pub use define::containers;
pub use define::containers::*;
pub use define::{
    AnyStep, BlockingFn, Concurrency, DeciderFn, Dedupe, FromStep, IntoDeadline, IntoExecutor,
    IntoHolds, IntoItems, IntoOutput, IntoPrompt, IntoRoute, IntoStep, Json, LoopView, MediaInput,
    OnBusy, Step, WhenFull,
};
pub use real::real_world;
pub use run::{
    BlockingEvents, Fork, IntoInput, Parts, Resume, Retry, Run, RunHandle, RunStream, block_on,
};
pub use runner::LocalDispatcher;
pub use runs::{
    Archived, Compared, Comparison, Difference, Erase, Events, Export, IMPORT_LINE_BYTES_MAX,
    Memories, Prune, Removed, Runs, SendMessage, Sent, Sessions, Snapshot,
};
pub use worker::Worker;
pub use workflow::Workflow;
