//! The context of a running step: its access to the engine.

mod host;

pub use host::{AtEnd, RunInfo, StepHost};

use crate::BoxFuture;
use crate::content::Content;
use crate::cost::Cost;
use crate::event::{Event, EventKind};
use crate::failure::{ErrorCode, StepError};
use crate::held_text::HeldText;
use crate::interrupted::{OnInterrupted, Resolved, outcome_unknown};
use crate::message::Usage;
use crate::path::{StepPath, is_call};
use crate::requirement::{Answer, OnTimeout, Requirement, RequirementId, RequirementKind};
use crate::sent::SentMessage;
use crate::session::Exchange;
use crate::state::State;
use crate::store::{SharedRequests, UserMemories};
use crate::trace::{SpanId, SpanOf, TraceContext, TraceId, Traced};
use crate::values::HostValues;
use crate::world::{Timestamp, World};
use serde_json::Value;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The context of a running step. Cheap to clone.
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
    round: u32,
    host: Arc<dyn StepHost>,
    values: HostValues,
    /// The session state as the step began with it, for what its tools call.
    session_state: Option<Arc<State>>,
}

impl StepContext {
    /// Creates the context of an attempt of the step at `path`. Attempts count from 1. Only the
    /// engine needs this.
    pub fn new(path: StepPath, attempt: u32, host: Arc<dyn StepHost>) -> Self {
        Self { path, attempt, round: 1, host, values: HostValues::default(), session_state: None }
    }

    /// Returns the context in a round: see [`StepContext::round`]. Only the engine needs this.
    #[must_use]
    pub fn in_round(self, round: u32) -> Self {
        Self { round, ..self }
    }

    /// Returns the context with another host around its own.
    pub(crate) fn with_host(
        &self,
        around: impl FnOnce(Arc<dyn StepHost>) -> Arc<dyn StepHost>,
    ) -> Self {
        Self { host: around(self.host.clone()), ..self.clone() }
    }

    /// Returns the context with these values of the host program in place of its own.
    #[must_use]
    pub fn with_state(self, values: HostValues) -> Self {
        Self { values, ..self }
    }

    /// Returns the context with one more value of the host program, in place of one of its type.
    #[must_use]
    pub fn and_state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.values.set(value);
        self
    }

    /// Returns the values of the host program.
    pub fn values(&self) -> &HostValues {
        &self.values
    }

    /// Returns the context with the session state that workflows see which a tool calls. For
    /// executors such as agents, which pass [`StepInput::state`](crate::StepInput).
    #[must_use]
    pub fn with_session_state(self, state: Arc<State>) -> Self {
        Self { session_state: Some(state), ..self }
    }

    /// Returns the session state that [`StepContext::with_session_state`] has set.
    pub fn session_state(&self) -> Option<&Arc<State>> {
        self.session_state.as_ref()
    }

    /// Returns the engine that drives the run: see [`StepHost::engine`].
    pub fn engine(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.host.clone().engine()
    }

    /// Returns the value of the host program of type `T`, if the workflow or the run has one. See
    /// [`State`](crate::State).
    pub fn state<T: 'static>(&self) -> Option<&T> {
        self.values.get()
    }

    /// Returns the path of the step, or of the tool call, such as `order/charge#2`.
    pub fn path(&self) -> &StepPath {
        &self.path
    }

    /// Returns the context of an execution beneath this one, such as a tool call.
    pub(crate) fn beneath(&self, path: StepPath) -> Self {
        Self { path, ..self.clone() }
    }

    pub(crate) fn host(&self) -> &dyn StepHost {
        &*self.host
    }

    pub(crate) fn shared_host(&self) -> Arc<dyn StepHost> {
        self.host.clone()
    }

    /// Returns the trace context of this step, or of the tool call. What the step asks of other
    /// programs continues the trace with it.
    ///
    /// ```
    /// use stepwright_core::StepContext;
    /// fn header(cx: &StepContext) -> String {
    ///     cx.trace_context().traceparent().to_owned()
    /// }
    /// assert!(header(&StepContext::detached("fetch")).starts_with("00-"));
    /// ```
    pub fn trace_context(&self) -> TraceContext {
        let Traced { continues, part, .. } = self.host.trace();
        let run = &self.run().run_id;
        let of = if is_call(&self.path) { SpanOf::Tool } else { SpanOf::Node };
        let span = SpanId::of(run, &self.path, of, part);
        let sampled = continues.is_none_or(TraceContext::is_sampled);
        let context = TraceContext::of(TraceId::of(run, continues), span, sampled);
        match continues {
            Some(continues) => context.with_state_of(continues),
            None => context,
        }
    }

    /// Returns `true` if the run is traced: the program has an observer, or the run continues the
    /// trace of its caller. Otherwise requests to others need no trace context.
    pub fn is_traced(&self) -> bool {
        self.host.trace().is_traced
    }

    /// Returns the cost of a request to a model, by the prices of the workflow. For agents.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.host.cost(model, usage)
    }

    /// Returns the requests to models of all processes that share the store of the run, for limits
    /// that hold over all of them. `None` if no other process can use the store. For agents.
    pub fn shared_requests(&self) -> Option<SharedRequests> {
        self.host.shared_requests()
    }

    /// Returns the memories of the user of the run: what earlier runs have learned of the user, in
    /// all sessions. `None` if the run has no user or no store. Memories of other users cannot be
    /// reached. For agents.
    pub fn memories(&self) -> Option<UserMemories> {
        self.host.memories()
    }

    /// Returns the number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the number of times that the step was begun by decision, from 1. A round begins when
    /// a person rejects the output, or says after a failure that the step is to be tried again. It
    /// may have several attempts, and the waits of the step are made anew in it.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Returns the identity of the run.
    pub fn run(&self) -> &RunInfo {
        self.host.run()
    }

    /// Returns the idempotency key of this step or tool call. It consists of the run and the path,
    /// so it is the same in every attempt and after a crash. Pass it to a service that recognises
    /// repeated requests.
    ///
    /// Give each effect its own key with [`StepContext::idempotency_key_for`] if there are several.
    pub fn idempotency_key(&self) -> String {
        // A colon in the run's id would make the key ambiguous.
        let run = self.run().run_id.as_str().replace('%', "%25").replace(':', "%3A");
        format!("{run}:{}", self.path)
    }

    /// Returns the idempotency key of one of several effects of this step or tool call. It consists
    /// of the run, the path and `name`, and is the same in every attempt.
    ///
    /// ```
    /// # use stepwright_core::StepContext;
    /// let cx = StepContext::detached("Order");
    /// assert_eq!(cx.idempotency_key(), "detached:Order");
    /// assert_eq!(cx.idempotency_key_for("charge"), "detached:Order//charge");
    /// assert_eq!(cx.attempt_key(), "detached:Order##1");
    /// ```
    pub fn idempotency_key_for(&self, name: &str) -> String {
        // No path contains two slashes in a row, so the key is unambiguous.
        format!("{}//{name}", self.idempotency_key())
    }

    /// Returns the key of this attempt: the run, the path and the attempt's number. Each attempt
    /// has a different key, so it does not protect an effect from being repeated. Use
    /// [`StepContext::idempotency_key`] for that.
    pub fn attempt_key(&self) -> String {
        format!("{}##{}", self.idempotency_key(), self.attempt)
    }

    /// Emits a piece of the step's answer while the step works.
    pub fn emit(&self, text: impl Into<Arc<str>>) {
        self.emit_event(EventKind::RunContent { content: text.into() });
    }

    /// Reports the progress of the step, from 0 to 1, and its current activity. A fraction outside
    /// of that range is clamped; NaN is left out.
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

    /// Reports the current activity of the step, when its progress is unknown.
    pub fn note(&self, content: impl Into<Content>) {
        let content = content.into();
        self.host.emit(&self.path, EventKind::StepProgress { content, progress: None });
    }

    /// Resets the idle timeout of the step without an event, for long work that has nothing to
    /// report. Emitted and recorded events reset it too.
    pub fn keep_alive(&self) {
        self.host.keep_alive(&self.path);
    }

    /// Emits a custom event.
    pub fn custom(&self, name: impl Into<Arc<str>>, data: Value) {
        self.host.emit(&self.path, EventKind::CustomEvent { name: name.into(), data });
    }

    /// Emits any delta. For executors such as agents.
    pub fn emit_event(&self, delta: EventKind) {
        if self.state::<HeldText>().is_some_and(|held| held.holds(&self.path, &delta)) {
            return self.keep_alive();
        }
        self.host.emit(&self.path, delta);
    }

    /// Appends a fact. For executors, such as agents, that resume their work from the journal.
    ///
    /// # Errors
    /// Fails if the journal is lost. Stop at once then: all further work will be repeated.
    pub async fn record(&self, fact: EventKind) -> Result<(), StepError> {
        self.host.record(&self.path, fact).await
    }

    /// Returns the facts that this attempt recorded before a crash, in order.
    pub fn past(&self) -> Vec<Event> {
        self.host.past(&self.path)
    }

    /// Returns the inputs and outputs of the last runs of this session, oldest first. There are at
    /// most `runs` of them, and at most [`HISTORY_RUNS_MAX`](crate::session::HISTORY_RUNS_MAX).
    /// Only runs that had ended when this run began count, so a resumed run sees the same ones.
    /// [`Exchange::status`] shows which of them failed or were cancelled.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    #[doc(alias = "get_workflow_history")]
    pub async fn history(&self, runs: u32) -> Result<Arc<[Exchange]>, StepError> {
        match self.played_history(runs, false) {
            Some(played) => Ok(played),
            None => self.host.history(runs, false).await,
        }
    }

    /// Like [`StepContext::history`], without the runs that failed or were cancelled.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    pub async fn completed_history(&self, runs: u32) -> Result<Arc<[Exchange]>, StepError> {
        match self.played_history(runs, true) {
            Some(played) => Ok(played),
            None => self.host.history(runs, true).await,
        }
    }

    /// Returns the context of the step, or of the call, that makes this call. Facts that are
    /// recorded with it belong to the caller, so that its other calls find them. For tools whose
    /// calls share something.
    #[must_use]
    pub fn of_caller(&self) -> Self {
        self.path.caller().map_or_else(|| self.clone(), |caller| self.beneath(caller))
    }

    /// Returns the recorded result of the effect `key` of this step or tool call, without running
    /// it: see [`StepContext::once`].
    pub fn recorded(&self, key: &str) -> Option<Value> {
        if self.is_played() {
            return self.played_value(key);
        }
        self.host.recorded(&self.path, key)
    }

    /// Returns what another step of this run recorded under `key`: see [`StepContext::recorded`].
    /// [`Scope`](crate::scope::Scope) tells the paths of the earlier steps.
    ///
    /// ```
    /// use stepwright_core::{StepContext, StepInput};
    /// /// The ticket that the step `open` recorded.
    /// fn ticket(input: &StepInput, cx: &StepContext) -> Option<String> {
    ///     let open = input.scope.named("open")?;
    ///     cx.recorded_by(open.path(), "ticket")?.as_str().map(ToOwned::to_owned)
    /// }
    /// assert_eq!(ticket(&StepInput::of("hello"), &StepContext::detached("close")), None);
    /// ```
    pub fn recorded_by(&self, step: &StepPath, key: &str) -> Option<Value> {
        self.host.recorded(step, key)
    }

    pub(crate) fn effect_interrupted(&self, key: &str) -> Option<u32> {
        self.host.effect_interrupted(&self.path, key)
    }

    /// Decides about an effect with an unknown outcome: the one that `key` names, or else this
    /// whole step or tool call. `begun` is the number of times that it has begun.
    ///
    /// # Errors
    /// Fails with [`ErrorCode::OutcomeUnknown`] if the policy is to fail or a person gives up. Also
    /// fails if the journal is lost.
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
            Some(key) => RequirementId::named(path.clone(), format!("once{nth}"), key),
            None if begun > 1 => RequirementId::named(path.clone(), "interrupted", nth),
            None => RequirementId::new(path.clone(), "interrupted"),
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

    /// Waits durably until `moment`. The run may pause until then, and is resumed by this process
    /// or another one. As with [`StepContext::wait`], the step then begins again.
    ///
    /// # Errors
    /// Fails if the journal is lost.
    pub async fn sleep_until(&self, moment: Timestamp) -> Result<(), StepError> {
        if self.world().now() >= moment {
            return Ok(());
        }
        self.sleep(&moment.0.to_string(), Some(moment)).await
    }

    /// Waits durably for `duration`, like [`StepContext::sleep_until`]. The end of the wait is
    /// computed once, and stored under `name`.
    ///
    /// # Errors
    /// Fails if the journal is lost.
    pub async fn sleep_for(&self, name: &str, duration: Duration) -> Result<(), StepError> {
        self.sleep(name, Some(self.world().now().plus(duration))).await
    }

    async fn sleep(&self, name: &str, due: Option<Timestamp>) -> Result<(), StepError> {
        let requirement = Requirement {
            id: RequirementId::named(self.path.clone(), "sleep", name).into(),
            path: self.path.clone(),
            kind: RequirementKind::Sleep,
            message: "".into(),
            due,
            on_timeout: OnTimeout::default(),
        };
        self.ask(requirement).await.map(drop)
    }

    /// Makes a pending request and waits for its answer. For executors such as agents.
    ///
    /// # Errors
    /// Fails if no answer arrives in time and the request has no default. Also fails if the journal
    /// is lost.
    pub async fn ask(&self, requirement: Requirement) -> Result<Answer, StepError> {
        self.host.ask(&self.path, requirement).await
    }

    /// Returns the messages that wait for this agent, and records that it got them. `ends` says
    /// that it would end otherwise, so that it also gets those that wait for its end. For agents.
    ///
    /// # Errors
    /// Fails if the journal is lost.
    pub async fn receive(&self, ends: bool) -> Result<Vec<SentMessage>, StepError> {
        if let Some(messages) = self.played_messages() {
            for message in &messages {
                let message = Box::new(message.clone());
                self.record(EventKind::MessageReceived { message }).await?;
            }
            return Ok(messages);
        }
        self.host.receive(&self.path, ends).await
    }

    /// Waits for a message that cuts off the answer of the model. For agents.
    pub fn interrupted(&self) -> BoxFuture<'_, ()> {
        self.host.interrupted(&self.path)
    }

    /// Returns the clock and the sources of ids and randomness.
    pub fn world(&self) -> &World {
        self.host.world()
    }

    /// Returns `true` if this step waits for an answer or a timer. Such time should not count as
    /// the step's own.
    pub fn is_waiting(&self) -> bool {
        self.host.is_waiting(&self.path)
    }

    /// Returns `true` if the run has been cancelled. Async executors need not check this, because
    /// they are dropped. Blocking functions should check it regularly.
    pub fn is_cancelled(&self) -> bool {
        self.host.is_cancelled(&self.path)
    }
}

/// Returns the error of a step that a person has rejected. See [`StepContext::ask`].
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
