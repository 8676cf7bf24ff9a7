//! The content of steps and agents, as it is written: a run is not taken up with another.
//!
//! It is taken from the mapping as a whole, so that a key that the format gains is covered from its
//! first day.

use crate::tree::{Key, Node, Yaml};
use serde_json::{Value, json};
use stepwright_core::Fingerprint;
use stepwright_core::redact::redact;

/// The keys of a step that the plan has by itself, in other words, and those with steps inside.
const IN_THE_PLAN: [&str; 14] = [
    "name",
    "on_error",
    "retry",
    "timeout",
    "history",
    "human_review",
    "agent",
    "workflow",
    "steps",
    "do",
    "then",
    "else",
    "branches",
    "choices",
];

/// The settings of containers that the plan has by itself.
const SETTINGS_IN_THE_PLAN: [&str; 4] = ["join", "concurrency", "at_most", "forward"];

/// The keys of an agent that the agent itself tells of.
const OF_THE_AGENT: [&str; 5] =
    ["instructions", "model", "output", "requires_confirmation", "max_turns"];

/// How many members of a mapping are told one by one.
const MEMBERS_MAX: usize = 32;

/// The content of the step that `node` is. `texts` are the contents of the files that it names.
pub(super) fn of_step(node: &Node, texts: Vec<(String, String)>) -> Fingerprint {
    of(node, &IN_THE_PLAN, texts)
}

/// The content of the agent that `node` is, without what the agent itself tells of.
pub(super) fn of_agent(node: &Node, texts: Vec<(String, String)>) -> Fingerprint {
    let texts = texts.into_iter().filter(|(name, _)| !OF_THE_AGENT.contains(&name.as_str()));
    of(node, &OF_THE_AGENT, texts.collect())
}

fn of(node: &Node, without: &[&str], texts: Vec<(String, String)>) -> Fingerprint {
    let mut content = Fingerprint::default();
    let Yaml::Map(map) = &node.value else { return content };
    let from_file = |name: &str| texts.iter().any(|(of, _)| of == name);
    for (key, value) in map.iter().filter(|(key, _)| !without.contains(&key.name.as_str())) {
        content = match &value.value {
            // What the file says counts, not what it is called.
            Yaml::Map(_) if from_file(&key.name) => content,
            Yaml::Map(members) if (1..=MEMBERS_MAX).contains(&members.len()) => members
                .iter()
                .filter(|(member, _)| is_content(&key.name, member))
                .fold(content, |content, (member, value)| {
                    let name = format!("{}.{}", key.name, member.name);
                    with(content, name, &member.name, value)
                }),
            _ => with(content, key.name.clone(), &key.name, value),
        };
    }
    texts.into_iter().fold(content, |content, (name, text)| content.with(name, text))
}

fn is_content(kind: &str, member: &Key) -> bool {
    let container = ["parallel", "loop", "map"].contains(&kind);
    !(container && SETTINGS_IN_THE_PLAN.contains(&member.name.as_str()))
}

fn with(content: Fingerprint, name: String, key: &str, value: &Node) -> Fingerprint {
    let text = match value.value.to_json() {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    // A secret may be known by its key alone.
    let member = json!({ key: text }).to_string();
    if redact(&member) != member && redact(&text) == text {
        content.with_hidden(name, text)
    } else {
        content.with(name, text)
    }
}
