//! A validated definition, and everything that can be asked of it.

use crate::changed::{difference, digest_of};
use crate::compile::Compiled;
use crate::dispatch::LocalDispatcher;
use crate::driver::{self, Driver};
use crate::effects::Stop;
use crate::process::PerProcess;
use crate::run::{IntoInput, LiveRuns, Resume, Run, RunHandle, TakeUp};
use crate::runs::{Events, Runs, Sessions, Snapshot, not_found};
use crate::supervise::{Supervisor, supervise};
use futures_util::future::{Either, select};
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use stepwright_core::dispatch::{Dispatcher, Drive, Driven, Limits};
use stepwright_core::event::Event;
use stepwright_core::plan::Plan;
use stepwright_core::session::SessionMetrics;
use stepwright_core::state::State;
use stepwright_core::store::{RunFilter, RunRow};
use stepwright_core::{
    Answer, AnyStore, BoxFuture, Content, Error, ErrorKind, Memory, RunId, RunOutput, Session,
    StoreError, Timestamp, WorkflowId, World,
};
use tokio_util::sync::CancellationToken;

/// A named, validated definition. Cheap to clone; safe to run many times at once; no run changes
/// it.
///
/// Its own methods see the runs and sessions of all users: they are for the owner of the process. A
/// server that acts for users takes [`Workflow::as_user`].
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

pub(crate) struct Inner {
    pub(crate) id: WorkflowId,
    pub(crate) name: Arc<str>,
    pub(crate) description: Option<String>,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) digest: Arc<str>,
    pub(crate) store: Option<AnyStore>,
    /// What remembers sessions and background runs where there is no store.
    pub(crate) memory: OnceLock<AnyStore>,
    pub(crate) world: World,
    pub(crate) live: Arc<PerProcess<LiveRuns>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) state: State,
    pub(crate) events: Option<EventsToSkip>,
    pub(crate) debug: bool,
    pub(crate) dispatching: Dispatching,
    pub(crate) limits: Limits,
    pub(crate) driver: Driver,
    pub(crate) supervisor: Supervisor,
    /// Whether the store knows the plan.
    pub(crate) plan_known: AtomicBool,
}

pub(crate) type EventsToSkip = Vec<String>;

/// Who sees to it that runs in the background are driven.
pub(crate) enum Dispatching {
    /// This process, from the first such run on.
    Local(PerProcess<Mutex<Option<Arc<LocalDispatcher>>>>),
    /// Whoever was named: runs are driven where they are served.
    Given(Arc<dyn Dispatcher>),
}

impl Workflow {
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

    /// Whether its runs are remembered beyond this process' memory: see
    /// [`WorkflowBuilder::store`](crate::WorkflowBuilder::store).
    pub fn has_store(&self) -> bool {
        self.0.store.is_some()
    }

    /// The fingerprint of its shape and content: see [`Plan::digest`].
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
        if let Some(live) = self.live().get(run.as_str())
            && let Some(output) = live.output()
        {
            return Ok(output);
        }
        self.supervise();
        Ok(self.output_of(self.reader(&run)?.load_with_facts(&run).await?))
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
        self.supervise();
        match self.stored() {
            Some(runs) => runs.list(filter).await,
            None => Ok(Vec::new()),
        }
    }

    /// Cancels a run, whoever drives it: this process, another, or nobody. `false` if there is
    /// nothing to cancel: it has ended, or there is none of that name.
    ///
    /// The run ends at once; see [`RunHandle::wait`] to wait for that.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cancel_run(&self, run: impl AsRef<str>) -> Result<bool, Error> {
        let run = RunId::new(run)?;
        if self.cancel_now(&run) {
            return Ok(true);
        }
        let Some(runs) = self.stored() else { return Ok(false) };
        match runs.load(&run).await {
            Ok(snapshot) if snapshot.status().is_terminal() => return Ok(false),
            // A run whose journal is damaged cannot be ended, which is said before anything is
            // changed.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        if !runs.request_cancel(&run).await? {
            return Ok(false);
        }
        match self.resume(&run).await {
            // Another driver has it, and has been told.
            Err(error) if matches!(error.kind(), ErrorKind::Store | ErrorKind::Usage) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(true),
            Err(error) => Err(error),
            Ok(output) => Ok(!output.is_terminal()),
        }
    }

    /// Cancels a run that this process drives, or is about to: for programs without async, and for
    /// handlers of signals. `false` if it drives none of that name.
    pub fn cancel_now(&self, run: impl AsRef<str>) -> bool {
        match self.live().get(run.as_ref()) {
            Some(known) if !known.status().is_terminal() => {
                known.cancel();
                true
            }
            _ => false,
        }
    }

    /// Takes up a run whose process died, or that waits and whose moment has come, where its
    /// journal ends: what its steps completed is recalled, and the rest is done. A run that has
    /// ended gives its output.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// # async fn step(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
    /// # let workflow = Workflow::builder("W").store(Memory::default()).step(step).build()?;
    /// # workflow.run("in").run_id("r-7").await?;
    /// let output = workflow.resume("r-7").await?;
    /// # assert!(output.is_terminal());
    /// # Ok(()) }
    /// ```
    pub fn resume(&self, run: impl AsRef<str>) -> Resume {
        Resume::new(self.clone(), run.as_ref(), Vec::new())
    }

    /// Answers what a run waits for, and carries it on until it ends or waits again. Each answer is
    /// for a requirement, by its name, or by the path of the step if that waits for one thing only.
    ///
    /// All are checked before any is given: one that does not fit, comes too late or comes twice is
    /// refused. See [`Workflow::resume`] for what else there is to say.
    pub fn continue_run<R: AsRef<str>>(
        &self,
        run: impl AsRef<str>,
        answers: impl IntoIterator<Item = (R, Answer)>,
    ) -> Resume {
        let answers = answers.into_iter();
        let answers = answers.map(|(key, answer)| (key.as_ref().to_owned(), answer)).collect();
        Resume::new(self.clone(), run.as_ref(), answers)
    }

    /// A handle to a run by its name, whoever drives it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none of that name.
    pub async fn handle(&self, run: impl AsRef<str>) -> Result<RunHandle, Error> {
        let run = RunId::new(run)?;
        self.supervise();
        if self.live().get(run.as_str()).is_none() {
            self.reader(&run)?.row(&run).await?;
        }
        Ok(RunHandle::new(self.clone(), run))
    }

    /// The events of a run from the fact numbered `from` on, as a stream that goes on until the run
    /// has ended: see [`Runs::follow`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name, or it is not remembered.
    pub async fn events(&self, run: impl AsRef<str>, from: u64) -> Result<Events, Error> {
        let run = RunId::new(run)?;
        self.supervise();
        self.reader(&run)?.follow(&run, from).await
    }

    /// Takes up what other processes have left behind: runs in the background whose process died,
    /// and runs whose moment has come. This happens by itself once the workflow has been asked for
    /// anything within a runtime; a program that only wants to carry on what was begun calls this.
    pub fn recover(&self) {
        self.supervise();
    }

    /// Drives runs in the background until `stop` is cancelled: those that the
    /// [dispatcher](crate::WorkflowBuilder::dispatcher) hands to this process, and those that other
    /// processes have left behind. What is under way then is dropped, and can be taken up.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if nothing remembers its runs. If the dispatcher fails.
    pub async fn serve(&self, stop: CancellationToken) -> Result<(), Error> {
        let Dispatching::Given(dispatcher) = &self.0.dispatching else {
            self.supervise();
            stop.cancelled().await;
            return Ok(());
        };
        if self.remembering().is_none() {
            let error = Error::usage("a workflow without a store has no runs to be served");
            return Err(error.with_hint("add one with `.store(…)`"));
        }
        let drive = Arc::new(Background(self.clone()));
        let serving = pin!(dispatcher.clone().serve(drive, self.0.limits, stop));
        let supervising = pin!(supervise(self.downgrade()));
        match select(serving, supervising).await {
            Either::Left((served, _)) => served.map_err(|error| {
                Error::new(ErrorKind::Store, "the dispatcher failed").with_source(error)
            }),
            Either::Right(_) => Ok(()),
        }
    }

    fn output_of(&self, snapshot: Snapshot) -> RunOutput {
        let (mut output, facts) = snapshot.into_parts();
        output.events = self.keeps_events().then_some(facts);
        self.without_skipped(output)
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
    pub fn sessions(&self) -> Sessions {
        Sessions::of(self.stored())
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
        self.0.live.here()
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

    /// What takes the place of this input, if another one does.
    pub(crate) fn prepare_input(&self, content: &Content) -> Result<Option<Content>, Error> {
        match &self.0.compiled.input {
            Some(check) => check(content).map_err(|why| {
                Error::usage(format!("the input does not fit workflow `{}`: {why}", self.name()))
            }),
            None => Ok(None),
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
            None if remembered || self.0.compiled.asks => {
                Some(self.0.memory.get_or_init(|| AnyStore::new(Memory::default())).clone())
            }
            None => None,
        }
    }

    pub(crate) fn remembering(&self) -> Option<&AnyStore> {
        self.0.store.as_ref().or_else(|| self.0.memory.get())
    }

    /// The runs and sessions that are remembered, if anything is.
    pub(crate) fn stored(&self) -> Option<Runs> {
        let store = self.remembering()?.clone();
        let (world, live, id) = (self.0.world.clone(), self.0.live.clone(), self.0.id.clone());
        Some(Runs::of_workflow(store, world, live, id, self.0.store.is_none()))
    }

    /// The runs that are remembered.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing is.
    pub(crate) fn reader(&self, run: &RunId) -> Result<Runs, Error> {
        self.stored().ok_or_else(|| not_found("run", run, self.0.store.is_none()))
    }

    pub(crate) fn of(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(inner: &Weak<Inner>) -> Option<Self> {
        inner.upgrade().map(Self)
    }

    pub(crate) fn driver_name(&self) -> &Arc<str> {
        self.0.driver.name()
    }

    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    /// Whether a driver is dead, or is this workflow and does not drive the run any more.
    pub(crate) fn is_gone(&self, driver: &str, run: &RunId) -> bool {
        if driver == &**self.driver_name() {
            return self.live().get(run.as_str()).is_none();
        }
        driver::is_dead(driver)
    }

    /// Sees to it that somebody looks after what others want of the runs in the store.
    pub(crate) fn supervise(&self) {
        if self.remembering().is_some() {
            self.0.supervisor.call(self);
        }
    }

    /// Sees to it that the store knows the plan, so that a change of it can be told later.
    pub(crate) async fn remember_plan(&self, store: &AnyStore) -> Result<(), StoreError> {
        if self.0.plan_known.load(Ordering::Acquire) {
            return Ok(());
        }
        let plan = serde_json::to_string(&self.0.compiled.plan).unwrap_or_default();
        store.remember_plan(&self.0.digest, &plan).await?;
        self.0.plan_known.store(true, Ordering::Release);
        Ok(())
    }

    /// Checks that a run may go on with this plan. Gives the digest of the plan if the run has gone
    /// on with another one so far, which must be recorded then.
    ///
    /// # Errors
    /// If it began with another plan, and the change is not accepted.
    pub(crate) async fn check_plan(
        &self,
        store: &AnyStore,
        past: &[Event],
        accept: bool,
    ) -> Result<Option<Arc<str>>, Error> {
        let Some(digest) = digest_of(past.iter()).filter(|digest| *digest != self.0.digest) else {
            return Ok(None);
        };
        let now = &self.0.compiled.plan;
        // A run of the time before plans had content is compared as it was then.
        if *digest != *now.without_content().digest() {
            let before = store.plan(&digest).await?;
            let before = before.and_then(|plan| serde_json::from_str::<Plan>(&plan).ok());
            difference(self.name(), before.as_ref(), now, past, accept)?;
        }
        self.remember_plan(store).await?;
        Ok(Some(self.0.digest.clone()))
    }

    /// Whether others drive its runs in the background.
    pub(crate) fn is_dispatched(&self) -> bool {
        matches!(self.0.dispatching, Dispatching::Given(_))
    }

    /// Hands a run to the dispatcher. The local one is started for the first one.
    pub(crate) async fn dispatch(&self, run: &RunId, at: Option<Timestamp>) -> Result<(), Error> {
        let failed = |error| {
            Error::new(ErrorKind::Store, "the run could not be handed to the dispatcher")
                .with_source(error)
        };
        let local = match &self.0.dispatching {
            Dispatching::Given(given) => return given.wake(run, at).await.map_err(failed),
            Dispatching::Local(local) => local.here(),
        };
        let dispatcher = {
            let mut kept = local.lock().unwrap_or_else(PoisonError::into_inner);
            // The runtime of the one before may have ended.
            match &*kept {
                Some(dispatcher) if !dispatcher.has_stopped() => dispatcher.clone(),
                _ => {
                    let local = Arc::new(LocalDispatcher::new(self.0.world.clone()));
                    let drive = Arc::new(Background(self.clone()));
                    let stop = CancellationToken::new();
                    tokio::spawn(local.clone().serve(drive, self.0.limits, stop));
                    kept.insert(local).clone()
                }
            }
        };
        dispatcher.wake(run, at).await.map_err(failed)
    }
}

/// The error of something that stopped before a run had begun.
pub(crate) fn stop_error(stop: &Stop) -> Error {
    match stop {
        Stop::Lost(error) => Error::from_store(error),
        Stop::Failed(failure) => Error::new(ErrorKind::Run, failure.error.message.clone()),
        Stop::Sibling | Stop::Cancelled(_) => Error::new(ErrorKind::Cancelled, "it was stopped"),
    }
}

/// Drives background runs.
struct Background(Workflow);

impl Drive for Background {
    fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven> {
        Box::pin(async move {
            match self.0.drive(run, TakeUp { leaves: true, ..TakeUp::default() }).await {
                Ok(output) if output.is_paused() => {
                    Driven::Parked { until: self.0.wakes_at(run, &output).await }
                }
                Err(error) if error.kind() == ErrorKind::Store => Driven::Lost,
                Err(error) if error.output().is_none() => {
                    self.0.supervisor().refuse(run, &error);
                    Driven::Done
                }
                _ => Driven::Done,
            }
        })
    }
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workflow").field(&self.name()).finish()
    }
}
