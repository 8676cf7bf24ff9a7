//! The shared types and traits of Stepwright, the engine for agentic workflows.
//!
//! This crate contains plain data and traits that other crates implement. It does no I/O, starts no
//! task and reads no clock.
//!
//! Implement [`Executor`] for a new kind of step, [`model::Model`] for a provider, [`tool::Tool`]
//! for a tool, [`Store`] for a database and [`dispatch::Dispatcher`] for an engine that hands out
//! runs: the documentation of each has an example.
//!
//! # Invariants
//!
//! * A history that cannot be is refused by the same [`fold`], before facts are written and after
//!   they are read. The grammar in `stepwright-testing` checks every stream of the tests by it.
//! * Nothing is rewritten whole. A fact is one row; a run is not a document that grows.
//! * Stored data holds no code.
//! * Time in a run never runs backwards, and comes from [`World`], as do ids and chance. Tests use
//!   a clock that stands still until everything waits ([`world::VirtualClock`]). Times that several
//!   processes compare, such as signs of life, are the machine's ([`World::wall`]).
//! * The class of an event ([`EventKind::class`]) and the row of a container ([`container`]) say
//!   all that other crates sort by, so that the compiler finds what a new kind must say.
//!
//! # Errors
//!
//! Callers get one opaque [`Error`], with a kind, an id, the step and a hint. Inside a run a
//! failure is data ([`ErrorData`]). Each kind that a person can meet has an id and a page in
//! [`codes`], and each report has the one form of [`Report`]: what is wrong with its value, in
//! lower case and without a full stop, then the advice in terms of what the user wrote.

pub mod awaited;
pub mod budget;
pub mod call;
pub mod calls;
pub mod codes;
pub mod container;
pub mod content;
pub mod context;
pub mod cost;
mod detached;
pub mod dispatch;
pub mod error;
pub mod event;
pub mod executor;
pub mod failure;
pub mod fingerprint;
pub mod fold;
pub mod form;
pub mod gate;
pub mod guardrail;
pub mod held_text;
pub mod id;
pub mod interrupted;
pub mod journal;
pub mod json;
pub mod media;
mod media_bytes;
pub mod memory;
pub mod message;
pub mod model;
pub mod number;
pub mod observe;
pub mod once;
pub mod output;
pub mod partial;
mod passage;
pub mod path;
pub mod permission;
pub mod plan;
pub mod playback;
pub mod provided;
pub mod redact;
mod redacting;
pub mod report;
pub mod requirement;
pub mod review;
pub mod rewind;
pub mod scope;
pub mod sent;
pub mod session;
pub mod state;
pub mod status;
pub mod step;
pub mod store;
mod surroundings;
pub mod tool;
pub mod trace;
mod user_memory;
pub mod values;
pub mod wait;
pub mod workspace;
pub mod world;

pub use awaited::EventMatch;
pub use codes::ErrorId;
pub use container::{ContainerKind, Decision, Turns};
pub use content::{Content, Json};
pub use context::StepContext;
pub use error::{Error, ErrorCode, ErrorData, ErrorKind, LiveSource, StepError};
pub use event::{Event, EventKind};
pub use executor::{AnyExecutor, Executor, FailureInfo, Feedback, StepInput, StepOutput};
pub use fingerprint::Fingerprint;
pub use id::{IdError, RunId, SessionId, UserId, WorkflowId};
pub use interrupted::OnInterrupted;
pub use media::{Media, MediaKind, MediaSource, StoredMedia};
pub use memory::Memory;
pub use once::Once;
pub use output::{Metrics, RunOutput, RunStatus, StepResult, StepStatus};
pub use path::StepPath;
pub use provided::{FromContext, State};
pub use report::Report;
pub use requirement::{Answer, OnTimeout, Requirement};
pub use review::{HumanReview, OnReject};
pub use session::{Exchange, Session};
pub use state::Patch;
pub use store::{AnyStore, Store, StoreError};
pub use world::{Timestamp, World};

/// Any error, as a step's function may return it: `?` converts errors of every type, and texts.
///
/// A [`StepError`] stays what it is, so a function can still say that an error is not retried.
///
/// ```
/// use stepwright_core::{BoxError, StepError};
/// fn price(text: &str) -> Result<u32, BoxError> {
///     let price: u32 = text.trim().parse()?;
///     if price == 0 {
///         return Err(StepError::terminal("the price is zero").into());
///     }
///     Ok(price)
/// }
/// assert!(StepError::from_error(price("many").unwrap_err()).data.retryable);
/// assert!(!StepError::from_error(price("0").unwrap_err()).data.retryable);
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A boxed future that is `Send`, as trait objects return it.
///
/// ```
/// use stepwright_core::BoxFuture;
/// fn double(n: u32) -> BoxFuture<'static, u32> { Box::pin(async move { 2 * n }) }
/// assert_eq!(futures_util::FutureExt::now_or_never(double(4)), Some(8));
/// ```
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;
