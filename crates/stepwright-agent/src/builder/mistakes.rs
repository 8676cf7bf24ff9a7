//! The mistakes in the definition of an agent.

use super::AgentBuilder;
use crate::definition::{AgentLimits, TOOL_CONCURRENCY_MAX, TOOL_NAME_BYTES_MAX, TURNS_MAX};
use crate::results;
use crate::strict;
use std::collections::BTreeSet;
use stepwright_core::budget::Budget;
use stepwright_core::guardrail::Guardrail as _;
use stepwright_core::message::Message;
use stepwright_core::model::{Model as _, ModelRequest, ToolChoice};
use stepwright_core::path::name_mistake;
use stepwright_core::tool::{Tool as _, ToolSpec};

impl AgentBuilder {
    /// Returns the setting that the model does not have.
    fn unsupported(&self) -> Option<String> {
        let request = ModelRequest {
            messages: vec![Message::user("a check of settings, which is not sent")],
            tools: self.tools.iter().map(|tool| tool.spec().clone()).collect(),
            strict_tools: strict::names(&self.tool_options),
            tool_choice: self.tool_choice.clone(),
            options: self.options.clone(),
            ..ModelRequest::default()
        };
        let error = self.model.as_ref()?.check(&request).err()?;
        Some(match &error.hint {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        })
    }

    /// Returns all mistakes, each with what to do.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes: Vec<String> = name_mistake(&self.name).into_iter().collect();
        if self.model.is_none() {
            mistakes.push("it has no model; add one, such as `.model(\"offline\")?`".into());
        }
        let has_none = self.tools.is_empty() && self.sources.is_empty();
        if self.tool_choice == ToolChoice::Required && has_none {
            mistakes.push("it must call a tool but has none; add one".into());
        }
        if let ToolChoice::One(name) = &self.tool_choice
            && self.sources.is_empty()
            && !self.tools.iter().any(|tool| tool.spec().name == *name)
        {
            mistakes.push(format!(
                "it must call `{name}`, but has no such tool; add it with `.tool(…)`, or correct \
                 the name"
            ));
        }
        mistakes.extend(self.unsupported());
        mistakes.extend(self.toolkit_mistakes.iter().cloned());
        let mut names = BTreeSet::new();
        for tool in &self.tools {
            let ToolSpec { name, parameters, .. } = tool.spec();
            if !names.insert(name) {
                mistakes.push(format!("two tools are called `{name}`; rename one of them"));
            }
            let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > TOOL_NAME_BYTES_MAX || !name.chars().all(letters) {
                mistakes.push(format!(
                    "tool `{name}` needs a name of 1 to {TOOL_NAME_BYTES_MAX} letters, digits, `_` \
                     and `-`"
                ));
            }
            if parameters.get("type").and_then(|kind| kind.as_str()) != Some("object") {
                mistakes.push(format!(
                    "the arguments of tool `{name}` are not a JSON object; make them the fields of \
                     a struct"
                ));
            }
        }
        // The names of a source's tools are known only when the agent runs.
        let is_unknown = |name: &&String| self.sources.is_empty() && !names.contains(name);
        for name in self.confirmed.iter().filter(is_unknown) {
            mistakes.push(format!(
                "`requires_confirmation` names `{name}`, but the agent has no such tool; add it \
                 with `.tool(…)`, or correct the name"
            ));
        }
        for tool in &self.tools {
            let name = &tool.spec().name;
            let options = self.tool_options.get(name);
            mistakes.extend(options.into_iter().flat_map(|options| options.mistakes(tool)));
        }
        for name in self.tool_options.keys().filter(is_unknown) {
            mistakes.push(format!(
                "`tool_options` names `{name}`, but the agent has no such tool; add it with \
                 `.tool(…)`, or correct the name"
            ));
        }
        if self.reads_results() && names.iter().any(|name| *name == results::READ_RESULT) {
            mistakes.push(format!(
                "a tool is called `{READ_RESULT}`, which is the name of the tool that reads the \
                 rest of long results; rename it",
                READ_RESULT = results::READ_RESULT,
            ));
        }
        mistakes.extend(self.context_mistakes());
        mistakes.extend(self.guards.iter().filter_map(|guard| guard.mistake(false)));
        for guard in &self.guards {
            let unknown = guard.tool_names().into_iter().flatten().filter(is_unknown);
            let guard = guard.guardrail().name();
            mistakes.extend(unknown.map(|name| {
                format!(
                    "guardrail `{guard}` names the tool `{name}`, which the agent does not have; \
                     add it with `.tool(…)`, or correct the name"
                )
            }));
        }
        if let Some(mistake) = self.budget.as_ref().and_then(Budget::mistake) {
            mistakes.push(format!("{mistake}; set a limit of its `budget`"));
        }
        let AgentLimits { turns, tool_timeout, tool_concurrency, idle, .. } = self.limits;
        if !(1..=TURNS_MAX).contains(&turns) {
            mistakes.push(format!("`max_turns` is {turns}; set 1 to {TURNS_MAX}"));
        }
        if !(1..=TOOL_CONCURRENCY_MAX).contains(&tool_concurrency) {
            mistakes.push(format!(
                "`tool_concurrency` is {tool_concurrency}; set 1 to {TOOL_CONCURRENCY_MAX}"
            ));
        }
        for (setting, limit) in [("tool_timeout", tool_timeout), ("idle_timeout", idle)] {
            if limit.is_zero() {
                mistakes.push(format!("`{setting}` must be greater than zero"));
            }
        }
        mistakes
    }
}
