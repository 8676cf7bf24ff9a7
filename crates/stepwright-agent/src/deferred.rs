//! Tools of which the model knows only the names until it loads them.

use crate::arguments::check_names;
use crate::definition::AgentDefinition;
use crate::options::SEARCH_TOOLS;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use stepwright_core::message::Message;
use stepwright_core::model::ToolChoice;
use stepwright_core::tool::{Tool, ToolError, ToolSpec};
use stepwright_core::{ErrorCode, ErrorId, StepError};

/// The number of tools above which an agent defers those that do not say otherwise. The schemas of
/// more tools cost more tokens in each request than a search costs once.
pub const TOOLS_DEFERRED_ABOVE: usize = 50;

/// The largest number of tools that one search loads. Further ones are counted in the answer.
pub const TOOLS_LOADED_MAX: usize = 10;

/// The longest description of a deferred tool in the list of names, in characters.
const LINE_CHARS_MAX: usize = 80;

/// Returns the names of the tools that the agent defers.
pub(crate) fn of(agent: &AgentDefinition) -> BTreeSet<String> {
    let is_many = agent.tools.len() > agent.limits.defer_above;
    let is_deferred = |name: &&str| {
        let said = agent.options_of(name).and_then(crate::ToolOptions::is_deferred);
        let always = agent.handoffs.iter().any(|handoff| handoff.tool == **name)
            || matches!(&agent.tool_choice, ToolChoice::One(one) if one == name);
        !always && said.unwrap_or(is_many)
    };
    let names = agent.tools.iter().map(|tool| tool.spec().name.as_str());
    names.filter(is_deferred).map(ToOwned::to_owned).collect()
}

/// Checks that no tool has the name of the one that loads deferred tools.
pub(crate) fn check(agent: &AgentDefinition) -> Result<(), StepError> {
    if agent.deferred.is_empty() || agent.tool(SEARCH_TOOLS).is_none() {
        return Ok(());
    }
    let error = StepError::terminal(taken()).with_code(ErrorCode::Tool);
    Err(error.with_id(ErrorId::MCP_TOOLS_INVALID).with_hint("rename it, or give it a prefix"))
}

/// Describes the mistake of a tool with that name.
pub(crate) fn taken() -> String {
    format!(
        "a tool is called `{SEARCH_TOOLS}`, which is the name of the tool that loads deferred tools"
    )
}

/// Returns the descriptions of the tools for the next request: those that are not deferred, the
/// search, and the tools that the conversation has loaded, in that order.
pub(crate) fn offered(agent: &AgentDefinition, messages: &[Message]) -> Vec<ToolSpec> {
    if agent.deferred.is_empty() {
        return agent.specs.clone();
    }
    let is_deferred = |spec: &&ToolSpec| agent.deferred.contains(&spec.name);
    let mut offered: Vec<ToolSpec> =
        agent.specs.iter().filter(|spec| !is_deferred(spec)).cloned().collect();
    offered.push(spec(agent));
    let loaded = loaded(agent, messages).into_iter();
    offered.extend(loaded.filter_map(|name| agent.tool(&name)).map(|tool| tool.spec().clone()));
    offered
}

/// Returns the tools that the conversation has loaded, the first one first: by a search, or by a
/// call that the model made without one. Both are facts.
fn loaded(agent: &AgentDefinition, messages: &[Message]) -> Vec<String> {
    let mut loaded: Vec<String> = Vec::new();
    let mut load = |name: &str| {
        if agent.deferred.contains(name) && !loaded.iter().any(|known| known == name) {
            loaded.push(name.to_owned());
        }
    };
    for message in messages {
        match message {
            Message::Assistant(turn) => turn.tool_calls().for_each(|call| load(&call.name)),
            Message::Tool { results } => {
                let found = results.iter().filter(|it| it.name == SEARCH_TOOLS && !it.is_error);
                for result in found {
                    let text = result.whole.as_deref().unwrap_or(&result.text);
                    let told = serde_json::from_str::<Value>(text).unwrap_or_default();
                    let names = told["loaded"].as_array().into_iter().flatten();
                    names.filter_map(Value::as_str).for_each(&mut load);
                }
            }
            Message::User { .. } => {}
        }
    }
    loaded
}

/// Returns the description of the search, with the names of the deferred tools.
fn spec(agent: &AgentDefinition) -> ToolSpec {
    let mut description = format!(
        "Loads tools that you know by name only, at most {TOOLS_LOADED_MAX} at once. When they are \
         loaded, you can call them. There are:"
    );
    for tool in agent.tools.iter().map(Tool::spec) {
        if agent.deferred.contains(&tool.name) {
            let _ = write!(description, "\n- {}: {}", tool.name, line(&tool.description));
        }
    }
    ToolSpec {
        name: SEARCH_TOOLS.into(),
        description,
        parameters: json!({
            "type": "object",
            "properties": {
                "names": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "The names of the tools to load.",
                },
                "query": {
                    "type": "string",
                    "description": "Words to look for in names and descriptions.",
                },
            },
            "additionalProperties": false,
        }),
    }
}

/// Returns the beginning of a description, on one line.
fn line(description: &str) -> String {
    let first = description.lines().next().unwrap_or_default().trim();
    let mut letters = first.chars();
    let line: String = letters.by_ref().take(LINE_CHARS_MAX).collect();
    if letters.next().is_some() { line + "…" } else { line }
}

/// Answers a call of the search. The answer is the fact of what was loaded.
pub(crate) fn search(agent: &AgentDefinition, arguments: &Value) -> Result<String, ToolError> {
    check_names(&spec(agent), arguments)?;
    let names = match &arguments["names"] {
        Value::Null => Vec::new(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return Err(ToolError::Arguments("`names` must be a list of names".into())),
    };
    let query = match &arguments["query"] {
        Value::Null => "",
        Value::String(query) => query.trim(),
        _ => return Err(ToolError::Arguments("`query` must be a text".into())),
    };
    if names.is_empty() && query.is_empty() {
        return Err(ToolError::Arguments("say which tools to load, by `names` or `query`".into()));
    }
    let is_known = |name: &&&str| agent.deferred.contains(**name);
    let unknown: Vec<&&str> = names.iter().filter(|name| !is_known(name)).collect();
    let mut found: Vec<&ToolSpec> =
        names.iter().filter(is_known).filter_map(|name| agent.tool(name)).map(Tool::spec).collect();
    if !query.is_empty() {
        for spec in matching(agent, query) {
            if !found.iter().any(|known| known.name == spec.name) {
                found.push(spec);
            }
        }
    }
    if found.is_empty() {
        let message = if query.is_empty() {
            format!("there is no such tool: {}", names.join(", "))
        } else {
            format!("no tool has the words of `{query}` in its name or description")
        };
        return Err(ToolError::Failed(message));
    }
    let more = found.len().saturating_sub(TOOLS_LOADED_MAX);
    found.truncate(TOOLS_LOADED_MAX);
    let mut answer = json!({
        "loaded": found.iter().map(|spec| &spec.name).collect::<Vec<_>>(),
        "descriptions": found.iter().map(|spec| &spec.description).collect::<Vec<_>>(),
    });
    if !unknown.is_empty() {
        answer["unknown"] = json!(unknown);
    }
    if more > 0 {
        answer["not_loaded"] = json!(format!("{more} more match; search with other words"));
    }
    Ok(answer.to_string())
}

/// Returns the deferred tools that match words, the best match first.
fn matching<'a>(agent: &'a AgentDefinition, query: &str) -> Vec<&'a ToolSpec> {
    let query = query.to_lowercase();
    let words: Vec<&str> =
        query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let specs = agent.tools.iter().map(Tool::spec);
    let mut found: Vec<(usize, &ToolSpec)> = specs
        .filter(|spec| agent.deferred.contains(&spec.name))
        .filter_map(|spec| {
            let (name, about) = (spec.name.to_lowercase(), spec.description.to_lowercase());
            let points = |word: &str| {
                if name.contains(word) { 3 } else { usize::from(about.contains(word)) }
            };
            let points: usize = words.iter().map(|word| points(word)).sum();
            (points > 0).then_some((points, spec))
        })
        .collect();
    found.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
    found.into_iter().map(|(_, spec)| spec).collect()
}
