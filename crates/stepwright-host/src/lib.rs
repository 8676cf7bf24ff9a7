//! The parts that every language binding of Stepwright needs, independent of the language.
//!
//! A binding gives two things: a [`WorkflowSpec`], which is plain data that its language writes,
//! and a table of [`HostFunction`]s, which the data names by their indices. This crate makes a
//! workflow of them. It also holds the parts that are easily written wrong: a runtime that is
//! owned, ends with the program and refuses after a fork ([`HostRuntime`]), a queue for work that
//! belongs to the caller's thread ([`Home`]), and errors as data ([`FailureReport`]).

mod agents;
mod build;
mod failure;
mod functions;
mod home;
mod runtime;
mod spec;

pub use build::workflow;
pub use failure::FailureReport;
pub use functions::{Asked, Functions, HostFunction, Place};
pub use home::{Home, Job};
pub use runtime::{HostRuntime, RuntimeError};
pub use spec::{
    AgentSpec, ModelSpec, NodeSpec, OutputSpec, Policies, ToolData, Work, WorkflowSpec,
};
