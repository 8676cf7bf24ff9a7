//! The definition of an agent: the settings that its runs read, with their defaults and limits.

use crate::shape::OutputSchema;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::Fingerprint;
use stepwright_core::budget::Budget;
use stepwright_core::model::{AnyModel, ModelOptions, ToolChoice};
use stepwright_core::tool::{AnyTool, AnyToolSource, Tool as _, ToolSpec};
use stepwright_models::RetryPolicy;

/// The default limit of model requests for one message.
pub const TURNS: u32 = 20;

/// The highest limit of turns. Every turn carries all earlier ones, so no model can read more.
pub const TURNS_MAX: u32 = 1000;

/// The default number of tool calls that run at once.
pub const TOOL_CONCURRENCY: usize = 8;

/// The highest number of tool calls that run at once.
pub const TOOL_CONCURRENCY_MAX: usize = 256;

/// The longest name of a tool, in bytes, that every provider accepts.
pub const TOOL_NAME_BYTES_MAX: usize = 64;

/// The default timeout of one tool call.
pub const TOOL_TIMEOUT: Duration = Duration::from_mins(2);

/// The settings of an agent, as [`AgentBuilder::build`](crate::AgentBuilder::build) checked them.
#[derive(Clone)]
pub(crate) struct AgentDefinition {
    pub(crate) name: Arc<str>,
    pub(crate) model: AnyModel,
    pub(crate) instructions: Option<String>,
    pub(crate) tools: Vec<AnyTool>,
    /// The sources of further tools, which each execution asks.
    pub(crate) sources: Vec<AnyToolSource>,
    pub(crate) specs: Vec<ToolSpec>,
    /// The tools whose calls need a confirmation.
    pub(crate) confirmed: BTreeSet<String>,
    pub(crate) options: ModelOptions,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) output: Option<OutputSchema>,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Option<Budget>,
    pub(crate) limits: AgentLimits,
    /// The content that must be unchanged when a run resumes.
    pub(crate) fingerprint: Fingerprint,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentLimits {
    pub(crate) turns: u32,
    pub(crate) tool_timeout: Duration,
    pub(crate) tool_concurrency: usize,
    pub(crate) idle: Duration,
}

impl AgentDefinition {
    pub(crate) fn tool(&self, name: &str) -> Option<&AnyTool> {
        self.tools.iter().find(|tool| tool.spec().name == name)
    }
}
