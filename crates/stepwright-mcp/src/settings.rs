//! The settings of the tools of a server.

use std::collections::BTreeSet;
use std::time::Duration;
use stepwright_core::OnInterrupted;

/// The default timeout of a call. The time in which a person answers a question of the server does
/// not count.
pub const CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// The settings of the tools that one agent gets. They do not change the connection.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The prefix of the names that models see. `None` means the name of the server.
    pub(crate) prefix: Option<String>,
    /// The patterns of the tools to use. `None` means all.
    pub(crate) only: Option<BTreeSet<String>>,
    pub(crate) exclude: BTreeSet<String>,
    /// The patterns of the tools whose calls a person confirms.
    pub(crate) confirmed: BTreeSet<String>,
    pub(crate) timeout: Duration,
    pub(crate) on_interrupted: Option<OnInterrupted>,
    /// `true` if there are tools that list and read resources, and get prompts.
    pub(crate) resources: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: None,
            only: None,
            exclude: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            timeout: CALL_TIMEOUT,
            on_interrupted: None,
            resources: false,
        }
    }
}

impl Settings {
    /// Returns `true` if the agent gets the tool with this raw name.
    pub(crate) fn takes(&self, tool: &str) -> bool {
        let is_in = |patterns: &BTreeSet<String>| patterns.iter().any(|it| matches(it, tool));
        self.only.as_ref().is_none_or(is_in) && !is_in(&self.exclude)
    }

    /// Returns `true` if a person confirms the calls of a tool.
    pub(crate) fn confirms(&self, tool: &str) -> bool {
        self.confirmed.iter().any(|it| matches(it, tool))
    }

    /// Returns the first pattern that matches no tool, with the setting that has it.
    pub(crate) fn unmatched(&self, tools: &[&str]) -> Option<(&'static str, &str)> {
        let sets = [
            ("tools", self.only.as_ref()),
            ("exclude", Some(&self.exclude)),
            ("confirm", Some(&self.confirmed)),
        ];
        sets.into_iter().find_map(|(setting, patterns)| {
            let is_unmatched = |it: &&String| !tools.iter().any(|tool| matches(it, tool));
            patterns?.iter().find(is_unmatched).map(|pattern| (setting, pattern.as_str()))
        })
    }
}

/// Returns `true` if a pattern, in which `*` stands for any characters, matches the whole name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("read", "read", true),
            ("read", "reader", false),
            ("read*", "reader", true),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("ab*b", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
