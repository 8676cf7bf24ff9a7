//! The reader of a file and the keys of its mappings. Each key is taken once, and the rest are
//! mistakes.

mod computed;
mod constant;

use super::form::{Form, Member};
use super::{AgentTool, Builtin, Container, Declaration, Word};
use crate::access::Home;
use crate::budget::Budget;
use crate::command::Path;
use crate::declared::Declared;
use crate::diagnostic::{Diagnostic, Diagnostics, MISTAKES_MAX};
use crate::effects::Names;
use crate::options::Options;
use crate::source::{Source, Span};
use crate::suggest::{closest, did_you_mean, elsewhere};
use crate::tree::{Key, Node, Yaml};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
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
}
