//! `use`: agents, steps and prompts of other files.
//!
//! Before a file is read, each `use` in its tree is replaced by what it stands for. The places of
//! such a part lie behind the end of the text: see [`Source::with_parts`].

use super::FORMAT;
use super::reader::State;
use crate::access::{ALL_BYTES_MAX, FILES_MAX, Home, Refused, folder_of};
use crate::diagnostic::Diagnostic;
use crate::options::Options;
use crate::source::{Source, Span};
use crate::suggest::did_you_mean;
use crate::tree::{self, Key, Node, Yaml};
use std::path::Path;
use std::sync::Arc;
use stepwright_core::ErrorId;
use stepwright_core::plan::After;

/// The key that names a part of another file.
pub(crate) const USE: &str = "use";

/// The maximum number of values that `use` brings into a workflow. Parts that use each other twice
/// would otherwise grow without end.
const VALUES_MAX: usize = 200_000;

/// The maximum number of parts inside each other.
const DEPTH_MAX: usize = 32;

/// The keys of a step with lists of steps.
const BODIES: [&str; 6] = ["steps", "do", "then", "else", "branches", "choices"];

const AFTER: [After; 3] = [After::Failure, After::Always, After::Undo];

/// The kinds of parts: the key at the top of a file, and the word for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Agent,
    Step,
    Prompt,
}

impl Part {
    fn key(self) -> &'static str {
        match self {
            Self::Agent => "agents",
            Self::Step => "steps",
            Self::Prompt => "prompts",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Step => "step",
            Self::Prompt => "prompt",
        }
    }
}

/// A file with parts.
struct Library {
    /// Its path, relative to the folder of the file that is read. Empty for that file itself.
    path: String,
    root: Node,
}

/// Replaces what is used.
struct Splicer<'a> {
    source: Arc<Source>,
    parts: Vec<(usize, Arc<Source>)>,
    home: &'a Home,
    dir: &'a Path,
    options: &'a Options,
    state: &'a mut State,
    libraries: Vec<Arc<Library>>,
    /// The parts that are being replaced, outermost first.
    around: Vec<String>,
    /// The number of values that may still be brought in.
    left: usize,
    /// The agents of other files that steps of those files need, by their names.
    agents: Vec<(Key, Node)>,
    /// The other files whose variables count.
    declaring: Vec<Arc<Library>>,
}

/// Replaces each `use` in the tree of a file. Returns the source with the texts of the parts.
pub(super) fn splice(
    source: &Arc<Source>,
    (home, dir): (&Home, &Path),
    root: &mut Node,
    options: &Options,
    state: &mut State,
) -> Arc<Source> {
    if !may_use(&source.text) {
        return source.clone();
    }
    let own = Arc::new(Library { path: String::new(), root: root.clone() });
    let mut splicer = Splicer {
        source: source.clone(),
        parts: Vec::new(),
        home,
        dir,
        options,
        state,
        libraries: vec![own],
        around: Vec::new(),
        left: VALUES_MAX,
        agents: Vec::new(),
        declaring: Vec::new(),
    };
    splicer.file(root);
    let parts = splicer.parts;
    if parts.is_empty() { source.clone() } else { Arc::new(source.with_parts(parts)) }
}

/// Returns `true` if a text may have the key.
fn may_use(text: &str) -> bool {
    text.match_indices(USE).any(|(at, found)| {
        text[at + found.len()..].trim_start_matches(['"', '\'', ' ']).starts_with(':')
    })
}

fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Yaml::Map(members) = &node.value else { return None };
    members.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    match &member(node, name)?.value {
        Yaml::Text(text) => Some(text),
        _ => None,
    }
}

/// Moves all places.
fn shift(node: &mut Node, by: usize) {
    node.span.start += by;
    match &mut node.value {
        Yaml::List(list) => list.iter_mut().for_each(|node| shift(node, by)),
        Yaml::Map(map) => {
            for (key, node) in map {
                key.span.start += by;
                shift(node, by);
            }
        }
        _ => {}
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Yaml::List(list) => list.iter().map(count).sum(),
        Yaml::Map(map) => map.iter().map(|(_, node)| count(node)).sum::<usize>(),
        _ => 0,
    }
}

/// Returns a path of a file in the folder of another one.
fn joined(of: &str, path: &str) -> String {
    let (path, part) = path.split_at(path.find('#').unwrap_or(path.len()));
    if path.is_empty() {
        return format!("{of}{part}");
    }
    let folder = folder_of(Path::new(of));
    format!("{}{part}", folder.join(path).display())
}

impl Splicer<'_> {
    fn mistake(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        // The whole source does not exist yet.
        let part = self.parts.iter().rev().find(|(start, _)| span.start >= *start);
        let (source, span) = match part {
            Some((start, part)) => (part, Span::new(span.start - start, span.len)),
            None => (&self.source, span),
        };
        Diagnostic::new(ErrorId::INCLUDE_REFUSED, source, span, message)
    }

    fn file(&mut self, root: &mut Node) {
        let Yaml::Map(members) = &mut root.value else { return };
        for (key, node) in &mut *members {
            match (key.name.as_str(), &mut node.value) {
                ("agents", Yaml::Map(agents)) => {
                    for (key, agent) in agents {
                        self.agent(&key.name, agent, "");
                    }
                }
                ("steps" | "finally" | "on_failure", Yaml::List(steps)) => {
                    for step in steps {
                        self.step(step, "");
                    }
                }
                _ => {}
            }
        }
        self.bring_agents(root);
        self.bring_declared(root);
    }

    /// Adds the agents that steps of other files need.
    fn bring_agents(&mut self, root: &mut Node) {
        let brought = std::mem::take(&mut self.agents);
        let Yaml::Map(members) = &mut root.value else { return };
        if brought.is_empty() {
            return;
        }
        match members.iter_mut().find(|(key, _)| key.name == "agents") {
            Some((_, Node { value: Yaml::Map(agents), .. })) => agents.extend(brought),
            Some(_) => {}
            None => {
                let span = root.span;
                let agents = Node { span, value: Yaml::Map(brought) };
                members.push((Key { name: "agents".to_owned(), span }, agents));
            }
        }
    }

    /// Adds the variables of the other files.
    fn bring_declared(&mut self, root: &mut Node) {
        for library in std::mem::take(&mut self.declaring) {
            for name in ["vars", "env", "secrets"] {
                let Some(theirs) = member(&library.root, name).cloned() else { continue };
                let Yaml::Map(members) = &mut root.value else { return };
                let Some((_, ours)) = members.iter_mut().find(|(key, _)| key.name == name) else {
                    members.push((Key { name: name.to_owned(), span: theirs.span }, theirs));
                    continue;
                };
                let mut clashes = Vec::new();
                match (&mut ours.value, theirs.value) {
                    (Yaml::Map(ours), Yaml::Map(theirs)) => {
                        for (key, value) in theirs {
                            match ours.iter().find(|(other, _)| other.name == key.name) {
                                None => ours.push((key, value)),
                                Some((_, own)) if own.value.to_json() == value.value.to_json() => {}
                                Some((own, _)) => clashes.push((own.span, key.name)),
                            }
                        }
                    }
                    (Yaml::List(ours), Yaml::List(theirs)) => {
                        for value in theirs {
                            let json = value.value.to_json();
                            if ours.iter().all(|own| own.value.to_json() != json) {
                                ours.push(value);
                            }
                        }
                    }
                    _ => {}
                }
                for (span, name) in clashes {
                    let message =
                        format!("the variable `{name}` has another value in `{}`", library.path);
                    let mistake = self.mistake(span, message);
                    let help = "a part of that file is used here, and refers to it: rename one";
                    self.state.mistakes.push(mistake.help(help));
                }
            }
        }
    }

    /// Replaces what an agent uses. `of` is the path of its file.
    fn agent(&mut self, name: &str, node: &mut Node, of: &str) {
        if let Some(at) = member(node, USE).cloned() {
            self.replace(Part::Agent, name, node, &at, of);
            return;
        }
        let Yaml::Map(members) = &mut node.value else { return };
        if let Some((_, text)) = members.iter_mut().find(|(key, _)| key.name == "instructions") {
            self.text(text, of);
        }
        if let Some((_, tools)) =
            members.iter_mut().find(|(key, _)| key.name == "tools" && !of.is_empty())
        {
            self.tools(tools, of);
        }
        let Yaml::Map(members) = &mut node.value else { return };
        let skills = members.iter_mut().filter(|(key, _)| key.name == "skills" && !of.is_empty());
        for (_, node) in skills {
            let Yaml::List(folders) = &mut node.value else { continue };
            for folder in folders {
                if let Yaml::Text(path) = &mut folder.value {
                    *path = joined(of, path);
                }
            }
        }
    }

    /// Brings the agents that are tools of an agent of another file, and moves the paths of its
    /// workflows.
    fn tools(&mut self, node: &mut Node, of: &str) {
        let Yaml::List(tools) = &mut node.value else { return };
        for tool in tools {
            let Yaml::Map(tool) = &mut tool.value else { continue };
            for (key, settings) in tool {
                let Yaml::Map(settings) = &mut settings.value else { continue };
                for (setting, node) in settings {
                    match (&*key.name, &*setting.name, &mut node.value) {
                        ("workflow", "file", Yaml::Text(path)) => *path = joined(of, path),
                        ("agent" | "handoff", "agent", Yaml::Text(agent)) => {
                            let agent = agent.clone();
                            self.bring(&agent, setting.span, of);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Replaces what a step uses, and the steps inside it.
    fn step(&mut self, node: &mut Node, of: &str) {
        if let Some(at) = member(node, USE).cloned() {
            let name = text(node, "name").unwrap_or_default().to_owned();
            self.replace(Part::Step, &name, node, &at, of);
            return;
        }
        let Yaml::Map(members) = &mut node.value else { return };
        for (key, node) in members {
            let is_body = BODIES.contains(&key.name.as_str());
            let is_after = AFTER.iter().any(|after| after.key() == key.name);
            match &mut node.value {
                Yaml::List(steps) if is_body || is_after => {
                    for step in steps {
                        self.step(step, of);
                    }
                }
                Yaml::Map(_) if is_after => self.step(node, of),
                Yaml::Map(_) if key.name == "prompt" => self.text(node, of),
                Yaml::Text(path) if key.name == "workflow" && !of.is_empty() => {
                    *path = joined(of, path);
                }
                Yaml::Text(agent) if key.name == "agent" && !of.is_empty() => {
                    let agent = agent.clone();
                    self.bring(&agent, key.span, of);
                }
                _ => {}
            }
        }
    }

    /// Replaces a text that is a prompt of another file, and moves the path of a text file.
    fn text(&mut self, node: &mut Node, of: &str) {
        if let Some(at) = member(node, USE).cloned() {
            self.replace(Part::Prompt, "", node, &at, of);
        } else if let Yaml::Map(members) = &mut node.value
            && !of.is_empty()
        {
            for (key, node) in members {
                if let (true, Yaml::Text(path)) = (key.name == "file", &mut node.value) {
                    *path = joined(of, path);
                }
            }
        }
    }

    /// Brings an agent that a step of another file needs, unless the file that is read has one of
    /// that name.
    fn bring(&mut self, name: &str, span: Span, of: &str) {
        let has = |agents: &Node| member(agents, name).is_some();
        let is_own = member(&self.libraries[0].root, "agents").is_some_and(has);
        if is_own || self.agents.iter().any(|(key, _)| key.name == name) {
            return;
        }
        let library = self.libraries.iter().find(|library| library.path == of).cloned();
        let agents = library.as_ref().and_then(|library| member(&library.root, "agents"));
        // A missing agent is reported by the check.
        let Some(mut agent) = agents.and_then(|agents| member(agents, name)).cloned() else {
            return;
        };
        let place = self.agents.len();
        let key = Key { name: name.to_owned(), span };
        // An agent of that name is not brought again from inside.
        self.agents.push((key, agent.clone()));
        self.agent(name, &mut agent, of);
        self.with_model(&mut agent, of);
        self.agents[place].1 = agent;
    }

    /// Gives an agent the model of its file, if it has none.
    fn with_model(&self, agent: &mut Node, of: &str) {
        let library = self.libraries.iter().find(|library| library.path == of);
        let model = library.and_then(|library| member(&library.root, "model")).cloned();
        if let (Some(model), Yaml::Map(members)) = (model, &mut agent.value)
            && members.iter().all(|(key, _)| key.name != "model")
        {
            members.push((Key { name: "model".to_owned(), span: model.span }, model));
        }
    }

    /// Replaces a node by a part. The other keys of the node replace those of the part.
    fn replace(&mut self, part: Part, name: &str, node: &mut Node, at: &Node, of: &str) {
        match self.part(part, name, at, of) {
            // A text is told about at its own place.
            Ok(found) if part == Part::Prompt => *node = found,
            Ok(found) => {
                let Yaml::Map(own) = std::mem::replace(&mut node.value, found.value) else {
                    return;
                };
                let Yaml::Map(members) = &mut node.value else { return };
                for (key, value) in own {
                    if key.name == USE {
                        continue;
                    }
                    match members.iter_mut().find(|(other, _)| other.name == key.name) {
                        Some(other) => *other = (key, value),
                        None => members.push((key, value)),
                    }
                }
            }
            // The reader passes over the node.
            Err(mistake) => self.state.mistakes.push(*mistake),
        }
    }

    /// Returns a part of another file, in which everything is replaced.
    fn part(
        &mut self,
        part: Part,
        name: &str,
        at: &Node,
        of: &str,
    ) -> Result<Node, Box<Diagnostic>> {
        let word = part.word();
        let Yaml::Text(reference) = &at.value else {
            let mistake = self.mistake(at.span, "`use` is a text");
            return Err(Box::new(mistake.help(format!("write `use: team.yaml#{word}`"))));
        };
        let reference = joined(of, reference.trim());
        let (path, named) = match reference.split_once('#') {
            Some((path, name)) => (path, name),
            None => (reference.as_str(), name),
        };
        if named.is_empty() {
            let message = format!("nothing says which {word} of {} is used", shown(path));
            let help = format!("name it behind the file: `use: {path}#NAME`");
            return Err(Box::new(self.mistake(at.span, message).help(help)));
        }
        let whole = format!("{} `{path}#{named}`", part.key());
        if self.around.contains(&whole) || self.around.len() >= DEPTH_MAX {
            let message = if self.around.contains(&whole) {
                format!("the {word} `{named}` of {} uses itself", shown(path))
            } else {
                format!("more than {DEPTH_MAX} parts use each other")
            };
            let mistake = self.mistake(at.span, message);
            return Err(Box::new(mistake.help("write it out in one of the files")));
        }
        let library = self.library(path, at.span)?;
        let Some(mut found) = find(&library.root, part, named).cloned() else {
            let names = names(&library.root, part);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let message = format!("{} has no {word} `{named}`", shown(path));
            let help = did_you_mean(named, &names, "it has")
                .unwrap_or_else(|| format!("it has no `{}` at its top", part.key()));
            return Err(Box::new(self.mistake(at.span, message).help(help)));
        };
        let Some(left) = self.left.checked_sub(count(&found)) else {
            let message = format!("`use` brings more than {VALUES_MAX} values into this file");
            let mistake = self.mistake(at.span, message);
            return Err(Box::new(
                mistake.help("use smaller parts, or a `workflow` in its own file"),
            ));
        };
        self.left = left;
        if part != Part::Prompt
            && !path.is_empty()
            && !self.declaring.iter().any(|other| other.path == path)
        {
            self.declaring.push(library);
        }
        self.around.push(whole);
        let path = path.to_owned();
        match part {
            Part::Agent => {
                self.agent(named, &mut found, &path);
                self.with_model(&mut found, &path);
            }
            Part::Step => self.step(&mut found, &path),
            Part::Prompt => self.text(&mut found, &path),
        }
        self.around.pop();
        Ok(found)
    }

    /// Reads another file, once.
    fn library(&mut self, path: &str, span: Span) -> Result<Arc<Library>, Box<Diagnostic>> {
        if let Some(known) = self.libraries.iter().find(|library| library.path == path) {
            return Ok(known.clone());
        }
        let refused = |splicer: &Self, Refused { why, help }: Refused| {
            let mistake = splicer.mistake(span, format!("cannot use `{path}`: {why}"));
            Box::new(mistake.maybe_help(help))
        };
        self.state.files += 1;
        if self.state.files > FILES_MAX {
            let why = format!("the workflow is made of more than {FILES_MAX} files");
            return Err(refused(self, Refused::new(why)));
        }
        let shown = self.dir.join(path).display().to_string();
        let left = ALL_BYTES_MAX.saturating_sub(self.state.bytes);
        let read = self.home.read(path, &shown, &self.options.allow_path, left);
        let text = read.map_err(|why| refused(self, why))?.text;
        self.state.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        let source = Arc::new(Source::new(shown, text));
        let root = tree::read(&source).map_err(|mistake| {
            // A file that is no workflow file is never shown.
            let why = match mistake.start_line() {
                Some(line) => format!("line {line} is not valid YAML"),
                None => "it is not valid YAML".to_owned(),
            };
            refused(self, Refused::new(why))
        });
        let mut root = root?;
        let is_format = |node: &Node| match &node.value {
            Yaml::Number(number) => number.as_u64() == Some(FORMAT),
            _ => false,
        };
        if !member(&root, "format").is_some_and(is_format) {
            let help = "such a file has `format: 1`, and `agents:`, `steps:` or `prompts:`";
            let why = "it is not a workflow file".to_owned();
            return Err(refused(self, Refused { why, help: Some(help.to_owned()) }));
        }
        let start = match self.parts.last() {
            Some((start, part)) => start + part.text.len() + 1,
            None => self.source.text.len() + 1,
        };
        shift(&mut root, start);
        self.parts.push((start, source));
        let library = Arc::new(Library { path: path.to_owned(), root });
        self.libraries.push(library.clone());
        Ok(library)
    }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "this file".to_owned() } else { format!("`{path}`") }
}

fn find<'n>(root: &'n Node, part: Part, name: &str) -> Option<&'n Node> {
    let all = member(root, part.key())?;
    match &all.value {
        Yaml::List(steps) => steps.iter().find(|step| named(step) == Some(name)),
        _ => member(all, name),
    }
}

/// Returns the name of a step, which may be that of its agent.
fn named(step: &Node) -> Option<&str> {
    text(step, "name").or_else(|| text(step, "agent"))
}

fn names(root: &Node, part: Part) -> Vec<String> {
    let Some(all) = member(root, part.key()) else { return Vec::new() };
    match &all.value {
        Yaml::List(steps) => steps.iter().filter_map(named).map(str::to_owned).collect(),
        Yaml::Map(members) => members.iter().map(|(key, _)| key.name.clone()).collect(),
        _ => Vec::new(),
    }
}
