//! The engine as a running step sees it.

use crate::BoxFuture;
use crate::budget::Budget;
use crate::calls::CallPast;
use crate::codes::ErrorId;
use crate::cost::Cost;
use crate::event::{Event, EventKind};
use crate::failure::StepError;
use crate::gate::{Admission, Demand, Permit};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::media::StoredMedia;
use crate::message::{ToolCall, Usage};
use crate::path::StepPath;
use crate::permission::{Effect, Verdict};
use crate::requirement::{Answer, Requirement};
use crate::sent::SentMessage;
use crate::session::Exchange;
use crate::status::RunStatus;
use crate::store::{SharedRequests, UserMemories};
use crate::trace::Traced;
use crate::world::World;
use serde_json::Value;
use std::any::Any;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The identity of a run, the same for all of its steps.
///
/// ```
/// use stepwright_core::{StepContext, context::RunInfo};
/// fn log_line(run: &RunInfo) -> String {
///     format!("{} of {}", run.run_id, run.workflow_name)
/// }
/// assert_eq!(log_line(StepContext::detached("s").run()), "detached of detached");
/// ```
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The id of the run.
    pub run_id: RunId,
    /// The id of its session.
    pub session_id: SessionId,
    /// The user who owns the session.
    pub user_id: Option<UserId>,
    /// The id of the workflow.
    pub workflow_id: WorkflowId,
    /// The name of the workflow.
    pub workflow_name: Arc<str>,
    /// `true` if prompts, calls and decisions are logged in detail.
    pub debug: bool,
}

/// Work to do when a run has ended. See [`StepHost::at_end`].
pub type AtEnd = Box<dyn FnOnce(RunStatus) + Send>;

/// The engine as a running step sees it. [`StepContext`](crate::StepContext) has an example.
pub trait StepHost: Send + Sync {
    /// Sends a delta to the readers of the run. Deltas are not stored.
    fn emit(&self, step: &StepPath, delta: EventKind);

    /// Appends a fact. When the future completes, the fact is in the journal.
    fn record<'a>(
        &'a self,
        step: &'a StepPath,
        fact: EventKind,
    ) -> BoxFuture<'a, Result<(), StepError>>;

    /// Returns the trace of the run.
    fn trace(&self) -> Traced<'_>;

    /// Resets the idle timeout of the step without an event. See
    /// [`StepContext::keep_alive`](crate::StepContext::keep_alive).
    fn keep_alive(&self, _: &StepPath) {}

    /// Returns the facts that the current attempt of this step recorded before a crash, in order.
    fn past(&self, step: &StepPath) -> Vec<Event>;

    /// Returns the inputs and outputs of the last runs of this session, at most `runs` of them,
    /// oldest first. Only runs that had ended when this run began count. `completed_only` leaves
    /// out those that failed or were cancelled.
    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>>;

    /// Makes a pending request and waits for its answer, or returns the answer from the journal.
    /// The step can do nothing else while it waits: the engine may drop its future, and begin the
    /// step again when the answer arrives.
    ///
    /// # Errors
    /// Fails if no answer arrives in time and the request has no default.
    fn ask<'a>(
        &'a self,
        step: &'a StepPath,
        requirement: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>>;

    /// Returns the bytes of a media item that the store of the run keeps. A host that forwards to
    /// another one forwards this too.
    ///
    /// # Errors
    /// Fails if they are not there.
    fn media<'a>(&'a self, stored: &'a StoredMedia) -> BoxFuture<'a, Result<Arc<[u8]>, StepError>> {
        let error = StepError::terminal(format!("no store keeps media `{}`", stored.sha256));
        Box::pin(std::future::ready(Err(error.with_id(ErrorId::MEDIA_MISSING))))
    }

    /// Returns the recorded result of the effect `key` of this step, from any attempt.
    fn recorded(&self, step: &StepPath, key: &str) -> Option<Value>;

    /// Returns how many times the effect `key` of this step has begun, if it did not end the last
    /// time.
    fn effect_interrupted(&self, _step: &StepPath, _key: &str) -> Option<u32> {
        None
    }

    /// Returns the path and the state of the next tool call of this step. See
    /// [`Calls`](crate::calls::Calls).
    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast);

    /// Notes that the call at `call` is running, and that `step` only waits for its calls.
    fn call_begins(&self, _step: &StepPath, _call: &StepPath) {}

    /// Notes that the call at `call` is no longer running.
    fn call_ends(&self, _step: &StepPath, _call: &StepPath) {}

    /// Returns `true` if this step only waits for an answer or a timer.
    fn is_waiting(&self, _: &StepPath) -> bool {
        false
    }

    /// Decides about an effect, and asks a person if need be. `asks` is the path of the step or the
    /// call that waits meanwhile, and `at` the path of the effect. A host that forwards to another
    /// one forwards this too: an effect without a permit happens unasked.
    fn permit<'a>(
        &'a self,
        asks: &'a StepPath,
        at: &'a StepPath,
        attempt: u32,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Permit, StepError>>;

    /// Returns the verdict about an effect, without asking and without recording it.
    fn verdict(&self, at: &StepPath, effect: &Effect) -> Verdict;

    /// Reserves what an effect of this step takes from budgets.
    fn reserve<'a>(
        self: Arc<Self>,
        step: &'a StepPath,
        demand: &'a Demand,
    ) -> BoxFuture<'a, Result<Admission, StepError>>;

    /// Adds a budget for everything at or beneath `path`, for executors that have one.
    fn limit(&self, path: &StepPath, budget: &Budget);

    /// Returns the cost of a request to a model.
    fn cost(&self, model: &str, usage: &Usage) -> Cost;

    /// Returns the requests to models of all processes that share the store of the run. `None` if
    /// no other process can.
    fn shared_requests(&self) -> Option<SharedRequests> {
        None
    }

    /// Returns the memories of the user of the run. `None` if the run has no user or no store. A
    /// host that forwards to another one forwards this too.
    fn memories(&self) -> Option<UserMemories> {
        None
    }

    /// Gives an agent the messages that wait for it, and records that it got them. `ends` says that
    /// the agent would end otherwise. A host that forwards to another one forwards this too.
    fn receive<'a>(
        &'a self,
        _step: &'a StepPath,
        _ends: bool,
    ) -> BoxFuture<'a, Result<Vec<SentMessage>, StepError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Waits for a message that cuts off the answer of the model of this agent.
    fn interrupted<'a>(&'a self, _step: &'a StepPath) -> BoxFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    /// Notes work to do when the run has ended, once for each key. See
    /// [`StepContext::at_end`](crate::StepContext::at_end).
    fn at_end(&self, _key: &str, _work: AtEnd) {}

    /// Returns the identity of the run.
    fn run(&self) -> &RunInfo;

    /// Returns the clock and the sources of ids and randomness.
    fn world(&self) -> &World;

    /// Returns a token that is cancelled together with the run.
    fn cancelled(&self) -> &CancellationToken;

    /// Returns the engine that drives the run, for parts of the engine that a tool calls. `None` if
    /// no more than a call can be recorded here.
    fn engine(self: Arc<Self>) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Returns `true` if this step is cancelled. Steps that run after others, such as those of a
    /// `finally`, are not cancelled together with them.
    fn is_cancelled(&self, _step: &StepPath) -> bool {
        self.cancelled().is_cancelled()
    }
}
