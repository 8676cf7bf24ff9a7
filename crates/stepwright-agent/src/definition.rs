//! The definition of an agent: the settings that its runs read, with their defaults and limits.

use crate::compaction::Compaction;
use crate::context::AnyContext;
use crate::memories::AgentMemory;
use crate::options::ToolOptions;
use crate::shape::OutputSchema;
use crate::summary::SessionSummary;
use crate::team::mode::TeamRules;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::{AtLimit, Budget};
use stepwright_core::guardrail::Guard;
use stepwright_core::message::Message;
use stepwright_core::model::{AnyModel, ModelOptions, ToolChoice};
use stepwright_core::tool::{AnyTool, AnyToolSource, Tool, ToolSpec};
use stepwright_core::{Fingerprint, StepContext, StepError, StepInput};
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

/// A source of tools, with the settings of each of them.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) source: AnyToolSource,
    pub(crate) options: Option<ToolOptions>,
}

impl Source {
    /// Returns the source with settings whose cache only this agent has.
    pub(crate) fn with_own_cache(self) -> Self {
        Self { options: self.options.map(ToolOptions::with_own_cache), ..self }
    }
}

/// An agent that can take over a conversation.
#[derive(Clone)]
pub(crate) struct Handoff {
    /// The name of the tool that hands over.
    pub(crate) tool: String,
    pub(crate) agent: Arc<AgentDefinition>,
}

type Make = dyn Fn(&StepInput, &StepContext) -> Result<Vec<AnyTool>, StepError> + Send + Sync;

/// Makes the tools of a run.
#[derive(Clone)]
pub(crate) struct MadeTools(Arc<Make>);

impl MadeTools {
    pub(crate) fn by<F>(make: F) -> Self
    where
        F: Fn(&StepInput, &StepContext) -> Result<Vec<AnyTool>, StepError> + Send + Sync + 'static,
    {
        Self(Arc::new(make))
    }

    pub(crate) fn make(
        &self,
        input: &StepInput,
        cx: &StepContext,
    ) -> Result<Vec<AnyTool>, StepError> {
        (self.0)(input, cx)
    }
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handoff").field(&self.tool).finish()
    }
}

impl fmt::Debug for MadeTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MadeTools").finish_non_exhaustive()
    }
}

/// The settings of an agent, as [`AgentBuilder::build`](crate::AgentBuilder::build) checked them.
#[derive(Clone)]
pub(crate) struct AgentDefinition {
    pub(crate) name: Arc<str>,
    pub(crate) model: AnyModel,
    pub(crate) instructions: Option<String>,
    pub(crate) tools: Vec<AnyTool>,
    /// The sources of further tools, which each execution asks.
    pub(crate) sources: Vec<Source>,
    pub(crate) specs: Vec<ToolSpec>,
    /// The tools of which the model knows only the names until it loads them.
    pub(crate) deferred: Arc<BTreeSet<String>>,
    /// The tools whose calls need a confirmation.
    pub(crate) confirmed: BTreeSet<String>,
    /// The settings of tools, by the name of the tool.
    pub(crate) tool_options: BTreeMap<String, ToolOptions>,
    /// The agents that can take over.
    pub(crate) handoffs: Vec<Handoff>,
    /// Makes more tools when a run begins.
    pub(crate) made_tools: Option<MadeTools>,
    pub(crate) options: ModelOptions,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) output: Option<OutputSchema>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Option<Budget>,
    pub(crate) limits: AgentLimits,
    /// The rules of the team that the agent leads.
    pub(crate) team: Option<Arc<TeamRules>>,
    /// The work on its context.
    pub(crate) upkeep: Upkeep,
    /// The content that must be unchanged when a run resumes.
    pub(crate) fingerprint: Fingerprint,
}

/// The work of an agent on its context.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upkeep {
    /// The sources of texts for its instructions.
    pub(crate) contexts: Vec<AnyContext>,
    /// The messages and answers of examples.
    pub(crate) examples: Vec<Message>,
    pub(crate) compaction: Option<Compaction>,
    pub(crate) summary: Option<SessionSummary>,
    pub(crate) memory: Option<AgentMemory>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentLimits {
    pub(crate) turns: u32,
    pub(crate) tool_timeout: Duration,
    pub(crate) tool_concurrency: usize,
    pub(crate) idle: Duration,
    /// The number of tools above which they are deferred.
    pub(crate) defer_above: usize,
}

impl AgentDefinition {
    pub(crate) fn tool(&self, name: &str) -> Option<&AnyTool> {
        self.tools.iter().find(|tool| tool.spec().name == name)
    }

    /// Returns `true` if a run may have to ask a person.
    pub(crate) fn asks(&self) -> bool {
        let pauses = |budget: &Budget| budget.at_limit == AtLimit::Pause;
        !self.confirmed.is_empty()
            || self.tools.iter().any(Tool::asks)
            // Their tools may ask, and calls may end with unknown outcomes.
            || !self.sources.is_empty()
            || self.budget.as_ref().is_some_and(pauses)
            || self.handoffs.iter().any(|handoff| handoff.agent.asks())
    }

    /// Returns the settings of a tool, if it has any.
    pub(crate) fn options_of(&self, name: &str) -> Option<&ToolOptions> {
        self.tool_options.get(name)
    }
}
