//! The processes that Stepwright starts: the commands of steps, and MCP servers.
//!
//! This crate is for the other crates of the project.

mod environment;
#[cfg(unix)]
mod group;

pub use environment::{is_passed, passed};
#[cfg(unix)]
pub use group::{Group, gated, recorded};
pub use stepwright_engine::groups::{Kept, keep};
