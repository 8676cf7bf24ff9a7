//! The verdicts of guardrails, as facts have them.

use crate::content::Content;
use crate::cost::Cost;
use crate::message::Usage;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The place of a guard.
///
/// ```
/// use stepwright_core::guardrail::GuardPlace;
/// assert_eq!(GuardPlace::BeforeModel.as_str(), "before_model");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GuardPlace {
    /// The input of a step.
    BeforeStep,
    /// The output of a step.
    AfterStep,
    /// The message to an agent.
    BeforeAgent,
    /// The answer of an agent.
    AfterAgent,
    /// The messages that are new in a request to a model.
    BeforeModel,
    /// The text of one answer of a model.
    AfterModel,
    /// The arguments of a tool call.
    BeforeTool,
    /// The result of a tool call.
    AfterTool,
}

impl GuardPlace {
    /// Returns the name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeStep => "before_step",
            Self::AfterStep => "after_step",
            Self::BeforeAgent => "before_agent",
            Self::AfterAgent => "after_agent",
            Self::BeforeModel => "before_model",
            Self::AfterModel => "after_model",
            Self::BeforeTool => "before_tool",
            Self::AfterTool => "after_tool",
        }
    }

    /// Returns `true` for the places around a step. The others are those of an agent.
    pub const fn is_of_step(self) -> bool {
        matches!(self, Self::BeforeStep | Self::AfterStep)
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::BeforeStep => "the input of the step",
            Self::AfterStep => "the output of the step",
            Self::BeforeAgent => "the message to the agent",
            Self::AfterAgent => "the answer of the agent",
            Self::BeforeModel => "the request to the model",
            Self::AfterModel => "the answer of the model",
            Self::BeforeTool => "the arguments",
            Self::AfterTool => "the result",
        }
    }
}

/// The verdict of a guardrail.
///
/// ```
/// use stepwright_core::guardrail::GuardVerdict;
/// let verdict = GuardVerdict::refuse("it names a competitor");
/// let written = serde_json::json!({"verdict": "refuse", "reason": "it names a competitor"});
/// assert_eq!(serde_json::to_value(&verdict).unwrap(), written);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum GuardVerdict {
    /// The content passes.
    Allow,
    /// Another content takes its place.
    Rewrite {
        /// The content.
        content: Content,
    },
    /// The work is done again, and told the reason: a model answers again, a step executes again,
    /// a model reads why its tool call was not made. Ahead of a request or a step there is nothing
    /// to do again, so it refuses.
    Retry {
        /// The reason.
        reason: Arc<str>,
    },
    /// The agent or the step fails with `GUARDRAIL_REFUSED`.
    Refuse {
        /// The reason.
        reason: Arc<str>,
    },
}

impl GuardVerdict {
    /// Creates a refusal.
    pub fn refuse(reason: impl Into<Arc<str>>) -> Self {
        Self::Refuse { reason: reason.into() }
    }

    /// Creates a verdict that has the work done again.
    pub fn retry(reason: impl Into<Arc<str>>) -> Self {
        Self::Retry { reason: reason.into() }
    }

    /// Creates a verdict with another content.
    pub fn rewrite(content: impl Into<Content>) -> Self {
        Self::Rewrite { content: content.into() }
    }
}

/// A verdict as its fact has it: see [`GuardrailJudged`](crate::EventKind::GuardrailJudged).
///
/// ```
/// use stepwright_core::guardrail::{GuardPlace, Judged};
/// let fact = r#"{"guardrail":"length","place":"after_agent","key":"k","verdict":"allow"}"#;
/// let judged: Judged = serde_json::from_str(fact).unwrap();
/// assert_eq!(judged.place, GuardPlace::AfterAgent);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The name of the guardrail.
    pub guardrail: Arc<str>,
    /// The place.
    pub place: GuardPlace,
    /// The name of the tool, if a call was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Arc<str>>,
    /// The key of the verdict in its step: the place, the attempt, the number of the guard, and a
    /// hash of the content.
    pub key: Arc<str>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: GuardVerdict,
    /// The usage of the model that judged, if one did.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The cost of that request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}
