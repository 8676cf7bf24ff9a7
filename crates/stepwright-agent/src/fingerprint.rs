//! The fingerprint of an agent, so that a run is not resumed with a different agent.

use crate::deferred::TOOLS_DEFERRED_ABOVE;
use crate::definition::{AgentLimits, Source, TOOL_CONCURRENCY, TOOL_TIMEOUT, TURNS};
use crate::options::ToolOptions;
use crate::shape::OutputSchema;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_core::Fingerprint;
use stepwright_core::budget::Budget;
use stepwright_core::guardrail::Guard;
use stepwright_core::model::{AnyModel, Model as _, ModelOptions, ToolChoice};
use stepwright_core::tool::{AnyTool, Tool as _, ToolSource as _, ToolSpec};
use stepwright_models::RetryPolicy;
use stepwright_models::guard::IDLE_TIMEOUT;

/// Everything that decides an agent's behavior, except code.
pub(crate) struct AgentParts<'a> {
    pub(crate) model: &'a AnyModel,
    pub(crate) instructions: Option<&'a str>,
    pub(crate) tools: &'a [AnyTool],
    pub(crate) sources: &'a [Source],
    pub(crate) confirmed: &'a BTreeSet<String>,
    pub(crate) tool_options: &'a BTreeMap<String, ToolOptions>,
    pub(crate) options: &'a ModelOptions,
    pub(crate) tool_choice: &'a ToolChoice,
    pub(crate) guards: &'a [Guard],
    pub(crate) output: Option<&'a OutputSchema>,
    pub(crate) retry: &'a RetryPolicy,
    pub(crate) budget: Option<&'a Budget>,
    pub(crate) limits: &'a AgentLimits,
}

impl AgentParts<'_> {
    /// Returns the settings under the names that their author knows. Defaults are left out, so that
    /// changing a default does not change every definition.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let AgentLimits { turns, tool_timeout, tool_concurrency, idle, defer_above } = *self.limits;
        let RetryPolicy { max, delay, delay_max, retry_after_max } = self.retry;
        let all = Fingerprint::default().with("model", self.model.id());
        let all = set(all, "instructions", self.instructions.map(str::to_owned));
        let all = set(all, "output", self.output.map(|shape| shape.schema.to_string()));
        let all = set(all, "max_turns", (turns != TURNS).then(|| turns.to_string()));
        let limit = (tool_timeout != TOOL_TIMEOUT).then(|| format!("{tool_timeout:?}"));
        let all = set(all, "tool_timeout", limit);
        let calls = (tool_concurrency != TOOL_CONCURRENCY).then(|| tool_concurrency.to_string());
        let all = set(all, "tool_concurrency", calls);
        let above = (defer_above != TOOLS_DEFERRED_ABOVE).then(|| defer_above.to_string());
        let all = set(all, "defer_above", above);
        let all = set(all, "idle_timeout", (idle != IDLE_TIMEOUT).then(|| format!("{idle:?}")));
        let retry = (*self.retry != RetryPolicy::default()).then(|| {
            format!(
                "{max} times, after {delay:?} to {delay_max:?}, or up to {retry_after_max:?} if the \
                 provider asks for that"
            )
        });
        let all = set(all, "model_retry", retry);
        let budget = self.budget.map(|budget| json!(budget).to_string());
        let all = set(all, "budget", budget);
        let all = self.guards.iter().zip(1..).fold(all, |all, (guard, nth)| {
            all.with(format!("guardrail {nth}"), guard.fingerprint().to_string())
        });
        let all = self.options(all);
        let of_sources = |all: Fingerprint, Source { source, options }: &Source| {
            let all = all.and(source.fingerprint());
            let written = options.as_ref().map(ToolOptions::written).unwrap_or_default();
            if written.is_empty() {
                return all;
            }
            all.with(format!("tools of {}", source.name()), json!(written).to_string())
        };
        let all = self.sources.iter().fold(all, of_sources);
        // Those of tools that are not known yet have no tool to stand with.
        let all = if self.sources.is_empty() || self.confirmed.is_empty() {
            all
        } else {
            all.with("requires_confirmation", json!(self.confirmed).to_string())
        };
        let is_unknown = |name: &&String| self.tools.iter().all(|it| it.spec().name != **name);
        let names = self.tool_options.keys().filter(is_unknown);
        let all = names.fold(all, |all, name| {
            let written = self.tool_options[name].written();
            all.with(format!("options of tool {name}"), json!(written).to_string())
        });
        self.tools.iter().fold(all, |all, tool| {
            let ToolSpec { name, description, parameters } = tool.spec();
            let confirmed = self.confirmed.contains(name);
            let mut text = json!({
                "description": description,
                "parameters": parameters,
                "requires_confirmation": confirmed,
            });
            if let Some(options) = self.tool_options.get(name).map(ToolOptions::written)
                && !options.is_empty()
            {
                text["options"] = options.into();
            }
            let all = all.with(format!("tool {name}"), text.to_string());
            let content = tool.fingerprint();
            if content.is_empty() {
                return all;
            }
            let content = serde_json::to_string(&content).unwrap_or_default();
            all.with(format!("content of tool {name}"), content)
        })
    }

    fn options(&self, all: Fingerprint) -> Fingerprint {
        // No `..` here, so that the compiler reports a new option.
        let ModelOptions {
            max_output_tokens,
            temperature,
            reasoning_effort,
            reasoning_budget,
            cache,
            hosted_tools,
            output_mode,
            timeout,
            idle_timeout,
            extra,
            top_p,
            stop,
            seed,
            headers,
        } = self.options;
        let all = set(all, "max_output_tokens", max_output_tokens.map(|most| most.to_string()));
        let all = set(all, "temperature", temperature.map(|value| value.to_string()));
        let effort = reasoning_effort.map(|effort| effort.as_str().to_owned());
        let all = set(all, "reasoning_effort", effort);
        let budget = reasoning_budget.map(|tokens| tokens.to_string());
        let all = set(all, "reasoning_budget", budget);
        let all = set(all, "cache", cache.map(|cache| cache.as_str().to_owned()));
        let hosted: Vec<&str> = hosted_tools.iter().map(|tool| tool.as_str()).collect();
        let all = set(all, "hosted_tools", (!hosted.is_empty()).then(|| hosted.join(", ")));
        let all = set(all, "output_mode", output_mode.map(|mode| mode.as_str().to_owned()));
        let all = set(all, "timeout", timeout.map(|limit| format!("{limit:?}")));
        let all = set(all, "idle_timeout of the model", idle_timeout.map(|t| format!("{t:?}")));
        let all = set(all, "top_p", top_p.map(|value| value.to_string()));
        let all = set(all, "stop", (!stop.is_empty()).then(|| json!(stop).to_string()));
        let all = set(all, "seed", seed.map(|seed| seed.to_string()));
        let choice = match self.tool_choice {
            ToolChoice::Auto => None,
            ToolChoice::None => Some("none".to_owned()),
            ToolChoice::Required => Some("required".to_owned()),
            ToolChoice::One(name) => Some(format!("the tool `{name}`")),
        };
        let all = set(all, "tool_choice", choice);
        // A header of any name may hold a key.
        let all = headers.iter().fold(all, |all, (name, value)| {
            all.with_hidden(format!("header {name}"), value.clone())
        });
        extra.iter().fold(all, |all, (name, value)| {
            // Keeping the name lets redaction recognize secrets.
            let text = json!({ name: value }).to_string();
            all.with(format!("extra {name}"), text)
        })
    }
}

fn set(all: Fingerprint, name: &str, text: Option<String>) -> Fingerprint {
    match text {
        Some(text) => all.with(name, text),
        None => all,
    }
}

/// Adds the address of a model named with one, because the model's id does not contain it. The
/// query after `?` may contain a key and is kept as a hash.
pub(crate) fn of_address(content: Fingerprint, written: &str) -> Fingerprint {
    let Some((_, address)) = written.split_once("@http") else {
        return content;
    };
    match address.split_once('?') {
        Some((address, query)) => content
            .with("address of the model", format!("http{address}"))
            .with_hidden("query of the address", query),
        None => content.with("address of the model", format!("http{address}")),
    }
}
