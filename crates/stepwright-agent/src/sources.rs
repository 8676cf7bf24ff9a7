//! The tools of sources, which an execution of an agent gets when it begins.

use crate::definition::{AgentDefinition, Source, TOOL_NAME_BYTES_MAX};
use crate::options::ToolOptions;
use std::borrow::Cow;
use stepwright_core::model::ToolChoice;
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
    for Source { source, options } in &agent.sources {
        for tool in source.tools(cx.clone()).await? {
            add(&mut whole, source.name(), tool, options.as_ref())?;
        }
    }
    for name in &whole.confirmed {
        known(&whole, "requires_confirmation", name)?;
    }
    for name in whole.tool_options.keys() {
        known(&whole, "tool_options", name)?;
    }
    if let ToolChoice::One(name) = &whole.tool_choice {
        known(&whole, "tool_choice", name)?;
    }
    Ok(Cow::Owned(whole))
}

/// Checks that the agent has a tool that a setting names.
fn known(agent: &AgentDefinition, setting: &str, name: &str) -> Result<(), StepError> {
    if agent.tool(name).is_some() {
        return Ok(());
    }
    let names: Vec<String> = agent.specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
    let message = format!(
        "`{setting}` names `{name}`, but the agent has no such tool; it has {}",
        names.join(", ")
    );
    Err(unfit(message).with_hint("correct the name, or leave it out"))
}

/// Adds a tool of a source. Settings for its name hold before those of the source.
fn add(
    agent: &mut AgentDefinition,
    source: &str,
    tool: AnyTool,
    options: Option<&ToolOptions>,
) -> Result<(), StepError> {
    let name = &tool.spec().name;
    if agent.specs.iter().any(|spec| spec.name == *name) {
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
    if let (Some(options), false) = (options, agent.tool_options.contains_key(name)) {
        agent.tool_options.insert(name.clone(), options.clone());
    }
    if let Some(options) = agent.tool_options.get(name) {
        if let Some(mistake) = options.mistakes(&tool).into_iter().next() {
            return Err(unfit(format!("`{source}`: {mistake}")));
        }
        if options.is_confirmed() {
            agent.confirmed.insert(name.clone());
        }
    }
    agent.specs.push(tool.spec().clone());
    agent.tools.push(tool);
    Ok(())
}

fn unfit(message: String) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::Tool).with_id(ErrorId::MCP_TOOLS_INVALID)
}
