//! The tools of an agent.

use super::reader::{Fields, Reader, ToolKind};
use super::{Chosen, Word};
use crate::suggest::did_you_mean;
use crate::tree::{Node, Yaml};
use stepwright_agent::{TOOL_RETRIES_MAX, TOOL_TEXT_BYTES_MAX, ToolOptions};

/// The kinds of tools of which an agent may have several, each with a name of its own.
const SEVERAL: [&str; 5] = ["agent", "external", "function", "handoff", "workflow"];

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
                chosen.extend(tool.map(|tool| Chosen { word: "mcp", tool, options: None }));
                names.push(word.text);
                continue;
            }
            let kinds = self.state.kinds.tools;
            if names.contains(&word.text) && !SEVERAL.contains(&&*word.text) {
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
            let tool = self.tool_of(kind, &word, settings);
            self.told_apart(&chosen, tool.as_ref(), &word);
            chosen.extend(tool);
            names.push(word.text);
        }
        chosen
    }

    /// Reports a tool that has a name for models which an earlier one has.
    pub(crate) fn told_apart(&mut self, earlier: &[Chosen], tool: Option<&Chosen>, word: &Word) {
        let Some(tool) = tool else { return };
        let both = |chosen: &Chosen| {
            let mut names = tool.tool.names().into_iter();
            let name = names.find(|name| chosen.tool.names().contains(name))?;
            Some((chosen.word, name))
        };
        if let Some((other, name)) = earlier.iter().find_map(both) {
            let message = format!("`{}` and `{other}` both have a tool `{name}`", word.text);
            let mistake = self.mistake(word.span, message);
            self.push(mistake.help("leave one of them out"));
        }
    }

    /// Parses the settings of a tool: its own, and those that all tools have.
    fn tool_of(&mut self, kind: &ToolKind, word: &Word, settings: Option<&Node>) -> Option<Chosen> {
        let mut fields = match settings {
            Some(node) => Some(Fields::of(self, node, kind.shown)?),
            None => None,
        };
        let tool = (kind.read)(self, word, fields.as_mut());
        let Some(mut fields) = fields else {
            return tool.map(|tool| Chosen { word: kind.name, tool, options: None });
        };
        let can_repeat = tool.as_ref().is_none_or(|tool| tool.only_reads());
        let options = self.tool_options(kind.shown, &mut fields, can_repeat);
        fields.finish(self);
        tool.map(|tool| Chosen { word: kind.name, tool, options: Some(options) })
    }

    /// Takes the settings that all tools have.
    pub(crate) fn tool_options(
        &mut self,
        shown: &str,
        fields: &mut Fields<'_>,
        can_repeat: bool,
    ) -> ToolOptions {
        let mut options = ToolOptions::new();
        for name in ["retries", "cache"] {
            if let Some(span) = fields.place(name).filter(|_| !can_repeat) {
                let message = format!("`{name}` is for tools that only read, and {shown} acts");
                let mistake =
                    self.mistake(span, message).label("it would act twice, or not at all");
                self.push(mistake.help("leave it out"));
            }
        }
        if let Some(time) = fields.duration(self, "timeout") {
            options = options.timeout(time);
        }
        let retries = fields.number(self, "retries", (0, TOOL_RETRIES_MAX.into()));
        if let Some(retries) = retries.and_then(|retries| u32::try_from(retries).ok()) {
            options = options.retries(retries);
        }
        let calls = fields.number(self, "max_calls", (1, u32::MAX.into()));
        if let Some(calls) = calls.and_then(|calls| u32::try_from(calls).ok()) {
            options = options.max_calls(calls);
        }
        let most = u64::try_from(TOOL_TEXT_BYTES_MAX).unwrap_or(u64::MAX);
        let bytes = fields.number(self, "max_bytes", (1, most));
        if let Some(bytes) = bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            options = options.max_bytes(bytes);
        }
        if let Some(time) = fields.duration(self, "cache") {
            options = options.cache(time);
        }
        if fields.bool(self, "confirm") == Some(true) {
            options = options.requires_confirmation();
        }
        if let Some(defer) = fields.bool(self, "defer") {
            options = options.defer(defer);
        }
        if let Some(strict) = fields.bool(self, "strict") {
            options = options.strict(strict);
        }
        self.hooks(fields, options)
    }

    /// Returns the tools that need a confirmation, named as under `tools` or as models see them.
    pub(super) fn confirmed(
        &mut self,
        node: &Node,
        tools: &[Chosen],
        members: &[String],
    ) -> Vec<String> {
        let Some(list) = self.list(node, "requires_confirmation") else { return Vec::new() };
        let mut names = Vec::new();
        for node in list {
            let Some(word) = self.word(node, "a tool") else { continue };
            let known = tools
                .iter()
                .flat_map(|one| one.tool.names().into_iter().map(|name| (one.word, name)));
            let means = |(whole, name): &(&str, &str)| [*whole, *name].contains(&&*word.text);
            let meant: Vec<&str> = known.filter(means).map(|(_, name)| name).collect();
            let is_member = members.contains(&word.text);
            if meant.is_empty()
                && (is_member || tools.iter().any(|one| one.tool.may_have(&word.text)))
            {
                names.push(word.text);
                continue;
            }
            if meant.is_empty() {
                let all: Vec<&str> = tools.iter().flat_map(|one| one.tool.names()).collect();
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
