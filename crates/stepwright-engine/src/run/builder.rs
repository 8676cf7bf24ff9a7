//! Runs before they begin: a builder that is a future.

use super::IntoInput;
use super::driven::Driven;
use super::input::keep_media;
use super::runtime::{block_on_given, runtime};
use crate::gate::refuse_rules;
use crate::job::{Job, Left};
use crate::local::{Local, LocalRuns, Place};
use crate::outbox::Outbox;
use crate::owned::is_below;
use crate::recorder::Recording;
use crate::runner::Runner;
use crate::workflow::Workflow;
use serde_json::{Map, Value};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::event::{SessionUsed, WorkflowStarted};
use stepwright_core::executor::RunInput;
use stepwright_core::session::SessionMetrics;
use stepwright_core::state::State;
use stepwright_core::trace::TraceContext;
use stepwright_core::values::HostValues;
use stepwright_core::{
    AnyStore, BoxFuture, Error, ErrorId, IdError, Media, Patch, RunId, RunOutput, RunStatus,
    Session, SessionId, UserId, World,
};
use tokio_util::sync::CancellationToken;

/// A run before it begins. Await it for its output, make it a [`Run::stream`], put it into the
/// [`Run::background`], or wait for it with [`Run::blocking`].
///
/// ```
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let output = workflow.run("Ada").session_id("s-1").user_id("ada").await?;
/// println!("{} {} {}", output.content, output.run_id, output.status);
/// # assert_eq!(output.content.text(), "Hello Ada");
/// # Ok(()) }
/// ```
///
/// A run is a future, so it can be spawned, joined and selected on. Its options are set before it
/// is first polled. Dropping it cancels it.
///
/// ```
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let ada = tokio::spawn(workflow.run("Ada"));
/// let (ben, eva) = tokio::try_join!(workflow.run("Ben"), workflow.run("Eva"))?;
/// # assert_eq!(ben.content.text() + &*eva.content.text(), "Hello BenHello Eva");
/// println!("{}, {}, {}", ada.await??.content, ben.content, eva.content);
/// # Ok(()) }
/// ```
#[must_use = "a run does nothing until it is awaited, streamed, put into the background or \
              blocked on"]
pub struct Run {
    workflow: Workflow,
    stage: Stage,
}

enum Stage {
    Before(Setup),
    Driven(Driven),
    /// While it changes from one to the other.
    Between,
}

/// The options of a run that has not begun.
pub(super) struct Setup {
    pub(super) workflow: Workflow,
    // Boxed, so that the future of a run that waits does not keep space for them.
    options: Box<Options>,
    cancel: CancellationToken,
}

/// The panic message for an option that comes too late.
const BEGUN: &str = "the run has begun: its options are set before it is first polled";

struct Options {
    input: Result<RunInput, Error>,
    run_id: Option<Result<RunId, IdError>>,
    session_id: Option<Result<SessionId, IdError>>,
    user_id: Option<Result<UserId, IdError>>,
    /// The user of [`Workflow::as_user`], which no option can change.
    owner: Option<UserId>,
    session_state: State,
    metadata: Map<String, Value>,
    debug: bool,
    all_events: bool,
    timeout: Option<Duration>,
    values: HostValues,
    trace: Option<TraceContext>,
}

impl Options {
    fn user(&self) -> Result<Option<UserId>, Error> {
        let given = self.user_id.clone().transpose()?;
        match (&self.owner, given) {
            (Some(owner), Some(given)) if *owner != given => {
                let what = format!("a run of user `{owner}` cannot be begun as user `{given}`");
                let error = Error::usage(what).with_id(ErrorId::USER_REFUSED);
                Err(error.with_hint("leave out `user_id`: `as_user` says who it is"))
            }
            (owner, given) => Ok(owner.clone().or(given)),
        }
    }

    /// Returns the id that was chosen for the run. A user chooses it below their own name: the
    /// error for any other id is the same, whether there is a run of that id or not.
    fn run(&self) -> Result<Option<RunId>, Error> {
        let run = self.run_id.clone().transpose()?;
        if let (Some(run), Some(owner)) = (&run, &self.owner)
            && !is_below(run.as_str(), owner)
        {
            let what = format!("user `{owner}` cannot choose the run id `{run}`");
            let hint = format!("begin it with `{owner}:`, or leave it out");
            return Err(Error::usage(what).with_id(ErrorId::USER_REFUSED).with_hint(hint));
        }
        Ok(run)
    }
}

impl Run {
    pub(crate) fn new(workflow: Workflow, input: impl IntoInput) -> Self {
        let options = Box::new(Options {
            input: input.into_input(),
            run_id: None,
            session_id: None,
            user_id: None,
            owner: None,
            session_state: State::new(),
            metadata: Map::new(),
            debug: workflow.definition().debug,
            all_events: false,
            timeout: None,
            values: HostValues::default(),
            trace: None,
        });
        let setup = Setup { workflow: workflow.clone(), options, cancel: CancellationToken::new() };
        Self { workflow, stage: Stage::Before(setup) }
    }

    fn options(&mut self) -> &mut Options {
        match &mut self.stage {
            Stage::Before(setup) => &mut setup.options,
            _ => panic!("{BEGUN}"),
        }
    }

    pub(super) fn into_setup(self) -> Setup {
        match self.stage {
            Stage::Before(setup) => setup,
            _ => panic!("{BEGUN}"),
        }
    }

    /// Returns the workflow.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// Sets the session that the run continues. A new session is created if there is none with this
    /// id. Without this, the run gets a session of its own.
    pub fn session_id(mut self, session: impl AsRef<str>) -> Self {
        self.options().session_id = Some(SessionId::new(session));
        self
    }

    /// Sets the user of the run. A session of another user is not found.
    pub fn user_id(mut self, user: impl AsRef<str>) -> Self {
        self.options().user_id = Some(UserId::new(user));
        self
    }

    /// Begins the run as this user, in a new session or one of the user's own.
    pub(crate) fn owned_by(mut self, user: &UserId) -> Self {
        self.options().owner = Some(user.clone());
        self
    }

    /// Sets the run's id, which must be new. Without this, the run gets a generated id. A run of
    /// [`Workflow::as_user`] takes only ids below the user's name: `ben:17` for the user `ben`.
    pub fn run_id(mut self, run: impl AsRef<str>) -> Self {
        self.options().run_id = Some(RunId::new(run));
        self
    }

    /// Sets members of the session state when the run begins.
    pub fn session_state(mut self, state: Map<String, Value>) -> Self {
        self.options().session_state = state;
        self
    }

    /// Sets data that is stored with the run: see [`RunOutput::metadata`].
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options().metadata = metadata;
        self
    }

    /// Sets data for the steps, which find it in `StepInput::run`.
    pub fn additional_data(mut self, data: Map<String, Value>) -> Self {
        if let Ok(input) = &mut self.options().input {
            input.additional_data = data;
        }
        self
    }

    /// Adds a value of the host program for this run, such as the request that it serves. Steps,
    /// deciders and tools take it as an argument of type [`State`](stepwright_core::State). It
    /// takes precedence over a value of the same type that the workflow has:
    /// [`WorkflowBuilder::state`](crate::WorkflowBuilder::state) has an example.
    ///
    /// The value is not recorded. This process keeps it while the run waits; another process that
    /// resumes the run brings its own, with [`Resume::state`](super::Resume::state). So a run that
    /// a dispatcher may hand to another process cannot have one.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.options().values.set(value);
        self
    }

    /// Sets the trace that the run continues, such as that of the request that the program answers.
    /// Every process that drives the run goes on with it. Without this, the run has a trace of its
    /// own.
    ///
    /// ```
    /// use stepwright_core::trace::TraceContext;
    /// # use stepwright_engine::Workflow;
    /// # use stepwright_core::{StepContext, StepInput};
    /// async fn whose(_: StepInput, cx: StepContext) -> String {
    ///     cx.trace_context().trace_id().to_string()
    /// }
    /// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let workflow = Workflow::builder("Traced").step(whose).build()?;
    /// let run = workflow.run("hi").trace_context(TraceContext::parse(header, None).unwrap());
    /// assert_eq!(run.blocking()?.content.text(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn trace_context(mut self, context: TraceContext) -> Self {
        self.options().trace = Some(context);
        self
    }

    /// Adds images, for steps that can see them. [`Parts`](super::Parts) has an example of media.
    pub fn images(self, images: impl IntoIterator<Item = Media>) -> Self {
        self.media(images)
    }

    /// Adds videos, for steps that can watch them.
    pub fn videos(self, videos: impl IntoIterator<Item = Media>) -> Self {
        self.media(videos)
    }

    /// Adds audio, for steps that can listen to it.
    pub fn audio(self, audio: impl IntoIterator<Item = Media>) -> Self {
        self.media(audio)
    }

    /// Adds files, for steps that can read them.
    pub fn files(self, files: impl IntoIterator<Item = Media>) -> Self {
        self.media(files)
    }

    /// Adds media of any kind to the input.
    pub fn media(mut self, media: impl IntoIterator<Item = Media>) -> Self {
        if let Ok(input) = &mut self.options().input {
            input.media.extend(media);
        }
        self
    }

    /// Sets the timeout of the run, in place of the workflow's own. A run that takes longer fails.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options().timeout = Some(timeout);
        self
    }

    /// Logs every prompt, call, answer, decision and change of the state through `tracing`, at
    /// level `DEBUG` and with the target `stepwright`. Secrets are redacted as far as they are
    /// recognised: see [`redact`](stepwright_core::redact::redact).
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.options().debug = debug;
        self
    }

    /// Sets whether a stream has all events. By default, as in Agno, it has only the beginning of
    /// the run, the events with content, the requests to people, pauses, and the end.
    pub fn stream_events(mut self, all: bool) -> Self {
        self.options().all_events = all;
        self
    }

    /// Drives the run to its end on this thread, for programs without async. [`Workflow`] has an
    /// example.
    ///
    /// # Errors
    /// The errors of awaiting the run. An error if the caller is async code, which this would
    /// block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        runtime()?.block_on(self)
    }

    /// Drives the run to its end like [`Run::blocking`], on a runtime of yours. `block_on` drives
    /// the work that it is given to its end, as the `block_on` of a runtime does.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// let output = workflow.run("Ada").blocking_on(|work| runtime.block_on(work))?;
    /// assert_eq!(output.content.text(), "Hello Ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of awaiting the run. An error if `block_on` returns before the work has ended.
    pub fn blocking_on(self, block_on: impl FnOnce(BoxFuture<'_, ()>)) -> Result<RunOutput, Error> {
        block_on_given(block_on, self)
    }
}

impl Setup {
    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn wants_all_events(&self) -> bool {
        self.options.all_events
    }

    /// Returns `true` if the events may be those of another run, which gets the input.
    pub(super) fn may_join(&self) -> bool {
        let on_busy = self.workflow.definition().limits.on_busy;
        on_busy.is_some_and(|on_busy| on_busy.sends().is_some())
    }

    /// Returns the id that was chosen for the run, if it is one.
    pub(super) fn chosen_run_id(&self) -> Option<RunId> {
        self.options.run_id.clone()?.ok()
    }

    pub(super) fn world(&self) -> World {
        self.workflow.runner().world.clone()
    }

    /// Drives the run to its end in the calling task.
    pub(super) async fn drive(self, outbox: Option<Arc<Outbox>>) -> Result<RunOutput, Error> {
        let has_values = !self.options.values.is_empty();
        let mut prepared = self.prepare(outbox.clone(), false).await?;
        if prepared.is_limited()
            && let Some(joined) = Box::pin(prepared.admit_or_join(outbox.clone())).await?
        {
            return joined;
        }
        if let (Some(outbox), Some(store)) = (&outbox, prepared.job.recorder.store()) {
            outbox.begins_at(0);
            outbox.found_in(store.clone(), prepared.run.clone());
        }
        let Prepared { job, workflow, place, .. } = prepared;
        let mut guard = AbandonGuard(Some(job.left()));
        let driven = job.drive().await;
        guard.0 = None;
        driven?;
        if job.recorder.status() == RunStatus::Paused {
            // Boxed, because every run would keep the space, and few pause.
            return Box::pin(paused(workflow.runner(), place, job.output()?)).await;
        }
        if has_values {
            return workflow.runner().finished(job.output());
        }
        let mut answer = job.output();
        workflow.runner().leave_out_skipped(&mut answer);
        answer
    }

    pub(super) async fn prepare(
        mut self,
        outbox: Option<Arc<Outbox>>,
        remembered: bool,
    ) -> Result<Prepared, Error> {
        let workflow = self.workflow.clone();
        // Looked for once, because each time takes a system call.
        let local = workflow.runner().local();
        local.check_open()?;
        let named = self.options.session_id.is_some();
        let limits = &self.workflow.definition().limits;
        let store = self.workflow.runner().store_for(remembered || named || !limits.is_empty());
        let session = match &store {
            // Boxed, because a run that waits no longer needs most of its locals.
            Some(store) => Box::pin(self.look_up(store)).await?,
            None => None,
        };
        let definition = self.workflow.definition();
        if let Ok(input) = &mut self.options.input
            && definition.prepares_input()
        {
            // Boxed for the same reason.
            Box::pin(definition.prepare_input(input)).await?;
        }
        self.assemble(local, outbox, store, session, remembered)
    }

    /// Checks that the run's id is free, and finds its session.
    async fn look_up(&self, store: &AnyStore) -> Result<Option<Session>, Error> {
        if store.is_shared() {
            self.workflow.runner().supervise();
        }
        self.workflow.runner().remember_plan(store).await?;
        let options = &self.options;
        let (run, user) = (options.run()?, options.user()?);
        if let Some(run) = run
            && store.run(&run).await?.is_some()
        {
            return Err(taken(&run));
        }
        match options.session_id.clone().transpose()? {
            Some(session) => {
                let found = find_session(store, &session, user.as_ref()).await;
                let Some(owner) = &options.owner else { return found };
                match found {
                    Ok(Some(found)) if found.user_id.as_ref() == Some(owner) => Ok(Some(found)),
                    Ok(None) if is_below(session.as_str(), owner) => Ok(None),
                    Err(error) if error.kind() != stepwright_core::ErrorKind::NotFound => {
                        Err(error)
                    }
                    // A free name gets the error of a session of another user, or of no user.
                    _ => Err(no_session(&session).with_hint(format!(
                        "begin the id of a new session with `{owner}:`, or leave it out"
                    ))),
                }
            }
            None => Ok(None),
        }
    }

    fn assemble(
        self,
        local: &LocalRuns,
        outbox: Option<Arc<Outbox>>,
        store: Option<AnyStore>,
        session: Option<Session>,
        background: bool,
    ) -> Result<Prepared, Error> {
        let Self { workflow, options, cancel } = self;
        let (user_id, chosen) = (options.user()?, options.run()?);
        let mut input = options.input?;
        keep_media(&mut input, store.as_ref())?;
        workflow.definition().check_media(&input)?;
        let (runner, definition) = (workflow.runner(), workflow.definition());
        let world = &runner.world;
        let (process, now) = (local.process(world), world.now());
        let run = chosen.unwrap_or_else(|| world.run_id_in(process, now));
        let session_id = options.session_id.transpose()?;
        let session_id = session_id.unwrap_or_else(|| world.session_id_in(process, now));
        let session_used = definition.gate.session.is_some().then(|| {
            session.as_ref().map(|session| session_used(&session.metrics)).unwrap_or_default()
        });
        let (mut state, version) = session.map(|s| (s.state, s.version)).unwrap_or_default();
        let mut patches = Vec::new();
        if version == 0 {
            // No run has changed the state yet: the session is new, or its runs have failed. By
            // the end of this run another one may have.
            let first = definition.state.iter().filter(|(key, _)| !state.contains_key(*key));
            patches.extend(first.map(|(key, value)| Patch::init(key, value.clone())));
        }
        let given = options.session_state.iter();
        patches.extend(given.map(|(key, value)| Patch::set(key, value.clone())));
        refuse_rules(&patches)?;
        for patch in &patches {
            patch.apply(&mut state).map_err(|error| {
                Error::usage(error.to_string()).with_id(ErrorId::STATE_CHANGE_INVALID)
            })?;
        }
        let timeout = options.timeout.or(definition.timeout);
        let started = Arc::new(WorkflowStarted {
            workflow_id: definition.id.clone(),
            workflow_name: definition.name.clone(),
            digest: definition.digest.clone(),
            session_id,
            user_id,
            input: Arc::new(input),
            state: shared(state),
            patches,
            metadata: options.metadata,
            debug: options.debug,
            timeout_ms: timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
            background,
            session_used,
            trace: options.trace,
        });
        // A run for a dispatcher has no driver until a driver claims it.
        let dispatched = background && runner.is_dispatched();
        let driver = store.as_ref().filter(|_| !dispatched);
        let driver = driver.map(|_| runner.driver_name().clone());
        let recording = Recording {
            run: run.clone(),
            world: world.clone(),
            store,
            cancelled: cancel,
            outbox,
            keep_events: definition.keeps_events(),
            debug: options.debug,
            driver,
            interrupted: None,
            now: Some(now),
            gate: definition.gate.clone(),
            observer: runner.observer.clone(),
            before_append: runner.before_append.clone(),
        };
        let mut job = Job::new(definition.compiled.clone(), started, recording, &[])?;
        if !options.values.is_empty() {
            if dispatched {
                return Err(state_of_dispatched());
            }
            job.add_values(options.values.clone());
        }
        let recorder = job.recorder.clone();
        let entry = if background { Local::queued(recorder) } else { Local::awaited(recorder) };
        let place = local.register(&run, entry).ok_or_else(|| taken(&run))?;
        local.keep_values(&run, &options.values);
        Ok(Prepared { job, run, workflow, place })
    }
}

/// Returns the consumption of the earlier runs of a session.
pub(super) fn session_used(metrics: &SessionMetrics) -> SessionUsed {
    let SessionMetrics { usage, cost, model_calls, tool_calls, duration_ms, .. } = *metrics;
    SessionUsed {
        tokens: usage.total_tokens(),
        cost,
        model_calls,
        tool_calls,
        time_ms: duration_ms,
    }
}

/// Shares one empty state, because most runs have none.
fn shared(state: State) -> Arc<State> {
    static EMPTY: LazyLock<Arc<State>> = LazyLock::new(Arc::default);
    if state.is_empty() { EMPTY.clone() } else { Arc::new(state) }
}

/// Makes the error of a value for a run that other processes may drive.
pub(super) fn state_of_dispatched() -> Error {
    Error::usage("a run that a dispatcher hands out has no `state` of its own")
        .with_id(ErrorId::BACKGROUND_UNSUPPORTED)
        .with_hint("set it on the workflow, in each process that serves it")
}

pub(super) fn taken(run: &RunId) -> Error {
    Error::usage(format!("there is a run `{run}` already"))
        .with_id(ErrorId::RUN_ID_TAKEN)
        .with_hint("give each run a name of its own, or none")
}

/// Returns the error of a run that could not begin. Another process may have begun one of the same
/// id since that was free.
pub(super) fn taken_meanwhile(run: &RunId, error: Error) -> Error {
    if error.id() == ErrorId::FACT_TAKEN { taken(run) } else { error }
}

/// Returns the session, if it exists and the user may use it.
pub(crate) async fn find_session(
    store: &AnyStore,
    session: &SessionId,
    user: Option<&UserId>,
) -> Result<Option<Session>, Error> {
    match store.session(session).await? {
        Some(found) if !found.belongs_to(user) => Err(no_session(session)),
        found => Ok(found),
    }
}

pub(super) fn no_session(session: &SessionId) -> Error {
    let what = format!("session `{session}` was not found");
    Error::new(stepwright_core::ErrorKind::NotFound, what).with_id(ErrorId::SESSION_NOT_FOUND)
}

pub(super) struct Prepared {
    pub(super) job: Job,
    pub(super) run: RunId,
    pub(super) workflow: Workflow,
    pub(super) place: Place,
}

/// Schedules a paused run to go on by itself when its deadline passes, and returns its output.
async fn paused(runner: &Arc<Runner>, place: Place, output: RunOutput) -> Result<RunOutput, Error> {
    // Leave the registry first: the next driver registers the run again.
    drop(place);
    runner.wake_later(&output.run_id, &output).await;
    runner.finished(Ok(output))
}

/// Cancels a run whose future is dropped before the run has ended.
struct AbandonGuard(Option<Left>);

impl Drop for AbandonGuard {
    fn drop(&mut self) {
        if let Some(left) = self.0.take() {
            left.abandon();
        }
    }
}

impl Future for Run {
    type Output = Result<RunOutput, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.stage, Stage::Before(_))
            && let Stage::Before(setup) = std::mem::replace(&mut self.stage, Stage::Between)
        {
            self.stage = Stage::Driven(Driven::new(setup.drive(None)));
        }
        match &mut self.stage {
            Stage::Driven(driven) => driven.poll(cx),
            _ => unreachable!("it is driven since it was first polled"),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("workflow", &self.workflow.name()).finish_non_exhaustive()
    }
}
