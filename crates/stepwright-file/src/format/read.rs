//! Reads a workflow file.

use super::kinds::ON_INTERRUPTED;
use super::permissions::effect_names;
use super::reader::{Fields, Kinds, Reader, State};
use super::used::{self, USE};
use super::{AfterItems, Agent, FORMAT, File, Item, Word, Workplace};
use super::{changed_prompt, content, guardrails, literals};
use crate::access::{self, ALL_BYTES_MAX, FILES_MAX, Home, Referred, Refused, folder_of};
use crate::beneath::open_regular;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::options::{ChangedPrompt, Options};
use crate::schema::{self, Purpose};
use crate::source::{Source, Span};
use crate::stack::with_stack;
use crate::tree::{self, Node, Yaml};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_core::ErrorId;
use stepwright_core::cost::Prices;
use stepwright_core::permission::Permissions;
use stepwright_core::plan::After;

/// The maximum number of requests of an agent to its model in one execution.
pub(super) const TURNS_MAX: u64 = 1000;
/// The maximum number of agents in a file.
const AGENTS_MAX: usize = 1000;
/// The maximum number of steps of a workflow, in all of its files. A `map` helps with more.
const STEPS_MAX: usize = 10_000;

/// A file that was read and may be used.
struct Opened {
    source: Arc<Source>,
    home: Home,
    dir: PathBuf,
}

/// Reads the file that the caller named.
pub(crate) fn read_named(
    path: &Path,
    options: &Options,
    state: &mut State,
) -> Result<Option<File>, Refused> {
    let file = open_regular(path).map_err(|denied| Refused::new(denied.why()))?;
    let text = access::read_text(file, ALL_BYTES_MAX)?;
    let whole = path.canonicalize().map_err(|error| Refused::new(error.to_string()))?;
    let source = Arc::new(Source::new(path.display().to_string(), text));
    let opened = Opened { source, home: Home::of(path), dir: folder_of(path) };
    read(opened, whole, options, state, true)
}

/// Reads a text from the caller, as if it were a file at `path`.
pub(crate) fn read_text(
    source: Source,
    path: &Path,
    options: &Options,
    state: &mut State,
) -> Option<File> {
    let source = Arc::new(source);
    let root = tree::read(&source);
    let opened = Opened { source, home: Home::of(path), dir: folder_of(path) };
    read_opened(opened, root, (options, options.prompt.as_ref()), state)
}

/// Reads a file of permissions: the lists, or a mapping with the key `permissions`.
///
/// # Errors
/// Returns all mistakes in it.
///
/// ```
/// use stepwright_core::permission::{Effect, Verdict};
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("permissions.yaml");
/// # std::fs::write(&path, "allow:\n  - shell: git *\n  - web_search\n").unwrap();
/// // allow:
/// //   - shell: git *
/// //   - web_search
/// let permissions = stepwright_file::read_permissions(&path)?;
/// assert_eq!(permissions.judge(&Effect::tool("web_search")).verdict, Verdict::Allow);
/// # Ok::<(), stepwright_file::Diagnostics>(())
/// ```
pub fn read_permissions(path: &Path) -> Result<Permissions, Diagnostics> {
    read_alone(path, |reader, root| {
        let inside = match &root.value {
            Yaml::Map(map) => map.iter().find(|(key, _)| key.name == "permissions"),
            _ => None,
        };
        reader.permissions(inside.map_or(root, |(_, node)| node), None)
    })
}

/// Reads a file of prices: a mapping of models to their prices in US dollars for a million tokens.
///
/// # Errors
/// Returns the mistake in it.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("prices.yaml");
/// # std::fs::write(&path, "\"openai-chat:in-house\": {input: 0.1, output: 0.2}").unwrap();
/// // "openai-chat:in-house": {input: 0.1, output: 0.2}
/// let prices = stepwright_file::read_prices(&path)?;
/// assert_eq!(prices.of("openai-chat:in-house").unwrap().output, 0.2);
/// # Ok::<(), stepwright_file::Diagnostics>(())
/// ```
pub fn read_prices(path: &Path) -> Result<Prices, Diagnostics> {
    read_alone(path, |reader, root| match serde_json::from_value(root.value.to_json()) {
        Ok(prices) => Some(prices),
        Err(error) => {
            let mistake = reader.mistake(root.span, format!("not a file of prices: {error}"));
            reader.push(mistake.help("write `\"openai:gpt-5\": {input: 1.25, output: 10}`"));
            None
        }
    })
}

/// Reads a file that is not a workflow file.
fn read_alone<T: Send + Sync>(
    path: &Path,
    read: impl Fn(&mut Reader<'_>, &Node) -> Option<T> + Send + Sync,
) -> Result<T, Diagnostics> {
    let shown = path.display().to_string();
    let unreadable = |refused: Refused| {
        let message = format!("cannot be read: {}", refused.why);
        Diagnostic::of_file(ErrorId::FILE_UNREADABLE, shown.as_str(), message)
    };
    let opened = open_regular(path).map_err(|denied| unreadable(Refused::new(denied.why())))?;
    let text = access::read_text(opened, ALL_BYTES_MAX).map_err(unreadable)?;
    let source = Arc::new(Source::new(shown.as_str(), text));
    with_stack(|| {
        let root = tree::read(&source).map_err(|mistake| Diagnostics::from(*mistake))?;
        let kinds = Kinds { containers: &[], builtins: &[], tools: &[] };
        let (mut state, options) = (State::new(kinds), Options::default());
        let (home, dir) = (Home::of(path), folder_of(path));
        let (source, declared) = (source.clone(), Arc::default());
        let mut reader =
            Reader { source, home, dir, options: &options, declared, state: &mut state };
        let value = read(&mut reader, &root);
        state.mistakes.finish()?;
        value.ok_or_else(|| unreadable(Refused::new("nothing was read")).into())
    })
}

fn read(
    opened: Opened,
    whole: PathBuf,
    options: &Options,
    state: &mut State,
    is_named: bool,
) -> Result<Option<File>, Refused> {
    if let Some(at) = state.around.iter().position(|other| *other == whole) {
        let names = state.around[at..].iter().chain([&whole]);
        let names: Vec<String> = names.map(|path| file_name(path)).collect();
        return Err(Refused::new(format!("it contains itself: {}", names.join(" -> "))));
    }
    state.files += 1;
    if state.files > FILES_MAX {
        let why = format!("the workflow is made of more than {FILES_MAX} files");
        return Err(Refused::new(why));
    }
    state.bytes += u64::try_from(opened.source.text.len()).unwrap_or(u64::MAX);
    let root = tree::read(&opened.source);
    if !is_named {
        check_referred(&opened.source.name, &root)?;
    }
    state.around.push(whole);
    let prompt = options.prompt.as_ref().filter(|_| is_named);
    let file = read_opened(opened, root, (options, prompt), state);
    state.around.pop();
    Ok(file)
}

fn read_opened(
    opened: Opened,
    root: Result<Node, Box<Diagnostic>>,
    (options, prompt): (&Options, Option<&ChangedPrompt>),
    state: &mut State,
) -> Option<File> {
    let Opened { source, home, dir } = opened;
    let mut root = match root {
        Ok(root) => root,
        Err(mistake) => {
            state.mistakes.push(*mistake);
            return None;
        }
    };
    let source = used::splice(&source, (&home, &dir), &mut root, options, state);
    // A step of another file, or its agent, may come by `use`.
    if let Some(changed) = prompt
        && let Err(mistake) = changed_prompt::replace(&mut root, changed)
    {
        state.mistakes.push(*mistake);
        return None;
    }
    let declared = Arc::default();
    let file = Reader { source, home, dir, options, declared, state }.file(&root);
    file.map(|file| File { root, ..file })
}

/// Checks that a file that another one refers to is a workflow file. Messages never show the text
/// of other files: an untrusted workflow file may refer to a secret.
fn check_referred(name: &str, root: &Result<Node, Box<Diagnostic>>) -> Result<(), Refused> {
    let why = match root {
        Ok(root) if is_workflow(root) => return Ok(()),
        Ok(_) => "it is not a workflow file".to_owned(),
        Err(mistake) => match mistake.start_line() {
            Some(line) => format!("line {line} is not valid YAML"),
            None => "it is not valid YAML".to_owned(),
        },
    };
    let help = format!(
        "a workflow file has `format: 1`, `name:` and `steps:`; `stepwright check {name}` says more"
    );
    Err(Refused { why, help: Some(help) })
}

fn is_workflow(root: &Node) -> bool {
    let Yaml::Map(map) = &root.value else { return false };
    let value = |name| map.iter().find(|(key, _)| key.name == name).map(|(_, node)| &node.value);
    let Some(Yaml::Number(format)) = value("format") else { return false };
    format.as_u64() == Some(FORMAT) && matches!(value("steps"), Some(Yaml::List(_)))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> Option<File> {
        if matches!(root.value, Yaml::Null) {
            let mistake = self.mistake(Span::default(), "the file is empty");
            self.push(mistake.help("begin with `format: 1`, `name:` and `steps:`"));
            return None;
        }
        let mut fields = Fields::of(self, root, "a workflow file")?;
        fields.pass_over_extensions();
        self.format(&mut fields);
        let name = fields.need(self, "name", "name the workflow: `name: Digest`");
        let name = name.and_then(|(_, node)| self.word(node, "name"));
        if let Some(name) = name.as_ref().filter(|name| name.text.trim().is_empty()) {
            let mistake = self.mistake(name.span, "the workflow needs a name");
            self.push(mistake);
        }
        let id = self.id(&mut fields);
        let description = fields.word(self, "description").map(|word| word.text);
        let model = self.models(&mut fields);
        let timeout = fields.limits(self, false).total;
        let history = fields.history(self);
        let on_interrupted = fields.choice(self, "on_interrupted", &ON_INTERRUPTED);
        let queue = self.queue(&mut fields);
        self.declare(&mut fields);
        let session_state = self.session_state(&mut fields);
        let reducers = self.reducers(&mut fields);
        let input = fields.take("input").and_then(|(_, node)| self.schema(node, "input"));
        let media = self.media(&mut fields, input.as_ref());
        let workflow_agent = self.workflow_agent(&mut fields);
        let names = effect_names(&self.state.kinds);
        let permissions = fields.take("permissions");
        let permissions = permissions.and_then(|(_, node)| self.permissions(node, Some(&names)));
        let budget = fields.take("budget").and_then(|(_, node)| self.budget(node, "budget"));
        let session_budget = fields.take("session_budget").and_then(|(key, node)| {
            self.budget(node, "session_budget").map(|budget| (budget, key.span))
        });
        let limits = fields.take("limits").and_then(|(_, node)| self.model_limits(node));
        let concurrency = fields.take("concurrency");
        let concurrency = concurrency.and_then(|(key, node)| self.runs_at_once(node, key.span));
        let dedupe = fields.take("dedupe").and_then(|(key, node)| self.dedupe(node, key.span));
        let on_busy = self.on_busy(&mut fields);
        let on = fields.take("on").and_then(|(key, node)| self.triggers(node, key.span));
        let notify = fields.take("notify").map(|(key, node)| self.notify(node, key.span));
        if let Some((_, node)) = fields.take("prompts") {
            self.prompts(node);
        }
        self.state.mcp = fields.take("mcp").map(|(_, node)| self.mcp(node)).unwrap_or_default();
        let mcp = self.state.mcp.clone();
        let knowledge = fields.take("knowledge").map(|(_, node)| self.knowledge(node));
        let knowledge = knowledge.unwrap_or_default();
        let sandbox = self.sandbox(&mut fields);
        let workspace = self.workspace(&mut fields);
        if let Some(Workplace { from, .. }) = &workspace
            && let Some(first) = from.first()
        {
            let mistake = self.mistake(first.span, "no step has run when a run begins");
            self.push(mistake.help("give `from` to the workspace of a step"));
        }
        let mut agents = Vec::new();
        for key in ["agents", "teams"] {
            if let Some((_, node)) = fields.take(key) {
                self.agents(node, key, &mut agents);
            }
        }
        let steps = fields.need(self, "steps", "list what is done under `steps:`");
        let steps = steps.map(|(key, node)| self.items(node, "steps", key.span));
        let after = self.after(&mut fields, &[After::Failure, After::Always]);
        let after_timeout = fields.duration(self, "after_timeout");
        fields.finish_with(self, |unknown| {
            let trigger = ["schedule", "webhook"].into_iter().find(|key| *key == unknown)?;
            Some(format!("write it under `on`: `on: {{{trigger}: …}}`"))
        });
        Some(File {
            source: self.source.clone(),
            // The caller puts the tree here, which is borrowed until then.
            root: Node { span: Span::default(), value: Yaml::Null },
            name: name?,
            id,
            description,
            model,
            timeout,
            history,
            on_interrupted,
            queue,
            input,
            media,
            workflow_agent,
            session_state,
            reducers,
            declared: self.declared.clone(),
            permissions,
            budget,
            session_budget,
            limits,
            concurrency,
            dedupe,
            on_busy,
            on,
            notify,
            mcp,
            knowledge,
            sandbox,
            workspace,
            agents,
            steps: steps?,
            after,
            after_timeout,
        })
    }

    fn format(&mut self, fields: &mut Fields<'_>) {
        let Some((_, node)) = fields.need(self, "format", "begin the file with `format: 1`") else {
            return;
        };
        match &node.value {
            Yaml::Number(number) if number.as_u64() == Some(FORMAT) => {}
            Yaml::Number(number) => {
                let message = format!("format {number} is not known here");
                let mistake = self.mistake(node.span, message).label("this reads format 1");
                self.push(mistake.help("use a newer version, or write `format: 1`"));
            }
            Yaml::Text(text) if text.trim() == "1" => {
                let mistake = self.mistake(node.span, "`format` is the number 1");
                let mistake = mistake.label("this is a text");
                self.push(mistake.help("write `format: 1`, without quotes"));
            }
            _ => self.wrong_type(node, "`format` is the number 1"),
        }
    }

    pub(crate) fn schema(&mut self, node: &Node, name: &str) -> Option<Value> {
        let Yaml::Map(_) = &node.value else {
            self.wrong_type(node, &format!("`{name}` is a JSON Schema"));
            return None;
        };
        let schema = node.value.to_json();
        let purpose = match name {
            "input" => Purpose::Input,
            "output" => Purpose::Output,
            _ => Purpose::Form,
        };
        if let Err(wrong) = schema::check(&schema, purpose, &self.state.schemas) {
            let place = node.at_pointer(&wrong.pointer).span;
            let message = format!("not a valid JSON Schema: {}", wrong.message);
            let mistake = self.mistake(place, message).coded(ErrorId::SCHEMA_INVALID);
            let mistake = mistake.maybe_help(wrong.help);
            self.push(mistake);
            return None;
        }
        Some(schema)
    }

    /// Checks the prompts for other files. Those that are used stand where they are used.
    fn prompts(&mut self, node: &Node) {
        let Yaml::Map(map) = &node.value else {
            return self.wrong_type(node, "`prompts` maps names to texts");
        };
        let around = std::mem::take(&mut self.state.texts);
        for (key, node) in map {
            self.text_or_file(node, &key.name);
        }
        self.state.texts = around;
    }

    /// Reads the agents or the teams of the file, which `key` has.
    fn agents(&mut self, node: &Node, key: &str, agents: &mut Vec<Agent>) {
        let Yaml::Map(map) = &node.value else {
            return self.wrong_type(node, &format!("`{key}` maps names to {key}"));
        };
        if map.len() > AGENTS_MAX {
            let mistake = self.mistake(node.span, format!("a file has at most {AGENTS_MAX} {key}"));
            self.push(mistake);
        }
        let is_team = key == "teams";
        for (key, node) in map.iter().take(AGENTS_MAX) {
            let name = Word { text: key.name.clone(), span: key.span };
            if let Some(first) = agents.iter().find(|other| other.name.text == name.text) {
                let what = match (first.team.is_some(), is_team) {
                    (false, false) => "two agents",
                    (true, true) => "two teams",
                    _ => "an agent and a team",
                };
                let message = format!("there are {what} `{}`", name.text);
                let first = first.name.span;
                let mistake = self.mistake(name.span, message).label("again here");
                self.push(mistake.also(first, "first here"));
                continue;
            }
            agents.extend(self.agent(name, node, is_team));
        }
    }

    fn agent(&mut self, name: Word, node: &Node, is_team: bool) -> Option<Agent> {
        let what = if is_team { "a team" } else { "an agent" };
        let mut fields = Fields::of(self, node, what)?;
        if !is_team {
            // What it stands for could not be found, which has been reported.
            fields.take(USE);
        }
        let team = is_team.then(|| self.team(&mut fields));
        let description = fields.word(self, "description").map(|word| word.text);
        let instructions = match fields.take("instructions") {
            Some((_, node)) => {
                self.check_instructions(node);
                self.text_or_file(node, "instructions").map(|(word, _)| word.text)
            }
            None => None,
        };
        let context = self.context(&mut fields);
        let model = self.models(&mut fields);
        let settings = self.settings_of_model(&mut fields);
        let mut tools = fields.take("tools").map(|(_, node)| self.tools(node)).unwrap_or_default();
        if let Some((_, node)) = fields.take("skills") {
            self.skills(node, &mut tools);
        }
        self.memory_tools(&context, &name, &mut tools);
        if let Some((_, node)) = fields.take("knowledge") {
            self.searched(node, &mut tools);
        }
        let confirmed = fields.take("requires_confirmation");
        let members = team.iter().flat_map(|team| &team.members);
        let members: Vec<String> = members.map(|member| member.text.clone()).collect();
        let confirmed = confirmed.map(|(_, node)| self.confirmed(node, &tools, &members));
        let confirmed = confirmed.unwrap_or_default();
        let max_turns = fields.number(self, "max_turns", (1, TURNS_MAX));
        let limits = self.limits_of_agent(&mut fields);
        let max_turns = max_turns.and_then(|turns| u32::try_from(turns).ok());
        let output = fields.take("output").and_then(|(_, node)| self.schema(node, "output"));
        let budget = fields.take("budget").and_then(|(_, node)| self.budget(node, "budget"));
        let guardrails = self.guardrails(&mut fields, false);
        let has = |name: &str| {
            tools
                .iter()
                .any(|chosen| chosen.tool.may_have(name) || chosen.tool.names().contains(&name))
        };
        let unknown: Vec<String> =
            guardrails::unknown_tools(&guardrails, has).map(ToOwned::to_owned).collect();
        for name in unknown {
            let message = format!("a guardrail names the tool `{name}`, which the agent has not");
            let mistake = self.mistake(node.span, message);
            self.push(mistake.help("add it under `tools`, or correct the name"));
        }
        fields.finish(self);
        let content = content::of_agent(node, std::mem::take(&mut self.state.texts));
        Some(Agent {
            name,
            description,
            instructions,
            context,
            model,
            settings,
            tools,
            max_turns,
            limits,
            confirmed,
            budget,
            output,
            guardrails,
            content,
            team,
        })
    }

    /// Reports instructions that are meant as a template or an expression: the model would get them
    /// as they stand.
    fn check_instructions(&mut self, node: &Node) {
        let Yaml::Text(text) = &node.value else { return };
        let is_template = literals::names_values(text);
        if is_template || literals::expression_in(text).is_some() {
            let what = if is_template { "template" } else { "expression" };
            let message = format!("`instructions` is a text, and this is a {what}");
            let message = message.replace("a expression", "an expression");
            let help = "give values to the model with `prompt`, beside `agent` in the step; a text \
                         from a file, `instructions: {file: …}`, may have braces";
            self.push(self.mistake(node.span, message).label("used as it stands").help(help));
        }
    }

    /// Parses a text, or `{file: …}` with the text in that file. Returns the text and its source.
    pub(crate) fn text_or_file(&mut self, node: &Node, name: &str) -> Option<(Word, Arc<Source>)> {
        let Yaml::Map(_) = &node.value else {
            return self.word(node, name).map(|word| (word, self.source.clone()));
        };
        let mut fields = Fields::of(self, node, "a text from a file")?;
        // What it stands for could not be found, which has been reported.
        if fields.take(USE).is_some() {
            return None;
        }
        let file = fields.need(self, "file", "write `{file: prompts/write.md}`");
        let file = file.and_then(|(_, node)| self.word(node, "file"));
        fields.finish(self);
        let file = file?;
        let shown = self.dir.join(&file.text).display().to_string();
        match self.referred(&file.text, &shown) {
            Ok(Referred { text, .. }) => {
                self.state.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
                self.state.texts.push((name.to_owned(), text.clone()));
                let source = Source::unshown(shown, text.clone());
                let span = Span::new(0, text.len());
                Some((Word { text, span }, Arc::new(source)))
            }
            Err(Refused { why, help }) => {
                let message = format!("cannot read `{}`: {why}", file.text);
                let mistake = self.mistake(file.span, message).coded(ErrorId::INCLUDE_REFUSED);
                let mistake = mistake.maybe_help(help);
                self.push(mistake);
                None
            }
        }
    }

    /// Reads a file that this one refers to. Messages call it `shown`.
    pub(crate) fn referred(&self, reference: &str, shown: &str) -> Result<Referred, Refused> {
        let left = ALL_BYTES_MAX.saturating_sub(self.state.bytes);
        self.home.read(reference, shown, &self.options.allow_path, left)
    }

    /// Reads a workflow file that this one refers to.
    pub(crate) fn referred_workflow(&mut self, reference: &str) -> Result<Option<File>, Refused> {
        let named = self.dir.join(reference);
        let shown = named.display().to_string();
        let Referred { text, path, home } = self.referred(reference, &shown)?;
        let source = Arc::new(Source::new(shown, text));
        let opened = Opened { source, home, dir: folder_of(&named) };
        read(opened, path, self.options, self.state, false)
    }

    /// Takes the steps that run on these occasions.
    pub(super) fn after(&mut self, fields: &mut Fields<'_>, on: &[After]) -> Vec<AfterItems> {
        let taken = on.iter().filter_map(|on| {
            let (key, node) = fields.take(on.key())?;
            let items = match &node.value {
                // What undoes a step is mostly one step.
                Yaml::Map(_) if *on == After::Undo => {
                    self.state.steps += 1;
                    self.item(node).into_iter().collect()
                }
                _ => self.items(node, on.key(), key.span),
            };
            Some(AfterItems { on: *on, items })
        });
        taken.collect()
    }

    pub(crate) fn items(&mut self, node: &Node, name: &str, key: Span) -> Vec<Item> {
        let Some(list) = self.list(node, name) else { return Vec::new() };
        if list.is_empty() {
            let mistake = self.mistake(key, format!("`{name}` has no steps"));
            self.push(mistake.help("list at least one"));
        }
        let left = STEPS_MAX - self.state.steps;
        if list.len() > left {
            let message = format!("a workflow has at most {STEPS_MAX} steps");
            let mistake = self.mistake(key, message);
            self.push(mistake.help("use a `map` or a `loop` for what repeats itself"));
        }
        let list = &list[..list.len().min(left)];
        self.state.steps += list.len();
        list.iter().filter_map(|node| self.item(node)).collect()
    }
}
