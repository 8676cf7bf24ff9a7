//! Agents for Stepwright: the turn between a model and its tools.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use stepwright_agent::{Agent, FunctionTool};
//! use stepwright_core::{Executor as _, StepContext, StepInput};
//! use stepwright_testing::model::{Reply, ScriptedModel};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Weather {
//!     /// The name of a city.
//!     city: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), stepwright_core::Error> {
//! let weather = FunctionTool::new("weather", "The weather now.", |args: Weather| async move {
//!     format!("it rains in {}", args.city)
//! });
//! let model = ScriptedModel::new([
//!     Reply::call("weather", serde_json::json!({"city": "Bergen"})),
//!     Reply::text("Take an umbrella."),
//! ]);
//! let agent = Agent::builder("Adviser")
//!     .model(model)?                              // or `.model("offline")?`
//!     .instructions("Say what to wear.")
//!     .tool(weather)
//!     .build()?;
//!
//! let output = agent.execute(StepInput::of("Bergen?"), StepContext::detached("advise")).await;
//! assert_eq!(output.unwrap().content.text(), "Take an umbrella.");
//! # Ok(()) }
//! ```

mod as_tool;
mod builder;
mod calls;
mod fingerprint;
mod function;
mod past;
mod shape;
mod toolkit;
mod turn;

pub use as_tool::AgentTool;
pub use builder::{
    Agent, AgentBuilder, IntoModel, TOOL_CONCURRENCY, TOOL_CONCURRENCY_MAX, TOOL_NAME_BYTES_MAX,
    TOOL_TIMEOUT, TURNS, TURNS_MAX,
};
pub use calls::{TOOL_CALLS_MAX, TOOL_TEXT_BYTES_MAX};
pub use function::{FunctionTool, ToolFunction, ToolReply};
pub use stepwright_core::Json;
pub use stepwright_macros::tool;
pub use toolkit::{IntoTools, Toolkit};

/// What `#[tool]` writes names nothing else. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::{FunctionTool, ToolReply};
    pub use schemars;
    pub use serde;
    pub use serde_json::Value;
    pub use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
    pub use stepwright_core::{OnInterrupted, StepContext};

    /// What calling a tool gives.
    pub type ToolFuture<'a> = stepwright_core::BoxFuture<'a, Result<String, ToolError>>;
}
