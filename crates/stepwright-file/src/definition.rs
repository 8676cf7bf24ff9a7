//! A workflow file that was read and checked.

use crate::builtins::BUILTINS;
use crate::check::check;
use crate::containers::CONTAINERS;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::format::reader::{Kinds, State};
use crate::format::{Agent, File, Word, effect_names, read_named, read_text};
use crate::options::Options;
use crate::outline::Outline;
use crate::source::Source;
use crate::stack::with_stack;
use crate::system::is_variable;
use crate::tools::TOOLS;
use std::path::Path;
use std::sync::Arc;
use stepwright_agent::TeamMode;
use stepwright_core::ErrorId;
use stepwright_core::permission::{Permissions, Rule};
use stepwright_engine::MediaInput;

/// Returns the built-in functions and tools of files, each with the names of its effects. Rules of
/// permissions use these names. Functions without effects have none.
///
/// ```
/// let shell = stepwright_file::effects().find(|(name, _)| *name == "shell").unwrap();
/// assert_eq!(shell.1, ["shell"]);
/// let template = stepwright_file::effects().find(|(name, _)| *name == "template").unwrap();
/// assert!(template.1.is_empty());
/// ```
pub fn effects() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let functions = BUILTINS.iter().map(|kind| (kind.key, kind.effects));
    functions.chain(TOOLS.iter().map(|kind| (kind.name, kind.effects)))
}

/// Returns a warning for each rule that names no effect of files, and whose name looks like one
/// that is misspelt. Permissions that hold for several workflows may name tools that only some of
/// them have, so this is no error.
///
/// ```
/// use stepwright_core::permission::Permissions;
/// let permissions = Permissions::default().deny("wirte_file: keys/**")?.allow("look_up")?;
/// assert_eq!(
///     stepwright_file::misspelt_rules(&permissions),
///     ["no effect is called `wirte_file` as in the rule `wirte_file: keys/**`: did you mean \
///       `write_file`?"]
/// );
/// # Ok::<(), stepwright_core::permission::RuleError>(())
/// ```
pub fn misspelt_rules(permissions: &Permissions) -> Vec<String> {
    let names = effect_names(&KINDS);
    let warning = |rule: &Rule| {
        let name = rule.name();
        if names.iter().any(|known| rule.is_for(known)) {
            return None;
        }
        // One letter in four may be wrong.
        let is_near = |known: &&&str| {
            let wrong = strsim::osa_distance(name, known);
            wrong * 4 <= known.chars().count()
        };
        let meant =
            names.iter().filter(is_near).min_by_key(|known| strsim::osa_distance(name, known))?;
        Some(format!(
            "no effect is called `{name}` as in the rule `{rule}`: did you mean `{meant}`?"
        ))
    };
    permissions.rules().filter_map(|(_, rule)| warning(rule)).collect()
}

pub(crate) const KINDS: Kinds = Kinds { containers: CONTAINERS, builtins: BUILTINS, tools: TOOLS };

/// A valid workflow file. Cheap to clone.
///
/// ```
/// use stepwright_file::{Definition, Options};
/// let text = "
/// format: 1
/// name: Greeting
/// steps:
///   - name: greet
///     template: Hello {{ input }}!
/// ";
/// let definition = Definition::parse(text, "greeting.yaml", &Options::default())?;
/// assert_eq!(definition.name(), "Greeting");
/// assert_eq!(definition.explain().to_string(), "Greeting\n└─ greet  template\n");
/// # Ok::<(), stepwright_file::Diagnostics>(())
/// ```
#[derive(Clone, Debug)]
pub struct Definition {
    pub(crate) file: Arc<File>,
    pub(crate) options: Options,
    warnings: Arc<Diagnostics>,
    /// The agent that is all of it: see [`Definition::agent`].
    pub(crate) only: Option<Arc<str>>,
}

impl Definition {
    /// Reads and checks the file at `path` and the files that it uses.
    ///
    /// # Errors
    /// Returns all mistakes in them.
    pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Self, Diagnostics> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        with_stack(|| {
            let mut state = State::new(KINDS);
            match read_named(path, options, &mut state) {
                Ok(file) => Self::checked(file, options, state.mistakes),
                Err(refused) => {
                    let message = format!("cannot be read: {}", refused.why);
                    let mistake =
                        Diagnostic::of_file(ErrorId::FILE_UNREADABLE, shown.as_str(), message);
                    Err(mistake.maybe_help(refused.help).into())
                }
            }
        })
    }

    /// Parses and checks a text. Messages call it `file_name`, and other files are found relative
    /// to that path.
    ///
    /// # Errors
    /// Returns all mistakes in it.
    pub fn parse(text: &str, file_name: &str, options: &Options) -> Result<Self, Diagnostics> {
        with_stack(|| {
            let mut state = State::new(KINDS);
            let source = Source::new(file_name, text);
            let file = read_text(source, Path::new(file_name), options, &mut state);
            Self::checked(file, options, state.mistakes)
        })
    }

    fn checked(
        file: Option<File>,
        options: &Options,
        mut mistakes: Diagnostics,
    ) -> Result<Self, Diagnostics> {
        for dir in options.allow_path.iter().filter(|dir| !dir.is_dir()) {
            let message = format!("`{}` is not a directory", dir.display());
            let mistake = Diagnostic::of_file(ErrorId::PERMISSION_INVALID, "allow-path", message);
            mistakes.push(mistake.help("`--allow-path` names a directory that exists"));
        }
        for name in options.pass_env.iter().filter(|name| !is_variable(name)) {
            let message = format!("`{name}` is not the name of an environment variable");
            let mistake = Diagnostic::of_file(ErrorId::PERMISSION_INVALID, "pass-env", message);
            mistakes.push(mistake.help("`--pass-env` takes a name alone, without `=` and a value"));
        }
        if let Some(model) = &options.model
            && let Err((message, help)) = crate::models::check(model, options)
        {
            let mistake = Diagnostic::of_file(ErrorId::MODEL_UNKNOWN, "model", message);
            mistakes.push(mistake.maybe_help(help));
        }
        if let Some(file) = &file {
            check(file, options.model.as_deref(), &mut mistakes);
        }
        let warnings = Arc::new(mistakes.finish()?);
        let file = file.ok_or_else(|| {
            Diagnostic::of_file(ErrorId::FILE_UNREADABLE, "workflow", "nothing was read")
        })?;
        Ok(Self { file: Arc::new(file), options: options.clone(), warnings, only: None })
    }

    /// Returns the warnings about parts that may be mistakes, such as an agent that no step uses,
    /// or one that a page can make send files away. A file with warnings is valid and runs.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Research
    /// agents: {scout: {model: offline, tools: [http_get, read_file]}}
    /// steps: [{agent: scout}]
    /// ";
    /// let definition = Definition::parse(text, "research.yaml", &Options::default())?;
    /// assert!(definition.warnings().iter().next().unwrap().message.contains("send files away"));
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Returns the name of the workflow.
    pub fn name(&self) -> &str {
        self.only.as_deref().unwrap_or(&self.file.name.text)
    }

    /// Returns the description of the workflow.
    pub fn description(&self) -> Option<&str> {
        match self.only_agent() {
            Some(agent) => agent.description.as_deref(),
            None => self.file.description.as_deref(),
        }
    }

    /// Returns the JSON Schema of the input, if the file declares one.
    pub fn input_schema(&self) -> Option<&serde_json::Value> {
        match (&self.only, &self.file.workflow_agent) {
            (None, None) => self.file.input.as_ref(),
            // An agent gets a message.
            _ => None,
        }
    }

    /// Returns the media that each run takes, if the file declares them.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Describe
    /// media: {photo: image}
    /// steps: [{name: say, template: A photo.}]
    /// ";
    /// let definition = Definition::parse(text, "describe.yaml", &Options::default())?;
    /// assert_eq!(definition.media()[0].name, "photo");
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn media(&self) -> &[MediaInput] {
        if self.only.is_some() { &[] } else { &self.file.media }
    }

    /// Returns the names of the agents in the file.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.file.agents.iter().map(|agent| agent.name.text.as_str())
    }

    /// Returns the definition of a workflow whose only step is this agent. What the file sets for
    /// all of its steps holds for it: variables, permissions, budgets, the time of a run. `None` if
    /// the file has no such agent.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Travel
    /// model: offline
    /// agents: {planner: {description: Plans a trip.}}
    /// steps: [{agent: planner}]
    /// ";
    /// let travel = Definition::parse(text, "travel.yaml", &Options::default())?;
    /// assert_eq!(travel.agents().collect::<Vec<_>>(), ["planner"]);
    /// let planner = travel.agent("planner").unwrap();
    /// assert_eq!((planner.name(), planner.description()), ("planner", Some("Plans a trip.")));
    /// assert!(travel.agent("driver").is_none());
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn agent(&self, name: &str) -> Option<Self> {
        let known = self.agents().any(|other| other == name);
        known.then(|| Self { only: Some(name.into()), ..self.clone() })
    }

    /// Returns the first model of an agent alone, as `provider:model`: see [`Definition::agent`].
    /// `None` for a workflow, and for an agent without a model.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Travel
    /// model: offline
    /// agents: {planner: {}}
    /// steps: [{agent: planner}]
    /// ";
    /// let travel = Definition::parse(text, "travel.yaml", &Options::default())?;
    /// assert_eq!(travel.agent("planner").unwrap().model(), Some("offline"));
    /// assert_eq!(travel.model(), None);
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn model(&self) -> Option<&str> {
        let agent = self.only_agent()?;
        let named = agent.model.as_deref().or(self.file.model.as_deref());
        let named = named.and_then(|models| models.first()).map(|model| model.text.as_str());
        self.options.model.as_deref().or(named)
    }

    /// Returns the mode and the members of a team alone, each with its description: see
    /// [`Definition::agent`]. `None` for a workflow, and for an agent that leads no team.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Report
    /// model: offline
    /// agents: {scout: {description: Finds sources.}}
    /// teams: {desk: {mode: route, members: [scout]}}
    /// steps: [{team: desk}]
    /// ";
    /// let report = Definition::parse(text, "report.yaml", &Options::default())?;
    /// let desk = report.agent("desk").unwrap();
    /// let (mode, members) = desk.team().unwrap();
    /// assert_eq!(mode.to_string(), "route");
    /// assert_eq!(members, [("scout", Some("Finds sources."))]);
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    #[expect(clippy::type_complexity, reason = "names with descriptions")]
    pub fn team(&self) -> Option<(TeamMode, Vec<(&str, Option<&str>)>)> {
        let team = self.only_agent()?.team.as_ref()?;
        let member = |word: &Word| {
            let name = word.text.as_str();
            self.file.agents.iter().find(|agent| agent.name.text == name)
        };
        let members = team.members.iter().filter_map(member);
        let members = members.map(|agent| (agent.name.text.as_str(), agent.description.as_deref()));
        Some((team.mode, members.collect()))
    }

    fn only_agent(&self) -> Option<&Agent> {
        let only = self.only.as_deref()?;
        self.file.agents.iter().find(|agent| agent.name.text == only)
    }

    /// Returns the file as a JSON document, in which parts of other files stand where they are
    /// used. It reads as the same workflow, from the same folder.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Greeting
    /// prompts: {short: 'Greet {{ input }}'}
    /// model: offline
    /// agents: {host: {}}
    /// steps:
    ///   - {name: greet, agent: host, prompt: {use: '#short'}}
    /// ";
    /// let definition = Definition::parse(text, "greeting.yaml", &Options::default())?;
    /// let document = definition.document();
    /// assert_eq!(document["steps"][0]["prompt"], "Greet {{ input }}");
    /// let again = Definition::parse(&document.to_string(), "greeting.json", &Options::default())?;
    /// assert_eq!(again.explain(), definition.explain());
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn document(&self) -> serde_json::Value {
        self.file.root.value.to_json()
    }

    /// Returns the steps as a tree for people.
    pub fn explain(&self) -> Outline {
        match &self.only {
            Some(agent) => Outline::of_agent(agent),
            None => Outline::of(&self.file),
        }
    }
}
