//! Contexts without an engine.

use crate::BoxFuture;
use crate::budget::Budget;
use crate::calls::{CallPast, Calls};
use crate::context::{RunInfo, StepContext, StepHost};
use crate::cost::Cost;
use crate::event::{Event, EventKind};
use crate::failure::StepError;
use crate::gate::{Admission, Demand, Permit, Reservation};
use crate::id::{RunId, SessionId, WorkflowId};
use crate::message::{ToolCall, Usage};
use crate::path::StepPath;
use crate::permission::{Effect, Verdict};
use crate::requirement::{Answer, Requirement};
use crate::session::Exchange;
use crate::trace::Traced;
use crate::world::{ImpatientClock, World};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

impl StepContext {
    /// Creates a context without an engine, for tests of executors. Events that it emits are
    /// dropped. Its time is virtual, and passes at once when the executor waits. For a real clock,
    /// use [`StepContext::detached_in`].
    pub fn detached(step: &str) -> Self {
        Self::detached_in(step, World::new(ImpatientClock::default(), 0))
    }

    /// Creates a context without an engine in this world. Events that it emits are dropped.
    pub fn detached_in(step: &str, world: World) -> Self {
        let run = RunInfo {
            run_id: RunId::new("detached").expect("a valid identifier"),
            session_id: SessionId::new("detached").expect("a valid identifier"),
            user_id: None,
            workflow_id: WorkflowId::new("detached").expect("a valid identifier"),
            workflow_name: "detached".into(),
            debug: false,
        };
        let (cancelled, calls) = (CancellationToken::new(), Mutex::default());
        let host = Detached { run, world, cancelled, calls };
        Self::new(step.into(), 1, Arc::new(host))
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
        let error = format!("`{}` cannot be answered outside of a run", requirement.id);
        Box::pin(std::future::ready(Err(StepError::terminal(error))))
    }
    fn trace(&self) -> Traced<'_> {
        Traced::default()
    }
    fn recorded(&self, _: &StepPath, _: &str) -> Option<Value> {
        None
    }
    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).call(step, tool)
    }
    // Without a run there are no permissions, no budgets and no prices.
    fn permit<'a>(
        &'a self,
        _: &'a StepPath,
        _: &'a StepPath,
        _: u32,
        _: &'a Effect,
    ) -> BoxFuture<'a, Result<Permit, StepError>> {
        Box::pin(std::future::ready(Ok(Permit::Granted)))
    }
    fn verdict(&self, _: &StepPath, _: &Effect) -> Verdict {
        Verdict::Allow
    }
    fn reserve<'a>(
        self: Arc<Self>,
        _: &'a StepPath,
        _: &'a Demand,
    ) -> BoxFuture<'a, Result<Admission, StepError>> {
        Box::pin(std::future::ready(Ok(Admission::Granted(Reservation::free()))))
    }
    fn limit(&self, _: &StepPath, _: &Budget) {}
    fn cost(&self, _: &str, _: &Usage) -> Cost {
        Cost::UNPRICED
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
