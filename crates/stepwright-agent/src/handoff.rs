//! Handing a conversation to another agent, and tools that are made for a run.

use crate::arguments::check_names;
use crate::definition::{AgentDefinition, Handoff, MadeTools};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use stepwright_core::message::ToolOutcome;
use stepwright_core::tool::{AnyTool, Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, StepContext, StepError, StepInput};

/// The beginning of the names of tools that hand a conversation over.
const PREFIX: &str = "transfer_to_";

/// Returns the name of the tool that hands a conversation over to the agent of this name.
pub fn handoff_tool_name(agent: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = agent.chars().map(word).collect();
    format!("{PREFIX}{name}")
}

/// Returns the handoff to an agent.
pub(crate) fn to(agent: &Arc<AgentDefinition>) -> Handoff {
    Handoff { tool: handoff_tool_name(&agent.name), agent: agent.clone() }
}

/// Returns the tool that hands over.
pub(crate) fn as_tool(handoff: &Handoff, description: &str) -> AnyTool {
    let name = &handoff.agent.name;
    let spec = ToolSpec {
        name: handoff.tool.clone(),
        description: format!(
            "Hands this conversation over to `{name}`, who goes on in your place. {description}"
        ),
        parameters: json!({
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "What they should know or do."},
            },
            "additionalProperties": false,
        }),
    };
    AnyTool::new(HandoffTool { spec, to: name.to_string() })
}

/// The tool that hands over: its answer, once recorded, is the decision.
struct HandoffTool {
    spec: ToolSpec,
    to: String,
}

impl Tool for HandoffTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, _: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        let checked = check_names(&self.spec, &arguments);
        let text = format!("`{}` has the conversation now", self.to);
        Box::pin(std::future::ready(checked.map(|()| text)))
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn needs_permission(&self) -> bool {
        false
    }
}

/// Returns the agent that goes on after these results, if one of them hands over. The first counts.
pub(crate) fn after<'a>(
    agent: &'a AgentDefinition,
    results: &[ToolOutcome],
) -> Option<&'a AgentDefinition> {
    let done = results.iter().filter(|result| !result.is_error);
    let mut targets =
        done.filter_map(|result| agent.handoffs.iter().find(|handoff| handoff.tool == result.name));
    targets.next().map(|handoff| &*handoff.agent)
}

/// Returns the agent with the tools of this run.
///
/// # Errors
/// Fails for the reasons of the function, and if two tools have one name.
pub(crate) fn equipped(
    made: &MadeTools,
    agent: &AgentDefinition,
    input: &StepInput,
    cx: &StepContext,
) -> Result<AgentDefinition, StepError> {
    let mut agent = agent.clone();
    let mut names: BTreeSet<String> = agent.specs.iter().map(|spec| spec.name.clone()).collect();
    for tool in made.make(input, cx)? {
        let spec = tool.spec().clone();
        if !names.insert(spec.name.clone()) {
            let (name, tool) = (&agent.name, &spec.name);
            let error = format!("agent `{name}` has two tools called `{tool}` in this run");
            return Err(StepError::terminal(error).with_hint("rename one of them"));
        }
        if tool.requires_confirmation() {
            agent.confirmed.insert(spec.name.clone());
        }
        agent.specs.push(spec);
        agent.tools.push(tool);
    }
    Ok(agent)
}
