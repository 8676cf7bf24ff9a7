//! The tools of an agent.

use super::reader::Reader;
use super::{Chosen, Word};
use crate::suggest::did_you_mean;
use crate::tree::{Node, Yaml};

impl Reader<'_> {
    /// Parses a list of tools such as `read_file`, or `duckduckgo: {region: us-en}` with settings.
    pub(super) fn tools(&mut self, node: &Node) -> Vec<Chosen> {
        let Some(list) = self.list(node, "tools") else { return Vec::new() };
        let (mut names, mut chosen) = (Vec::new(), Vec::new());
        for node in list {
            let Some((word, settings)) = self.tool_and_settings(node) else { continue };
            if let Some(server) = word.text.strip_prefix("mcp:")
                && !names.contains(&word.text)
            {
                let tool = self.mcp_tools(&word, server, settings);
                chosen.extend(tool.map(|tool| Chosen { word: "mcp", tool }));
                names.push(word.text);
                continue;
            }
            let kinds = self.state.kinds.tools;
            if names.contains(&word.text) {
                let message = format!("the tool `{}` is listed twice", word.text);
                let mistake = self.mistake(word.span, message);
                self.push(mistake);
                continue;
            }
            let Some(kind) = kinds.iter().find(|kind| kind.name == word.text) else {
                let message = format!("there is no tool `{}`", word.text);
                let known: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
                let help = did_you_mean(&word.text, &known, "agents in files can use");
                let mistake = self.mistake(word.span, message).maybe_help(help);
                self.push(mistake);
                continue;
            };
            let tool = (kind.read)(self, &word, settings);
            chosen.extend(tool.map(|tool| Chosen { word: kind.name, tool }));
            names.push(word.text);
        }
        chosen
    }

    /// Returns the tools that need a confirmation, named as under `tools` or as models see them.
    pub(super) fn confirmed(&mut self, node: &Node, tools: &[Chosen]) -> Vec<String> {
        let Some(list) = self.list(node, "requires_confirmation") else { return Vec::new() };
        let mut names = Vec::new();
        for node in list {
            let Some(word) = self.word(node, "a tool") else { continue };
            let known = tools
                .iter()
                .flat_map(|one| one.tool.known_as().iter().map(|name| (one.word, *name)));
            let means = |(whole, name): &(&str, &str)| [*whole, *name].contains(&&*word.text);
            let meant: Vec<&str> = known.filter(means).map(|(_, name)| name).collect();
            if meant.is_empty() && tools.iter().any(|one| one.tool.may_have(&word.text)) {
                names.push(word.text);
                continue;
            }
            if meant.is_empty() {
                let all: Vec<&str> =
                    tools.iter().flat_map(|one| one.tool.known_as()).copied().collect();
                let message = format!("this agent has no tool `{}`", word.text);
                let help = did_you_mean(&word.text, &all, "it has");
                let help = help.unwrap_or_else(|| "list it under `tools` too".into());
                self.push(self.mistake(word.span, message).help(help));
            }
            names.extend(meant.into_iter().map(ToOwned::to_owned));
        }
        names
    }

    fn tool_and_settings<'n>(&mut self, node: &'n Node) -> Option<(Word, Option<&'n Node>)> {
        match &node.value {
            Yaml::Map(map) if map.len() == 1 => {
                let (key, settings) = &map[0];
                let word = Word { text: key.name.clone(), span: key.span };
                let settings = Some(settings).filter(|node| !matches!(node.value, Yaml::Null));
                Some((word, settings))
            }
            Yaml::Map(_) => {
                let mistake = self.mistake(node.span, "one tool is listed at a time");
                self.push(
                    mistake.help("write `duckduckgo: {max_results: 3}` for one with settings"),
                );
                None
            }
            _ => Some((self.word(node, "a tool")?, None)),
        }
    }
}
