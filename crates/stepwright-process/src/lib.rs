//! The processes that Stepwright starts: the commands of steps, and MCP servers.
//!
//! This crate is for the other crates of the project.

mod answer;
mod backend;
pub mod command;
mod container;
mod effect;
mod environment;
pub mod git;
#[cfg(unix)]
mod group;
mod heard;
pub mod paths;
mod sandbox;
mod settings;
mod unmade;

pub use backend::Backend;
pub use effect::effect;
pub use environment::{is_passed, passed};
#[cfg(unix)]
pub use group::{Group, gated, recorded};
pub use sandbox::{Boxed, InSandbox, Inner, Sandbox, boxed, given};
pub use settings::is_setting;
pub use stepwright_engine::groups::{Kept, keep};
