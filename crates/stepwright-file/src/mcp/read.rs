//! Reads `mcp`, and the tools of servers among those of an agent.

use super::ServerTools;
use super::keys::{QUESTIONS, SERVER_TOOLS_SHOWN};
use crate::format::reader::{Fields, Reader};
use crate::format::{AgentTool, Choice, Declaration, ON_INTERRUPTED, Recipe, Text, Word};
use crate::source::Span;
use crate::suggest::did_you_mean;
use crate::system::is_variable;
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stepwright_agent::ToolOptions;
use stepwright_core::ErrorId;

/// The maximum number of servers of a file.
pub(super) const SERVERS_MAX: usize = 100;

/// The longest name of a server, in bytes.
const NAME_BYTES_MAX: usize = 32;

impl Reader<'_> {
    /// Parses `mcp: {time: {command: uvx, args: [mcp-server-time]}}`.
    pub(crate) fn mcp(&mut self, node: &Node) -> Vec<Arc<Declaration>> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`mcp` maps names to MCP servers");
            return Vec::new();
        };
        if cfg!(not(feature = "mcp")) {
            let mistake = self.mistake(node.span, "MCP was left out of this program");
            self.push(mistake.help("build it with the feature `mcp`"));
        }
        let mut all: Vec<Declaration> = Vec::new();
        for (key, value) in map {
            let read = match &value.value {
                Yaml::Text(_) if key.name == "file" => self.mcp_file(value),
                _ => self.mcp_server(key, value).into_iter().collect(),
            };
            for one in read {
                if let Some(first) = all.iter().find(|other| other.name.text == one.name.text) {
                    let message = format!("there are two MCP servers `{}`", one.name.text);
                    let first = first.name.span;
                    let mistake = self.mistake(one.name.span, message).label("again here");
                    self.push(mistake.also(first, "first here"));
                } else {
                    all.push(one);
                }
            }
        }
        if all.len() > SERVERS_MAX {
            let message = format!("a file has at most {SERVERS_MAX} MCP servers");
            self.push(self.mistake(node.span, message));
        }
        all.into_iter().map(Arc::new).collect()
    }

    /// Returns the path of this file, to which the logins at its servers belong.
    pub(super) fn place(&self) -> PathBuf {
        let path = Path::new(&*self.source.name);
        path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into())
    }

    /// Reports a name that no server can have.
    pub(super) fn mcp_name(&mut self, name: &Word) -> bool {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let text = &name.text;
        if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(letters) {
            return true;
        }
        let message = format!("`{text}` cannot name an MCP server");
        let help = format!("a name has 1 to {NAME_BYTES_MAX} letters, digits, `_` and `-`");
        self.push(self.mistake(name.span, message).help(help));
        false
    }

    /// Refuses a command unless commands are allowed, or judged one by one.
    pub(super) fn mcp_command_allowed(&mut self, span: Span) {
        let is_judged = self.options.permissions.is_some();
        if !self.options.allow_shell && !is_judged && !self.options.only_checks {
            let message = "this file starts an MCP server with a command, which is not allowed";
            let mistake = self.mistake(span, message).coded(ErrorId::SHELL_REFUSED);
            let help = "to run a file that you trust, allow it with `--allow-shell`; to allow some \
                        commands, use `--permissions FILE`";
            self.push(mistake.label("runs a command").help(help));
        }
    }

    fn mcp_server(&mut self, key: &Key, node: &Node) -> Option<Declaration> {
        let name = Word { text: key.name.clone(), span: key.span };
        let is_named = self.mcp_name(&name);
        let mut fields = Fields::of(self, node, "an MCP server")?;
        let recipe = self.mcp_recipe(node, &mut fields);
        let choice = self.mcp_choice(&mut fields);
        let timeout = fields.duration(self, "timeout");
        let on_interrupted = fields.choice(self, "on_interrupted", &ON_INTERRUPTED);
        let resources = fields.bool(self, "resources");
        let answers = fields.choice(self, "questions", &QUESTIONS);
        fields.finish(self);
        let place = self.place();
        let mut declaration = Declaration::new(name, recipe.filter(|_| is_named)?, place);
        declaration.choice = choice;
        declaration.timeout = timeout;
        declaration.on_interrupted = on_interrupted;
        declaration.resources = resources.unwrap_or(false);
        declaration.answers_questions = answers.unwrap_or(true);
        Some(declaration)
    }

    fn mcp_recipe(&mut self, node: &Node, fields: &mut Fields<'_>) -> Option<Recipe> {
        let (command, url) = (fields.take("command"), fields.take("url"));
        let (args, env) = (fields.take("args"), fields.take("env"));
        let (headers, oauth) = (fields.take("headers"), fields.take("oauth"));
        let unfit = |reader: &mut Self, taken: Option<(&Key, &Node)>, what: &str| {
            if let Some((key, _)) = taken {
                let message = format!("an MCP server with `{what}` has no `{}`", key.name);
                reader.push(reader.mistake(key.span, message).help("leave it out"));
            }
        };
        match (command, url) {
            (Some((key, command)), None) => {
                unfit(self, headers, "command");
                unfit(self, oauth, "command");
                self.mcp_command_allowed(key.span);
                if let Yaml::List(_) = command.value {
                    let help = "write `command: uvx` and `args: [mcp-server-time]`";
                    self.push(self.mistake(command.span, "`command` is one program").help(help));
                    return None;
                }
                let program = self.mcp_text(command, "command", false);
                let list = args.and_then(|(_, node)| self.list(node, "args")).unwrap_or_default();
                let args =
                    list.iter().filter_map(|one| self.mcp_text(one, "args", false)).collect();
                let env = env.map(|(_, node)| self.mcp_pairs(node, "env")).unwrap_or_default();
                let program = program?;
                if program.template.text().trim().is_empty() {
                    self.push(self.mistake(command.span, "`command` has no program"));
                    return None;
                }
                Some(Recipe::Command { program, args, env })
            }
            (None, Some((_, url))) => {
                unfit(self, args, "url");
                unfit(self, env, "url");
                let text = self.mcp_text(url, "url", false);
                let headers =
                    headers.map(|(_, node)| self.mcp_pairs(node, "headers")).unwrap_or_default();
                let oauth = oauth.and_then(|(_, node)| self.mcp_oauth(node));
                let text = text?;
                let written = text.template.text();
                let is_address =
                    |text: &str| text.starts_with("http://") || text.starts_with("https://");
                if !text.has_expressions() && !is_address(written) {
                    let message = format!("`{written}` is not an address");
                    self.push(self.mistake(url.span, message).help("write `https://…`"));
                    return None;
                }
                Some(Recipe::Url { url: text, headers, oauth })
            }
            (Some(_), Some((key, _))) => {
                let message = "an MCP server has `command` or `url`, and this one has both";
                self.push(self.mistake(key.span, message).help("leave one of them out"));
                None
            }
            (None, None) => {
                let message = "an MCP server needs `command` or `url`";
                let help = "write `{command: uvx, args: [mcp-server-time]}`, or `{url: https://…}`";
                self.push(self.mistake(node.span, message).help(help));
                None
            }
        }
    }

    /// Parses a text that may refer to what the file declares, and to nothing of a run: all runs
    /// share a server.
    pub(super) fn mcp_text(&mut self, node: &Node, name: &str, secrets: bool) -> Option<Text> {
        let text = self.template(node, name, Flavour::Plain)?;
        let known = if secrets { "`env`, `vars` and `secrets`" } else { "`env` and `vars`" };
        let wrong = text.template.references().iter().find(|reference| {
            !(matches!(reference.root.as_str(), "env" | "vars")
                || secrets && reference.root == "secrets")
        });
        if let Some(wrong) = wrong {
            let message = format!("`{name}` of an MCP server cannot use `{}`", wrong.root);
            let help = format!("all runs share the server; it can use {known} of the file");
            let mistake = self.mistake(text.written.place(wrong.span), message);
            self.push(mistake.help(help));
            return None;
        }
        for reference in text.template.references() {
            let names = match reference.root.as_str() {
                "env" => self.declared.env_named(),
                "vars" => self.declared.vars_named(),
                _ => self.declared.secret_named(),
            };
            let Some(first) = reference.path.first() else { continue };
            if !names.contains(&first.as_str()) {
                let root = &reference.root;
                let message = format!("there is no `{root}.{first}`");
                let help = did_you_mean(first, &names, "the file declares");
                let help = help.unwrap_or_else(|| format!("declare it under `{root}:`"));
                let mistake = self.mistake(text.written.place(reference.span), message);
                self.push(mistake.help(help));
                return None;
            }
        }
        Some(text)
    }

    /// Parses names and their texts, which may be secrets.
    fn mcp_pairs(&mut self, node: &Node, name: &str) -> Vec<(String, Text)> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, &format!("`{name}` maps names to texts"));
            return Vec::new();
        };
        let mut pairs: Vec<(String, Text)> = Vec::new();
        for (key, value) in map {
            if name == "env" && !is_variable(&key.name) {
                let message = format!("`{}` cannot name an environment variable", key.name);
                self.push(self.mistake(key.span, message));
            } else if pairs.iter().any(|(other, _)| *other == key.name) {
                let mistake = self.mistake(key.span, format!("`{}` is there twice", key.name));
                self.push(mistake.label("again here"));
            } else if let Some(text) = self.mcp_text(value, &key.name, true) {
                pairs.push((key.name.clone(), text));
            }
        }
        pairs
    }

    fn mcp_choice(&mut self, fields: &mut Fields<'_>) -> Choice {
        let mut names = |reader: &mut Self, name: &'static str| {
            let (_, node) = fields.take(name)?;
            let list = reader.list(node, name)?;
            let names = list.iter().filter_map(|one| reader.word(one, "a tool"));
            Some(names.map(|word| word.text).collect::<Vec<_>>())
        };
        let tools = names(self, "tools");
        let exclude = names(self, "exclude").unwrap_or_default();
        let confirm = names(self, "confirm").unwrap_or_default();
        let prefix = fields.word(self, "prefix");
        if let Some(prefix) = prefix.as_ref().filter(|prefix| !prefix.text.is_empty()) {
            self.mcp_name(prefix);
        }
        Choice { tools, exclude, confirm, prefix: prefix.map(|word| word.text) }
    }

    /// Parses `mcp:time`, or `mcp:time: {tools: [now]}`, among the tools of an agent.
    pub(crate) fn mcp_tools(
        &mut self,
        word: &Word,
        server: &str,
        settings: Option<&Node>,
    ) -> Option<Box<dyn AgentTool>> {
        let found = self.state.mcp.iter().find(|one| one.name.text == server).cloned();
        let Some(declaration) = found else {
            let names: Vec<&str> = self.state.mcp.iter().map(|one| &*one.name.text).collect();
            let message = format!("there is no MCP server `{server}`");
            let help = did_you_mean(server, &names, "the file declares");
            let help = help.unwrap_or_else(|| "declare it under `mcp:` at the top".into());
            self.push(self.mistake(word.span, message).help(help));
            return None;
        };
        declaration.is_used.store(true, Ordering::Relaxed);
        let (mut choice, mut options) = (Choice::default(), ToolOptions::new());
        if let Some(settings) = settings {
            let mut fields = Fields::of(self, settings, SERVER_TOOLS_SHOWN)?;
            choice = self.mcp_choice(&mut fields);
            // Which of its tools only read is known when the server is asked.
            options = self.tool_options(SERVER_TOOLS_SHOWN, &mut fields, true);
            fields.finish(self);
        }
        Some(Box::new(ServerTools { declaration, choice, options }))
    }
}
