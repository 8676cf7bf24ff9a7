//! Builds workflows.

mod gate;
mod input;
mod limited;
mod secrets;

use crate::compile::{Settings, compile};
use crate::define::{AfterSteps, AnyStep, History, IntoStep, MediaInput, RunLimits, add_after};
use crate::definition::Definition;
use crate::gate::{GateSettings, Guard, reserved};
use crate::process::PerProcess;
use crate::real::real_world;
use crate::runner::{Dispatching, Runner};
use crate::table::InputCheck;
use crate::workflow::Workflow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::{AtLimit, Budget};
use stepwright_core::cost::Prices;
use stepwright_core::dispatch::{Dispatcher, Limits};
use stepwright_core::observe::{BeforeAppend, Observer};
use stepwright_core::permission::ALLOWED_KEY;
use stepwright_core::plan::After;
use stepwright_core::redact::Secrets;
use stepwright_core::state::{Reducer, Reducers, State};
use stepwright_core::values::HostValues;
use stepwright_core::{
    AnyStore, Error, ErrorKind, Fingerprint, OnInterrupted, Store, WorkflowId, World,
};

/// Builds a workflow from steps and settings.
///
/// ```
/// use std::time::Duration;
/// use stepwright_engine::{Json, Workflow};
/// # async fn double(Json(n): Json<u64>) -> Json<u64> { Json(2 * n) }
/// let workflow = Workflow::builder("Double It")
///     .description("Twice of what it is given")
///     .input::<u64>()
///     .timeout(Duration::from_secs(30))
///     .step(double)
///     .build()?;
/// assert_eq!(workflow.run(21).blocking()?.content.text(), "42");
/// let error = workflow.run("a lot").blocking().unwrap_err();
/// assert!(error.to_string().starts_with("the input does not fit workflow `Double It`"));
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct WorkflowBuilder {
    name: String,
    id: Option<String>,
    description: Option<String>,
    steps: Vec<AnyStep>,
    input: Option<InputCheck>,
    store: Option<AnyStore>,
    world: Option<World>,
    timeout: Option<Duration>,
    state: State,
    store_events: bool,
    events_to_skip: Vec<String>,
    debug: bool,
    limits: Limits,
    dispatcher: Option<Arc<dyn Dispatcher>>,
    history: History,
    reducers: Reducers,
    content: Fingerprint,
    on_interrupted: Option<OnInterrupted>,
    queue: Option<Arc<str>>,
    values: HostValues,
    after: AfterSteps,
    after_timeout: Option<Duration>,
    guards: Vec<Guard>,
    is_unattended: bool,
    budget: Option<Budget>,
    session_budget: Option<Budget>,
    prices: Option<Prices>,
    run_limits: RunLimits,
    media: Vec<MediaInput>,
    observer: Option<Arc<dyn Observer>>,
    before_append: Option<Arc<dyn BeforeAppend>>,
    secrets: Secrets,
}

impl Workflow {
    /// Starts a workflow with this name and without steps.
    pub fn builder(name: impl Into<String>) -> WorkflowBuilder {
        WorkflowBuilder {
            name: name.into(),
            id: None,
            description: None,
            steps: Vec::new(),
            input: None,
            store: None,
            world: None,
            timeout: None,
            state: State::new(),
            store_events: false,
            events_to_skip: Vec::new(),
            debug: false,
            limits: Limits::default(),
            dispatcher: None,
            history: History::default(),
            reducers: Reducers::new(),
            content: Fingerprint::default(),
            on_interrupted: None,
            queue: None,
            values: HostValues::default(),
            after: Vec::new(),
            after_timeout: None,
            guards: Vec::new(),
            is_unattended: false,
            budget: None,
            session_budget: None,
            prices: None,
            run_limits: RunLimits::default(),
            media: Vec::new(),
            observer: None,
            before_append: None,
            secrets: Secrets::default(),
        }
    }
}

impl WorkflowBuilder {
    /// Adds a step at the end: an `Agent`, an `async fn`, a `Workflow`, a `Step` or a container.
    pub fn step<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.steps.push(step.into_step());
        self
    }

    /// Adds a step that runs when all others have ended, however that was: the run completed,
    /// failed, timed out or was cancelled, also after a crash. For work such as cleaning up. The
    /// output of the run stays that of the steps before.
    ///
    /// The step sees the outputs of the steps that completed, and the reason that others did not in
    /// [`StepInput::failure`](stepwright_core::StepInput). If it fails itself, the run fails. If
    /// the run had failed before, that failure stays the run's error, and
    /// [`RunOutput::also_failed`](stepwright_core::RunOutput::also_failed) and the report of the
    /// error tell of this one.
    ///
    /// When the run is cancelled or times out, these steps have 60 seconds: see
    /// [`WorkflowBuilder::after_timeout`]. Cancelling the run a second time ends them as well. A
    /// run that is cancelled without its definition, such as by another program, ends without them.
    ///
    /// ```
    /// use stepwright_core::StepInput;
    /// use stepwright_engine::{Step, Workflow};
    /// async fn work() -> Result<String, std::io::Error> {
    ///     Err(std::io::Error::other("connection lost"))
    /// }
    /// let clean = Step::new("Clean", |input: StepInput| async move {
    ///     match &input.failure {
    ///         Some(failure) => format!("cleaned after `{}`: {}", failure.path, failure.message),
    ///         None => "cleaned".to_owned(),
    ///     }
    /// });
    /// let workflow = Workflow::builder("Job").step(work).finally(clean).build()?;
    /// let error = workflow.run("go").blocking().unwrap_err();
    /// assert_eq!(error.to_string(), "step `work` failed: connection lost");
    /// let clean = error.output().unwrap().step_at("finally/Clean").unwrap();
    /// assert_eq!(clean.content.text(), "cleaned after `work`: connection lost");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn finally<M>(mut self, step: impl IntoStep<M>) -> Self {
        add_after(&mut self.after, After::Always, step.into_step());
        self
    }

    /// Adds a step that runs when the run has failed, timed out or been cancelled, before the steps
    /// of [`WorkflowBuilder::finally`]. It does not make the run complete: for that, see
    /// [`Step::on_error`](crate::Step::on_error).
    ///
    /// ```
    /// # use stepwright_engine::{Step, Workflow}; use stepwright_core::StepInput;
    /// # async fn work(text: String) -> String { text }
    /// let tell = Step::new("Tell", |input: StepInput| async move {
    ///     let failure = input.failure.as_ref().expect("it is there after a failure");
    ///     format!("{}: {}", failure.kind, failure.message)
    /// });
    /// let workflow = Workflow::builder("Job").step(work).on_failure(tell).build()?;
    /// assert!(workflow.run("go").blocking()?.step_at("on_failure").is_none());
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn on_failure<M>(mut self, step: impl IntoStep<M>) -> Self {
        add_after(&mut self.after, After::Failure, step.into_step());
        self
    }

    /// Sets the time that the steps under `finally`, under `on_failure`, and those that undo one
    /// step have when the steps before them were stopped: the run was cancelled or timed out, a
    /// sibling failed, or a container timed out. The default is 60 seconds. Otherwise their time is
    /// not limited.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn work(t: String) -> String { t } async fn upload_logs(t: String) -> String { t }
    /// use std::time::Duration;
    /// let workflow = Workflow::builder("Job")
    ///     .step(work)
    ///     .finally(upload_logs)
    ///     .after_timeout(Duration::from_secs(600))
    ///     .build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn after_timeout(mut self, timeout: Duration) -> Self {
        self.after_timeout = Some(timeout);
        self
    }

    /// Sets the workflow's id. By default it is the name in lower case, with `-` for spaces.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the description, for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the store, which keeps runs and sessions. Without one, the memory of this process keeps
    /// named sessions, background runs and runs of workflows that ask people. Other runs are not
    /// kept.
    #[doc(alias = "db")]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(AnyStore::new(store));
        self
    }

    /// Sets the version of the workflow's own functions, such as the one that checks its input: see
    /// [`Step::version`](crate::Step::version).
    pub fn version(self, version: impl AsRef<str>) -> Self {
        self.source("version", version)
    }

    /// Adds a text that belongs to the workflow itself: see [`Step::source`](crate::Step::source).
    pub fn source(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        self.content = self.content.with(name, text);
        self
    }

    /// Sets the state with which a new session begins.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use stepwright_core::state::State;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let state = State::from_iter([("visits".to_owned(), 0.into())]);
    /// let workflow = Workflow::builder("Greeting").session_state(state).step(greet).build()?;
    /// workflow.run("Ada").session_id("s-1").await?;
    /// assert_eq!(workflow.get_session_state("s-1").await?["visits"], 0);
    /// # Ok(()) }
    /// ```
    pub fn session_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Adds a value of the host program, such as a pool of connections, for all runs. Steps,
    /// deciders and tools take it as an argument of type [`State`](stepwright_core::State). There
    /// is one value of each type: a second one replaces the first. Values are not recorded.
    ///
    /// A value of the run ([`Run::state`](crate::Run::state)) takes precedence. A workflow used as
    /// a step brings its values along, unless the workflow around it has a value of that type.
    ///
    /// ```
    /// use stepwright_core::State;
    /// use stepwright_engine::Workflow;
    /// #[derive(Clone)]
    /// struct Prices { apple: u32 }
    /// async fn price(fruit: String, State(prices): State<Prices>) -> String {
    ///     format!("{fruit}: {} cents", prices.apple)
    /// }
    /// let workflow = Workflow::builder("Shop").step(price).state(Prices { apple: 40 }).build()?;
    /// assert_eq!(workflow.run("apple").blocking()?.content.text(), "apple: 40 cents");
    /// let sale = workflow.run("apple").state(Prices { apple: 30 }).blocking()?;
    /// assert_eq!(sale.content.text(), "apple: 30 cents");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.values.set(value);
        self
    }

    /// Sets how the values are combined that parallel branches, or items of a map, set one key of
    /// the session state to. Without a reducer, different values fail the container.
    ///
    /// ```
    /// use stepwright_core::{Patch, StepOutput, state::Reducer};
    /// use stepwright_engine::{Parallel, Step, Workflow};
    /// let scores = |n: u64| async move { StepOutput::default().patch(Patch::set("best", n)) };
    /// let workflow = Workflow::builder("Contest")
    ///     .reducer("best", Reducer::Max)
    ///     .step(
    ///         Parallel::new("Players")
    ///             .branch(Step::new("a", move || scores(7)))
    ///             .branch(Step::new("b", move || scores(9))),
    ///     )
    ///     .build()?;
    /// # stepwright_engine::block_on(async {
    /// workflow.run("go").session_id("s-1").await?;
    /// assert_eq!(workflow.get_session_state("s-1").await?["best"], 9);
    /// # Ok(()) })?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn reducer(mut self, key: impl Into<Box<str>>, reducer: Reducer) -> Self {
        self.reducers.insert(key.into(), reducer);
        self
    }

    /// Sets the timeout of a run. A run that takes longer fails.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets whether outputs include the events of their runs. They include facts, and no deltas.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// let workflow = Workflow::builder("Greeting").store_events(true).step(greet).build()?;
    /// let events = workflow.run("Ada").blocking()?.events.unwrap();
    /// assert_eq!(events[0].name(), "WorkflowStarted");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn store_events(mut self, store: bool) -> Self {
        self.store_events = store;
        self
    }

    /// Leaves kinds of events out of outputs, by name: see
    /// [`Event::name`](stepwright_core::Event::name).
    pub fn events_to_skip<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.events_to_skip = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds earlier inputs and outputs of the session to the input of every step that does not set
    /// this itself: see [`Step::add_workflow_history`](crate::Step::add_workflow_history).
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use stepwright_core::StepInput;
    /// async fn count(input: StepInput) -> String {
    ///     format!("{} before", input.history.map_or(0, |earlier| earlier.len()))
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow =
    ///     Workflow::builder("Count").step(count).add_workflow_history_to_steps(true).build()?;
    /// assert_eq!(workflow.run("a").session_id("s").await?.content.text(), "0 before");
    /// assert_eq!(workflow.run("b").session_id("s").await?.content.text(), "1 before");
    /// # Ok(()) }
    /// ```
    pub fn add_workflow_history_to_steps(mut self, add: bool) -> Self {
        self.history.add = Some(add);
        self
    }

    /// Sets the number of earlier runs in the history of steps that do not set it themselves. The
    /// default is [`HISTORY_RUNS`](stepwright_core::session::HISTORY_RUNS).
    pub fn num_history_runs(mut self, runs: u32) -> Self {
        self.history.runs = Some(runs);
        self
    }

    /// Sets the policy for attempts whose outcome is unknown. It holds for steps that have no
    /// policy of their own and are in no container that has one: see
    /// [`Step::on_interrupted`](crate::Step::on_interrupted). It also overrides executors that ask
    /// by default: with `Retry`, commands are repeated without a question.
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.on_interrupted = Some(policy);
        self
    }

    /// Sets the queue of steps that have none of their own, and in which the runs begin: see
    /// [`Step::queue`](crate::Step::queue). The default is
    /// [`DEFAULT_QUEUE`](stepwright_core::dispatch::DEFAULT_QUEUE).
    pub fn queue(mut self, name: impl Into<Arc<str>>) -> Self {
        self.queue = Some(name.into());
        self
    }

    /// Leaves failed and cancelled runs out of the history of steps. By default the history has
    /// them, and marks them: a person who interrupts an answer has asked the question all the same.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn chat(message: String) -> String { message }
    /// let workflow = Workflow::builder("Chat")
    ///     .step(chat)
    ///     .add_workflow_history_to_steps(true)
    ///     .history_completed_only(true)
    ///     .build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn history_completed_only(mut self, only: bool) -> Self {
        self.history.completed_only = Some(only);
        self
    }

    /// Logs every run in detail: see [`Run::debug_mode`](crate::Run::debug_mode).
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Sets the number of background runs that are driven at the same time. The default is 32.
    /// Further runs wait.
    pub fn concurrent_runs(mut self, runs: usize) -> Self {
        self.limits = Limits { concurrent_runs: runs };
        self
    }

    /// Sets the dispatcher, which gets background runs executed. By default this process drives
    /// them. With another dispatcher they are driven in the processes that call
    /// [`Workflow::serve`].
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::{LocalDispatcher, Workflow, real_world};
    /// # use std::sync::Arc;
    /// # use tokio_util::sync::CancellationToken;
    /// # async fn think(topic: String) -> String { topic }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// // Stands for a dispatcher that hands runs to many machines.
    /// let dispatcher = Arc::new(LocalDispatcher::new(real_world()));
    /// let workflow = Workflow::builder("Deep Research")
    ///     .step(think)
    ///     .store(Memory::default())
    ///     .dispatcher(dispatcher)
    ///     .build()?;
    /// let handle = workflow.run("ants").background().await?;
    /// let stop = CancellationToken::new();
    /// let worker = tokio::spawn({
    ///     let (workflow, stop) = (workflow.clone(), stop.clone());
    ///     async move { workflow.serve(stop).await }
    /// });
    /// assert_eq!(handle.wait().await?.content.text(), "ants");
    /// stop.cancel();
    /// worker.await.unwrap()?;
    /// # Ok(()) }
    /// ```
    pub fn dispatcher(mut self, dispatcher: Arc<dyn Dispatcher>) -> Self {
        self.dispatcher = Some(dispatcher);
        self
    }

    /// Sets an observer of the events of all runs that this process drives. [`Observer`] shows it.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets an outbox: what it stores about facts is stored before them. [`BeforeAppend`] shows it.
    /// It does nothing for runs without a store.
    pub fn before_append(mut self, outbox: Arc<dyn BeforeAppend>) -> Self {
        self.before_append = Some(outbox);
        self
    }

    /// Sets the source of time, ids and randomness: for tests.
    pub fn world(mut self, world: World) -> Self {
        self.world = Some(world);
        self
    }

    /// Checks the definition and builds the workflow.
    ///
    /// # Errors
    /// [`ErrorKind::Definition`] with every mistake in the definition: where it is, and how to fix
    /// it.
    pub fn build(self) -> Result<Workflow, Error> {
        let settings = Settings {
            input: self.input,
            history: self.history,
            reducers: self.reducers,
            on_interrupted: self.on_interrupted,
            queue: self.queue,
            values: self.values,
            after: self.after,
            after_timeout: self.after_timeout,
            budget: self.budget,
        };
        if let Some(mistake) = self.session_budget.as_ref().and_then(Budget::mistake) {
            let error = Error::new(ErrorKind::Definition, format!("session budget: {mistake}"));
            return Err(error.with_hint("set a limit of the `session_budget`"));
        }
        if self.state.contains_key(ALLOWED_KEY) {
            return Err(Error::new(ErrorKind::Definition, reserved()).with_hint("use another key"));
        }
        if let Some(mistake) = self.run_limits.mistake() {
            return Err(Error::new(ErrorKind::Definition, mistake));
        }
        let mut compiled = compile(&self.name, self.steps, settings)?;
        let guards: Vec<Guard> = self.guards.into_iter().chain(compiled.guards.drain(..)).collect();
        let pauses = self.session_budget.as_ref().is_some_and(|b| b.at_limit == AtLimit::Pause);
        compiled.asks |= pauses || !(guards.is_empty() || self.is_unattended);
        compiled.plan.content = Some(self.content);
        let compiled = Arc::new(compiled);
        let id = match &self.id {
            Some(id) => WorkflowId::new(id),
            None => WorkflowId::from_name(&self.name),
        };
        let id = id.map_err(|error| Error::new(ErrorKind::Definition, error.to_string()))?;
        if let Some(unknown) = self.events_to_skip.iter().find(|name| !is_event(name)) {
            let error = Error::new(ErrorKind::Definition, format!("there is no event `{unknown}`"));
            return Err(error.with_hint("use names such as `StepStarted`"));
        }
        let digest = compiled.plan.digest().into();
        let definition = Definition {
            id,
            name: compiled.plan.name.clone(),
            description: self.description,
            compiled,
            digest,
            timeout: self.timeout,
            state: self.state,
            events_to_skip: self.store_events.then_some(self.events_to_skip),
            debug: self.debug,
            gate: GateSettings {
                guards: guards.into(),
                is_unattended: self.is_unattended,
                prices: self.prices.map(Arc::new),
                session: self.session_budget.map(Arc::new),
                secrets: self.secrets,
            },
            limits: self.run_limits,
            media: self.media,
        };
        let world = self.world.unwrap_or_else(real_world);
        let dispatching = match self.dispatcher {
            Some(given) => Dispatching::Given(given),
            None => Dispatching::Local(PerProcess::new()),
        };
        let mut runner = Runner::new(definition, self.store, world, dispatching, self.limits);
        runner.observer = self.observer;
        runner.before_append = self.before_append;
        Ok(Workflow::of(runner))
    }
}

fn is_event(name: &str) -> bool {
    stepwright_core::event::NAMES.contains(&name)
}

impl fmt::Debug for WorkflowBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowBuilder")
            .field("name", &self.name)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
