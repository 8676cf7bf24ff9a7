//! The workspaces of runs and steps.

use super::form::{Form, Mapping, Member, key, words};
use super::reader::{Fields, Reader};
use crate::system::Folder;
use crate::tree::{Node, Yaml};
use stepwright_core::ErrorId;
use stepwright_tools::Workspace;

/// A workspace as written.
#[derive(Clone, Debug)]
pub(crate) struct Workplace {
    pub(crate) kind: Place,
    /// The patterns of the files to keep. Empty for all of them.
    pub(crate) keep: Option<Vec<String>>,
    /// The steps with whose files it begins.
    pub(crate) from: Vec<super::Word>,
}

/// A kind of folder.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Temp,
    Worktree(Option<String>),
    Dir(String),
}

/// The kinds of folders that a word names.
const PLACES: [(&str, bool); 2] = [("temp", false), ("worktree", true)];

const TEXTS: Form = Form::List(&Form::Text, 1, usize::MAX);

/// The form of a workspace.
pub(super) const WORKSPACE: Form =
    Form::Either(&[Form::Words(|| words(&PLACES)), Form::Mapping(&SETTINGS)]);

static SETTINGS: Mapping = Mapping {
    name: "workspace",
    what: "`workspace`",
    required: &[&["dir"], &["temp"], &["worktree"]],
    members: MEMBERS,
};

const MEMBERS: &[Member] = &[
    key("dir", &Form::Text, "A folder beneath the base directory. It is never removed."),
    key("temp", &Form::Bool, "A new folder, which is removed when the run has completed."),
    key(
        "worktree",
        &Form::Either(&[Form::Bool, Form::Text]),
        "A new worktree of the Git repository of the base directory, or the commit, branch or tag \
        of one.",
    ),
    key(
        "keep",
        &Form::Either(&[Form::Bool, TEXTS]),
        "Keeps the files that steps make beside the database: all of them, or those of some \
        patterns.",
    ),
    key("from", &TEXTS, "The earlier steps whose kept files it begins with."),
];

impl Reader<'_> {
    /// Takes the workspace of a step or of a file.
    pub(super) fn workspace(&mut self, fields: &mut Fields<'_>) -> Option<Workplace> {
        let (key, node) = fields.take("workspace")?;
        let span = key.span;
        let Yaml::Map(_) = &node.value else {
            let is_worktree = self.one_of(node, "workspace", &PLACES)?;
            let kind = if is_worktree { Place::Worktree(None) } else { Place::Temp };
            return Some(Workplace { kind, keep: None, from: Vec::new() });
        };
        let mut fields = Fields::of(self, node, "`workspace`")?;
        let kinds: Vec<&str> =
            ["dir", "temp", "worktree"].into_iter().filter(|kind| fields.has(kind)).collect();
        if kinds.len() != 1 {
            let message = match kinds.as_slice() {
                [] => "nothing says which folder the workspace is".to_owned(),
                [first, second, ..] => {
                    format!("a workspace is of one kind, not `{first}` and `{second}`")
                }
                _ => String::new(),
            };
            let help = "write one of `temp: true`, `worktree: true` and `dir: FOLDER`";
            self.push(self.mistake(span, message).help(help));
        }
        let dir = fields.word(self, "dir");
        if let Some(dir) = &dir {
            let folder = Folder::new(self.options.base_dir.clone());
            let text = dir.text.trim_start_matches("./");
            let wrong = folder.check_path(text).err();
            if let Some(error) = wrong.map(|error| error.data) {
                let mistake = self.mistake(dir.span, error.message).coded(ErrorId::FILE_REFUSED);
                self.push(mistake.maybe_help(error.hint));
            }
        }
        let temp = fields.take("temp").map(|(_, node)| self.is_true(node, "temp"));
        let worktree = fields.take("worktree").map(|(_, node)| match &node.value {
            Yaml::Text(at) if !at.trim().is_empty() => {
                self.constant(node, "worktree").map(|word| word.text)
            }
            _ => {
                self.is_true(node, "worktree");
                None
            }
        });
        let keep = fields.take("keep").and_then(|(_, node)| self.keep(node));
        let from = fields.take("from").map(|(key, node)| {
            if keep.is_none() {
                let message = "`from` is for files that are kept";
                let mistake = self.mistake(key.span, message).coded(ErrorId::SETTING_USELESS);
                let help = "write `keep: true` here, and in the workspaces of those steps";
                self.push(mistake.help(help));
            }
            let list = self.list(node, "from").unwrap_or_default();
            if list.is_empty() && matches!(node.value, Yaml::List(_)) {
                let mistake = self.mistake(node.span, "`from` has no steps");
                self.push(mistake.help("name an earlier step, or leave it out"));
            }
            list.iter().filter_map(|node| self.word(node, "a step")).collect()
        });
        fields.finish(self);
        let kind = match (dir, temp, worktree) {
            (Some(dir), ..) => Place::Dir(dir.text),
            (_, Some(()), _) => Place::Temp,
            (.., Some(at)) => Place::Worktree(at),
            _ => return None,
        };
        Some(Workplace { kind, keep, from: from.unwrap_or_default() })
    }

    fn is_true(&mut self, node: &Node, name: &str) {
        match &node.value {
            Yaml::Bool(true) => {}
            Yaml::Bool(false) => {
                let mistake = self.mistake(node.span, format!("`{name}` is true, or not there"));
                self.push(mistake.help("leave `workspace` out for none"));
            }
            _ => self.wrong_type(node, &format!("`{name}` is true or false")),
        }
    }

    fn keep(&mut self, node: &Node) -> Option<Vec<String>> {
        match &node.value {
            Yaml::Bool(all) => all.then(Vec::new),
            Yaml::List(list) => {
                let words = list.iter().filter_map(|node| self.constant(node, "keep"));
                let words: Vec<super::Word> = words.collect();
                if words.is_empty() {
                    let mistake = self.mistake(node.span, "`keep` has no patterns");
                    self.push(mistake.help("write `keep: true` for all files"));
                }
                for word in &words {
                    let alone = Workspace::temp().keep(".").keep_only([word.text.as_str()]);
                    if let Err(error) = alone.check() {
                        let mistake = self.mistake(word.span, error.to_string());
                        self.push(mistake.maybe_help(error.hint().map(str::to_owned)));
                    }
                }
                Some(words.into_iter().map(|word| word.text).collect())
            }
            _ => {
                self.wrong_type(node, "`keep` is true, false, or a list of patterns");
                None
            }
        }
    }
}
