//! Puts a workflow together.

use crate::compile::{InputCheck, Settings, compile};
use crate::define::{AnyStep, History, IntoStep};
use crate::driver::Driver;
use crate::process::PerProcess;
use crate::real::real_world;
use crate::supervise::Supervisor;
use crate::workflow::{Dispatching, EventsToSkip, Inner, Workflow};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_core::dispatch::{Dispatcher, Limits};
use stepwright_core::state::{Reducer, Reducers, State};
use stepwright_core::{
    AnyStore, Content, Error, ErrorKind, Fingerprint, OnInterrupted, Store, WorkflowId, World,
};

/// Puts a workflow together.
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
    events_to_skip: EventsToSkip,
    debug: bool,
    limits: Limits,
    dispatcher: Option<Arc<dyn Dispatcher>>,
    history: History,
    reducers: Reducers,
    content: Fingerprint,
    on_interrupted: Option<OnInterrupted>,
}

impl Workflow {
    /// A workflow without steps, to be put together.
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
        }
    }
}

impl WorkflowBuilder {
    /// Adds a step at the end: an `Agent`, an `async fn`, a `Workflow`, a `Step` or a container.
    pub fn step<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.steps.push(step.into_step());
        self
    }

    /// How it is told apart from others: by default its name in lower case, with `-` for spaces.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What it is for.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// What remembers its runs and sessions. Without one, sessions that are named and runs in the
    /// background are remembered in the memory of this process, and other runs not at all.
    #[doc(alias = "db")]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(AnyStore::new(store));
        self
    }

    /// What its input must be. A run with another input is refused before anything runs.
    #[doc(alias = "input_schema")]
    pub fn input<T: DeserializeOwned>(self) -> Self {
        self.check_input(|content| {
            content.parse::<T>().map(drop).map_err(|error| error.to_string())
        })
    }

    /// What its input must be like: the error says what is wrong with it.
    pub fn check_input(
        self,
        check: impl Fn(&Content) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.prepare_input(move |content| check(content).map(|()| None))
    }

    /// As [`WorkflowBuilder::check_input`], where the input may be completed: what is given in its
    /// place is the input of the run, and is recorded as such.
    ///
    /// ```
    /// use stepwright_core::{Content, StepInput};
    /// use stepwright_engine::{Step, Workflow};
    /// let workflow = Workflow::builder("Greeting")
    ///     .prepare_input(|name| Ok(name.is_empty().then(|| Content::from("reader"))))
    ///     .step(Step::new("Greet", |name: String| async move { format!("Dear {name}") }))
    ///     .build()?;
    /// assert_eq!(workflow.run("").blocking()?.content.text(), "Dear reader");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn prepare_input(
        mut self,
        prepare: impl Fn(&Content) -> Result<Option<Content>, String> + Send + Sync + 'static,
    ) -> Self {
        self.input = Some(Arc::new(prepare));
        self
    }

    /// Sets the version of what the workflow itself is made of, such as the function that checks
    /// its input: see [`Step::version`](crate::Step::version).
    pub fn version(self, version: impl AsRef<str>) -> Self {
        self.source("version", version)
    }

    /// Adds a text that the workflow itself is made of: see [`Step::source`](crate::Step::source).
    pub fn source(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        self.content = self.content.with(name, text);
        self
    }

    /// What the state of a new session is. A JSON object.
    pub fn session_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// How values are put together that parallel branches, or items of a map, set one key of the
    /// session state to. Without this, different values fail the container.
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

    /// How long a run may take. One that takes longer fails.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether outputs have the events of their runs. Facts are in it, deltas pass by.
    pub fn store_events(mut self, store: bool) -> Self {
        self.store_events = store;
        self
    }

    /// The kinds of events that outputs do not have, by name: see
    /// [`Event::name`](stepwright_core::Event::name).
    pub fn events_to_skip<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.events_to_skip = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether steps are told what earlier runs of their session were given and gave, unless a step
    /// says otherwise: see [`Step::add_workflow_history`](crate::Step::add_workflow_history).
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use stepwright_core::StepInput;
    /// async fn count(input: StepInput) -> String {
    ///     format!("{} before", input.history.map_or(0, |earlier| earlier.len()))
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
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

    /// How many earlier runs steps are told of, unless a step says otherwise:
    /// [`HISTORY_RUNS`](stepwright_core::session::HISTORY_RUNS) unless set.
    pub fn num_history_runs(mut self, runs: u32) -> Self {
        self.history.runs = Some(runs);
        self
    }

    /// The policy for attempts whose outcome is unknown, of all steps that have none and stand in
    /// no container that has one: see [`Step::on_interrupted`](crate::Step::on_interrupted). It
    /// counts for steps whose executors ask by default, too: `Retry` repeats commands without a
    /// question.
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.on_interrupted = Some(policy);
        self
    }

    /// Leaves runs that failed or were cancelled out of what steps are told of earlier runs. They
    /// are among them unless set, and marked: a person who interrupted an answer has asked for it
    /// all the same.
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

    /// Logs what every run does in detail: see [`Run::debug_mode`](crate::Run::debug_mode).
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// How many runs in the background are worked on at once: by default 32. The others wait.
    pub fn concurrent_runs(mut self, runs: usize) -> Self {
        self.limits = Limits { concurrent_runs: runs };
        self
    }

    /// What sees to it that its runs in the background are driven: by default this process, by
    /// itself. With another dispatcher they are driven where [`Workflow::serve`] is called.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::{LocalDispatcher, Workflow, real_world};
    /// # use std::sync::Arc;
    /// # use tokio_util::sync::CancellationToken;
    /// # async fn think(topic: String) -> String { topic }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
    /// // Stands for one that hands runs to many machines.
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

    /// The source of time, identity and chance: for tests.
    pub fn world(mut self, world: World) -> Self {
        self.world = Some(world);
        self
    }

    /// Checks the definition, and makes it a workflow.
    ///
    /// # Errors
    /// [`ErrorKind::Definition`], with every mistake in it: where, what, and what to do.
    pub fn build(self) -> Result<Workflow, Error> {
        let settings = Settings {
            input: self.input,
            history: self.history,
            reducers: self.reducers,
            on_interrupted: self.on_interrupted,
        };
        let mut compiled = compile(&self.name, self.steps, settings)?;
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
        Ok(Workflow::of(Inner {
            id,
            name: compiled.plan.name.clone(),
            description: self.description,
            compiled,
            digest,
            store: self.store,
            memory: OnceLock::new(),
            world: self.world.unwrap_or_else(real_world),
            live: Arc::new(PerProcess::new()),
            timeout: self.timeout,
            state: self.state,
            events: self.store_events.then_some(self.events_to_skip),
            debug: self.debug,
            dispatching: match self.dispatcher {
                Some(given) => Dispatching::Given(given),
                None => Dispatching::Local(PerProcess::new()),
            },
            limits: self.limits,
            driver: Driver::new(),
            supervisor: Supervisor::default(),
            plan_known: false.into(),
        }))
    }
}

/// Whether some kind of event has this name.
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
