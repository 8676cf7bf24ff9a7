//! The tools of an agent.

use super::Word;
use super::read::Reader;
use crate::suggest::did_you_mean;
use crate::tools::{self, Chosen};
use crate::tree::{Node, Yaml};

impl Reader<'_> {
    /// Parses a list of tools such as `read_file`, or `duckduckgo: {region: us-en}` with settings.
    pub(super) fn tools(&mut self, node: &Node) -> Vec<Chosen> {
        let Some(list) = self.list(node, "tools") else { return Vec::new() };
        let (mut names, mut chosen) = (Vec::new(), Vec::new());
        for node in list {
            let Some((word, settings)) = self.tool_and_settings(node) else { continue };
            if !tools::NAMES.contains(&word.text.as_str()) {
                let message = format!("there is no tool `{}`", word.text);
                let help = did_you_mean(&word.text, &tools::NAMES, "agents in files can use");
                let mistake = self.mistake(word.span, message).maybe_help(help);
                self.push(mistake);
            } else if names.contains(&word.text) {
                let message = format!("the tool `{}` is listed twice", word.text);
                let mistake = self.mistake(word.span, message);
                self.push(mistake);
            } else {
                chosen.extend(self.tool(&word, settings));
                names.push(word.text);
            }
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
                .flat_map(|tool| tool.known_as().iter().copied().map(|name| (tool.word(), name)));
            let means = |(whole, name): &(&str, &str)| [*whole, *name].contains(&&*word.text);
            let meant: Vec<&str> = known.filter(means).map(|(_, name)| name).collect();
            if meant.is_empty() {
                let all: Vec<&str> = tools.iter().flat_map(Chosen::known_as).copied().collect();
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

    fn tool(&mut self, name: &Word, settings: Option<&Node>) -> Option<Chosen> {
        let chosen = match name.text.as_str() {
            "duckduckgo" => return self.duckduckgo(name, settings),
            "http_get" => Chosen::HttpGet,
            _ => Chosen::ReadFile,
        };
        if let Some(settings) = settings {
            let message = format!("the tool `{}` has no settings", name.text);
            let mistake = self.mistake(settings.span, message);
            self.push(mistake.help(format!("write `{}` alone", name.text)));
        }
        Some(chosen)
    }

    #[cfg(feature = "duckduckgo")]
    fn duckduckgo(&mut self, _: &Word, settings: Option<&Node>) -> Option<Chosen> {
        use super::fields::Fields;
        use stepwright_tools::{DuckDuckGo, RESULTS_MAX};

        let mut search = DuckDuckGo::new();
        let Some(settings) = settings else { return Some(Chosen::DuckDuckGo(Box::new(search))) };
        let mut fields = Fields::of(self, settings, "`duckduckgo`")?;
        let most = u64::try_from(RESULTS_MAX).unwrap_or(u64::MAX);
        let results = fields.number(self, "max_results", (1, most));
        if let Some(results) = results.and_then(|results| usize::try_from(results).ok()) {
            search = search.max_results(results);
        }
        if let Some(timeout) = fields.duration(self, "timeout") {
            search = search.timeout(timeout);
        }
        let wrong = |search: DuckDuckGo| search.check().err();
        if let Some(region) = fields.word(self, "region") {
            self.setting(&region, wrong(DuckDuckGo::new().region(&region.text)));
            search = search.region(region.text);
        }
        if let Some(url) = fields.word(self, "base_url") {
            self.setting(&url, wrong(DuckDuckGo::new().base_url(&url.text)));
            search = search.base_url(url.text);
        }
        fields.finish(self);
        Some(Chosen::DuckDuckGo(Box::new(search)))
    }

    /// Reports a mistake in a setting at its place.
    #[cfg(feature = "duckduckgo")]
    fn setting(&mut self, word: &Word, wrong: Option<stepwright_core::Error>) {
        if let Some(error) = wrong {
            let mistake = self.mistake(word.span, error.to_string());
            self.push(mistake.maybe_help(error.hint().map(ToOwned::to_owned)));
        }
    }

    #[cfg(not(feature = "duckduckgo"))]
    fn duckduckgo(&mut self, name: &Word, _: Option<&Node>) -> Option<Chosen> {
        let mistake = self.mistake(name.span, "the tool `duckduckgo` was left out of this program");
        self.push(mistake.help("build it with the feature `duckduckgo`"));
        None
    }
}
