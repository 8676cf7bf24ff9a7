//! The content of steps and agents as written, so that a run is not resumed with another one.
//!
//! It is computed from the whole mapping, so it also covers keys that the format gains later.

use crate::tree::{Node, Yaml};
use serde_json::{Value, json};
use stepwright_core::Fingerprint;
use stepwright_core::redact::redact;

/// The keys of a step that are in the plan already, those with nested steps, and its queue, which
/// says where the step runs, and not what it does.
const IN_THE_PLAN: [&str; 20] = [
    "name",
    "on_error",
    "retry",
    "timeout",
    "history",
    "human_review",
    "budget",
    "agent",
    "team",
    "workflow",
    "steps",
    "do",
    "then",
    "else",
    "branches",
    "choices",
    "finally",
    "on_failure",
    "undo",
    "queue",
];

/// The settings of containers that are in the plan already.
const SETTINGS_IN_THE_PLAN: [&str; 6] =
    ["join", "concurrency", "at_most", "forward", "batch", "rate"];

/// The keys of an agent that the agent adds to its fingerprint itself, and the one that it never
/// sees.
const OF_THE_AGENT: [&str; 38] = [
    "description",
    "instructions",
    "examples",
    "compaction",
    "session_summary",
    "memory",
    "model",
    "output",
    "requires_confirmation",
    "max_turns",
    "temperature",
    "top_p",
    "max_output_tokens",
    "seed",
    "reasoning_effort",
    "reasoning_budget",
    "hosted_tools",
    "output_mode",
    "stop",
    "tool_choice",
    "extra",
    "headers",
    "budget",
    "defer_above",
    "tool_timeout",
    "tool_concurrency",
    "idle_timeout",
    "request_timeout",
    "cache",
    "model_retry",
    "skills",
    "mode",
    "members",
    "max_rounds",
    "share_interactions",
    "share_history",
    "pass_input",
    "member_timeout",
];

/// The keys whose values may be secrets under any name.
const PRIVATE: [&str; 3] = ["env", "headers", "auth"];

/// The maximum number of members of a mapping that are listed separately.
const MEMBERS_MAX: usize = 32;

/// Returns the content of a step. `container` is its key if it is a container. `texts` are the
/// contents of the files that it names.
pub(super) fn of_step(
    node: &Node,
    container: Option<&str>,
    texts: Vec<(String, String)>,
) -> Fingerprint {
    of(node, &IN_THE_PLAN, container, texts)
}

/// Returns the content of an agent, without the keys that the agent itself adds.
pub(super) fn of_agent(node: &Node, texts: Vec<(String, String)>) -> Fingerprint {
    let texts = texts.into_iter().filter(|(name, _)| !OF_THE_AGENT.contains(&name.as_str()));
    of(node, &OF_THE_AGENT, None, texts.collect())
}

fn of(
    node: &Node,
    without: &[&str],
    container: Option<&str>,
    texts: Vec<(String, String)>,
) -> Fingerprint {
    let mut content = Fingerprint::default();
    let Yaml::Map(map) = &node.value else { return content };
    let from_file = |name: &str| texts.iter().any(|(of, _)| of == name);
    for (key, value) in map.iter().filter(|(key, _)| !without.contains(&key.name.as_str())) {
        content = match &value.value {
            // The text of the file counts, not its name.
            Yaml::Map(_) if from_file(&key.name) => content,
            Yaml::Map(members)
                if (1..=MEMBERS_MAX).contains(&members.len())
                    && !PRIVATE.contains(&key.name.as_str()) =>
            {
                members
                    .iter()
                    .filter(|(member, _)| {
                        container != Some(&*key.name)
                            || !SETTINGS_IN_THE_PLAN.contains(&member.name.as_str())
                    })
                    .fold(content, |content, (member, value)| {
                        let name = format!("{}.{}", key.name, member.name);
                        private(content, name, &member.name, value)
                    })
            }
            _ => private(content, key.name.clone(), &key.name, value),
        };
    }
    texts.into_iter().fold(content, |content, (name, text)| content.with(name, text))
}

/// Like [`with`], but hides values that may be secrets. Their templates and expressions stay
/// visible.
fn private(content: Fingerprint, name: String, key: &str, value: &Node) -> Fingerprint {
    let hidden = |content: Fingerprint, name: String, value: &Node| {
        content.with_hidden(name, value.value.to_json().to_string())
    };
    match &value.value {
        Yaml::Map(map) if PRIVATE.contains(&key) && (1..=MEMBERS_MAX).contains(&map.len()) => {
            map.iter().fold(content, |content, (member, value)| {
                let name = format!("{name}.{}", member.name);
                if is_computed(value) {
                    with(content, name, &member.name, value)
                } else {
                    hidden(content, name, value)
                }
            })
        }
        _ if PRIVATE.contains(&key) || holds_private(value) => hidden(content, name, value),
        _ => with(content, name, key, value),
    }
}

fn is_computed(value: &Node) -> bool {
    matches!(&value.value, Yaml::Text(text) if text.contains("{{") || text.starts_with('='))
}

fn holds_private(value: &Node) -> bool {
    match &value.value {
        Yaml::Map(map) => map
            .iter()
            .any(|(key, value)| PRIVATE.contains(&key.name.as_str()) || holds_private(value)),
        Yaml::List(list) => list.iter().any(holds_private),
        _ => false,
    }
}

fn with(content: Fingerprint, name: String, key: &str, value: &Node) -> Fingerprint {
    let text = match value.value.to_json() {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    // Some secrets are recognised only by their key.
    let member = json!({ key: text }).to_string();
    if redact(&member) != member && redact(&text) == text {
        content.with_hidden(name, text)
    } else {
        content.with(name, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::tree;
    use std::sync::Arc;

    fn content(text: &str) -> Fingerprint {
        of_step(&tree::read(&Arc::new(Source::new("f", text))).unwrap(), None, Vec::new())
    }

    #[test]
    fn what_may_be_a_secret_is_not_kept_and_templates_are() {
        let texts = [
            "{name: x, shell: {command: a, env: {PLACE: hunter2, INPUT: '{{ input }}'}}}",
            "{name: x, shell: a, env: {PLACE: hunter2, INPUT: '{{ input }}'}}",
            "{name: x, http: {url: a, headers: {X-Own: hunter2, INPUT: '{{ input }}'}}}",
            "{name: x, tools: [{mcp: {command: a, env: {PLACE: hunter2}}}, '{{ input }}']}",
        ];
        for (nth, text) in texts.into_iter().enumerate() {
            let before = content(text);
            let kept = serde_json::to_string(&before).unwrap();
            assert!(!kept.contains("hunter2"), "{kept}");
            assert!(nth == 3 || kept.contains("{{ input }}"), "{kept}");
            let now = content(&text.replace("hunter2", "hunter3"));
            assert_eq!(before.differences(&now).count(), 1, "{text}");
        }
    }
}
