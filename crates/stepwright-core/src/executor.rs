//! The seam to what carries out a step: agents, teams, functions.

use crate::BoxFuture;
use crate::content::Content;
use crate::error::StepError;
use crate::event::EventKind;
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::media::Media;
use crate::message::Usage;
use crate::path::StepPath;
use crate::scope::Scope;
use crate::session::{Exchange, history_text};
use crate::state::{Patch, State};
use crate::world::World;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What carries out a step.
///
/// ```
/// use stepwright_core::{EventKind, executor::ExecutorType};
/// let by_agent = |kind: &EventKind| {
///     matches!(kind, EventKind::StepStarted { executor_type: ExecutorType::Agent, .. })
/// };
/// let (executor_type, executor_name) = (ExecutorType::Agent, "writer".into());
/// assert!(by_agent(&EventKind::StepStarted { executor_type, executor_name }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExecutorType {
    /// A function.
    Function,
    /// An agent.
    Agent,
    /// A team of agents.
    Team,
    /// A whole workflow.
    Workflow,
}

/// Carries out a step. Agents and functions are executors, and so is whatever you write.
///
/// ```
/// use stepwright_core::{Executor, StepContext, StepError, StepInput, StepOutput};
///
/// struct Shout;
/// impl Executor for Shout {
///     fn name(&self) -> &str {
///         "shout"
///     }
///     async fn execute(&self, input: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
///         Ok(input.text().to_uppercase().into())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry out a step",
    note = "implement `Executor`, or pass an `Agent` or an `async fn`"
)]
pub trait Executor: Send + Sync + 'static {
    /// What it is called. A step that is given no name of its own takes this one.
    fn name(&self) -> &str;

    /// What kind of executor it is.
    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Function
    }

    /// Carries out one attempt. Dropping the future cancels it. It may run again after a crash, or
    /// after an error that is retryable; [`StepContext::idempotency_key`] tells attempts apart.
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> impl Future<Output = Result<StepOutput, StepError>> + Send;
}

trait Erased: Send + Sync {
    fn name(&self) -> &str;
    fn executor_type(&self) -> ExecutorType;
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>>;
}

impl<E: Executor> Erased for E {
    fn name(&self) -> &str {
        Executor::name(self)
    }
    fn executor_type(&self) -> ExecutorType {
        Executor::executor_type(self)
    }
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>> {
        Box::pin(Executor::execute(self, input, cx))
    }
}

/// Any executor, behind a cheap handle.
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::{AnyExecutor, StepContext, StepInput};
/// # use stepwright_core::{Executor, StepError, StepOutput};
/// # struct Shout;
/// # impl Executor for Shout {
/// #     fn name(&self) -> &str { "shout" }
/// #     async fn execute(&self, i: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
/// #         Ok(i.text().to_uppercase().into())
/// #     }
/// # }
/// # struct Count;
/// # impl Executor for Count {
/// #     fn name(&self) -> &str { "count" }
/// #     async fn execute(&self, i: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
/// #         Ok(i.text().len().to_string().into())
/// #     }
/// # }
/// // Executors of different types fit into one list.
/// let all = [AnyExecutor::new(Shout), AnyExecutor::new(Count)];
/// let give = |executor: &AnyExecutor| {
///     let cx = StepContext::detached(executor.name());
///     executor.execute(StepInput::of("help"), cx).now_or_never().unwrap().unwrap().content
/// };
/// assert_eq!(all.each_ref().map(give), ["HELP".into(), "4".into()]);
/// ```
#[derive(Clone)]
pub struct AnyExecutor(Arc<dyn Erased>);

impl AnyExecutor {
    /// Puts an executor behind a handle.
    pub fn new(executor: impl Executor) -> Self {
        Self(Arc::new(executor))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What kind of executor it is.
    pub fn executor_type(&self) -> ExecutorType {
        self.0.executor_type()
    }

    /// Carries out one attempt: see [`Executor::execute`].
    pub fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>> {
        self.0.execute(input, cx)
    }
}

impl fmt::Debug for AnyExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyExecutor").field(&self.name()).finish()
    }
}

/// What a run was given, the same for all of its steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInput {
    /// What the run is about.
    pub content: Content,
    /// Images, videos, sounds and files that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Anything else that steps may want to know.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub additional_data: Map<String, Value>,
}

/// What a step is given. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::{StepInput, StepOutput};
/// let first = StepInput::of("bridges");
/// assert_eq!(first.text(), "bridges");
/// let draft = Arc::new(StepOutput::from("Bridges are old."));
/// let second = StepInput { previous: Some(draft), ..first };
/// assert_eq!(second.text(), "Bridges are old.");
/// assert_eq!(second.run.content.text(), "bridges");
/// ```
#[derive(Clone, Debug, Default)]
pub struct StepInput {
    /// What the run was given.
    pub run: Arc<RunInput>,
    /// What the step before gave; `None` for the first one.
    pub previous: Option<Arc<StepOutput>>,
    /// The earlier outputs that this step can see.
    pub scope: Scope,
    /// A snapshot of the session state.
    pub state: Arc<State>,
    /// In a map, the item that this is about.
    pub item: Option<Content>,
    /// In a loop or a map, which turn or item this is, from 1; 0 elsewhere. The innermost counts.
    pub nth: u32,
    /// What the session's last completed runs were given and gave, the oldest first, if the step
    /// or its workflow wants to know.
    pub history: Option<Arc<[Exchange]>>,
}

impl StepInput {
    /// An input that holds nothing but this: for tests of executors.
    pub fn of(content: impl Into<Content>) -> Self {
        let run = RunInput { content: content.into(), ..RunInput::default() };
        Self { run: Arc::new(run), ..Self::default() }
    }

    /// What the step works on: what the step before gave, or the run's input for the first one.
    /// Empty after a step that failed and was passed over by `on_error: continue`.
    pub fn content(&self) -> &Content {
        self.previous.as_ref().map_or(&self.run.content, |output| &output.content)
    }

    /// [`StepInput::content`] as text.
    pub fn text(&self) -> String {
        self.content().text().into_owned()
    }

    /// What an agent is told: [`StepInput::content`], or the run's input if that is empty. The
    /// outputs of branches stand under a heading each.
    pub fn message(&self) -> Content {
        match &self.previous {
            Some(previous) if previous.headed => previous.headings().into(),
            Some(previous) if !previous.content.is_empty() => previous.content.clone(),
            _ => self.run.content.clone(),
        }
    }

    /// What a model is told: the [history](StepInput::history), if there is one, then
    /// [`StepInput::message`].
    pub fn prompt(&self) -> Content {
        let message = self.message();
        match self.history.as_deref().map(history_text) {
            Some(history) if !history.is_empty() => {
                format!("{history}\n{}", message.pretty()).into()
            }
            _ => message,
        }
    }

    /// The completed step of this name that ran last: a sibling, something around it, or inside of
    /// those.
    pub fn step(&self, name: &str) -> Option<&Content> {
        self.scope.named(name).filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// The completed step at this address, such as `revise#2/write`.
    pub fn step_at(&self, path: &str) -> Option<&Content> {
        self.scope.at(path).filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// The media that came with the run, then those that earlier steps gave, in order.
    pub fn media(&self) -> Vec<Media> {
        let earlier = self.scope.leaves();
        let given = self.run.media.iter();
        given.chain(earlier.iter().flat_map(|entry| &entry.output().media)).cloned().collect()
    }

    /// A value of the session state, as it was when the step began.
    pub fn state(&self, key: &str) -> Option<&Value> {
        self.state.get(key)
    }
}

/// What a step gives.
///
/// ```
/// use stepwright_core::{Patch, StepOutput};
/// let output = StepOutput::from("done").patch(Patch::increment("visits", 1)).stop();
/// assert!(output.stop);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepOutput {
    /// What the next step works on.
    pub content: Content,
    /// Images, videos, sounds and files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Changes of the session state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Whether the whole run ends here, as completed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// Whether the content is an object whose members a model shall read under a heading each: the
    /// outputs of branches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headed: bool,
    /// What models consumed for it.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}

impl StepOutput {
    /// Adds a change of the session state.
    #[must_use]
    pub fn patch(mut self, patch: Patch) -> Self {
        self.patches.push(patch);
        self
    }

    /// Adds a medium.
    #[must_use]
    pub fn medium(mut self, medium: Media) -> Self {
        self.media.push(medium);
        self
    }

    /// Ends the whole run here, as completed, from any depth.
    #[must_use]
    pub fn stop(mut self) -> Self {
        self.stop = true;
        self
    }

    fn headings(&self) -> String {
        let Content::Json(value) = &self.content else { return self.content.text().into_owned() };
        let Value::Object(members) = &**value else { return self.content.pretty().into_owned() };
        let mut text = String::new();
        for (name, value) in members {
            let gap = if text.is_empty() { "" } else { "\n\n" };
            let value = Content::from(value.clone());
            let _ = write!(text, "{gap}## {name}\n\n{}", value.pretty());
        }
        text
    }
}

impl<C: Into<Content>> From<C> for StepOutput {
    fn from(content: C) -> Self {
        Self { content: content.into(), ..Self::default() }
    }
}

/// Which run it is: the same for all of its steps.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The run.
    pub run_id: RunId,
    /// Its session.
    pub session_id: SessionId,
    /// The user who owns the session.
    pub user_id: Option<UserId>,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// What the workflow is called.
    pub workflow_name: Arc<str>,
    /// Whether prompts, calls and decisions are logged in detail.
    pub debug: bool,
}

/// What a running step may ask of the engine.
pub trait StepHost: Send + Sync {
    /// Shows a delta. It passes by and is not remembered.
    fn emit(&self, step: &StepPath, delta: EventKind);

    /// Appends a fact. When it is ready, the fact is in the journal.
    fn record<'a>(
        &'a self,
        step: &'a StepPath,
        fact: EventKind,
    ) -> BoxFuture<'a, Result<(), StepError>>;

    /// The facts that the current attempt of this step recorded before a crash, in order.
    fn past(&self, step: &StepPath) -> Vec<EventKind>;

    /// What the last completed runs of this session were given and gave, at most `runs` of them,
    /// the oldest first: those that had ended when this run began.
    fn history(&self, runs: u32) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>>;

    /// Which run it is.
    fn run(&self) -> &RunInfo;

    /// Time, identity and chance.
    fn world(&self) -> &World;

    /// Is cancelled when the run is.
    fn cancelled(&self) -> &CancellationToken;
}

/// The surroundings of a running step. Cheap to clone.
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::{StepContext, StepError, StepInput, StepOutput};
/// async fn charge(input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
///     cx.progress("charging the card");
///     Ok(format!("{}, request {}", input.text(), cx.idempotency_key()).into())
/// }
/// let charged = charge(StepInput::of("5 EUR"), StepContext::detached("Charge"));
/// let output = charged.now_or_never().unwrap()?;
/// assert_eq!(output.content.text(), "5 EUR, request detached:Charge:1");
/// # Ok::<(), StepError>(())
/// ```
#[derive(Clone)]
pub struct StepContext {
    path: StepPath,
    attempt: u32,
    host: Arc<dyn StepHost>,
}

impl StepContext {
    /// The context of one attempt, counted from 1, of the step at `path`. The engine makes these.
    pub fn new(path: StepPath, attempt: u32, host: Arc<dyn StepHost>) -> Self {
        Self { path, attempt, host }
    }

    /// A context without an engine, for tests of executors: what is emitted goes nowhere.
    pub fn detached(step: &str) -> Self {
        let run = RunInfo {
            run_id: RunId::new("detached").expect("a valid identifier"),
            session_id: SessionId::new("detached").expect("a valid identifier"),
            user_id: None,
            workflow_id: WorkflowId::new("detached").expect("a valid identifier"),
            workflow_name: "detached".into(),
            debug: false,
        };
        let (world, cancelled) = (World::seeded(0), CancellationToken::new());
        Self::new(step.into(), 1, Arc::new(Detached { run, world, cancelled }))
    }

    /// The address of the step.
    pub fn path(&self) -> &StepPath {
        &self.path
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Which run it is.
    pub fn run(&self) -> &RunInfo {
        self.host.run()
    }

    /// A text that is the same whenever this attempt of this step of this run is carried out, and
    /// no other: hand it to services that can recognise a repeated request.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}:{}", self.run().run_id, self.path, self.attempt)
    }

    /// Shows text while the step works: a piece of its answer.
    pub fn emit(&self, text: impl Into<Arc<str>>) {
        self.host.emit(&self.path, EventKind::RunContent { content: text.into() });
    }

    /// Shows how far the step has come.
    pub fn progress(&self, content: impl Into<Content>) {
        self.host.emit(&self.path, EventKind::StepProgress { content: content.into() });
    }

    /// Shows an event of your own.
    pub fn custom(&self, name: impl Into<Arc<str>>, data: Value) {
        self.host.emit(&self.path, EventKind::CustomEvent { name: name.into(), data });
    }

    /// Shows any delta: for executors such as agents.
    pub fn emit_event(&self, delta: EventKind) {
        self.host.emit(&self.path, delta);
    }

    /// Appends a fact: for executors such as agents, which take up their work where it ended.
    ///
    /// # Errors
    /// If the journal is lost. Stop at once then: whatever is done more will be done again.
    pub async fn record(&self, fact: EventKind) -> Result<(), StepError> {
        self.host.record(&self.path, fact).await
    }

    /// The facts that this attempt recorded before a crash, in order.
    pub fn past(&self) -> Vec<EventKind> {
        self.host.past(&self.path)
    }

    /// What the last completed runs of this session were given and gave, at most `runs` of them and
    /// [`HISTORY_RUNS_MAX`](crate::session::HISTORY_RUNS_MAX), the oldest first: those that had
    /// ended when this run began, so that a run that is resumed sees the same ones.
    ///
    /// # Errors
    /// If the store cannot be read.
    #[doc(alias = "get_workflow_history")]
    pub async fn history(&self, runs: u32) -> Result<Arc<[Exchange]>, StepError> {
        self.host.history(runs).await
    }

    /// Time, identity and chance.
    pub fn world(&self) -> &World {
        self.host.world()
    }

    /// Whether the run has been cancelled. Async executors need not ask: they are dropped. Blocking
    /// functions should, now and then.
    pub fn is_cancelled(&self) -> bool {
        self.host.cancelled().is_cancelled()
    }
}

impl fmt::Debug for StepContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepContext")
            .field("path", &self.path)
            .field("attempt", &self.attempt)
            .field("run", &self.run().run_id)
            .finish_non_exhaustive()
    }
}

struct Detached {
    run: RunInfo,
    world: World,
    cancelled: CancellationToken,
}

impl StepHost for Detached {
    fn emit(&self, _: &StepPath, _: EventKind) {}
    fn record<'a>(&'a self, _: &'a StepPath, _: EventKind) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn past(&self, _: &StepPath) -> Vec<EventKind> {
        Vec::new()
    }
    fn history(&self, _: u32) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        Box::pin(std::future::ready(Ok(Arc::from([]))))
    }
    fn run(&self) -> &RunInfo {
        &self.run
    }
    fn world(&self) -> &World {
        &self.world
    }
    fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}
