//! The reader of a file and the keys of its mappings. Each key is taken once, and the rest are
//! mistakes.

use super::form::{Form, Member};
use super::literals;
use super::values::{Computed, Expr, Text, Written};
use super::{AgentTool, Builtin, Container, Declaration, Earlier, Limits, Word};
use crate::access::Home;
use crate::budget::Budget;
use crate::command::Path;
use crate::declared::Declared;
use crate::diagnostic::{Diagnostic, Diagnostics, MISTAKES_MAX};
use crate::duration;
use crate::effects::Names;
use crate::expression::{Expression, Mistake};
use crate::options::Options;
use crate::source::{Source, Span};
use crate::suggest::{closest, did_you_mean, elsewhere, listed, without_braces};
use crate::template::{Flavour, Template};
use crate::tree::{Key, Node, Yaml};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::session::{HISTORY_RUNS, HISTORY_RUNS_MAX};
use stepwright_core::{ErrorId, HumanReview};

/// The advice about a script that a step writes.
const OWN_SCRIPT: &str = "write the values to a file of data, and give its name to a constant \
                          script: `sh script.sh data.txt`";

/// Reads a file, and has access to the files that it refers to.
pub(crate) struct Reader<'a> {
    pub(crate) source: Arc<Source>,
    /// The folder of the file.
    pub(crate) home: Home,
    /// The path of the folder for messages.
    pub(crate) dir: PathBuf,
    pub(crate) options: &'a Options,
    /// The values that the file declares.
    pub(crate) declared: Arc<Declared>,
    pub(crate) state: &'a mut State,
}

/// The state that all files of a workflow share.
pub(crate) struct State {
    /// The kinds that a file can choose from.
    pub(super) kinds: Kinds,
    pub(crate) mistakes: Diagnostics,
    /// The files that contain the current one, outermost first.
    pub(super) around: Vec<PathBuf>,
    pub(super) files: usize,
    pub(super) steps: usize,
    /// The texts of the files that the current step or agent names, by key.
    pub(super) texts: Vec<(String, String)>,
    pub(crate) bytes: u64,
    /// The limits of the checks of all schemas.
    pub(super) schemas: Budget<'static>,
    /// The MCP servers that the current file declares.
    pub(crate) mcp: Vec<Arc<Declaration>>,
    /// The files that steps write, with values in them.
    written: Vec<Path>,
    /// The scripts and programs that commands run.
    run: Vec<Path>,
    /// The keys that the reader knows in each mapping, for the test of their descriptions.
    #[cfg(test)]
    pub(crate) asked: std::collections::BTreeSet<(&'static str, &'static str)>,
}

impl State {
    pub(crate) fn new(kinds: Kinds) -> Self {
        Self {
            kinds,
            mistakes: Diagnostics::default(),
            around: Vec::new(),
            files: 0,
            steps: 0,
            texts: Vec::new(),
            bytes: 0,
            schemas: Budget::default(),
            mcp: Vec::new(),
            written: Vec::new(),
            run: Vec::new(),
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        }
    }
}

/// The kinds of things in a file that are implemented in files of their own.
#[derive(Clone, Copy)]
pub(crate) struct Kinds {
    pub(crate) containers: &'static [ContainerKind],
    pub(crate) builtins: &'static [BuiltinKind],
    pub(crate) tools: &'static [ToolKind],
}

/// A kind of container.
#[derive(Clone, Copy)]
pub(crate) struct ContainerKind {
    /// Its key in the file.
    pub(crate) key: &'static str,
    pub(crate) read: ReadContainer,
    /// The form of the value of the key.
    pub(crate) form: &'static Form,
    /// The keys beside it that only this kind has.
    pub(crate) beside: &'static [Member],
    /// The keys of which one is required beside it.
    pub(crate) needs: &'static [&'static str],
    /// The description that editors show.
    pub(crate) about: &'static str,
}

/// Reads a container of one kind. Returns `None` after reporting a mistake that leaves nothing to
/// check.
pub(crate) type ReadContainer =
    fn(&mut Reader<'_>, &mut WrittenContainer<'_, '_>) -> Option<Box<dyn Container>>;

/// A container as written.
pub(crate) struct WrittenContainer<'w, 'n> {
    pub(crate) key: &'n Key,
    pub(crate) value: &'n Node,
    /// The other fields of the step.
    pub(crate) fields: &'w mut Fields<'n>,
    pub(crate) review: Option<&'w HumanReview>,
}

/// Reads the value of a built-in function. Returns `None` after reporting a mistake that leaves
/// nothing to check.
pub(crate) type ReadBuiltin = fn(&mut Reader<'_>, &Key, &Node) -> Option<Arc<dyn Builtin>>;

/// A kind of built-in function.
#[derive(Clone, Copy)]
pub(crate) struct BuiltinKind {
    /// Its key in the file.
    pub(crate) key: &'static str,
    pub(crate) read: ReadBuiltin,
    /// The names of its effects, for permissions. A function without effects has none.
    pub(crate) effects: Names,
    /// The options of steps that it does not have, each with the reason.
    pub(crate) without: &'static [(&'static str, &'static str)],
    /// The form of its value.
    pub(crate) form: &'static Form,
    /// The description that editors show.
    pub(crate) about: &'static str,
}

/// Reads the own settings of the tool with this name. Those that all tools have are taken after it.
/// Returns `None` after reporting a mistake that leaves nothing to check.
pub(crate) type ReadTool =
    fn(&mut Reader<'_>, &Word, Option<&mut Fields<'_>>) -> Option<Box<dyn AgentTool>>;

/// A kind of tool for agents.
#[derive(Clone, Copy)]
pub(crate) struct ToolKind {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// Its name in messages.
    pub(crate) shown: &'static str,
    pub(crate) read: ReadTool,
    /// The names of its effects, for permissions.
    pub(crate) effects: Names,
    /// The settings that only it has, beside those of all tools.
    pub(crate) settings: &'static [Member],
    /// The settings of which exactly one is required. Several that go together have `+` between.
    pub(crate) needs: &'static [&'static str],
}

/// The keys of a mapping that were not taken yet.
pub(crate) struct Fields<'n> {
    /// The name of the mapping in messages, such as "a step".
    what: &'static str,
    /// The place of the mapping.
    pub(crate) span: Span,
    left: Vec<(&'n Key, &'n Node)>,
    asked: Vec<&'static str>,
    /// The keys that were there.
    taken: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Returns the keys of `node` if it is a mapping. Reports duplicate keys.
    pub(crate) fn of(reader: &mut Reader<'_>, node: &'n Node, what: &'static str) -> Option<Self> {
        let Yaml::Map(map) = &node.value else {
            reader.wrong_type(node, &format!("{what} is a mapping"));
            return None;
        };
        let mut left = Vec::with_capacity(map.len());
        let mut seen: HashMap<&str, Span> = HashMap::with_capacity(map.len());
        for (key, value) in map {
            if let Some(first) = seen.get(key.name.as_str()) {
                let mistake = reader.mistake(key.span, format!("`{}` is there twice", key.name));
                reader.push(mistake.label("again here").also(*first, "first here"));
            } else {
                seen.insert(&key.name, key.span);
                left.push((key, value));
            }
        }
        Some(Self { what, span: node.span, left, asked: Vec::new(), taken: Vec::new() })
    }

    pub(crate) fn take(&mut self, name: &'static str) -> Option<(&'n Key, &'n Node)> {
        self.asked.push(name);
        let at = self.left.iter().position(|(key, _)| key.name == name)?;
        self.taken.push(name);
        Some(self.left.remove(at))
    }

    /// Returns the place of a key.
    pub(crate) fn place(&self, name: &str) -> Option<Span> {
        self.left.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.span)
    }

    /// Returns `true` if a key was there and has been taken.
    pub(crate) fn was_there(&self, name: &str) -> bool {
        self.taken.contains(&name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(key, _)| key.name == name)
    }

    /// Returns the place of the value of a key.
    pub(crate) fn value_place(&self, name: &str) -> Option<Span> {
        self.left.iter().find(|(key, _)| key.name == name).map(|(_, node)| node.span)
    }

    /// Returns the value of a key.
    pub(crate) fn value(&self, name: &str) -> Option<&'n Node> {
        self.left.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node)
    }

    /// Takes a required key. Reports a mistake if it is missing.
    pub(crate) fn need(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        help: &str,
    ) -> Option<(&'n Key, &'n Node)> {
        let taken = self.take(name);
        if taken.is_some() {
            return taken;
        }
        // A misspelled key is one mistake, and its value is checked too.
        let is_meant = |key: &str| {
            closest(key, [name]).is_some() || elsewhere(key).is_some_and(|meant| meant == name)
        };
        if let Some(at) = self.left.iter().position(|(key, _)| is_meant(&key.name)) {
            let (key, node) = self.left.remove(at);
            let message = format!("{} has no key `{}`", self.what, key.name);
            let mistake = reader.mistake(key.span, message).label("unknown");
            let mistake = mistake.help(format!("did you mean `{name}`?"));
            reader.push(mistake.corrected(Some(name.to_owned())));
            return Some((key, node));
        }
        let message = format!("{} needs `{name}`", self.what);
        reader.push(reader.mistake(self.span, message).help(help));
        None
    }

    /// Leaves out the keys that begin with `x-`, where anchors can stand.
    pub(crate) fn pass_over_extensions(&mut self) {
        self.left.retain(|(key, _)| !key.name.starts_with("x-"));
    }

    /// Reports all keys that were not taken.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        self.finish_with(reader, |_| None);
    }

    /// Like [`Fields::finish`], with `why` as a source of hints.
    pub(crate) fn finish_with(self, reader: &mut Reader<'_>, why: impl Fn(&str) -> Option<String>) {
        #[cfg(test)]
        reader.state.asked.extend(self.asked.iter().map(|key| (self.what, *key)));
        let taken: Vec<&str> = self.taken.iter().map(|name| &**name).collect();
        for (key, _) in self.left.iter().take(MISTAKES_MAX) {
            let message = format!("{} has no key `{}`", self.what, key.name);
            let meant = elsewhere(&key.name).filter(|meant| self.asked.contains(meant));
            let meant = meant.map(|meant| format!("did you mean `{meant}`?"));
            let help = why(&key.name).or(meant);
            let help = help.or_else(|| did_you_mean(&key.name, &self.asked, "it has"));
            // A key that is there already is not written twice.
            let correction = help.as_deref().and_then(crate::suggest::meant);
            let correction = correction.filter(|meant| !taken.contains(meant));
            let mistake =
                reader.mistake(key.span, message).label("unknown").maybe_help(help.clone());
            reader.push(mistake.corrected(correction.map(ToOwned::to_owned)));
        }
    }

    pub(crate) fn word(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Word> {
        let (_, node) = self.take(name)?;
        reader.constant(node, name)
    }

    pub(crate) fn number(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        range: (u64, u64),
    ) -> Option<u64> {
        let (_, node) = self.take(name)?;
        let (least, most) = range;
        if let Yaml::Number(number) = &node.value {
            match number.as_u64() {
                Some(value) if (least..=most).contains(&value) => Some(value),
                _ => {
                    let message = format!("`{name}` is a whole number from {least} to {most}");
                    reader.push(
                        reader.mistake(node.span, message).label(format!("this is {number}")),
                    );
                    None
                }
            }
        } else {
            reader.wrong_type(node, &format!("`{name}` is a whole number"));
            None
        }
    }

    pub(crate) fn bool(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<bool> {
        let (_, node) = self.take(name)?;
        match &node.value {
            Yaml::Bool(value) => Some(*value),
            Yaml::Text(text) if matches!(text.as_str(), "yes" | "no" | "on" | "off") => {
                let message = format!("`{name}` is true or false");
                let meant = matches!(text.as_str(), "yes" | "on");
                let help = format!("YAML 1.2 reads `{text}` as a text: write `{meant}`");
                let mistake = reader.mistake(node.span, message).label("a text").help(help);
                reader.push(mistake.corrected(Some(meant.to_string())));
                None
            }
            _ => {
                reader.wrong_type(node, &format!("`{name}` is true or false"));
                None
            }
        }
    }

    pub(crate) fn duration(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
    ) -> Option<Duration> {
        let (_, node) = self.take(name)?;
        reader.duration(node, name)
    }

    /// Takes the timeout of a step: a duration for the whole, or a mapping with the idle time.
    /// `can_idle` is `false` for containers and the run, which have no idle time.
    pub(crate) fn limits(&mut self, reader: &mut Reader<'_>, can_idle: bool) -> Limits {
        let Some((_, node)) = self.take("timeout") else { return Limits::default() };
        let Yaml::Map(_) = &node.value else {
            return Limits { total: reader.duration(node, "timeout"), idle: None };
        };
        let Some(mut fields) = Fields::of(reader, node, "`timeout`") else {
            return Limits::default();
        };
        if fields.left.is_empty() {
            let mistake = reader.mistake(node.span, "`timeout` says nothing");
            reader
                .push(mistake.help("write `timeout: 30s`, or `timeout: {total: 10m, idle: 60s}`"));
        }
        let total = fields.duration(reader, "total");
        let idle = fields.take("idle").and_then(|(key, node)| {
            if can_idle {
                return reader.duration(node, "idle").map(|idle| (key, idle));
            }
            let mistake = reader.mistake(key.span, "only steps can be idle");
            reader.push(mistake.help("give it to the steps in here: `timeout: {idle: 60s}`"));
            None
        });
        if let (Some(total), Some((key, idle))) = (total, idle)
            && idle >= total
        {
            let mistake = reader.mistake(key.span, "`idle` is not shorter than `total`");
            reader.push(mistake.label("never reached").help("make it shorter, or leave it out"));
        }
        fields.finish(reader);
        Limits { total, idle: idle.map(|(_, idle)| idle) }
    }

    /// Takes the history setting of a step: a number of runs, a boolean, or a mapping.
    pub(crate) fn history(&mut self, reader: &mut Reader<'_>) -> Option<Earlier> {
        let (_, node) = self.take("history")?;
        if let Yaml::Map(_) = &node.value {
            let mut fields = Fields::of(reader, node, "`history`")?;
            let runs = fields.number(reader, "runs", (1, HISTORY_RUNS_MAX.into()));
            let runs = runs.and_then(|runs| u32::try_from(runs).ok()).unwrap_or(HISTORY_RUNS);
            let completed_only = fields.bool(reader, "completed_only");
            fields.finish(reader);
            return Some(Earlier { runs, completed_only });
        }
        let runs = match &node.value {
            Yaml::Bool(true) => Some(HISTORY_RUNS),
            Yaml::Bool(false) => Some(0),
            Yaml::Number(number) => {
                let runs = number.as_u64().and_then(|runs| u32::try_from(runs).ok());
                let runs = runs.filter(|runs| *runs <= HISTORY_RUNS_MAX);
                if runs.is_none() {
                    let message = format!("`history` is a number of runs, 0 to {HISTORY_RUNS_MAX}");
                    let mistake = reader.mistake(node.span, message);
                    reader.push(mistake.label(format!("this is {number}")));
                }
                runs
            }
            _ => {
                reader.wrong_type(node, "`history` is true, false, or a number of runs");
                None
            }
        };
        runs.map(|runs| Earlier { runs, completed_only: None })
    }

    /// Takes a word from a list.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let (_, node) = self.take(name)?;
        reader.one_of(node, name, choices)
    }

    pub(crate) fn template(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        flavour: Flavour,
    ) -> Option<Text> {
        let (_, node) = self.take(name)?;
        reader.template(node, name, flavour)
    }
}

impl Reader<'_> {
    /// Notes that a step writes a file in which values may stand. A command must not run it: then
    /// the values would be its code.
    pub(crate) fn writes(&mut self, path: Path, span: Span) {
        if self.state.run.iter().any(|run| run.may_be(&path)) {
            let message =
                format!("this step writes `{}` with values, and a command runs it", path.text);
            self.push(self.mistake(span, message).label("written here").help(OWN_SCRIPT));
        }
        self.state.written.push(path);
    }

    /// Notes that a command runs a file.
    pub(crate) fn runs(&mut self, path: Path, span: Span) {
        if self.state.written.iter().any(|written| written.may_be(&path)) {
            let message =
                format!("this command runs `{}`, which a step writes with values", path.text);
            self.push(self.mistake(span, message).label("run here").help(OWN_SCRIPT));
        }
        self.state.run.push(path);
    }

    pub(crate) fn push(&mut self, mistake: Diagnostic) {
        self.state.mistakes.push(mistake);
    }

    pub(crate) fn mistake(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(ErrorId::KEY_INVALID, &self.source, span, message)
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let mistake =
            self.mistake(node.span, expected).label(format!("this is {}", node.value.what()));
        let mistake = match node.value {
            Yaml::Number(_) | Yaml::Bool(_) if expected.ends_with("a text") => {
                mistake.help("put it in quotes")
            }
            Yaml::Text(ref text) if text.trim_start().starts_with('=') || text.contains("{{") => {
                mistake.help("it is the same for every run: write the value itself")
            }
            _ => mistake,
        };
        self.push(mistake);
    }

    pub(crate) fn word(&mut self, node: &Node, name: &str) -> Option<Word> {
        if let Yaml::Text(text) = &node.value {
            Some(Word { text: text.clone(), span: node.span })
        } else {
            self.wrong_type(node, &format!("`{name}` is a text"));
            None
        }
    }

    /// Parses a word from a list.
    pub(crate) fn one_of<T: Clone>(
        &mut self,
        node: &Node,
        name: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let word = self.word(node, name)?;
        let found =
            choices.iter().find(|(choice, _)| *choice == word.text).map(|(_, value)| value.clone());
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            let message = format!("`{name}` is one of {}", listed(&words));
            let help = crate::suggest::closest(&word.text, words.iter().copied());
            let help = help.map(|meant| format!("did you mean `{meant}`?"));
            let label = format!("there is no `{}`", word.text);
            let correction = crate::suggest::closest(&word.text, words.iter().copied());
            let mistake = self.mistake(word.span, message).label(label).maybe_help(help);
            self.push(mistake.corrected(correction.map(ToOwned::to_owned)));
        }
        found
    }

    pub(crate) fn duration(&mut self, node: &Node, name: &str) -> Option<Duration> {
        const HELP: &str = "a duration has a unit: `500ms`, `30s`, `5m`, `1h30m`";
        match &node.value {
            Yaml::Text(text) => match duration::parse(text) {
                Ok(duration) => Some(duration),
                Err(why) => {
                    let message = format!("`{name}` is a duration, but `{text}` {why}");
                    let help = match duration::meant(text) {
                        Some(meant) => format!("write `{name}: {meant}`"),
                        None => HELP.to_owned(),
                    };
                    let mistake = self.mistake(node.span, message).help(help);
                    self.push(mistake.corrected(duration::meant(text)));
                    None
                }
            },
            Yaml::Number(number) => {
                let message = format!("`{name}` is a duration, but `{number}` has no unit");
                let help = format!("{HELP}; `{name}: {number}s` is seconds");
                self.push(self.mistake(node.span, message).help(help));
                None
            }
            _ => {
                self.wrong_type(node, &format!("`{name}` is a duration such as `30s`"));
                None
            }
        }
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Node]> {
        if let Yaml::List(list) = &node.value {
            Some(list)
        } else {
            self.wrong_type(node, &format!("`{name}` is a list"));
            None
        }
    }

    pub(crate) fn template(&mut self, node: &Node, name: &str, flavour: Flavour) -> Option<Text> {
        let word = self.word(node, name)?;
        if self.is_expression(&word, name) {
            return None;
        }
        let written = self.written(&word, 0);
        self.text(&word.text, flavour, written)
    }

    /// Parses a template.
    pub(crate) fn text(&mut self, text: &str, flavour: Flavour, written: Written) -> Option<Text> {
        let template = self.parsed(Template::parse(text, flavour), &written)?;
        Some(Text { template: template.within(self.declared.clone()), written })
    }

    /// Reports an expression where a template is expected, which would be used as it stands.
    pub(crate) fn is_expression(&mut self, word: &Word, name: &str) -> bool {
        let Some(expression) = literals::expression_in(&word.text) else { return false };
        let message = format!("`{name}` is a template, and this is an expression");
        let help = literals::as_template(&expression, name);
        let correction = literals::template_of(&expression).map(|text| literals::scalar(&text));
        let mistake = self.mistake(word.span, message).label("used as it stands").help(help);
        self.push(mistake.corrected(correction));
        true
    }

    /// Parses a value that must be an expression.
    pub(crate) fn expression(&mut self, node: &Node, name: &str) -> Option<Expr> {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => self.after_equals(node, text),
            Yaml::Text(text) => {
                let message = format!("`{name}` is an expression, which begins with `=`");
                let help = if let Some(inner) = without_braces(text) {
                    format!("an expression needs no braces: {}", literals::shown(name, &inner))
                } else if let Some(meant) = literals::boolean(text) {
                    match name {
                        "if" => {
                            format!("YAML 1.2 reads `{}` as a text: write `{meant}`", text.trim())
                        }
                        _ => format!("write `{name}: = {meant}`"),
                    }
                } else {
                    format!("write {}", literals::shown(name, &literals::repaired(text)))
                };
                let correction = match literals::boolean(text) {
                    Some(meant) if name == "if" => Some(meant.to_string()),
                    Some(meant) => Some(literals::scalar(&format!("= {meant}"))),
                    None => literals::expression_of(text)
                        .map(|inner| literals::scalar(&format!("= {inner}"))),
                };
                let mistake = self.mistake(node.span, message).label("no `=`").help(help);
                self.push(mistake.corrected(correction));
                None
            }
            _ => {
                self.wrong_type(
                    node,
                    &format!("`{name}` is an expression such as `= size(previous) > 2`"),
                );
                None
            }
        }
    }

    fn after_equals(&mut self, node: &Node, text: &str) -> Option<Expr> {
        let offset = text.find('=').map_or(0, |at| at + 1);
        let word = Word { text: text.to_owned(), span: node.span };
        let written = self.written(&word, offset);
        let expression = self.parsed(Expression::parse(&text[offset..]), &written)?;
        Some(Expr { expression: expression.within(self.declared.clone()), written })
    }

    /// Parses any value, in which texts that begin with `=` are expressions.
    pub(crate) fn computed(&mut self, node: &Node) -> Option<Computed> {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                self.after_equals(node, text).map(Computed::Expression)
            }
            Yaml::List(list) => {
                let list: Vec<_> = list.iter().map(|one| self.computed(one)).collect();
                list.into_iter().collect::<Option<_>>().map(Computed::List)
            }
            Yaml::Map(map) => {
                let members: Vec<_> = map
                    .iter()
                    .map(|(key, one)| Some((key.name.clone(), self.computed(one)?)))
                    .collect();
                members.into_iter().collect::<Option<_>>().map(Computed::Object)
            }
            Yaml::Text(text) if self.is_template(node, text) => None,
            other => Some(Computed::Literal(other.to_json())),
        }
    }

    /// Reports a template where a value is expected, which would be used as it stands.
    fn is_template(&mut self, node: &Node, text: &str) -> bool {
        if let Some(meant) = literals::boolean(text) {
            let message = format!("`{text}` is a text in YAML 1.2, not {meant}");
            let help = format!("write `{meant}`, or `\"{text}\"` for the text");
            // A text in quotes is meant as one.
            if self.source.slice(node.span) == text {
                let mistake = self.mistake(node.span, message).help(help);
                self.push(mistake.corrected(Some(meant.to_string())));
                return true;
            }
            return false;
        }
        if !crate::command::depends_on_values(text) {
            return false;
        }
        let message = "this is a template, and a value is expected";
        let help = literals::as_expression(text);
        let is_braced = without_braces(text).is_some();
        let correction = literals::expression_of(text).filter(|_| is_braced);
        let correction = correction.map(|inner| literals::scalar(&format!("= {inner}")));
        let mistake = self.mistake(node.span, message).label("used as it stands").help(help);
        self.push(mistake.corrected(correction));
        true
    }

    pub(crate) fn written(&self, word: &Word, offset: usize) -> Written {
        Written {
            source: self.source.clone(),
            scalar: word.span,
            value: word.text.as_str().into(),
            offset,
        }
    }

    /// Returns the result of parsing, if there is one, and reports its mistakes.
    pub(crate) fn parsed<T>(
        &mut self,
        result: Result<(T, Vec<Mistake>), Vec<Mistake>>,
        written: &Written,
    ) -> Option<T> {
        let (parsed, mistakes) = match result {
            Ok((parsed, mistakes)) => (Some(parsed), mistakes),
            Err(mistakes) => (None, mistakes),
        };
        for mistake in mistakes {
            let span = written.place_of(&mistake);
            let code = ErrorId::EXPRESSION_INVALID;
            let diagnostic = Diagnostic::new(code, &written.source, span, mistake.message);
            self.push(diagnostic.label("here").maybe_help(mistake.help));
        }
        parsed
    }
}
