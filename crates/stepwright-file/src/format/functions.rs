//! The steps that need no model.

use super::fields::Fields;
use super::read::Reader;
use super::{Function, Kind, Program, Shell, StateChange, StateEntry, Text, Word};
use crate::command;
use crate::expression::Mistake;
use crate::functions::{is_setting, is_variable};
use crate::source::Span;
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::time::Duration;

/// The default number of files that `read_files` reads.
pub(crate) const FILES_DEFAULT: u64 = 1000;
/// The default number of bytes that a function reads.
pub(crate) const BYTES_DEFAULT: u64 = 10_000_000;
/// The maximum number of bytes that a file may set, because memory and the journal keep outputs.
pub(crate) const BYTES_MAX: u64 = 1_000_000_000;
/// The default timeout of `http_get` and `shell`.
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
            // Check the types of constants now. Computed values are checked during the run.
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

    /// Parses `1h` or `{duration: 1h}`.
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
            let help = "to run a file that you trust, allow it: `--allow-shell`, or \
                        `Options::allow_shell`";
            self.push(mistake.label("runs a command").help(help));
        }
        let (mut timeout, mut max_bytes, mut stdin) = (TIMEOUT_DEFAULT, BYTES_DEFAULT, None);
        let mut env = Vec::new();
        let program = if let Yaml::Text(_) = value.value {
            let command = self.template(value, "shell", Flavour::Shell)?;
            Program::Line { command, args: Vec::new() }
        } else {
            let mut fields = Fields::of(self, value, "`shell`")?;
            let program = self.program(value, &mut fields);
            env = fields.take("env").map(|(_, node)| self.variables(node)).unwrap_or_default();
            stdin = fields.template(self, "stdin", Flavour::Plain);
            timeout = fields.duration(self, "timeout").unwrap_or(timeout);
            max_bytes = fields.number(self, "max_bytes", (1, BYTES_MAX)).unwrap_or(max_bytes);
            fields.finish(self);
            program?
        };
        let shell = Shell { program, env, stdin, timeout, max_bytes };
        self.check_command(&shell);
        Some(Function::Shell(Box::new(shell)))
    }

    /// Parses a shell command, or a program with its arguments.
    fn program(&mut self, value: &Node, fields: &mut Fields<'_>) -> Option<Program> {
        let args = fields.take("args");
        let argv = fields.take("argv");
        if let Some((key, node)) = argv {
            if fields.has("command") || args.is_some() {
                let message = "`argv` is the program with all its arguments";
                let help = "leave out `command` and `args`, or write them as `argv`";
                self.push(self.mistake(key.span, message).help(help));
                fields.take("command");
            }
            let words = self.templates(node, "argv")?;
            if words.is_empty() {
                let mistake = self.mistake(node.span, "`argv` has no program");
                self.push(mistake.help("list the program and its arguments: `argv: [wc, -w]`"));
                return None;
            }
            return Some(Program::Argv(words));
        }
        if !fields.has("command") {
            self.lacks(value, "shell", "command", "what to run: `command: wc -w`");
        }
        let command = fields.template(self, "command", Flavour::Shell);
        let args = args.map(|(_, node)| self.templates(node, "args").unwrap_or_default());
        Some(Program::Line { command: command?, args: args.unwrap_or_default() })
    }

    fn templates(&mut self, node: &Node, name: &str) -> Option<Vec<Text>> {
        let list = self.list(node, name)?;
        list.iter().map(|one| self.template(one, name, Flavour::Plain)).collect()
    }

    /// Parses environment variables.
    fn variables(&mut self, node: &Node) -> Vec<(String, Text)> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`env` maps names to texts");
            return Vec::new();
        };
        let mut variables = Vec::new();
        for (key, value) in map {
            if !is_variable(&key.name) {
                let message = format!("`{}` cannot name an environment variable", key.name);
                let help = "names are made of letters, digits and `_`: `env: {TEXT: …}`";
                self.push(self.mistake(key.span, message).help(help));
            } else if variables.iter().any(|(name, _)| *name == key.name) {
                let mistake = self.mistake(key.span, format!("`{}` is there twice", key.name));
                self.push(mistake.label("again here"));
            } else if let Some(text) = self.template(value, &key.name, Flavour::Plain) {
                if is_setting(&key.name) && text.has_expressions() {
                    let name = &key.name;
                    let message =
                        format!("programs may run what `{name}` holds, or find code by it");
                    let mistake = self.mistake(value.span, message).label("an expression");
                    let help = "write its value out, or use a name of your own, such as \
                                `INPUT_TEXT`";
                    self.push(mistake.help(help));
                }
                variables.push((key.name.clone(), text));
            }
        }
        variables
    }

    /// Checks that values in a command cannot become code.
    fn check_command(&mut self, shell: &Shell) {
        let has_stdin = shell.stdin.as_ref().is_some_and(Text::has_expressions);
        let has_values = has_stdin || shell.env.iter().any(|(_, text)| text.has_expressions());
        match &shell.program {
            Program::Line { command, args } => {
                let has_values = has_values || args.iter().any(Text::has_expressions);
                if cfg!(windows) {
                    self.check_windows(command, has_values || !args.is_empty());
                }
                let given = command::Given { args: args.len(), has_values };
                let mistake = command::check_line(command.template.text(), given);
                self.told(command, mistake.into_iter().collect());
            }
            Program::Argv(words) => {
                let texts: Vec<&str> = words.iter().map(|word| word.template.text()).collect();
                if let Some((at, mistake)) = command::check_argv(&texts, has_values) {
                    self.told(&words[at], vec![mistake]);
                }
            }
        }
    }

    /// Refuses values in Windows commands. `cmd` replaces `%NAME%` before it splits the line, so no
    /// quoting is safe.
    fn check_windows(&mut self, command: &Text, has_values: bool) {
        if command.has_expressions() || has_values {
            let span = Span::new(0, command.template.text().len());
            let message = "on Windows a command takes no values";
            let help = "run the program without a shell: `argv: [program, \"{{ input }}\"]`";
            let mistake = Mistake { message: message.into(), span, help: Some(help.into()) };
            self.told(command, vec![mistake]);
        }
    }

    fn told(&mut self, text: &Text, mistakes: Vec<Mistake>) {
        let _ = self.parsed::<()>(Err(mistakes), &text.written);
    }

    fn lacks(&mut self, value: &Node, what: &str, key: &str, help: &str) {
        let mistake = self.mistake(value.span, format!("`{what}` needs `{key}`"));
        self.push(mistake.help(format!("say {help}")));
    }
}
