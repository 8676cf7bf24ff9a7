//! The tools of sources, which an execution of an agent gets when it begins.

use crate::definition::{AgentDefinition, TOOL_NAME_BYTES_MAX};
use std::borrow::Cow;
use stepwright_core::tool::{AnyTool, Tool as _, ToolSource as _};
use stepwright_core::{ErrorCode, ErrorId, StepContext, StepError};

/// Returns the agent with the tools of its sources.
///
/// # Errors
/// Fails if a source has no tools to give, or gives some that do not go together.
pub(crate) async fn with_tools<'a>(
    agent: &'a AgentDefinition,
    cx: &StepContext,
) -> Result<Cow<'a, AgentDefinition>, StepError> {
    if agent.sources.is_empty() {
        return Ok(Cow::Borrowed(agent));
    }
    let mut whole = agent.clone();
    // One after the other: a person may be asked for the permission to use one.
    for source in &agent.sources {
        for tool in source.tools(cx.clone()).await? {
            add(&mut whole, source.name(), tool)?;
        }
    }
    let known = |name: &String| whole.tool(name).is_some();
    if let Some(name) = whole.confirmed.iter().find(|name| !known(name)) {
        let names: Vec<String> = whole.specs.iter().map(|s| format!("`{}`", s.name)).collect();
        let message = format!(
            "`requires_confirmation` names `{name}`, but the agent has no such tool; it has {}",
            names.join(", ")
        );
        return Err(unfit(message).with_hint("correct the name, or leave it out"));
    }
    Ok(Cow::Owned(whole))
}

fn add(agent: &mut AgentDefinition, source: &str, tool: AnyTool) -> Result<(), StepError> {
    let name = &tool.spec().name;
    if agent.tool(name).is_some() {
        let message = format!("`{source}` has a tool `{name}`, and the agent has another one");
        return Err(unfit(message).with_hint(format!("give `{source}` a `prefix` of its own")));
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > TOOL_NAME_BYTES_MAX || !name.chars().all(letters) {
        let message = format!("`{source}` has a tool with the name `{name}`");
        let hint = format!("a name has 1 to {TOOL_NAME_BYTES_MAX} letters, digits, `_` and `-`");
        return Err(unfit(message).with_hint(hint));
    }
    if tool.requires_confirmation() {
        agent.confirmed.insert(name.clone());
    }
    agent.specs.push(tool.spec().clone());
    agent.tools.push(tool);
    Ok(())
}

fn unfit(message: String) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::Tool).with_id(ErrorId::MCP_TOOLS_INVALID)
}
