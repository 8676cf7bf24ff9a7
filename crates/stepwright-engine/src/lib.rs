//! The engine of Stepwright: compiles definitions into plans, drives runs, and streams their
//! events.
//!
//! A definition is compiled once into a plan, which is plain data, and a table of executors and
//! deciders. A run is the interpreter walking the plan. The interpreter reaches the outside world
//! through one trait only.
//!
//! ```
//! use stepwright_engine::{Step, Workflow};
//! # async fn outline(topic: String) -> String { format!("1. What is {topic}?") }
//! # async fn write(outline: String) -> String { format!("{outline} A long story.") }
//! let workflow = Workflow::builder("Article")
//!     .step(outline)
//!     .step(Step::new("Write", write).retries(2))
//!     .build()?;
//! let output = workflow.run("an ant").blocking()?;
//! assert_eq!(output.content.text(), "1. What is an ant? A long story.");
//! # Ok::<(), stepwright_core::Error>(())
//! ```
//!
//! # Invariants
//!
//! In brackets, for most of them: the test that fails when it is broken, beneath `tests/it`.
//!
//! Recording:
//!
//! * Nothing is shown that is not recorded. A fact goes to readers after the store has confirmed
//!   it.
//! * Nothing live begins before everything before it is durable: the layer `Journaled` settles
//!   ahead of `execute` and `decide`.
//! * The journal may stop a run; a reader may not. A slow reader never slows a run (`running.rs`).
//! * Only the driver of a run appends. A number that is taken is refused, and the refused driver
//!   records nothing more (`simulation`).
//! * Streamed or not, fresh or recalled: the same run (`composition.rs`).
//!
//! Resuming:
//!
//! * A run that is cut anywhere and resumed ends as the uncut run, and no completed step is
//!   executed twice (`cut.rs`).
//! * A step that acts on the outside is not repeated by itself when its outcome is unknown
//!   (`interrupted.rs`).
//! * A retry does not repeat what completed, and a fork does not repeat what came before it
//!   (`takeup`, `matrix`).
//! * A run continues with the definition that it began with, content included, or with one that was
//!   accepted since (`content.rs`).
//! * A decision stays decided: conditions, routes, items and ends of loops are facts
//!   (`decisions.rs`).
//!
//! Drivers and people:
//!
//! * A run has one driver (`simulation`).
//! * A dispatcher may lose, repeat, delay and reorder what it is told (`simulation/dispatched.rs`).
//! * An answer counts once, and by the time at which it was given, whichever driver reads it and
//!   whenever (`people.rs`, `interrupted.rs`).
//! * A run in which everything waits holds nothing: no future, no task, no timer.
//! * A user finds only what is theirs. Everything else does not exist, with the same error
//!   (`ownership.rs`).
//!
//! Ends:
//!
//! * A failed step never counts as completed, and its error never flows on as text (`failure.rs`).
//! * A stopped part of a walk begins and completes nothing more, and still replays what is
//!   recorded. The first failure of a run stays its failure, whatever the steps that run afterwards
//!   do (`after.rs`).
//! * The output of a parallel is in the order of the declaration, and so are the merged changes of
//!   the state.
//! * The state of a session changes when a run ends well, or by an explicit change from outside;
//!   always by operations on the state as it is then (`sessions.rs`).
//! * The interpreter names no runtime, no clock and no store (`purity.rs`).
//!
//! # Failures
//!
//! Inside a run a failure is data, because it goes into the journal. The error value is beside it
//! ([`LiveSource`](stepwright_core::LiveSource)) while the process lives. A panic in an executor, a
//! decider or a tool is a failure of its step, and is not retried. A failure of the journal is not
//! a failure of a step: it stops the run where it is.
//!
//! # Cancellation
//!
//! To drop a future is to cancel it: an attempt that takes too long, a run without steps that
//! follow. Branches, containers and runs with such steps are stopped by a flag
//! (`interpret/halt.rs`), and end by themselves, so that their `finally` can run. Steps under way
//! are recorded as stopped, with the text that they had shown. An append survives being dropped
//! half-way: it lives beside the future that waits for it, and the next one that waits finishes it.
//! Blocking functions cannot be stopped from outside; they may ask
//! [`StepContext::is_cancelled`](stepwright_core::StepContext).
//!
//! # Reading order of the sources
//!
//! | Module | Contents |
//! |---|---|
//! | `define` | the builders, and the conversions into steps |
//! | `compile`, `definition`, `table` | a definition becomes plan, table, names and digest |
//! | `builder`, `workflow`, `operations` | puts a workflow together; the methods that users call |
//! | `run` | a run before it begins, its stream and its handle; runs that are resumed or taken up |
//! | `job` | drives a run from where its journal ends |
//! | `interpret` | walks the plan |
//! | `effects` | the layers between the interpreter and the world |
//! | `recorder`, `outbox` | numbers, folds and appends facts, then shows them to readers |
//! | `gate` | permissions, and the ledger of budgets |
//! | `runs` | runs and sessions in a store, without a definition |
//! | `runner`, `local`, `worker` | claims, drives and supervises the runs of this process |
//! | `real`, `process` | the clock of the system; values that each process has for itself |

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
mod waits;
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
    pub use crate::processes::{Kept, identify, keep, lives};
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
    Archived, Compared, Comparison, Difference, Emit, Emitted, Erase, Events, Export,
    IMPORT_LINE_BYTES_MAX, Memories, Prune, Removed, Runs, SendMessage, Sent, Sessions, Snapshot,
};
pub use worker::Worker;
pub use workflow::Workflow;
