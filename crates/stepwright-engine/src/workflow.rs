//! A validated definition, and everything that can be asked of it.

use crate::compile::{Compiled, InputCheck, compile};
use crate::define::{AnyStep, History, IntoStep};
use crate::dispatch::LocalDispatcher;
use crate::drive::{Job, fold_all, load_all};
use crate::effects::Stop;
use crate::real::real_world;
use crate::recorder::Recording;
use crate::run::{IntoInput, Known, Live, LiveRuns, Run, finish};
use crate::sessions::Sessions;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_core::dispatch::{Dispatcher, Drive, Driven, Limits};
use stepwright_core::event::Event;
use stepwright_core::plan::Plan;
use stepwright_core::session::SessionMetrics;
use stepwright_core::state::State;
use stepwright_core::store::{RunFilter, RunRow};
use stepwright_core::{
    AnyStore, BoxFuture, Content, Error, ErrorKind, Memory, RunId, RunOutput, Session, Store,
    WorkflowId, World,
};
use tokio_util::sync::CancellationToken;

/// A named, validated definition. Cheap to clone; safe to run many times at once; no run changes
/// it.
///
/// ```
/// use stepwright_engine::{Loop, Workflow};
/// # async fn write(t: String) -> String { t + "." }
/// let workflow = Workflow::builder("Content Pipeline")
///     .step(Loop::new("Revise").step(write).forward().at_most(3))
///     .build()?;
/// assert_eq!(workflow.id().as_str(), "content-pipeline");
/// assert_eq!(workflow.run("A").blocking()?.content.text(), "A...");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Workflow(Arc<Inner>);

struct Inner {
    id: WorkflowId,
    name: Arc<str>,
    description: Option<String>,
    compiled: Arc<Compiled>,
    digest: Arc<str>,
    store: Option<AnyStore>,
    /// What remembers sessions and background runs where there is no store.
    memory: OnceLock<AnyStore>,
    world: World,
    live: LiveRuns,
    timeout: Option<Duration>,
    state: State,
    events: Option<EventsToSkip>,
    debug: bool,
    dispatcher: OnceLock<Arc<dyn Dispatcher>>,
    limits: Limits,
}

type EventsToSkip = Vec<String>;

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
    history: History,
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
            history: History::default(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How it is told apart from others.
    pub fn id(&self) -> &WorkflowId {
        &self.0.id
    }

    /// What it is for.
    pub fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Its shape, as data.
    pub fn plan(&self) -> &Plan {
        &self.0.compiled.plan
    }

    /// Whether its runs are remembered beyond this process' memory: see [`WorkflowBuilder::store`].
    pub fn has_store(&self) -> bool {
        self.0.store.is_some()
    }

    /// The fingerprint of its shape: see [`Plan::digest`].
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// A run of it, to be awaited, streamed, put into the background or blocked on. The input is a
    /// text, any value that can be written as JSON, or [`Parts`](crate::Parts).
    #[doc(alias = "arun")]
    pub fn run(&self, input: impl IntoInput) -> Run {
        Run::new(self.clone(), input)
    }

    // --- runs ---

    /// A run by its name: as it stands, if this process drives it, or as the store has it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none of that name.
    pub async fn get_run(&self, run: impl AsRef<str>) -> Result<RunOutput, Error> {
        let run = RunId::new(run)?;
        if let Some(live) = self.0.live.get(run.as_str())
            && let Some(output) = live.output()
        {
            return Ok(output);
        }
        let facts = match self.remembering() {
            Some(store) => load_all(store, &run).await?,
            None => Vec::new(),
        };
        self.output_of(&run, facts)?.ok_or_else(|| self.not_found(&format!("run `{run}`")))
    }

    /// The output of the newest run of this workflow, whatever became of it.
    pub async fn get_last_run_output(&self) -> Result<Option<RunOutput>, Error> {
        let newest = RunFilter { limit: 1, ..RunFilter::default() };
        match self.runs(newest).await?.first() {
            Some(row) => self.get_run(&row.run_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lists runs of this workflow, the newest first.
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, Error> {
        let filter = RunFilter { workflow_id: Some(self.0.id.clone()), ..filter };
        match self.remembering() {
            Some(store) => Ok(store.runs(filter).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Cancels a run that this process drives, or is about to. `false` if it drives none of that
    /// name: it has ended, or never was.
    pub fn cancel_run(&self, run: impl AsRef<str>) -> bool {
        match self.0.live.get(run.as_ref()) {
            Some(known) => {
                known.cancel();
                true
            }
            None => false,
        }
    }

    fn output_of(&self, run: &RunId, facts: Vec<Event>) -> Result<Option<RunOutput>, Error> {
        let output = fold_all(run, &facts)?.into_output().map(|mut output| {
            output.events = self.keeps_events().then_some(facts);
            output
        });
        Ok(output.map(|output| self.without_skipped(output)))
    }

    fn without_skipped(&self, mut output: RunOutput) -> RunOutput {
        if let (Some(events), Some(skip)) = (&mut output.events, &self.0.events) {
            events.retain(|event| !skip.iter().any(|name| name == event.name()));
        }
        output
    }

    // --- sessions ---

    /// A session by its name, whoever owns it. For one user's sessions, see [`Workflow::sessions`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none of that name.
    pub async fn get_session(&self, session: impl AsRef<str>) -> Result<Session, Error> {
        self.sessions().get(session).await
    }

    /// The state of a session: see [`Workflow::get_session`].
    pub async fn get_session_state(&self, session: impl AsRef<str>) -> Result<State, Error> {
        Ok(self.get_session(session).await?.state)
    }

    /// What the runs of a session consumed: see [`Workflow::get_session`].
    pub async fn get_session_metrics(
        &self,
        session: impl AsRef<str>,
    ) -> Result<SessionMetrics, Error> {
        Ok(self.get_session(session).await?.metrics)
    }

    /// Sessions: to find, list, rename, change and delete them.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions::of(self)
    }

    // --- for the engine ---

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.0.compiled
    }

    pub(crate) fn shared_plan(&self) -> Arc<Compiled> {
        self.0.compiled.clone()
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    pub(crate) fn shared_digest(&self) -> Arc<str> {
        self.0.digest.clone()
    }

    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    pub(crate) fn live(&self) -> &LiveRuns {
        &self.0.live
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    pub(crate) fn debug_mode(&self) -> bool {
        self.0.debug
    }

    pub(crate) fn default_state(&self) -> &State {
        &self.0.state
    }

    pub(crate) fn keeps_events(&self) -> bool {
        self.0.events.is_some()
    }

    pub(crate) fn check_input(&self, content: &Content) -> Result<(), Error> {
        match &self.0.compiled.input {
            Some(check) => check(content).map_err(|why| {
                Error::usage(format!("the input does not fit workflow `{}`: {why}", self.name()))
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn with_events(&self, answer: Result<RunOutput, Error>) -> Result<RunOutput, Error> {
        answer.map(|output| self.without_skipped(output))
    }

    /// The store of a run: the workflow's; or the memory of this process, if the run must be
    /// `remembered`; or none.
    pub(crate) fn store_for(&self, remembered: bool) -> Option<AnyStore> {
        match &self.0.store {
            Some(store) => Some(store.clone()),
            None if remembered => {
                Some(self.0.memory.get_or_init(|| AnyStore::new(Memory::default())).clone())
            }
            None => None,
        }
    }

    pub(crate) fn remembering(&self) -> Option<&AnyStore> {
        self.0.store.as_ref().or_else(|| self.0.memory.get())
    }

    pub(crate) fn not_found(&self, what: &str) -> Error {
        let error = Error::new(ErrorKind::NotFound, format!("{what} was not found"));
        match self.0.store {
            Some(_) => error,
            None => error.with_hint(
                "the workflow has no store: only sessions and background runs of this process are \
                 remembered; add one with `.store(…)`",
            ),
        }
    }

    /// Hands a run to the dispatcher, which is started for the first one.
    pub(crate) async fn dispatch(&self, run: &RunId) -> Result<(), Error> {
        let dispatcher = self.0.dispatcher.get_or_init(|| {
            let local = Arc::new(LocalDispatcher::new(self.0.world.clone()));
            let drive = Arc::new(Driver(self.clone()));
            tokio::spawn(local.clone().serve(drive, self.0.limits, CancellationToken::new()));
            local
        });
        dispatcher.wake(run, None).await.map_err(|error| {
            Error::new(ErrorKind::Store, "the run could not be handed to the dispatcher")
                .with_source(error)
        })
    }

    /// Takes up a run whose process died, where its journal ends: what its steps completed is
    /// recalled, and the rest is done. A run that has ended gives its output.
    ///
    /// # Errors
    /// As awaiting a run; [`ErrorKind::Usage`] if this process drives it already, or if the plan
    /// has changed since it began; [`ErrorKind::Store`] if another process drives it.
    pub async fn resume(&self, run: impl AsRef<str>) -> Result<RunOutput, Error> {
        let run = RunId::new(run)?;
        let live = Arc::new(Live::of(CancellationToken::new(), None));
        if !self.0.live.insert(run.clone(), Known::Background(live)) {
            return Err(Error::usage(format!("run `{run}` is being driven by this process")));
        }
        let answer = self.drive(&run).await;
        self.0.live.remove(&run);
        answer
    }

    /// Drives a run that the store knows, and tells those who wait how that ended.
    async fn drive(&self, run: &RunId) -> Result<RunOutput, Error> {
        let live = match self.0.live.get(run.as_str()) {
            Some(Known::Background(live)) => live,
            _ => Arc::new(Live::of(CancellationToken::new(), None)),
        };
        let answer = match self.take_up(run, &live).await {
            Ok(job) => self.with_events(job.drive().await),
            Err(error) => Err(error),
        };
        finish(&live, &answer);
        self.0.live.remove(run);
        answer
    }

    async fn take_up(&self, run: &RunId, live: &Live) -> Result<Job, Error> {
        let store = self.store_for(true).ok_or_else(|| self.not_found(&format!("run `{run}`")))?;
        let past = load_all(&store, run).await?;
        let started = past.first().and_then(|first| match &first.kind {
            stepwright_core::EventKind::WorkflowStarted(started) => Some(started.clone()),
            _ => None,
        });
        let started = started.ok_or_else(|| self.not_found(&format!("run `{run}`")))?;
        if started.digest != self.0.digest {
            let message = format!("workflow `{}` has changed since run `{run}` began", self.name());
            let hint = "resume it with the definition it began with";
            return Err(Error::usage(message).with_hint(hint));
        }
        let recording = Recording {
            run: run.clone(),
            world: self.0.world.clone(),
            store: Some(store),
            cancelled: live.cancel.clone(),
            outbox: None,
            keep_events: self.keeps_events(),
            debug: started.debug,
        };
        let job = Job::new(self.shared_plan(), started, recording, &past)?;
        live.now_driven(job.recorder.clone());
        Ok(job)
    }
}

/// The error of something that stopped before a run had begun.
pub(crate) fn stop_error(stop: &Stop) -> Error {
    match stop {
        Stop::Lost(error) => Error::from_store(error),
        Stop::Failed(failure) => Error::new(ErrorKind::Run, failure.error.message.clone()),
        Stop::Sibling => Error::new(ErrorKind::Cancelled, "it was stopped"),
    }
}

/// Drives background runs.
struct Driver(Workflow);

impl Drive for Driver {
    fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven> {
        Box::pin(async move {
            match self.0.drive(run).await {
                Err(error) if error.kind() == ErrorKind::Store => Driven::Lost,
                _ => Driven::Done,
            }
        })
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
        mut self,
        check: impl Fn(&Content) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.input = Some(Arc::new(check));
        self
    }

    /// What the state of a new session is. A JSON object.
    pub fn session_state(mut self, state: State) -> Self {
        self.state = state;
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

    /// The kinds of events that outputs do not have, by name: see [`Event::name`].
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

    /// Logs what every run does in detail: see [`Run::debug_mode`].
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// How many runs in the background are worked on at once: by default 32. The others wait.
    pub fn concurrent_runs(mut self, runs: usize) -> Self {
        self.limits = Limits { concurrent_runs: runs };
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
        let compiled = Arc::new(compile(&self.name, self.steps, self.input, self.history)?);
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
        Ok(Workflow(Arc::new(Inner {
            id,
            name: compiled.plan.name.clone(),
            description: self.description,
            compiled,
            digest,
            store: self.store,
            memory: OnceLock::new(),
            world: self.world.unwrap_or_else(real_world),
            live: LiveRuns::default(),
            timeout: self.timeout,
            state: self.state,
            events: self.store_events.then_some(self.events_to_skip),
            debug: self.debug,
            dispatcher: OnceLock::new(),
            limits: self.limits,
        })))
    }
}

/// Whether some kind of event has this name.
fn is_event(name: &str) -> bool {
    stepwright_core::event::NAMES.contains(&name)
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workflow").field(&self.name()).finish()
    }
}

impl fmt::Debug for WorkflowBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowBuilder")
            .field("name", &self.name)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
