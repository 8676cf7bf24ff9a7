//! A coding agent as users define it.

use crate::effects::plain_words;
use crate::kind::HarnessKind;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_agent::__private::OutputSchema;
use stepwright_core::budget::Budget;
use stepwright_core::permission::CommandLine;
use stepwright_core::{
    Error, ErrorCode, ErrorId, ErrorKind, Fingerprint, OnInterrupted, StepError,
};

/// The answers to the questions of a coding agent about what it may do. Permissions decide first,
/// where a rule of them allows or denies what it asks about.
///
/// ```
/// use stepwright_harness::Questions;
/// assert_eq!(Questions::default(), Questions::Ask);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Questions {
    /// A person answers them: the run pauses.
    #[default]
    Ask,
    /// They are answered with yes where no permissions hold. Where they do, a person is asked about
    /// effects that no rule allows.
    Allow,
    /// They are answered with no.
    Decline,
}

/// A coding agent that is a step: Claude Code, Codex, opencode, or any that speaks ACP.
///
/// The step gives it a message and a folder, and waits for its answer. Its work shows as that of
/// other agents does: text, tool calls, tokens and cost. Its process ends with the step.
///
/// ```
/// use stepwright_engine::{Step, Workflow};
/// use stepwright_harness::Harness;
/// let write = Harness::claude_code().dir("service").worktree(true);
/// let explain = Harness::claude_code().session("write");
/// let workflow = Workflow::builder("Feature")
///     .step(Step::new("write", write))
///     .step(Step::new("explain", explain).prompt(|_| "Explain what you changed, and why."))
///     .build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Harness {
    pub(crate) settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) kind: HarnessKind,
    /// The program in place of the usual one.
    pub(crate) program: Option<String>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) base: Option<PathBuf>,
    pub(crate) worktree: bool,
    pub(crate) session: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) instructions: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) questions: Questions,
    pub(crate) env: Vec<Variable>,
    pub(crate) pass_env: Vec<String>,
    pub(crate) output: Option<OutputSchema>,
    pub(crate) budget: Option<Budget>,
    pub(crate) on_interrupted: OnInterrupted,
    /// Splits the command lines that the agent asks about.
    pub(crate) split: fn(&str) -> CommandLine,
}

impl Settings {
    /// Returns the program to start.
    pub(crate) fn program(&self) -> &str {
        self.program.as_deref().unwrap_or_else(|| self.kind.program())
    }

    /// Returns the program with its path, if it was given with one, which begins at `base`.
    pub(crate) fn program_in(&self, base: &Path) -> String {
        let program = self.program();
        if program.contains('/') {
            return base.join(program).to_string_lossy().into_owned();
        }
        program.to_owned()
    }

    /// Returns the error of a program that is not there.
    pub(crate) fn missing(&self) -> StepError {
        let (name, program) = (self.kind.name(), self.program());
        let message = format!("`{name}` cannot be used: there is no program `{program}`");
        let error = StepError::terminal(message).with_code(ErrorCode::Failed);
        error.with_id(ErrorId::HARNESS_MISSING).with_hint(self.kind.install())
    }
}

/// A variable of the process.
#[derive(Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// `true` if a run can be resumed with another value.
    pub(crate) is_secret: bool,
}

impl Variable {
    /// Returns the name, and the value unless that is a secret.
    pub(crate) fn shown(&self) -> (&str, Option<&str>) {
        (&self.name, (!self.is_secret).then_some(&*self.value))
    }
}

impl Harness {
    /// Creates a step of a coding agent.
    pub fn new(kind: HarnessKind) -> Self {
        let settings = Settings {
            kind,
            program: None,
            dir: None,
            base: None,
            worktree: false,
            session: None,
            model: None,
            instructions: None,
            read_only: false,
            questions: Questions::default(),
            env: Vec::new(),
            pass_env: Vec::new(),
            output: None,
            budget: None,
            on_interrupted: OnInterrupted::Ask,
            split: plain_words,
        };
        Self { settings: Arc::new(settings) }
    }

    /// Creates a step of Claude Code.
    pub fn claude_code() -> Self {
        Self::new(HarnessKind::ClaudeCode)
    }

    /// Creates a step of Codex.
    pub fn codex() -> Self {
        Self::new(HarnessKind::Codex)
    }

    /// Creates a step of opencode.
    pub fn opencode() -> Self {
        Self::new(HarnessKind::OpenCode)
    }

    /// Creates a step of an agent that speaks the Agent Client Protocol over its standard input and
    /// output.
    ///
    /// ```
    /// use stepwright_harness::Harness;
    /// let agent = Harness::acp("gemini", ["--experimental-acp"]).dir("service");
    /// assert_eq!(agent.kind().name(), "gemini");
    /// ```
    pub fn acp<A: Into<String>>(
        program: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self::new(HarnessKind::Acp { program: program.into(), args })
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Sets the program to start, for one that is not in `PATH` under its usual name. A relative
    /// path begins at [`Harness::base_dir`].
    ///
    /// ```
    /// use stepwright_harness::Harness;
    /// let pinned = Harness::codex().program("node_modules/.bin/codex");
    /// ```
    #[must_use]
    pub fn program(self, program: impl Into<String>) -> Self {
        self.with(|it| it.program = Some(program.into()))
    }

    /// Sets the folder that the agent works in. Default: the current directory, or the folder of
    /// the conversation that [`Harness::session`] continues.
    #[must_use]
    pub fn dir(self, dir: impl Into<PathBuf>) -> Self {
        self.with(|it| it.dir = Some(dir.into()))
    }

    /// Sets the directory that relative paths begin at: of [`Harness::dir`], of a program with a
    /// path, and of rules about files. Worktrees are made beneath it. Default: the current
    /// directory.
    #[must_use]
    pub fn base_dir(self, base: impl Into<PathBuf>) -> Self {
        self.with(|it| it.base = Some(base.into()))
    }

    /// Gives the agent a git worktree of the folder, with a branch of its own.
    ///
    /// The output is then an object: the answer under `text` (or `output`, with a schema), and the
    /// branch, the folder and the changed files under `worktree`. A worktree without changes is
    /// removed when the step completes; any other stays.
    #[must_use]
    pub fn worktree(self, is_on: bool) -> Self {
        self.with(|it| it.worktree = is_on)
    }

    /// Continues the conversation of an earlier step, by its name.
    #[must_use]
    pub fn session(self, step: impl Into<String>) -> Self {
        self.with(|it| it.session = Some(step.into()))
    }

    /// Sets the model, in the words of the agent. Agents that speak ACP have it from their own
    /// settings, except opencode.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.with(|it| it.model = Some(model.into()))
    }

    /// Adds instructions to those that the agent has. They are added to the system prompt of Claude
    /// Code, and stand ahead of the first message for others.
    #[must_use]
    pub fn instructions(self, instructions: impl Into<String>) -> Self {
        self.with(|it| it.instructions = Some(instructions.into()))
    }

    /// Lets the agent read and change nothing. Its questions about anything else are declined, and
    /// Codex gets a sandbox in which it cannot write.
    #[must_use]
    pub fn read_only(self, is_on: bool) -> Self {
        self.with(|it| it.read_only = is_on)
    }

    /// Sets the answers to questions of the agent about what it may do. Default:
    /// [`Questions::Ask`].
    #[must_use]
    pub fn questions(self, questions: Questions) -> Self {
        self.with(|it| it.questions = questions)
    }

    /// Sets an environment variable of the process.
    #[must_use]
    pub fn env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.with(|it| it.env.push(Variable { name, value, is_secret: false }))
    }

    /// Sets an environment variable of the process to a secret. A run can be resumed with another
    /// value, because keys are changed now and then.
    #[must_use]
    pub fn secret_env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.with(|it| it.env.push(Variable { name, value, is_secret: true }))
    }

    /// Passes a variable of this process to the agent. It gets only the usual ones otherwise.
    #[must_use]
    pub fn pass_env(self, name: impl Into<String>) -> Self {
        self.with(|it| it.pass_env.push(name.into()))
    }

    /// Sets the type of the output. The agent is asked for JSON, which is checked; if it does not
    /// match, the agent is asked once more.
    #[must_use]
    pub fn output<T: DeserializeOwned + JsonSchema>(self) -> Self {
        self.with(|it| it.output = Some(OutputSchema::of::<T>()))
    }

    /// Sets the JSON Schema of the output, with the check that a value passes.
    #[must_use]
    pub fn output_schema(
        self,
        schema: Value,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|it| it.output = Some(OutputSchema::new(schema, check)))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn checked_output(self, output: OutputSchema) -> Self {
        self.with(|it| it.output = Some(output))
    }

    /// Sets the budget of each execution.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.with(|it| it.budget = Some(budget))
    }

    /// Sets the policy for a turn that was interrupted and whose conversation cannot be loaded.
    /// Default: [`OnInterrupted::Ask`].
    #[must_use]
    pub fn on_interrupted(self, policy: OnInterrupted) -> Self {
        self.with(|it| it.on_interrupted = policy)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn split_commands_by(self, split: fn(&str) -> CommandLine) -> Self {
        self.with(|it| it.split = split)
    }

    /// Returns the kind of the agent.
    pub fn kind(&self) -> &HarnessKind {
        &self.settings.kind
    }

    /// Checks the settings.
    ///
    /// ```
    /// use stepwright_harness::Harness;
    /// let why = Harness::codex().session("write").worktree(true).check().unwrap_err();
    /// assert!(why.to_string().contains("a step with `session` has no `worktree`"));
    /// ```
    ///
    /// # Errors
    /// Fails if they contradict each other, or name no program.
    pub fn check(&self) -> Result<(), Error> {
        match self.mistake() {
            Some(mistake) => Err(Error::new(ErrorKind::Definition, mistake)),
            None => Ok(()),
        }
    }

    pub(crate) fn mistake(&self) -> Option<String> {
        let it = &*self.settings;
        let program = it.program();
        if program.trim().is_empty() {
            return Some("an ACP agent needs a program".to_owned());
        }
        if let HarnessKind::Acp { program, args } = &it.kind
            && std::iter::once(program).chain(args).any(|text| text.contains('\0'))
        {
            return Some("the command of an ACP agent contains a NUL byte".to_owned());
        }
        if it.session.is_some() && it.worktree {
            return Some(
                "a step with `session` has no `worktree`: it goes on where that step was"
                    .to_owned(),
            );
        }
        if it.model.is_some() && matches!(it.kind, HarnessKind::Acp { .. }) {
            return Some(format!(
                "`{program}` takes no `model`: an ACP agent has it from its own settings"
            ));
        }
        None
    }
}

impl Harness {
    /// Returns the content of the definition.
    pub(crate) fn content(&self) -> Fingerprint {
        let Settings {
            kind,
            program,
            dir,
            base: _,
            worktree,
            session,
            model,
            instructions,
            read_only,
            questions,
            env,
            pass_env: _,
            output,
            budget,
            on_interrupted,
            split: _,
        } = &*self.settings;
        let args = match kind {
            HarnessKind::Acp { args, .. } => args.as_slice(),
            _ => &[],
        };
        let program = program.as_deref().unwrap_or_else(|| kind.program());
        let settings = json!({
            "program": program, "args": args, "dir": dir, "worktree": worktree,
            "session": session, "model": model, "read_only": read_only,
            "questions": format!("{questions:?}"), "budget": budget,
            "on_interrupted": on_interrupted, "output": output.as_ref().map(|it| &it.schema),
        });
        let all = Fingerprint::default().with(format!("agent {kind}"), settings.to_string());
        let all = match instructions {
            Some(text) => all.with(format!("instructions of {kind}"), text.clone()),
            None => all,
        };
        env.iter().fold(all, |all, Variable { name, value, is_secret }| {
            let value = if *is_secret { "a secret" } else { value.as_str() };
            all.with_hidden(format!("{name} of {kind}"), value)
        })
    }

    /// Returns `true` if a step with this agent may ask people.
    pub(crate) fn may_ask(&self) -> bool {
        let it = &self.settings;
        it.kind.asks() && it.questions == Questions::Ask || it.on_interrupted == OnInterrupted::Ask
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &*self.settings;
        f.debug_struct("Harness")
            .field("kind", &it.kind)
            .field("dir", &it.dir)
            .field("worktree", &it.worktree)
            .finish_non_exhaustive()
    }
}
