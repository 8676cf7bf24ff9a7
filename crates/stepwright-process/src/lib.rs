//! The processes that Stepwright starts: the commands of steps, and MCP servers.
//!
//! This crate is for the other crates of the project.

pub mod command;
mod environment;
pub mod git;
#[cfg(unix)]
mod group;
mod heard;
pub mod paths;
mod sandbox;

pub use environment::{is_passed, passed};
#[cfg(unix)]
pub use group::{Group, gated, recorded};
pub use sandbox::{Backend, InSandbox, Sandbox};
pub use stepwright_engine::groups::{Kept, keep};
