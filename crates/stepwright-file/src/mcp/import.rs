//! Reads `mcpServers`, the list of servers that other programs have in files of their own.

use crate::access::Refused;
use crate::format::reader::Reader;
use crate::format::{Declaration, Recipe, Text, Word, Written};
use crate::source::{Source, Span};
use crate::template::Flavour;
use crate::tree::Node;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::ErrorId;
use stepwright_core::json::{self, JsonError};

impl Reader<'_> {
    /// Reads `mcp: {file: mcp.json}`.
    pub(super) fn mcp_file(&mut self, node: &Node) -> Vec<Declaration> {
        let Some(word) = self.word(node, "file") else { return Vec::new() };
        let shown = self.dir.join(&word.text).display().to_string();
        let text = match self.referred(&word.text, &shown) {
            Ok(referred) => referred.text,
            Err(Refused { why, help }) => {
                let message = format!("cannot read `{}`: {why}", word.text);
                let mistake = self.mistake(word.span, message).coded(ErrorId::INCLUDE_REFUSED);
                self.push(mistake.maybe_help(help));
                return Vec::new();
            }
        };
        self.state.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        let servers = match json::parse(&text) {
            Ok(mut value) => {
                let servers = value.get_mut("mcpServers").map(Value::take);
                let Some(Value::Object(servers)) = servers else {
                    self.mcp_refuse(&word, "it has no `mcpServers`", None);
                    return Vec::new();
                };
                servers
            }
            Err(error) => {
                // The message quotes nothing of the file.
                let why = match error {
                    JsonError::Syntax(error) => format!("line {} is not valid JSON", error.line()),
                    JsonError::Twice { line, .. } => {
                        format!("line {line} has a name that its object has twice")
                    }
                    _ => "it is not JSON that can be used".to_owned(),
                };
                self.mcp_refuse(&word, &why, None);
                return Vec::new();
            }
        };
        servers
            .iter()
            .filter_map(|(name, server)| self.imported(&word, &shown, name, server))
            .collect()
    }

    fn mcp_refuse(&mut self, file: &Word, why: &str, help: Option<&str>) {
        let mistake = self.mistake(file.span, format!("cannot use `{}`: {why}", file.text));
        self.push(mistake.maybe_help(help.map(ToOwned::to_owned)));
    }

    fn imported(
        &mut self,
        file: &Word,
        shown: &str,
        name: &str,
        server: &Value,
    ) -> Option<Declaration> {
        // Programs keep servers that are switched off.
        if server.get("disabled") == Some(&Value::Bool(true)) {
            return None;
        }
        let name = Word { text: name.to_owned(), span: file.span };
        if !self.mcp_name(&name) {
            return None;
        }
        let read = |key: &str| server.get(key).and_then(Value::as_str);
        let recipe = match (read("command"), read("url")) {
            (Some(command), None) => {
                self.mcp_command_allowed(file.span);
                let program = self.expanded(file, shown, command, false)?;
                let empty = Vec::new();
                let list = server.get("args").and_then(Value::as_array).unwrap_or(&empty);
                let args = list.iter().map(|one| {
                    let text = one.as_str().map_or_else(|| one.to_string(), ToOwned::to_owned);
                    self.expanded(file, shown, &text, false)
                });
                let args = args.collect::<Option<Vec<_>>>()?;
                let env = self.expanded_pairs(file, shown, server.get("env"))?;
                Recipe::Command { program, args, env }
            }
            (None, Some(url)) => Recipe::Url {
                url: self.expanded(file, shown, url, false)?,
                headers: self.expanded_pairs(file, shown, server.get("headers"))?,
                oauth: None,
            },
            _ => {
                let why = format!("the server `{}` has neither `command` nor `url`", name.text);
                self.mcp_refuse(file, &why, None);
                return None;
            }
        };
        let mut declaration = Declaration::new(name, recipe, self.place());
        declaration.is_imported = true;
        Some(declaration)
    }

    fn expanded_pairs(
        &mut self,
        file: &Word,
        shown: &str,
        pairs: Option<&Value>,
    ) -> Option<Vec<(String, Text)>> {
        let none = Map::new();
        let pairs = pairs.and_then(Value::as_object).unwrap_or(&none);
        let pairs = pairs.iter().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            Some((name.clone(), self.expanded(file, shown, &text, true)?))
        });
        pairs.collect()
    }

    /// Makes a template of a text with variables such as `${TOKEN}`, which the workflow file must
    /// declare.
    fn expanded(&mut self, file: &Word, shown: &str, text: &str, secrets: bool) -> Option<Text> {
        if text.contains("{{") || text.contains("{%") || text.contains("{#") {
            self.mcp_refuse(file, "a text in it contains `{{`, `{%` or `{#`", None);
            return None;
        }
        let (mut template, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("${") {
            let Some(end) = rest[at..].find('}') else { break };
            let inside = &rest[at + 2..at + end];
            let name = inside.strip_prefix("env:").unwrap_or(inside);
            let name = name.split(":-").next().unwrap_or_default();
            template.push_str(&rest[..at]);
            rest = &rest[at + end + 1..];
            let root = if self.declared.env_named().contains(&name) {
                "env"
            } else if secrets && self.declared.secret_named().contains(&name) {
                "secrets"
            } else {
                let why =
                    format!("it uses the variable `{name}`, which this file does not declare");
                let help = "list it under `secrets:`, or under `env:` if it is no secret; only \
                            `env` and `headers` of a server can have secrets";
                self.mcp_refuse(file, &why, Some(help));
                return None;
            };
            let _ = write!(template, "{{{{ {root}.{name} }}}}");
        }
        template.push_str(rest);
        let source = Source::unshown(shown, template.clone());
        let span = Span::new(0, template.len());
        let written = Written {
            source: Arc::new(source),
            scalar: span,
            value: template.as_str().into(),
            offset: 0,
        };
        self.text(&template, Flavour::Plain, written)
    }
}
