//! The engine as a decider sees it.

use crate::recorder::Recorder;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::future::ready;
use std::sync::Arc;
use stepwright_core::budget::Budget;
use stepwright_core::calls::CallPast;
use stepwright_core::context::{RunInfo, StepHost};
use stepwright_core::cost::Cost;
use stepwright_core::gate::{Admission, Demand, Permit};
use stepwright_core::message::{ToolCall, Usage};
use stepwright_core::permission::{Effect, Verdict};
use stepwright_core::sent::SentMessage;
use stepwright_core::store::{SharedRequests, UserMemories};
use stepwright_core::trace::Traced;
use stepwright_core::{
    Answer, ErrorCode, ErrorId, Event, EventKind, Exchange, Requirement, StepError, StepPath,
    StoredMedia, World,
};
use tokio_util::sync::CancellationToken;

/// The name of a decision in paths, which is that of a call so that no step has it.
const DECISION: &str = "(decision)";

/// The host of a decider. Its container may not have begun, so nothing of a step can be recorded
/// there, and no person be asked. What agents do is recorded as that of the decision, at a path of
/// its own: budgets hold for it, and answers that are paid for are not asked for again.
pub(super) struct DeciderHost {
    recorder: Arc<Recorder>,
    /// The path that the decider sees: that of its container.
    seen: StepPath,
    /// The path of the decision.
    decision: StepPath,
}

impl DeciderHost {
    pub(super) fn new(recorder: Arc<Recorder>, container: &StepPath) -> Self {
        let decision = container.call(DECISION, 1);
        Self { recorder, seen: container.clone(), decision }
    }

    /// Returns the path in the journal: the decision itself, or a call beneath it.
    fn inner<'a>(&'a self, path: &'a StepPath) -> &'a StepPath {
        if *path == self.seen { &self.decision } else { path }
    }
}

fn refused<T>(what: &str) -> Result<T, StepError> {
    Err(StepError::terminal(format!("a decider cannot {what}"))
        .with_id(ErrorId::RECORD_REFUSED)
        .with_hint("do it in a step before the container, and decide by the output of that step"))
}

impl StepHost for DeciderHost {
    fn emit(&self, _: &StepPath, _: EventKind) {}

    fn record<'a>(
        &'a self,
        step: &'a StepPath,
        fact: EventKind,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        if !fact.is_of_executor() {
            return Box::pin(ready(refused("record anything but its decision")));
        }
        Box::pin(self.recorder.record_of_decider(self.inner(step), fact))
    }

    fn trace(&self) -> Traced<'_> {
        StepHost::trace(&*self.recorder)
    }

    fn past(&self, step: &StepPath) -> Vec<Event> {
        StepHost::past(&*self.recorder, self.inner(step))
    }

    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        StepHost::history(&*self.recorder, runs, completed_only)
    }

    fn ask<'a>(
        &'a self,
        _: &'a StepPath,
        _: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(ready(refused("wait")))
    }

    fn media<'a>(&'a self, stored: &'a StoredMedia) -> BoxFuture<'a, Result<Arc<[u8]>, StepError>> {
        StepHost::media(&*self.recorder, stored)
    }

    fn recorded(&self, _: &StepPath, _: &str) -> Option<Value> {
        None
    }

    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast) {
        StepHost::call(&*self.recorder, self.inner(step), tool)
    }

    // No person can be asked while a container decides.
    fn permit<'a>(
        &'a self,
        _: &'a StepPath,
        at: &'a StepPath,
        _: u32,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Permit, StepError>> {
        let permit =
            if self.verdict(at, effect) == Verdict::Allow {
                Permit::Granted
            } else {
                let error = StepError::terminal(format!("`{effect}` is not permitted here"));
                let error = error.with_code(ErrorCode::Rejected).with_id(ErrorId::EFFECT_REFUSED);
                Permit::Refused(error.with_hint(
                    "allow it in the permissions, or do it in a step before the container",
                ))
            };
        Box::pin(ready(Ok(permit)))
    }

    fn verdict(&self, at: &StepPath, effect: &Effect) -> Verdict {
        StepHost::verdict(&*self.recorder, self.inner(at), effect)
    }

    fn reserve<'a>(
        self: Arc<Self>,
        step: &'a StepPath,
        demand: &'a Demand,
    ) -> BoxFuture<'a, Result<Admission, StepError>> {
        Box::pin(async move {
            let step = if *step == self.seen { self.decision.clone() } else { step.clone() };
            self.recorder.reserved(&step, demand, false).await
        })
    }

    fn limit(&self, path: &StepPath, budget: &Budget) {
        StepHost::limit(&*self.recorder, self.inner(path), budget);
    }

    fn cost(&self, model: &str, usage: &Usage) -> Cost {
        StepHost::cost(&*self.recorder, model, usage)
    }

    fn shared_requests(&self) -> Option<SharedRequests> {
        StepHost::shared_requests(&*self.recorder)
    }

    fn memories(&self) -> Option<UserMemories> {
        StepHost::memories(&*self.recorder)
    }

    fn receive<'a>(
        &'a self,
        step: &'a StepPath,
        ends: bool,
    ) -> BoxFuture<'a, Result<Vec<SentMessage>, StepError>> {
        Box::pin(self.recorder.received(self.inner(step), ends, true))
    }

    fn interrupted<'a>(&'a self, step: &'a StepPath) -> BoxFuture<'a, ()> {
        Box::pin(self.recorder.until_interrupted(self.inner(step)))
    }

    fn run(&self) -> &RunInfo {
        StepHost::run(&*self.recorder)
    }

    fn world(&self) -> &World {
        StepHost::world(&*self.recorder)
    }

    fn cancelled(&self) -> &CancellationToken {
        StepHost::cancelled(&*self.recorder)
    }
}
