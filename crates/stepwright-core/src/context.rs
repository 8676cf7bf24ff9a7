//! The surroundings of a running step: what it may ask of the engine.

use crate::BoxFuture;
use crate::call::Call;
use crate::calls::{CallPast, Calls, is_call};
use crate::content::Content;
use crate::error::{ErrorCode, StepError};
use crate::event::{Event, EventKind};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::interrupted::{OnInterrupted, Resolved, outcome_unknown};
use crate::message::ToolCall;
use crate::once::Once;
use crate::path::StepPath;
use crate::requirement::{Answer, OnTimeout, Requirement, RequirementKind};
use crate::session::Exchange;
use crate::world::{Timestamp, World};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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

    /// Notes that the step is alive where it shows nothing: see
    /// [`StepContext::keep_alive`].
    fn keep_alive(&self, _: &StepPath) {}

    /// The facts that the current attempt of this step recorded before a crash, in order.
    fn past(&self, step: &StepPath) -> Vec<Event>;

    /// What the last runs of this session were given and gave, at most `runs` of them, the oldest
    /// first: those that had ended when this run began, or of those only the completed ones.
    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>>;

    /// Asks for something, and waits for the answer; or recalls it. While a step waits, nothing
    /// else in it goes on: its future may be dropped, and the step begun again when the answer is
    /// there.
    ///
    /// # Errors
    /// If nobody answers in time, and that is to fail.
    fn ask<'a>(
        &'a self,
        step: &'a StepPath,
        requirement: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>>;

    /// What came of something that this step has done once, in this attempt or an earlier one.
    fn recorded(&self, step: &StepPath, key: &str) -> Option<Value>;

    /// How often the effect `key` of this step has begun, if it did not end the last time.
    fn effect_interrupted(&self, _step: &StepPath, _key: &str) -> Option<u32> {
        None
    }

    /// The path of the next tool call that this step makes, and its state: see
    /// [`Calls`].
    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast);

    /// The call at `call` is at work, and `step` does nothing but wait for its calls.
    fn call_begins(&self, _step: &StepPath, _call: &StepPath) {}

    /// The call at `call` is not at work any more.
    fn call_ends(&self, _step: &StepPath, _call: &StepPath) {}

    /// Whether this step waits for an answer or a moment, and does nothing else.
    fn is_waiting(&self, _: &StepPath) -> bool {
        false
    }

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
///     cx.progress(0.5, "charging the card");
///     Ok(format!("{}, request {}", input.text(), cx.idempotency_key()).into())
/// }
/// let charged = charge(StepInput::of("5 EUR"), StepContext::detached("Charge"));
/// let output = charged.now_or_never().unwrap()?;
/// assert_eq!(output.content.text(), "5 EUR, request detached:Charge");
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
        Self::new(
            step.into(),
            1,
            Arc::new(Detached { run, world, cancelled, calls: Mutex::default() }),
        )
    }

    /// The address of the step, or of the tool call: `order/charge#2`.
    pub fn path(&self) -> &StepPath {
        &self.path
    }

    pub(crate) fn host(&self) -> &dyn StepHost {
        &*self.host
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Which run it is.
    pub fn run(&self) -> &RunInfo {
        self.host.run()
    }

    /// The key of the effect of this step, or of this tool call: made of the run and the path, and
    /// the same for every attempt and after a crash. Hand it to a service that recognises a
    /// repeated request.
    ///
    /// A step or a tool call that has more than one effect needs one key for each:
    /// [`StepContext::idempotency_key_for`].
    pub fn idempotency_key(&self) -> String {
        // A colon in the name of a run would make the end of it uncertain.
        let run = self.run().run_id.as_str().replace('%', "%25").replace(':', "%3A");
        format!("{run}:{}", self.path)
    }

    /// The key of one of several effects of this step, or of this tool call: made of the run, the
    /// path and `name`, and the same for every attempt.
    ///
    /// ```
    /// # use stepwright_core::StepContext;
    /// let cx = StepContext::detached("Order");
    /// assert_eq!(cx.idempotency_key(), "detached:Order");
    /// assert_eq!(cx.idempotency_key_for("charge"), "detached:Order//charge");
    /// assert_eq!(cx.attempt_key(), "detached:Order##1");
    /// ```
    pub fn idempotency_key_for(&self, name: &str) -> String {
        // No path has two slashes in a row.
        format!("{}//{name}", self.idempotency_key())
    }

    /// The key of this attempt: made of the run, the path and the number of the attempt. Two
    /// attempts
    /// of a step have different keys, so it does not protect an effect from being repeated: that is
    /// what [`StepContext::idempotency_key`] is for.
    pub fn attempt_key(&self) -> String {
        format!("{}##{}", self.idempotency_key(), self.attempt)
    }

    /// Shows text while the step works: a piece of its answer.
    pub fn emit(&self, text: impl Into<Arc<str>>) {
        self.host.emit(&self.path, EventKind::RunContent { content: text.into() });
    }

    /// Shows how far the step has come, from 0 for nothing to 1 for all of it, and what it does.
    /// A fraction outside of that is moved to its end; one that is no number is left out.
    ///
    /// ```
    /// # use stepwright_core::StepContext;
    /// # let cx = StepContext::detached("Convert");
    /// cx.progress(0.4, "page 4 of 10");
    /// ```
    pub fn progress(&self, fraction: f64, content: impl Into<Content>) {
        let progress = (!fraction.is_nan()).then(|| fraction.clamp(0.0, 1.0));
        let content = content.into();
        self.host.emit(&self.path, EventKind::StepProgress { content, progress });
    }

    /// Shows what the step is doing, where it is not known how much of it there is.
    pub fn note(&self, content: impl Into<Content>) {
        let content = content.into();
        self.host.emit(&self.path, EventKind::StepProgress { content, progress: None });
    }

    /// Resets the idle clock of the step without showing anything: for work that goes on and has
    /// nothing to say. What is shown or recorded resets it, too.
    pub fn keep_alive(&self) {
        self.host.keep_alive(&self.path);
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
    pub fn past(&self) -> Vec<Event> {
        self.host.past(&self.path)
    }

    /// What the last runs of this session were given and gave, at most `runs` of them and
    /// [`HISTORY_RUNS_MAX`](crate::session::HISTORY_RUNS_MAX), the oldest first: those that had
    /// ended when this run began, so that a run that is resumed sees the same ones.
    /// [`Exchange::status`] tells those that failed or were cancelled.
    ///
    /// # Errors
    /// If the store cannot be read.
    #[doc(alias = "get_workflow_history")]
    pub async fn history(&self, runs: u32) -> Result<Arc<[Exchange]>, StepError> {
        self.host.history(runs, false).await
    }

    /// As [`StepContext::history`], without the runs that failed or were cancelled.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn completed_history(&self, runs: u32) -> Result<Arc<[Exchange]>, StepError> {
        self.host.history(runs, true).await
    }

    /// Does something once, however often this step is tried or taken up again: what came of it is
    /// in the journal before this gives it, and is given from there afterwards. A failure is not
    /// recorded, and is tried again. Inside a tool call, `key` is one of that call.
    ///
    /// Between the end of `work` and its being recorded the process may die, and the next attempt
    /// then does it again: at least once. To narrow this, hand the key of the effect to a service
    /// that recognises a repeated request ([`StepContext::idempotency_key`]), ask the service first
    /// ([`Once::reconcile`]), or ask a person ([`Once::on_interrupted`]).
    ///
    /// ```
    /// # use futures_util::FutureExt as _;
    /// use stepwright_core::{StepContext, StepError};
    /// # async fn charge(_: &str) -> Result<u64, std::io::Error> { Ok(7) }
    /// async fn order(cx: StepContext) -> Result<String, StepError> {
    ///     let receipt: u64 = cx.once("charge", charge(&cx.idempotency_key())).await?;
    ///     Ok(format!("receipt {receipt}"))
    /// }
    /// let done = order(StepContext::detached("Order")).now_or_never().unwrap()?;
    /// assert_eq!(done, "receipt 7");
    /// # Ok::<(), StepError>(())
    /// ```
    ///
    /// # Errors
    /// When awaited: that of `work`; if what was recorded is no `T`; if the journal is lost; if the
    /// outcome of an earlier attempt is unknown, and the policy is to fail.
    pub fn once<T, E, W>(&self, key: &str, work: W) -> Once<'_, T, W>
    where
        T: Serialize + DeserializeOwned,
        E: Into<StepError>,
        W: Future<Output = Result<T, E>>,
    {
        Once::new(self, key, work)
    }

    pub(crate) fn recorded(&self, key: &str) -> Option<Value> {
        self.host.recorded(&self.path, key)
    }

    pub(crate) fn effect_interrupted(&self, key: &str) -> Option<u32> {
        self.host.effect_interrupted(&self.path, key)
    }

    /// The next tool call of this step, as an execution of its own. A model's calls must be handed
    /// over in the order in which it wants them: for executors such as agents.
    ///
    /// ```
    /// # use futures_util::FutureExt as _;
    /// use stepwright_core::StepContext;
    /// use stepwright_core::calls::CallPast;
    /// # use stepwright_core::message::{Arguments, ToolCall, ToolOutcome};
    /// # let tool_call = ToolCall { id: "c-1".into(), name: "charge".into(),
    /// #     arguments: Arguments::Json(serde_json::json!({"eur": 5})) };
    /// # async {
    /// let cx = StepContext::detached("order");
    /// let call = cx.call(&tool_call);
    /// assert_eq!(call.path().as_str(), "order/charge#1");
    /// assert_eq!(*call.past(), CallPast::New);
    /// let begun = call.begin().await?;
    /// let text = format!("charged with {}", call.context().idempotency_key());
    /// # let (call_id, name) = ("c-1".into(), "charge".into());
    /// let outcome = ToolOutcome { call_id, name, text, is_error: false, outcome_unknown: false };
    /// begun.end(&outcome).await?;
    /// # Ok::<(), stepwright_core::StepError>(()) }.now_or_never().unwrap().unwrap();
    /// ```
    pub fn call(&self, tool: &ToolCall) -> Call {
        let (path, past) = self.host.call(&self.path, tool);
        let cx = Self { path, attempt: self.attempt, host: self.host.clone() };
        Call { caller: self.path.clone(), cx, tool: tool.clone(), past }
    }

    /// Decides about an effect whose outcome is unknown: this step, this tool call, or what it
    /// calls `key`. It has begun `begun` times.
    ///
    /// # Errors
    /// With [`ErrorCode::OutcomeUnknown`] if the policy is to fail, or a person gives up; if the
    /// journal is lost.
    pub async fn resolve_interrupted(
        &self,
        policy: OnInterrupted,
        key: Option<&str>,
        begun: u32,
    ) -> Result<Resolved, StepError> {
        self.resolve_at(&self.path, policy, key, begun).await
    }

    pub(crate) async fn resolve_at(
        &self,
        asks: &StepPath,
        policy: OnInterrupted,
        key: Option<&str>,
        begun: u32,
    ) -> Result<Resolved, StepError> {
        let path = &self.path;
        let place = if is_call(path) { "tool call" } else { "step" };
        let effect = match key {
            Some(key) => format!("`{key}` of {place} `{path}`"),
            None => format!("{place} `{path}`"),
        };
        match policy {
            OnInterrupted::Retry => return Ok(Resolved::Again),
            OnInterrupted::Fail => return Err(outcome_unknown(&effect)),
            OnInterrupted::Ask => {}
        }
        let nth = if begun > 1 { begun.to_string() } else { String::new() };
        let id = match key {
            Some(key) => format!("{path}!once{nth}:{key}"),
            None if begun > 1 => format!("{path}!interrupted:{nth}"),
            None => format!("{path}!interrupted"),
        };
        let message = format!("{effect} had begun and did not end. Was it done?");
        let requirement = Requirement {
            id: id.into(),
            path: path.clone(),
            kind: RequirementKind::Interrupted { effect: effect.as_str().into(), attempt: begun },
            message: message.into(),
            due: None,
            on_timeout: OnTimeout::default(),
        };
        match self.host.ask(asks, requirement).await? {
            Answer::Submit { value } => Ok(Resolved::Done(value)),
            Answer::Retry => Ok(Resolved::Again),
            Answer::Reject { feedback: Some(why) } => {
                let mut error = outcome_unknown(&effect);
                error.data.message = format!("{}: {why}", error.data.message);
                Err(error)
            }
            _ => Err(outcome_unknown(&effect)),
        }
    }

    /// Waits for somebody to say something: whoever continues the run. The run may pause for as
    /// long as it takes, and cost nothing meanwhile; then this step begins again, and what it does
    /// before the wait is done again unless it is done with [`StepContext::once`].
    ///
    /// `name` tells the waits of a step apart.
    ///
    /// ```no_run
    /// use stepwright_core::{StepContext, StepError};
    /// # use std::time::Duration;
    /// async fn order(cx: StepContext) -> Result<String, StepError> {
    ///     let price: u64 = cx.wait("price").message("What may it cost?").await?;
    ///     Ok(format!("ordered for {price} EUR"))
    /// }
    /// ```
    ///
    /// # Errors
    /// When awaited: if it is rejected, if nobody says anything in time, or if what is said is no
    /// `T`.
    pub fn wait<T: DeserializeOwned>(&self, name: &str) -> Wait<T> {
        Wait {
            cx: self.clone(),
            name: name.into(),
            message: "".into(),
            schema: None,
            timeout: None,
            on_timeout: OnTimeout::default(),
            wanted: PhantomData,
        }
    }

    /// Waits for a moment, durably: the run may pause until then, and goes on by itself, in this
    /// process or another. As of [`StepContext::wait`], the step begins again then.
    ///
    /// # Errors
    /// If the journal is lost.
    pub async fn sleep_until(&self, moment: Timestamp) -> Result<(), StepError> {
        if self.world().now() >= moment {
            return Ok(());
        }
        self.sleep(&moment.0.to_string(), Some(moment)).await
    }

    /// Waits for a while, durably: as [`StepContext::sleep_until`]. The moment is decided once, and
    /// kept under `name`.
    ///
    /// # Errors
    /// If the journal is lost.
    pub async fn sleep_for(&self, name: &str, duration: Duration) -> Result<(), StepError> {
        self.sleep(name, Some(self.world().now().plus(duration))).await
    }

    async fn sleep(&self, name: &str, due: Option<Timestamp>) -> Result<(), StepError> {
        let requirement = Requirement {
            id: format!("{}!sleep:{name}", self.path).into(),
            path: self.path.clone(),
            kind: RequirementKind::Sleep,
            message: "".into(),
            due,
            on_timeout: OnTimeout::default(),
        };
        self.ask(requirement).await.map(drop)
    }

    /// Asks for something, and waits for the answer: for executors such as agents.
    ///
    /// # Errors
    /// If nobody answers in time, and that is to fail; if the journal is lost.
    pub async fn ask(&self, requirement: Requirement) -> Result<Answer, StepError> {
        self.host.ask(&self.path, requirement).await
    }

    /// Time, identity and chance.
    pub fn world(&self) -> &World {
        self.host.world()
    }

    /// Whether this step waits for an answer or a moment: time that should not count as its own.
    pub fn is_waiting(&self) -> bool {
        self.host.is_waiting(&self.path)
    }

    /// Whether the run has been cancelled. Async executors need not ask: they are dropped. Blocking
    /// functions should, now and then.
    pub fn is_cancelled(&self) -> bool {
        self.host.cancelled().is_cancelled()
    }
}

/// A wait of a function: see [`StepContext::wait`].
///
/// ```no_run
/// use stepwright_core::{StepContext, StepError};
/// async fn discount(cx: StepContext) -> Result<u64, StepError> {
///     let day = std::time::Duration::from_secs(86_400);
///     cx.wait("percent").message("How much off?").timeout(day).default_answer(5).await
/// }
/// ```
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<T> {
    cx: StepContext,
    name: Arc<str>,
    message: Arc<str>,
    schema: Option<Arc<Value>>,
    timeout: Option<Duration>,
    on_timeout: OnTimeout,
    wanted: PhantomData<fn() -> T>,
}

impl<T> Wait<T> {
    /// What a person is asked.
    pub fn message(mut self, message: impl Into<Arc<str>>) -> Self {
        self.message = message.into();
        self
    }

    /// The JSON Schema of the answer: one that does not fit is refused when it is given. See
    /// [`form`](crate::form).
    pub fn schema(mut self, schema: Value) -> Self {
        self.schema = Some(Arc::new(schema));
        self
    }

    /// How long is waited. Then it fails, unless there is a default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What counts as the answer if nobody gives one in time.
    pub fn default_answer(mut self, value: impl Into<Value>) -> Self {
        self.on_timeout = OnTimeout::Default(Arc::new(value.into()));
        self
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Wait<T> {
    type Output = Result<T, StepError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { cx, name, message, schema, timeout, on_timeout, .. } = self;
        Box::pin(async move {
            let requirement = Requirement {
                id: format!("{}!wait:{name}", cx.path).into(),
                path: cx.path.clone(),
                kind: RequirementKind::Wait { schema },
                message,
                due: timeout.map(|timeout| cx.world().now().plus(timeout)),
                on_timeout,
            };
            match cx.ask(requirement).await? {
                Answer::Submit { value } => serde_json::from_value(value).map_err(|error| {
                    StepError::terminal(format!("the answer to `{name}` does not fit: {error}"))
                        .with_code(ErrorCode::Rejected)
                        .with_hint("give the wait a `schema`, so that such answers are refused")
                }),
                Answer::Reject { feedback } => Err(rejected(feedback.as_deref())),
                other => Err(StepError::terminal(format!("`{name}` was answered with {other}"))),
            }
        })
    }
}

impl<T> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.name).finish()
    }
}

/// The failure of what a person has rejected.
pub fn rejected(feedback: Option<&str>) -> StepError {
    let message = match feedback {
        Some(feedback) => format!("it was rejected: {feedback}"),
        None => "it was rejected".to_owned(),
    };
    StepError::terminal(message).with_code(ErrorCode::Rejected)
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
    calls: Mutex<Calls>,
}

impl StepHost for Detached {
    fn emit(&self, _: &StepPath, _: EventKind) {}
    fn record<'a>(&'a self, _: &'a StepPath, _: EventKind) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn past(&self, _: &StepPath) -> Vec<Event> {
        Vec::new()
    }
    fn history(&self, _: u32, _: bool) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        Box::pin(std::future::ready(Ok(Arc::from([]))))
    }
    fn ask<'a>(
        &'a self,
        _: &'a StepPath,
        requirement: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>> {
        let error = format!("nobody can answer `{}` outside of a run", requirement.id);
        Box::pin(std::future::ready(Err(StepError::terminal(error))))
    }
    fn recorded(&self, _: &StepPath, _: &str) -> Option<Value> {
        None
    }
    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).call(step, tool)
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
