//! Coding agents as steps: Claude Code, Codex, opencode, and every agent that speaks the
//! [Agent Client Protocol](https://agentclientprotocol.com).
//!
//! ```no_run
//! use stepwright_engine::{Step, Workflow};
//! use stepwright_harness::Harness;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), stepwright_core::Error> {
//! let coder = Harness::claude_code().dir("service").worktree(true);
//! let workflow = Workflow::builder("Fix").step(Step::new("fix", coder)).build()?;
//! let output = workflow.run("The test `parses_dates` fails. Repair it.").await?;
//! println!("{}", output.content.pretty());
//! # Ok(()) }
//! ```

mod acp;
mod conversation;
mod effects;
mod event;
mod executor;
mod failure;
mod harness;
mod job;
mod kind;
mod lines;
mod live;
mod parked;
mod process;
mod prompts;
mod runtime;
mod streams;
mod turn;
mod watch;
mod worktree;

pub use harness::{Harness, Questions};
pub use kind::HarnessKind;
pub use lines::{LINE_BYTES_MAX, NOISE_LINES_MAX};
pub use parked::PARKED_KEPT;
pub use turn::CONTINUATIONS_MAX;

/// Parts that workflow files share with this crate. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use stepwright_agent::__private::OutputSchema;

    /// Ends the agents that wait for answers, as the end of this process does. For tests.
    pub fn forget_parked() {
        crate::parked::forget();
    }
}
