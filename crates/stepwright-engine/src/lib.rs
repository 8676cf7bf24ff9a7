//! The engine of Stepwright: from a definition over a plan to runs and their events.
//!
//! A definition is compiled once into a plan (plain data) and a table (executors and decisions).
//! A run is the interpreter walking the plan; all that it asks of the world goes through one trait.

mod access;
mod activity;
mod builder;
mod changed;
mod compile;
mod debug;
mod define;
mod dispatch;
mod drive;
mod driver;
mod effects;
mod interpret;
mod pending;
mod process;
mod processes;
mod real;
mod recorder;
mod run;
mod runs;
mod supervise;
mod workflow;

/// Who drives runs: [`RunRow::driver`](stepwright_core::store::RunRow), for people.
pub mod drivers {
    pub use crate::driver::{is_dead, shown};
}

/// Processes that steps start: for executors whose processes must not outlive a run unseen.
pub mod groups {
    pub use crate::processes::identify;
}

pub use access::UserAccess;
pub use builder::WorkflowBuilder;
pub use define::{
    AnyStep, Condition, FromStep, IntoExecutor, IntoHolds, IntoItems, IntoOutput, IntoPrompt,
    IntoRoute, IntoStep, Json, Loop, LoopView, Map, Parallel, Router, Step, Steps,
};
pub use dispatch::LocalDispatcher;
pub use real::real_world;
pub use run::{BlockingEvents, IntoInput, Parts, Resume, Run, RunHandle, RunStream, block_on};
pub use runs::{Events, Runs, Sessions, Snapshot};
pub use workflow::Workflow;
