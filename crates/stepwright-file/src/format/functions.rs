//! Steps that need no model.

use super::fields::Fields;
use super::read::Reader;
use super::{Function, Kind, StateChange, StateEntry, Word};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::time::Duration;

/// How many files `read_files` reads, unless the file says otherwise.
pub(crate) const FILES_DEFAULT: u64 = 1000;
/// How many bytes a function reads, unless the file says otherwise.
pub(crate) const BYTES_DEFAULT: u64 = 10_000_000;
/// The most that a file may ask for: what a step gives is kept in memory and in the journal.
pub(crate) const BYTES_MAX: u64 = 1_000_000_000;
/// How long `http_get` and `shell` wait, unless the file says otherwise.
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

impl Reader<'_> {
    pub(super) fn function(&mut self, word: &'static str, key: &Key, value: &Node) -> Option<Kind> {
        let function = match word {
            "template" => {
                Function::Template { text: self.template(value, "template", Flavour::Plain)? }
            }
            "value" => Function::Value { value: self.computed(value)? },
            "set_state" => self.state(StateChange::Set, value)?,
            "increment_state" => self.state(StateChange::Increment, value)?,
            "append_state" => self.state(StateChange::Append, value)?,
            "merge_state" => self.state(StateChange::Merge, value)?,
            "read_files" => self.read_files(value)?,
            "write_file" => self.write_file(value)?,
            "http_get" => self.http_get(value)?,
            "sleep" => self.sleep(value)?,
            _ => self.shell(key, value)?,
        };
        Some(Kind::Function(function))
    }

    fn state(&mut self, by: StateChange, value: &Node) -> Option<Function> {
        let word = by.word();
        let Yaml::Map(map) = &value.value else {
            self.wrong_type(value, &format!("`{word}` maps keys to values"));
            return None;
        };
        if map.is_empty() {
            let mistake = self.mistake(value.span, format!("`{word}` changes no key"));
            self.push(mistake.help(format!("name one: `{word}: {{visits: …}}`")));
        }
        let mut values: Vec<StateEntry> = Vec::new();
        let mut whole = true;
        for (key, one) in map {
            if let Some(first) = values.iter().find(|entry| entry.key.text == key.name) {
                let message = format!("`{}` is there twice", key.name);
                let first = first.key.span;
                let mistake = self.mistake(key.span, message).label("again here");
                self.push(mistake.also(first, "first here"));
                continue;
            }
            // What is no number or object is seen before anything runs, unless it is computed.
            let wanted = match (by, &one.value) {
                (_, Yaml::Text(text)) if text.trim_start().starts_with('=') => None,
                (StateChange::Increment, Yaml::Number(_)) => None,
                (StateChange::Increment, _) => Some("a number"),
                (StateChange::Merge, Yaml::Map(_)) => None,
                (StateChange::Merge, _) => Some("an object"),
                _ => None,
            };
            if let Some(wanted) = wanted {
                self.wrong_type(one, &format!("`{word}` needs {wanted} for `{}`", key.name));
            }
            match self.computed(one) {
                Some(value) => {
                    let key = Word { text: key.name.clone(), span: key.span };
                    values.push(StateEntry { key, value });
                }
                None => whole = false,
            }
        }
        whole.then_some(Function::State { by, values })
    }

    fn read_files(&mut self, value: &Node) -> Option<Function> {
        if let Yaml::Text(_) = value.value {
            let glob = self.template(value, "read_files", Flavour::Plain)?;
            let max_files = usize::try_from(FILES_DEFAULT).unwrap_or(usize::MAX);
            return Some(Function::ReadFiles { glob, max_files, max_bytes: BYTES_DEFAULT });
        }
        let mut fields = Fields::of(self, value, "`read_files`")?;
        if !fields.has("glob") {
            self.lacks(value, "read_files", "glob", "which files: `glob: \"docs/**/*.md\"`");
        }
        let glob = fields.template(self, "glob", Flavour::Plain);
        let max_files = fields.number(self, "max_files", (1, 100_000)).unwrap_or(FILES_DEFAULT);
        let max_bytes = fields.number(self, "max_bytes", (1, BYTES_MAX)).unwrap_or(BYTES_DEFAULT);
        fields.finish(self);
        let max_files = usize::try_from(max_files).unwrap_or(usize::MAX);
        Some(Function::ReadFiles { glob: glob?, max_files, max_bytes })
    }

    fn write_file(&mut self, value: &Node) -> Option<Function> {
        if let Yaml::Text(_) = value.value {
            let path = self.template(value, "write_file", Flavour::Plain)?;
            return Some(Function::WriteFile { path, text: None });
        }
        let mut fields = Fields::of(self, value, "`write_file`")?;
        if !fields.has("path") {
            self.lacks(value, "write_file", "path", "where to: `path: digest.md`");
        }
        let path = fields.template(self, "path", Flavour::Plain);
        let text = fields.template(self, "text", Flavour::Plain);
        fields.finish(self);
        Some(Function::WriteFile { path: path?, text })
    }

    fn http_get(&mut self, value: &Node) -> Option<Function> {
        let (mut timeout, mut max_bytes) = (TIMEOUT_DEFAULT, BYTES_DEFAULT);
        if let Yaml::Text(_) = value.value {
            let url = self.template(value, "http_get", Flavour::Plain)?;
            return Some(Function::HttpGet { url, timeout, max_bytes });
        }
        let mut fields = Fields::of(self, value, "`http_get`")?;
        if !fields.has("url") {
            self.lacks(value, "http_get", "url", "what to fetch: `url: https://example.org`");
        }
        let url = fields.template(self, "url", Flavour::Plain);
        timeout = fields.duration(self, "timeout").unwrap_or(timeout);
        max_bytes = fields.number(self, "max_bytes", (1, BYTES_MAX)).unwrap_or(max_bytes);
        fields.finish(self);
        Some(Function::HttpGet { url: url?, timeout, max_bytes })
    }

    /// `1h`, or `{duration: 1h}`.
    fn sleep(&mut self, value: &Node) -> Option<Function> {
        let Yaml::Map(_) = value.value else {
            return self.duration(value, "sleep").map(|duration| Function::Sleep { duration });
        };
        let mut fields = Fields::of(self, value, "`sleep`")?;
        if !fields.has("duration") {
            self.lacks(value, "sleep", "duration", "how long: `duration: 1h`");
        }
        let duration = fields.duration(self, "duration");
        fields.finish(self);
        duration.map(|duration| Function::Sleep { duration })
    }

    fn shell(&mut self, key: &Key, value: &Node) -> Option<Function> {
        if !self.options.allow_shell {
            let mistake = self.mistake(key.span, "this file runs commands, which is not allowed");
            let help = "whoever runs a file that they trust allows it: `--allow-shell`, or \
                        `Options::allow_shell`";
            self.push(mistake.label("runs a command").help(help));
        }
        let (mut timeout, mut max_bytes, mut stdin) = (TIMEOUT_DEFAULT, BYTES_DEFAULT, None);
        if let Yaml::Text(_) = value.value {
            let command = self.template(value, "shell", Flavour::Shell)?;
            return Some(Function::Shell { command, stdin, timeout, max_bytes });
        }
        let mut fields = Fields::of(self, value, "`shell`")?;
        if !fields.has("command") {
            self.lacks(value, "shell", "command", "what to run: `command: wc -w`");
        }
        let command = fields.template(self, "command", Flavour::Shell);
        stdin = fields.template(self, "stdin", Flavour::Plain).or(stdin);
        timeout = fields.duration(self, "timeout").unwrap_or(timeout);
        max_bytes = fields.number(self, "max_bytes", (1, BYTES_MAX)).unwrap_or(max_bytes);
        fields.finish(self);
        Some(Function::Shell { command: command?, stdin, timeout, max_bytes })
    }

    fn lacks(&mut self, value: &Node, what: &str, key: &str, help: &str) {
        let mistake = self.mistake(value.span, format!("`{what}` needs `{key}`"));
        self.push(mistake.help(format!("say {help}")));
    }
}
