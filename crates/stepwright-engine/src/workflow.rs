//! A validated workflow definition and the operations on it.

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

/// A named, validated definition. It is cheap to clone, no run changes it, and any number of its
/// runs may be under way at once.
///
/// The methods of a workflow see the runs and sessions of all users: they are for the owner of the
/// process. In a server that acts for users, use [`Workflow::as_user`].
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
    /// Holds sessions and background runs if the workflow has no store.
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
    /// `true` once the store has the plan.
    pub(crate) plan_known: AtomicBool,
}

pub(crate) type EventsToSkip = Vec<String>;

/// The dispatcher of background runs.
pub(crate) enum Dispatching {
    /// The local one, which starts with the first background run.
    Local(PerProcess<Mutex<Option<Arc<LocalDispatcher>>>>),
    /// A given one: runs are driven in the processes that call [`Workflow::serve`].
    Given(Arc<dyn Dispatcher>),
}

impl Workflow {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the workflow's id.
    pub fn id(&self) -> &WorkflowId {
        &self.0.id
    }

    /// Returns the description, if there is one.
    pub fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Returns the plan: the shape of the workflow as data.
    pub fn plan(&self) -> &Plan {
        &self.0.compiled.plan
    }

    /// Returns `true` if the workflow has a store, so that its runs outlive this process: see
    /// [`WorkflowBuilder::store`](crate::WorkflowBuilder::store).
    pub fn has_store(&self) -> bool {
        self.0.store.is_some()
    }

    /// Returns the fingerprint of the plan's shape and content: see [`Plan::digest`].
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Prepares a run with an input: a text, any value that can be written as JSON, or
    /// [`Parts`](crate::Parts). Await the run, stream it, put it into the background or block on
    /// it: see [`Run`].
    #[doc(alias = "arun")]
    pub fn run(&self, input: impl IntoInput) -> Run {
        Run::new(self.clone(), input)
    }

    // --- runs ---

    /// Returns the output of a run so far: from this process if it drives the run, otherwise from
    /// the store.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name.
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

    /// Returns the output of the newest run of this workflow, whatever its status.
    pub async fn get_last_run_output(&self) -> Result<Option<RunOutput>, Error> {
        let newest = RunFilter { limit: 1, ..RunFilter::default() };
        match self.runs(newest).await?.first() {
            Some(row) => self.get_run(&row.run_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lists runs of this workflow, the newest first.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use stepwright_core::{Memory, RunStatus, store::RunFilter};
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Greeting").store(Memory::default()).step(greet).build()?;
    /// workflow.run("Ada").run_id("r-1").await?;
    /// let completed = RunFilter { status: Some(RunStatus::Completed), ..RunFilter::default() };
    /// assert_eq!(workflow.runs(completed).await?[0].run_id.as_str(), "r-1");
    /// # Ok(()) }
    /// ```
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, Error> {
        self.supervise();
        match self.stored() {
            Some(runs) => runs.list(filter).await,
            None => Ok(Vec::new()),
        }
    }

    /// Cancels a run, in whichever process it is driven, and also if no process drives it. Returns
    /// `false` if there is nothing to cancel: the run has ended, or there is none of that name.
    ///
    /// This call may return before the run has ended: to wait for that, see [`RunHandle::wait`].
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
            // A damaged journal cannot be ended. Report it before anything changes.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        if !runs.request_cancel(&run).await? {
            return Ok(false);
        }
        match self.resume(&run).await {
            // Another driver has the run, and the request is in its inbox.
            Err(error) if matches!(error.kind(), ErrorKind::Store | ErrorKind::Usage) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(true),
            Err(error) => Err(error),
            Ok(output) => Ok(!output.is_terminal()),
        }
    }

    /// Cancels a run that this process drives or is about to drive. For code without async, such as
    /// a handler for Ctrl-C. Returns `false` if this process does not drive it.
    pub fn cancel_now(&self, run: impl AsRef<str>) -> bool {
        match self.live().get(run.as_ref()) {
            Some(known) if !known.status().is_terminal() => {
                known.cancel();
                true
            }
            _ => false,
        }
    }

    /// Resumes a run at the end of its journal: one whose process died, or a paused one whose time
    /// has come. Completed steps are replayed from the journal, and the rest is executed. A run
    /// that has ended is not driven again: you get its output, or its error.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// # async fn step(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let workflow = Workflow::builder("W").store(Memory::default()).step(step).build()?;
    /// # workflow.run("in").run_id("r-7").await?;
    /// let output = workflow.resume("r-7").await?;
    /// # assert!(output.is_terminal());
    /// # Ok(()) }
    /// ```
    pub fn resume(&self, run: impl AsRef<str>) -> Resume {
        Resume::new(self.clone(), run.as_ref(), Vec::new())
    }

    /// Answers pending requests of a run, and drives the run until it ends or pauses again. Each
    /// answer names a pending request by its id, or by the path of its step if that step has only
    /// one.
    ///
    /// All answers are checked before any takes effect. An answer is refused if it does not fit its
    /// request, comes too late, or differs from an earlier answer to the same request. [`Resume`]
    /// has an example, and more options.
    pub fn continue_run<R: AsRef<str>>(
        &self,
        run: impl AsRef<str>,
        answers: impl IntoIterator<Item = (R, Answer)>,
    ) -> Resume {
        let answers = answers.into_iter();
        let answers = answers.map(|(key, answer)| (key.as_ref().to_owned(), answer)).collect();
        Resume::new(self.clone(), run.as_ref(), answers)
    }

    /// Returns a handle to a run, in whichever process the run is driven.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name.
    pub async fn handle(&self, run: impl AsRef<str>) -> Result<RunHandle, Error> {
        let run = RunId::new(run)?;
        self.supervise();
        if self.live().get(run.as_str()).is_none() {
            self.reader(&run)?.row(&run).await?;
        }
        Ok(RunHandle::new(self.clone(), run))
    }

    /// Returns the events of a run from the fact with sequence number `from` on. The stream goes on
    /// until the run has ended: see [`Runs::follow`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name, or the run is not stored.
    pub async fn events(&self, run: impl AsRef<str>, from: u64) -> Result<Events, Error> {
        let run = RunId::new(run)?;
        self.supervise();
        self.reader(&run)?.follow(&run, from).await
    }

    /// Resumes runs that other processes left behind: background runs whose process died, and
    /// paused runs whose time has come. Most methods start this when they are called within a Tokio
    /// runtime. Call it in a program that only resumes runs and starts none.
    pub fn recover(&self) {
        self.supervise();
    }

    /// Drives runs in the background until `stop` is cancelled: runs that the
    /// [dispatcher](crate::WorkflowBuilder::dispatcher) hands to this process, and runs that other
    /// processes left behind. The dispatcher decides about runs that are still under way then:
    /// [`LocalDispatcher`] drops them, which cancels them.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the workflow has a dispatcher and no store. [`ErrorKind::Store`] if
    /// the dispatcher fails.
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

    /// Returns a session, of any user. For the sessions of one user, see [`Sessions::of_user`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no session of that name.
    pub async fn get_session(&self, session: impl AsRef<str>) -> Result<Session, Error> {
        self.sessions().get(session).await
    }

    /// Returns the state of a session: see [`Workflow::get_session`].
    pub async fn get_session_state(&self, session: impl AsRef<str>) -> Result<State, Error> {
        Ok(self.get_session(session).await?.state)
    }

    /// Returns the metrics of all runs of a session: see [`Workflow::get_session`].
    pub async fn get_session_metrics(
        &self,
        session: impl AsRef<str>,
    ) -> Result<SessionMetrics, Error> {
        Ok(self.get_session(session).await?.metrics)
    }

    /// Returns the sessions of this workflow, to find, list, rename, change and delete them.
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

    /// Checks an input. Returns the content that replaces it, if the check completes the input.
    pub(crate) async fn prepare_input(&self, content: &Content) -> Result<Option<Content>, Error> {
        match &self.0.compiled.input {
            Some(check) => check(content.clone()).await.map_err(|why| {
                Error::usage(format!("the input does not fit workflow `{}`: {why}", self.name()))
            }),
            None => Ok(None),
        }
    }

    pub(crate) fn with_events(&self, answer: Result<RunOutput, Error>) -> Result<RunOutput, Error> {
        answer.map(|output| self.without_skipped(output))
    }

    /// Returns the store of a run: the workflow's own, or the memory of this process if the run
    /// must be `remembered` or asks people, or none.
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

    /// Returns the stored runs and sessions. `None` if the workflow has no store and nothing has
    /// been kept in memory yet.
    pub(crate) fn stored(&self) -> Option<Runs> {
        let store = self.remembering()?.clone();
        let (world, live, id) = (self.0.world.clone(), self.0.live.clone(), self.0.id.clone());
        Some(Runs::of_workflow(store, world, live, id, self.0.store.is_none()))
    }

    /// Returns the stored runs.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the workflow has no store and nothing has been kept in memory
    /// yet.
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

    /// Returns `true` if a driver is dead, or is this workflow and no longer drives the run.
    pub(crate) fn is_gone(&self, driver: &str, run: &RunId) -> bool {
        if driver == &**self.driver_name() {
            return self.live().get(run.as_str()).is_none();
        }
        driver::is_dead(driver)
    }

    /// Starts the supervisor unless it runs already or there is no store to watch.
    pub(crate) fn supervise(&self) {
        if self.remembering().is_some() {
            self.0.supervisor.call(self);
        }
    }

    /// Writes the plan to the store, so that a later run can show how the definition changed.
    pub(crate) async fn remember_plan(&self, store: &AnyStore) -> Result<(), StoreError> {
        if self.0.plan_known.load(Ordering::Acquire) {
            return Ok(());
        }
        let plan = serde_json::to_string(&self.0.compiled.plan).unwrap_or_default();
        store.remember_plan(&self.0.digest, &plan).await?;
        self.0.plan_known.store(true, Ordering::Release);
        Ok(())
    }

    /// Checks that a run may go on with this plan. Returns the digest of this plan if the run used
    /// another one so far: the change must be recorded.
    ///
    /// # Errors
    /// If the run used another plan, and the change is not accepted.
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
        // Runs that began before plans had content are compared without it.
        if *digest != *now.without_content().digest() {
            let before = store.plan(&digest).await?;
            let before = before.and_then(|plan| serde_json::from_str::<Plan>(&plan).ok());
            difference(self.name(), before.as_ref(), now, past, accept)?;
        }
        self.remember_plan(store).await?;
        Ok(Some(self.0.digest.clone()))
    }

    /// Returns `true` if a dispatcher was given, so that other processes may drive its background
    /// runs.
    pub(crate) fn is_dispatched(&self) -> bool {
        matches!(self.0.dispatching, Dispatching::Given(_))
    }

    /// Hands a run to the dispatcher. The local dispatcher starts with the first run.
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
            // An earlier dispatcher is of no use if its runtime has ended.
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

/// Makes the error of work that stopped before its run began.
pub(crate) fn stop_error(stop: &Stop) -> Error {
    match stop {
        Stop::Lost(error) => Error::from_store(error),
        Stop::Failed(failure) => Error::new(ErrorKind::Run, failure.error.message.clone()),
        Stop::Sibling | Stop::Cancelled(_) => Error::new(ErrorKind::Cancelled, "it was stopped"),
    }
}

/// Drives background runs for a dispatcher.
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
