//! Builds a workflow of the engine from a file.

mod agents;
mod context;
mod guards;
mod other_agents;
mod teams;
mod workflow_agent;

use crate::builtins::BuiltinStep;
use crate::checked::checked;
use crate::containers::with_common;
use crate::declared::Declared;
use crate::definition::Definition;
use crate::effects::SHELL;
use crate::executors::{Discreet, Prompted};
use crate::format::{
    AfterItems, Apart, Earlier, Expr, File, Item, Kind, ModelName, OnceWithin, Place, RunsAtOnce,
    WhenBusy, Workplace,
};
use crate::options::Options;
use crate::reference::OwnedValues;
use crate::schema::{self, Schema};
use crate::system::{Folder, Granted};
use crate::work::{evaluate, value_of};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::permission::{Permissions, Rule};
use stepwright_core::plan::After;
use stepwright_core::redact::Secrets;
use stepwright_core::{
    AnyExecutor, Content, Error, ErrorId, ErrorKind, Executor, StepError, StepInput,
};
use stepwright_engine::__private::guarded;
use stepwright_engine::{AnyStep, Concurrency, Dedupe, IntoStep, Step, Workflow, WorkflowBuilder};
use stepwright_process::Sandbox;
use stepwright_tools::Workspace;

impl Definition {
    /// Builds the workflow.
    ///
    /// # Errors
    /// Fails if an agent or the workflow cannot be built although the file is valid. For example, a
    /// provider's API key is missing.
    pub fn build(&self) -> Result<Workflow, Error> {
        self.builder()?.build()
    }

    /// Returns the workflow as a builder, to configure it further before it is built. For example,
    /// to add a store.
    ///
    /// # Errors
    /// Fails for the reasons of [`Definition::build`].
    pub fn builder(&self) -> Result<WorkflowBuilder, Error> {
        if self.options.only_checks {
            let error = Error::usage("a definition that was only checked cannot be built");
            return Err(error.with_hint("read the file without `only_checks`"));
        }
        let granted = self.granted()?;
        let forced = self.options.model.as_deref();
        let all = Builder::of(&self.file, granted, forced, &self.options)?;
        let mut builder = match &self.only {
            Some(agent) => all.agent_alone(agent)?,
            None => all.whole()?,
        };
        let notifications = self.notifications()?;
        if !notifications.is_empty() {
            builder = builder.before_append(Arc::new(notifications));
        }
        let project = self.options.project_permissions.clone();
        // Where the caller says nothing, the caller is asked: a project allows nothing by itself.
        let own = self.options.permissions.clone();
        if let Some(mut permissions) = own.or(project.is_some().then(Permissions::default)) {
            if self.options.allow_shell {
                let all = Rule::new(SHELL[0], None);
                permissions.allow.extend(all.ok());
            }
            builder = builder.permissions_of("the user", permissions);
        }
        if let Some(permissions) = project {
            builder = builder.permissions_of("the project", permissions);
        }
        if let Some(prices) = self.options.prices.clone() {
            builder = builder.prices(prices);
        }
        Ok(builder.unattended(self.options.unattended))
    }

    /// Returns the access of the steps and tools to this machine.
    pub(crate) fn granted(&self) -> Result<Arc<Granted>, Error> {
        let folder = Arc::new(Folder::new(self.options.base_dir.clone()));
        let mut declared = Vec::new();
        all_declared(&self.file, &mut declared);
        check_declared(&declared)?;
        let secrets = declared.iter().flat_map(|declared| declared.secrets.values());
        let secrets = Secrets::new(secrets.filter_map(Value::as_str));
        // A command gets a secret only where the file passes it on.
        let is_secret = |name: &String| declared.iter().any(|d| d.secret_names.contains(name));
        let pass_env = self.options.pass_env.iter().filter(|name| !is_secret(name));
        let pass_env = pass_env.cloned().collect();
        let named_secrets = declared.iter().flat_map(|declared| &declared.secrets);
        let named_secrets = named_secrets
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let token_dir = self.options.token_dir.clone();
        Ok(Arc::new(Granted { folder, pass_env, secrets, named_secrets, token_dir }))
    }
}

/// Collects what a file and the files within it declare.
pub(crate) fn all_declared(file: &File, all: &mut Vec<Arc<Declared>>) {
    fn of_items(items: &[Item], all: &mut Vec<Arc<Declared>>) {
        for item in items {
            if let Kind::Workflow { file, .. } = &item.kind {
                all_declared(file, all);
            }
            for body in item.inside() {
                of_items(body, all);
            }
        }
    }
    all.push(file.declared.clone());
    for called in file.called() {
        all_declared(&called.file, all);
    }
    of_items(&file.steps, all);
    file.after.iter().for_each(|after| of_items(&after.items, all));
}

/// Checks that all variables and secrets have values.
fn check_declared(all: &[Arc<Declared>]) -> Result<(), Error> {
    let mut told: Vec<(String, String)> = Vec::new();
    for lacking in all.iter().flat_map(|declared| &declared.lacking) {
        let one = lacking.told();
        if !told.contains(&one) {
            told.push(one);
        }
    }
    let Some((_, hint)) = told.first().cloned() else { return Ok(()) };
    let messages: Vec<String> = told.into_iter().map(|(message, _)| message).collect();
    let error = Error::new(ErrorKind::Usage, messages.join("\n"));
    Err(error.with_id(ErrorId::VARIABLE_UNAVAILABLE).with_hint(hint))
}

struct Builder<'a> {
    file: &'a File,
    granted: Arc<Granted>,
    /// The model that overrides those of the file.
    forced: Option<&'a str>,
    /// The model of the file that contains this one.
    inherited: Option<&'a [ModelName]>,
    /// `true` if a recording answers for the models.
    is_played: bool,
    options: &'a Options,
    /// The names of the workflow steps around this file, outermost first.
    around: Vec<String>,
    /// The workspace of the steps that have none of their own.
    workspace: Option<Workspace>,
    /// The sandbox of the steps that have none of their own.
    sandbox: Option<Sandbox>,
}

impl<'a> Builder<'a> {
    fn of(
        file: &'a File,
        granted: Arc<Granted>,
        forced: Option<&'a str>,
        options: &'a Options,
    ) -> Result<Self, Error> {
        let builder = Self {
            file,
            granted,
            forced,
            inherited: None,
            is_played: options.playback,
            options,
            around: Vec::new(),
            workspace: None,
            sandbox: None,
        };
        let workspace = file.workspace.as_ref().map(|written| builder.workspace(written));
        let workspace = workspace.transpose()?.map(Workspace::of_run);
        let sandbox = file.sandbox.as_ref().map(|written| builder.sandbox(written)).transpose()?;
        Ok(Self { workspace, sandbox, ..builder })
    }

    /// Makes the builder of a file that is a step of this one.
    fn inner<'i>(&'i self, name: &str, file: &'i File) -> Result<Builder<'i>, Error> {
        let around = [&self.around[..], &[name.to_owned()]].concat();
        let workspace = match &file.workspace {
            Some(written) => Some(self.workspace(written)?.within(&around)),
            None => self.workspace.clone(),
        };
        let sandbox = match &file.sandbox {
            Some(written) => Some(self.sandbox(written)?),
            None => self.sandbox.clone(),
        };
        Ok(Builder {
            sandbox,
            file,
            granted: self.granted.clone(),
            forced: self.forced,
            inherited: self.file.model.as_deref().or(self.inherited),
            is_played: self.is_played,
            options: self.options,
            around,
            workspace,
        })
    }

    /// Makes a sandbox.
    fn sandbox(&self, written: &Apart) -> Result<Sandbox, Error> {
        written.mounts.iter().try_fold(written.sandbox.clone(), |sandbox, (from, to, write)| {
            let from = self.granted.folder.real(from).map_err(|error| {
                let wrong = Error::new(ErrorKind::Definition, error.data.message.clone());
                wrong.with_id(ErrorId::FILE_REFUSED)
            })?;
            Ok(if *write { sandbox.mount_to_write(from, to) } else { sandbox.mount(from, to) })
        })
    }

    /// Makes a workspace.
    fn workspace(&self, written: &Workplace) -> Result<Workspace, Error> {
        let root = self.granted.folder.root().map_err(|error| {
            let wrong = Error::new(ErrorKind::Definition, error.data.message.clone());
            wrong.with_id(ErrorId::FILE_REFUSED)
        })?;
        let mut workspace = match &written.kind {
            Place::Temp => Workspace::temp(),
            Place::Worktree(None) => Workspace::worktree(root),
            Place::Worktree(Some(at)) => Workspace::worktree(root).at(at),
            Place::Dir(dir) => Workspace::dir(dir).beneath(root),
        };
        if let Some(patterns) = &written.keep {
            workspace = workspace.keep_with_run().keep_only(patterns);
        }
        Ok(written.from.iter().fold(workspace, |all, step| all.files_of(&step.text)))
    }

    fn workflow(&self) -> Result<WorkflowBuilder, Error> {
        let builder = self.checked(self.named())?;
        let builder = self.of_runs(self.of_steps(builder));
        self.steps(builder)
    }

    /// Makes a builder with the name, the state and the time of the file.
    fn named(&self) -> WorkflowBuilder {
        let mut builder = Workflow::builder(&self.file.name.text);
        if let Some(id) = &self.file.id {
            builder = builder.id(&id.text);
        }
        if let Some((state, _)) = &self.file.session_state {
            let text = Value::Object(state.clone()).to_string();
            builder = builder.source("session_state", text).session_state(state.clone());
        }
        for (key, reducer) in &self.file.reducers {
            builder = builder.reducer(key.as_str(), *reducer);
        }
        if let Some(description) = &self.file.description {
            builder = builder.description(description);
        }
        if let Some(timeout) = self.file.timeout {
            builder = builder.timeout(timeout);
        }
        builder
    }

    /// Adds the check of the input.
    fn checked(&self, builder: WorkflowBuilder) -> Result<WorkflowBuilder, Error> {
        let Some(input) = &self.file.input else { return Ok(builder) };
        let schema = Arc::new((input.clone(), compiled(input)?));
        let builder = builder.source("input", input.to_string());
        Ok(builder.prepare_input_async(move |content: Content| prepare(content, schema.clone())))
    }

    /// Adds the limits of runs, and the media that they take.
    fn of_runs(&self, builder: WorkflowBuilder) -> WorkflowBuilder {
        let mut builder = self.limited(builder);
        if let Some(RunsAtOnce { key, max, then, .. }) = self.file.concurrency.clone() {
            let limit = Concurrency::at_most(max).then(then);
            builder = builder.concurrency(match key {
                Some(key) => limit.key_async(move |input| key_of(key.clone(), input)),
                None => limit,
            });
        }
        if let Some(OnceWithin { key, within, .. }) = self.file.dedupe.clone() {
            let dedupe = Dedupe::within(within);
            builder = builder.dedupe(match key {
                Some(key) => dedupe.key_async(move |input| key_of(key.clone(), input)),
                None => dedupe,
            });
        }
        if let Some(WhenBusy { then, .. }) = self.file.on_busy {
            builder = builder.on_busy(then);
        }
        self.file.media.iter().fold(builder, |builder, media| builder.media(media.clone()))
    }

    /// Adds the steps, and those that run when they have ended.
    fn steps(&self, mut builder: WorkflowBuilder) -> Result<WorkflowBuilder, Error> {
        for step in self.items(&self.file.steps)? {
            builder = builder.step(step);
        }
        for AfterItems { on, items } in &self.file.after {
            for step in self.items(items)? {
                builder = match on {
                    After::Failure => builder.on_failure(step),
                    _ => builder.finally(step),
                };
            }
        }
        if let Some(timeout) = self.file.after_timeout {
            builder = builder.after_timeout(timeout);
        }
        Ok(builder)
    }

    /// Makes a step with its workspace and its sandbox, if it has them.
    fn step(&self, item: &Item, work: impl Executor) -> Result<Step, Error> {
        let name = item.name.text.as_str();
        let own = item.workspace.as_ref().map(|written| self.workspace(written)).transpose()?;
        let workspace = own.or_else(|| self.workspace.clone());
        let own = item.sandbox.as_ref().map(|written| self.sandbox(written)).transpose()?;
        Ok(match (own.or_else(|| self.sandbox.clone()), workspace) {
            (None, None) => self.discreet(name, work),
            (None, Some(workspace)) => self.discreet(name, workspace.around(work)),
            (Some(sandbox), None) => self.discreet(name, sandbox.around(work)),
            (Some(sandbox), Some(workspace)) => {
                self.discreet(name, workspace.around(sandbox.around(work)))
            }
        })
    }

    /// Adds what the steps of the file share.
    fn of_steps(&self, mut builder: WorkflowBuilder) -> WorkflowBuilder {
        builder = builder.secrets(self.granted.secrets.clone());
        if !self.file.declared.vars.is_empty() {
            let vars = Value::Object(self.file.declared.vars.clone());
            builder = builder.source("vars", vars.to_string());
        }
        if let Some(earlier) = self.file.history.filter(|earlier| earlier.runs > 0) {
            builder = builder.add_workflow_history_to_steps(true).num_history_runs(earlier.runs);
            if let Some(only) = earlier.completed_only {
                builder = builder.history_completed_only(only);
            }
        }
        if let Some(policy) = self.file.on_interrupted {
            builder = builder.on_interrupted(policy);
        }
        if let Some(queue) = &self.file.queue {
            builder = builder.queue(&**queue);
        }
        builder
    }

    /// Adds the permissions and budgets of the file.
    fn limited(&self, mut builder: WorkflowBuilder) -> WorkflowBuilder {
        if let Some(permissions) = &self.file.permissions {
            let by = format!("the file `{}`", self.file.source.name);
            builder = builder
                .source("permissions", json!(permissions).to_string())
                .permissions_of(by, permissions.clone());
        }
        if let Some(budget) = self.file.budget.clone() {
            builder = builder.budget(budget);
        }
        if let Some((budget, _)) = self.file.session_budget.clone() {
            builder =
                builder.source("session_budget", json!(budget).to_string()).session_budget(budget);
        }
        builder
    }

    /// Builds a workflow of one agent, with what holds for all steps of the file.
    fn agent_alone(&self, name: &str) -> Result<WorkflowBuilder, Error> {
        let agent = AnyExecutor::new(self.agent(name)?);
        let step = Prompted { agent, prompt: None };
        let mut builder = Workflow::builder(name);
        let agent = self.file.agents.iter().find(|agent| agent.name.text == name);
        if let Some(about) = agent.and_then(|agent| agent.description.as_ref()) {
            builder = builder.description(about);
        }
        if let Some(timeout) = self.file.timeout {
            builder = builder.timeout(timeout);
        }
        let builder = self.limited(self.of_steps(builder));
        Ok(builder.step(self.discreet(name, step)))
    }

    /// Makes a step that says no secret.
    fn discreet(&self, name: &str, work: impl Executor) -> Step {
        let secrets = self.granted.secrets.clone();
        if secrets.is_empty() {
            Step::new(name, work)
        } else {
            Step::new(name, Discreet { work, secrets })
        }
    }

    fn items(&self, items: &[Item]) -> Result<Vec<AnyStep>, Error> {
        items.iter().map(|item| self.item(item)).collect()
    }

    fn item(&self, item: &Item) -> Result<AnyStep, Error> {
        let mut built = self.alone(item)?;
        for AfterItems { on, items } in &item.after {
            for step in self.items(items)? {
                built = match on {
                    After::Failure => built.on_failure(step),
                    After::Always => built.finally(step),
                    After::Undo => built.undo(step),
                };
            }
        }
        Ok(built)
    }

    /// Builds a step without those that run after it.
    fn alone(&self, item: &Item) -> Result<AnyStep, Error> {
        let name = item.name.text.as_str();
        Ok(match &item.kind {
            Kind::Agent { agent, prompt, .. } => {
                let own = self.file.agents.iter().find(|other| other.name.text == agent.text);
                let models = own.and_then(|agent| agent.model.as_deref());
                // The guards judge the message that the prompt makes.
                let guards = self.guards(&item.guardrails, true, models)?;
                let agent = guarded(AnyExecutor::new(self.agent(&agent.text)?), guards);
                let step = Prompted { agent, prompt: prompt.clone() };
                limited(self.step(item, step)?, item).into_step()
            }
            Kind::Builtin { word, work } => {
                let (work, granted) = (work.clone(), self.granted.clone());
                let step = AnyExecutor::new(BuiltinStep { word, work, granted });
                let agent = guarded(step, self.guards(&item.guardrails, true, None)?);
                let step = Prompted { agent, prompt: None };
                limited(self.step(item, step)?, item).into_step()
            }
            Kind::Workflow { file, with, .. } => {
                let workflow = self.inner(name, file)?.workflow()?.build()?;
                let step = Step::workflow(name, workflow);
                let step =
                    match with.clone() {
                        Some((with, _)) => step.input_async(move |input| {
                            let with = with.clone();
                            async move {
                                value_of(&with, OwnedValues::of(input)).await.map(Content::from)
                            }
                        }),
                        None => step,
                    };
                with_common!(step, item).into_step()
            }
            Kind::Unreadable => {
                let message = format!("the step `{name}` has mistakes");
                return Err(Error::new(ErrorKind::Definition, message));
            }
            Kind::Container(container) => {
                let [body, other] = container.bodies();
                container.build(item, [self.items(body)?, self.items(other)?])
            }
        })
    }
}

/// Computes the key of a run.
async fn key_of(key: Expr, input: StepInput) -> Result<Content, StepError> {
    let found = evaluate(OwnedValues::of(input), move |values, budget| {
        key.expression.value(values, budget)
    });
    found.await.map(Content::from)
}

fn compiled(schema: &Value) -> Result<Schema, Error> {
    schema::compile(schema).map_err(|why| Error::new(ErrorKind::Definition, why))
}

/// Completes the input of a workflow and checks it. An empty input is a missing one.
async fn prepare(
    content: Content,
    schema: Arc<(Value, Schema)>,
) -> Result<Option<Content>, String> {
    let given = if content.is_empty() && schema::has_default(&schema.0) {
        Arc::new(Value::Null)
    } else {
        Arc::new(content.to_value())
    };
    let filled = {
        let given = given.clone();
        checked(move |budget| schema::complete(&schema.0, &schema.1, Value::clone(&given), budget))
    };
    let filled = filled.await?;
    Ok((filled != *given).then(|| filled.into()))
}

fn limited(step: Step, item: &Item) -> Step {
    let mut step = with_common!(step, item);
    if let Some(retry) = item.retry.clone() {
        step = step.retry(retry);
    }
    if let Some(idle) = item.idle {
        step = step.idle_timeout(idle);
    }
    match item.history {
        Some(Earlier { runs: 0, .. }) => step.add_workflow_history(false),
        Some(Earlier { runs, completed_only }) => {
            let step = step.add_workflow_history(true).num_history_runs(runs);
            match completed_only {
                Some(only) => step.history_completed_only(only),
                None => step,
            }
        }
        None => step,
    }
}
