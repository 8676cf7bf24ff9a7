//! A run before it begins: a builder that is a future.

use super::blocking::runtime;
use super::live::Registration;
use super::{IntoInput, Known, Live, Outbox, RunHandle, RunStream};
use crate::drive::Job;
use crate::recorder::{Recorder, Recording};
use crate::workflow::Workflow;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::executor::RunInput;
use stepwright_core::state::State;
use stepwright_core::{
    AnyStore, Error, IdError, Media, Patch, RunId, RunOutput, Session, SessionId, UserId,
};
use tokio_util::sync::CancellationToken;

/// A run before it begins. Await it for its output, or make it a [`Run::stream`], put it into the
/// [`Run::background`], or wait for it with [`Run::blocking`].
///
/// ```
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let output = workflow.run("Ada").session_id("s-1").user_id("ada").await?;
/// println!("{} {} {}", output.content, output.run_id, output.status);
/// # assert_eq!(output.content.text(), "Hello Ada");
/// # Ok(()) }
/// ```
#[must_use = "a run does nothing until it is awaited, streamed, put into the background or \
              blocked on"]
pub struct Run {
    workflow: Workflow,
    // Boxed, so that the future of a run that waits does not keep room for them.
    options: Box<Options>,
    cancel: CancellationToken,
}

struct Options {
    input: Result<RunInput, Error>,
    run_id: Option<Result<RunId, IdError>>,
    session_id: Option<Result<SessionId, IdError>>,
    user_id: Option<Result<UserId, IdError>>,
    /// The user as whom it was begun, who can be no other.
    owner: Option<UserId>,
    session_state: State,
    metadata: Map<String, Value>,
    debug: bool,
    all_events: bool,
    timeout: Option<Duration>,
}

impl Options {
    fn user(&self) -> Result<Option<UserId>, Error> {
        let given = self.user_id.clone().transpose()?;
        match (&self.owner, given) {
            (Some(owner), Some(given)) if *owner != given => {
                let what = format!("a run of user `{owner}` cannot be begun as user `{given}`");
                Err(Error::usage(what).with_hint("leave out `user_id`: `as_user` says who it is"))
            }
            (owner, given) => Ok(owner.clone().or(given)),
        }
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
            debug: workflow.debug_mode(),
            all_events: false,
            timeout: None,
        });
        Self { workflow, options, cancel: CancellationToken::new() }
    }

    /// What is run.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The session to continue; one that is not known is opened. Without it, the run has a session
    /// of its own.
    pub fn session_id(mut self, session: impl AsRef<str>) -> Self {
        self.options.session_id = Some(SessionId::new(session));
        self
    }

    /// Who runs it. A session that another user owns is not found.
    pub fn user_id(mut self, user: impl AsRef<str>) -> Self {
        self.options.user_id = Some(UserId::new(user));
        self
    }

    /// Begins it as this user, in a session that is the user's own, or new.
    pub(crate) fn owned_by(mut self, user: &UserId) -> Self {
        self.options.owner = Some(user.clone());
        self
    }

    /// What to call the run. Each run needs a name of its own; without this it gets one.
    pub fn run_id(mut self, run: impl AsRef<str>) -> Self {
        self.options.run_id = Some(RunId::new(run));
        self
    }

    /// Changes of the session state that the run begins with: each member is set.
    pub fn session_state(mut self, state: Map<String, Value>) -> Self {
        self.options.session_state = state;
        self
    }

    /// Whatever you want to find again beside the run. It is in [`RunOutput::metadata`].
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options.metadata = metadata;
        self
    }

    /// Anything else that steps may want to know: they find it in `StepInput::run`.
    pub fn additional_data(mut self, data: Map<String, Value>) -> Self {
        if let Ok(input) = &mut self.options.input {
            input.additional_data = data;
        }
        self
    }

    /// Pictures, for steps that look at them.
    pub fn images(self, images: impl IntoIterator<Item = Media>) -> Self {
        self.media(images)
    }

    /// Moving pictures, for steps that look at them.
    pub fn videos(self, videos: impl IntoIterator<Item = Media>) -> Self {
        self.media(videos)
    }

    /// Sounds, for steps that listen to them.
    pub fn audio(self, audio: impl IntoIterator<Item = Media>) -> Self {
        self.media(audio)
    }

    /// Files, for steps that read them.
    pub fn files(self, files: impl IntoIterator<Item = Media>) -> Self {
        self.media(files)
    }

    fn media(mut self, media: impl IntoIterator<Item = Media>) -> Self {
        if let Ok(input) = &mut self.options.input {
            input.media.extend(media);
        }
        self
    }

    /// How long the run may take, instead of what its workflow says. One that takes longer fails.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Logs every prompt, call, answer, decision and change of the state through `tracing`, at
    /// level `DEBUG` and with the target `stepwright`. What looks like a secret is left out: see
    /// [`redact`](stepwright_core::redact::redact).
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.options.debug = debug;
        self
    }

    /// Whether a stream has all events, or only how the run begins, what there is to read, and how
    /// it ends. By default only that, as in Agno.
    pub fn stream_events(mut self, all: bool) -> Self {
        self.options.all_events = all;
        self
    }

    /// The events of the run, as they happen. It begins when the stream is first polled; dropping
    /// the stream cancels it.
    pub fn stream(self) -> RunStream {
        RunStream::new(self)
    }

    /// Begins the run in the background, and gives a handle to it at once. The run does not depend
    /// on the handle; it depends on this process, unless its workflow has a store and another
    /// process takes it up.
    ///
    /// # Errors
    /// If the run cannot be begun.
    pub async fn background(self) -> Result<RunHandle, Error> {
        let workflow = self.workflow.clone();
        if workflow.is_dispatched() {
            return self.dispatched().await;
        }
        let Prepared { job, run, registration, .. } = self.prepare(None, true).await?;
        workflow.supervise();
        let recorder = job.recorder.clone();
        let live = Arc::new(Live::of(recorder.cancel_token().clone(), Some(recorder)));
        workflow.live().replace(&run, Known::Background(live));
        job.begin_for_others().await?;
        workflow.dispatch(&run, None).await?;
        registration.hand_on();
        Ok(RunHandle::new(workflow, run))
    }

    /// Begins the run, and leaves it to whoever is told of it by the dispatcher.
    async fn dispatched(self) -> Result<RunHandle, Error> {
        let Prepared { job, run, workflow, registration } = self.prepare(None, true).await?;
        job.begin_for_others().await?;
        // From here on any process may take it up, this one too.
        drop(registration);
        workflow.supervise();
        if let Err(error) = workflow.dispatch(&run, None).await {
            // It has begun, and whoever attends to the workflow tells the dispatcher again.
            tracing::warn!(target: "stepwright", %run, "{}", error.report());
        }
        Ok(RunHandle::new(workflow, run))
    }

    /// Runs to the end on this thread: for programs without async.
    ///
    /// # Errors
    /// As awaiting the run; and if it is called inside of async code, which it would block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        runtime()?.block_on(self.drive(None))
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn wants_all_events(&self) -> bool {
        self.options.all_events
    }

    /// Drives the run to its end, here and now.
    pub(super) async fn drive(self, outbox: Option<Arc<Outbox>>) -> Result<RunOutput, Error> {
        let Prepared { job, workflow, registration, .. } = self.prepare(outbox, false).await?;
        let mut guard = AbandonGuard(Some(job.recorder.clone()));
        // The output has no room in the future of a run that waits.
        let answer = job.drive().await;
        guard.0 = None;
        match answer {
            // Boxed, because every run keeps the room, and few pause.
            Ok(output) if output.is_paused() => {
                Box::pin(paused(workflow, registration, output)).await
            }
            answer => workflow.with_events(answer),
        }
    }

    async fn prepare(
        self,
        outbox: Option<Arc<Outbox>>,
        remembered: bool,
    ) -> Result<Prepared, Error> {
        let named = self.options.session_id.is_some();
        let store = self.workflow.store_for(remembered || named);
        let session = match &store {
            // Boxed, because most of what it needs is not needed any more when the run waits.
            Some(store) => Box::pin(self.look_up(store)).await?,
            None => None,
        };
        self.assemble(outbox, store, session, remembered)
    }

    /// Sees to it that the name of the run is free, and finds its session.
    async fn look_up(&self, store: &AnyStore) -> Result<Option<Session>, Error> {
        if store.is_shared() {
            self.workflow.supervise();
        }
        self.workflow.remember_plan(store).await?;
        let options = &self.options;
        let (run, user) = (options.run_id.clone(), options.user()?);
        if let Some(run) = run.transpose()?
            && store.run(&run).await?.is_some()
        {
            return Err(taken(&run));
        }
        match options.session_id.clone().transpose()? {
            Some(session) => {
                let found = find_session(store, &session, user.as_ref()).await?;
                match &options.owner {
                    // What is nobody's is not this user's.
                    Some(user)
                        if found.as_ref().is_some_and(|s| s.user_id.as_ref() != Some(user)) =>
                    {
                        Err(no_session(&session))
                    }
                    _ => Ok(found),
                }
            }
            None => Ok(None),
        }
    }

    fn assemble(
        self,
        outbox: Option<Arc<Outbox>>,
        store: Option<AnyStore>,
        session: Option<Session>,
        background: bool,
    ) -> Result<Prepared, Error> {
        let Self { workflow, options, cancel } = self;
        let user_id = options.user()?;
        let mut input = options.input?;
        if let Some(prepared) = workflow.prepare_input(&input.content)? {
            input.content = prepared;
        }
        let world = workflow.world();
        let live = workflow.live();
        let (process, now) = (live.process(world), world.now());
        let run = options.run_id.transpose()?.unwrap_or_else(|| world.run_id_in(process, now));
        let session_id = options.session_id.transpose()?;
        let session_id = session_id.unwrap_or_else(|| world.session_id_in(process, now));
        let (mut state, version) = session.map(|s| (s.state, s.version)).unwrap_or_default();
        let mut patches = Vec::new();
        if version == 0 {
            // Nobody has changed it: the session is new, or its runs so far have failed.
            patches.extend(sets(workflow.default_state()).filter(|p| !state.contains_key(p.key())));
        }
        patches.extend(sets(&options.session_state));
        for patch in &patches {
            patch.apply(&mut state).map_err(|error| Error::usage(error.to_string()))?;
        }
        let timeout = options.timeout.or(workflow.timeout());
        let started = Arc::new(WorkflowStarted {
            workflow_id: workflow.id().clone(),
            workflow_name: workflow.shared_name(),
            digest: workflow.shared_digest(),
            session_id,
            user_id,
            input: Arc::new(input),
            state: shared(state),
            patches,
            metadata: options.metadata,
            debug: options.debug,
            timeout_ms: timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
            background,
        });
        if let (Some(outbox), Some(store)) = (&outbox, &store) {
            outbox.found_in(store.clone(), run.clone());
        }
        // One that is handed to a dispatcher is nobody's until somebody takes it up.
        let dispatched = background && workflow.is_dispatched();
        let driver = store.as_ref().filter(|_| !dispatched);
        let driver = driver.map(|_| workflow.driver_name().clone());
        let recording = Recording {
            run: run.clone(),
            world: world.clone(),
            store,
            cancelled: cancel,
            outbox,
            keep_events: workflow.keeps_events(),
            debug: options.debug,
            driver,
            interrupted: None,
            now: Some(now),
        };
        let job = Job::new(workflow.shared_plan(), started, recording, &[])?;
        let known = Known::Foreground(job.recorder.clone());
        let registration = live.register(&run, known).ok_or_else(|| taken(&run))?;
        Ok(Prepared { job, run, workflow, registration })
    }
}

/// Most runs have no state, and share having none.
fn shared(state: State) -> Arc<State> {
    static EMPTY: LazyLock<Arc<State>> = LazyLock::new(Arc::default);
    if state.is_empty() { EMPTY.clone() } else { Arc::new(state) }
}

fn sets(state: &State) -> impl Iterator<Item = Patch> {
    state.iter().map(|(key, value)| Patch::set(key, value.clone()))
}

fn taken(run: &RunId) -> Error {
    Error::usage(format!("there is a run `{run}` already"))
        .with_hint("give each run a name of its own, or none")
}

/// The session, if there is one and it is this user's.
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

fn no_session(session: &SessionId) -> Error {
    let what = format!("session `{session}` was not found");
    Error::new(stepwright_core::ErrorKind::NotFound, what)
}

struct Prepared {
    job: Job,
    run: RunId,
    workflow: Workflow,
    registration: Registration,
}

/// Sets up a run that waits to go on by itself when its time has come, and returns its output.
async fn paused(
    workflow: Workflow,
    registration: Registration,
    output: RunOutput,
) -> Result<RunOutput, Error> {
    // Out of the registry first: the driver that is woken registers the run again.
    drop(registration);
    workflow.wake_later(&output.run_id, &output).await;
    workflow.with_events(Ok(output))
}

/// Cancels a run whose future is dropped before the run has ended.
struct AbandonGuard(Option<Arc<Recorder>>);

impl Drop for AbandonGuard {
    fn drop(&mut self) {
        let Some(recorder) = self.0.take() else { return };
        recorder.cancel_token().cancel();
        // The steps under way have been dropped with the future. Where there is a runtime, the
        // journal is told so; where there is none, the run stays as a crash would leave it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { recorder.abandon().await });
        }
    }
}

impl IntoFuture for Run {
    type Output = Result<RunOutput, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.drive(None))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("workflow", &self.workflow.name()).finish_non_exhaustive()
    }
}
