//! The parts that every language binding of Stepwright needs, independent of the language.
//!
//! A binding gives two things: a [`WorkflowSpec`], which is plain data that its language writes,
//! and a table of [`HostFunction`]s, which the data names by their indices. This crate makes a
//! workflow of them. Questions to a workflow ([`Question`]) and runs that go on ([`TakeUp`]) are
//! data too. It also holds the parts that are easily written wrong: a runtime that is
//! owned, ends with the program and refuses after a fork ([`HostRuntime`]), a queue for work that
//! belongs to the caller's thread ([`Home`]), and errors as data ([`FailureReport`]).

mod agent_spec;
mod agents;
mod build;
mod failure;
mod functions;
mod guards;
mod home;
mod knowledge;
mod memories;
mod models;
mod questions;
mod runtime;
mod spec;
mod takeup;
mod times;
mod toolbox;

pub use agent_spec::{
    AgentSpec, CompactionBy, CompactionSpec, EmbedderSpec, GuardAt, GuardCheck, GuardSpec,
    HandoffSpec, Kit, KnowledgeSpec, McpSpec, MemberSpec, MemoryBy, MemorySpec, ModelSpec,
    OutputSpec, SummarySpec, TeamSpec, Then, ToolData, ToolSettings, ToolWords, Worker,
};
pub use build::workflow;
pub use failure::FailureReport;
pub use functions::{Asked, Functions, HostFunction, Place};
pub use home::{Home, Job};
pub use knowledge::knowledge;
pub use memories::{MemoryAsked, MemoryQuestion};
pub use questions::Question;
pub use runtime::{HostRuntime, RuntimeError};
pub use spec::{NodeSpec, Policies, Work, WorkflowSpec};
pub use takeup::{TakeUp, TakenUp};
