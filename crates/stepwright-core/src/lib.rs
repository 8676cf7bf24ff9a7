//! The shared types and traits of Stepwright, the engine for agentic workflows.
//!
//! This crate contains plain data and traits that other crates implement. It does no I/O, starts no
//! task and reads no clock.

pub mod call;
pub mod calls;
pub mod codes;
pub mod container;
pub mod content;
pub mod context;
pub mod dispatch;
pub mod error;
pub mod event;
pub mod executor;
pub mod failure;
pub mod fingerprint;
pub mod fold;
pub mod form;
pub mod id;
pub mod interrupted;
pub mod journal;
pub mod json;
pub mod media;
pub mod memory;
pub mod message;
pub mod model;
pub mod number;
pub mod once;
pub mod output;
pub mod path;
pub mod plan;
pub mod redact;
pub mod report;
pub mod requirement;
pub mod review;
pub mod rewind;
pub mod scope;
pub mod session;
pub mod state;
pub mod status;
pub mod step;
pub mod store;
pub mod tool;
pub mod world;

pub use codes::ErrorId;
pub use container::{ContainerKind, Decision, Turns};
pub use content::{Content, Json};
pub use context::StepContext;
pub use error::{Error, ErrorCode, ErrorData, ErrorKind, StepError};
pub use event::{Event, EventKind};
pub use executor::{AnyExecutor, Executor, Feedback, StepInput, StepOutput};
pub use fingerprint::Fingerprint;
pub use id::{IdError, RunId, SessionId, UserId, WorkflowId};
pub use interrupted::OnInterrupted;
pub use media::{Media, MediaKind, MediaSource};
pub use memory::Memory;
pub use once::Once;
pub use output::{Metrics, RunOutput, RunStatus, StepResult, StepStatus};
pub use path::StepPath;
pub use report::Report;
pub use requirement::{Answer, OnTimeout, Requirement};
pub use review::{HumanReview, OnReject};
pub use session::{Exchange, Session};
pub use state::Patch;
pub use store::{AnyStore, Store, StoreError};
pub use world::{Timestamp, World};

/// A boxed future that is `Send`, as trait objects return it.
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;
