//! The engine as a decider sees it.

use crate::recorder::Recorder;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::future::ready;
use std::sync::Arc;
use stepwright_core::calls::CallPast;
use stepwright_core::context::{RunInfo, StepHost};
use stepwright_core::gate::Permit;
use stepwright_core::message::ToolCall;
use stepwright_core::permission::{Effect, Verdict};
use stepwright_core::trace::Traced;
use stepwright_core::{
    Answer, ErrorCode, ErrorId, Event, EventKind, Exchange, Requirement, StepError, StepPath, World,
};
use tokio_util::sync::CancellationToken;

/// The host of a decider. Its container may not have begun, so nothing can be recorded there: the
/// decision is recorded as a whole, and is made again if the process dies before.
pub(super) struct DeciderHost(pub(super) Arc<Recorder>);

fn refused<T>(what: &str) -> Result<T, StepError> {
    Err(StepError::terminal(format!("a decider cannot {what}"))
        .with_id(ErrorId::RECORD_REFUSED)
        .with_hint("do it in a step before the container, and decide by the output of that step"))
}

impl StepHost for DeciderHost {
    fn emit(&self, _: &StepPath, _: EventKind) {}

    fn record<'a>(&'a self, _: &'a StepPath, _: EventKind) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(ready(refused("record anything but its decision")))
    }

    fn trace(&self) -> Traced<'_> {
        self.0.trace()
    }

    fn past(&self, _: &StepPath) -> Vec<Event> {
        Vec::new()
    }

    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        StepHost::history(&*self.0, runs, completed_only)
    }

    fn ask<'a>(
        &'a self,
        _: &'a StepPath,
        _: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(ready(refused("wait")))
    }

    fn recorded(&self, _: &StepPath, _: &str) -> Option<Value> {
        None
    }

    fn call(&self, step: &StepPath, _: &ToolCall) -> (StepPath, CallPast) {
        (step.clone(), CallPast::New)
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
        StepHost::verdict(&*self.0, at, effect)
    }

    fn run(&self) -> &RunInfo {
        StepHost::run(&*self.0)
    }

    fn world(&self) -> &World {
        StepHost::world(&*self.0)
    }

    fn cancelled(&self) -> &CancellationToken {
        StepHost::cancelled(&*self.0)
    }
}
