//! An engine as small as it can be: it keeps what is recorded and shown.

use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_agent::{Agent, AgentBuilder};
use stepwright_core::budget::Budget;
use stepwright_core::calls::{CallPast, Calls};
use stepwright_core::context::{RunInfo, StepHost};
use stepwright_core::cost::Cost;
use stepwright_core::gate::{Admission, Demand, Permit, Reservation};
use stepwright_core::message::{ToolCall, Usage};
use stepwright_core::permission::{Effect, Verdict};
use stepwright_core::world::Clock;
use stepwright_core::{
    Answer, BoxFuture, Event, EventKind, Exchange, Executor as _, Requirement, RunId, SessionId,
    StepContext, StepError, StepInput, StepOutput, StepPath, Timestamp, WorkflowId, World,
};
use stepwright_models::RetryPolicy;
use stepwright_testing::model::ScriptedModel;
use tokio_util::sync::CancellationToken;

/// Tokio's clock, which tests can pause.
struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp(0).plus(self.0.elapsed())
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Returns a recorded fact, at the start of the clock.
fn event((sequence, (path, kind)): (usize, (StepPath, EventKind))) -> Event {
    let run = RunId::new("r-1").unwrap();
    Event { sequence: sequence as u64, delta: 0, time: Timestamp(0), run, path, kind }
}

pub(crate) struct Host {
    run: RunInfo,
    world: World,
    cancelled: CancellationToken,
    past: Vec<Event>,
    calls: Mutex<Calls>,
    events: Mutex<Vec<(StepPath, EventKind)>>,
    /// The number of facts that can be recorded before the journal is lost.
    room: usize,
    /// The answers by requirement id, and the requirements so far.
    answers: Mutex<Vec<(String, Answer)>>,
    pub(crate) asked: Mutex<Vec<Requirement>>,
}

impl Host {
    pub(crate) fn new() -> Arc<Self> {
        Self::after(Vec::new())
    }

    /// A host that recorded these facts before a crash.
    pub(crate) fn after(past: Vec<(StepPath, EventKind)>) -> Arc<Self> {
        Self::with_room(past, usize::MAX)
    }

    pub(crate) fn with_room(past: Vec<(StepPath, EventKind)>, room: usize) -> Arc<Self> {
        let past: Vec<Event> = past.into_iter().enumerate().map(event).collect();
        Arc::new(Self {
            run: RunInfo {
                run_id: RunId::new("r-1").unwrap(),
                session_id: SessionId::new("s-1").unwrap(),
                user_id: None,
                workflow_id: WorkflowId::new("w-1").unwrap(),
                workflow_name: "test".into(),
                debug: true,
            },
            world: World::new(TokioClock(tokio::time::Instant::now()), 1),
            cancelled: CancellationToken::new(),
            calls: Mutex::new(Calls::of(&past)),
            past,
            events: Mutex::default(),
            room,
            answers: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// Answers a question, when it comes.
    pub(crate) fn answer(&self, id: &str, answer: Answer) {
        self.answers.lock().unwrap().push((id.to_owned(), answer));
    }

    pub(crate) fn cx(self: &Arc<Self>) -> StepContext {
        StepContext::new("step".into(), 1, self.clone())
    }

    /// Returns the events recorded and shown here, in order.
    pub(crate) fn events(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().iter().map(|(_, kind)| kind.clone()).collect()
    }

    /// Returns the facts recorded here, with their paths.
    pub(crate) fn journal(&self) -> Vec<(StepPath, EventKind)> {
        self.events.lock().unwrap().iter().filter(|(_, kind)| kind.is_fact()).cloned().collect()
    }

    /// Returns the facts recorded here.
    pub(crate) fn facts(&self) -> Vec<EventKind> {
        self.events().into_iter().filter(EventKind::is_fact).collect()
    }

    /// The names of the facts.
    pub(crate) fn fact_names(&self) -> Vec<&'static str> {
        self.facts().iter().map(EventKind::name).collect()
    }

    /// Returns the results of tools, with a `!` before failures.
    pub(crate) fn tool_answers(&self) -> Vec<String> {
        let answer = |fact: EventKind| match fact {
            EventKind::ToolCallCompleted { tool } => Some(format!("{}: {}", tool.name, tool.text)),
            EventKind::ToolCallError { tool, .. } => Some(format!("!{}: {}", tool.name, tool.text)),
            _ => None,
        };
        self.facts().into_iter().filter_map(answer).collect()
    }

    /// The text that was shown.
    pub(crate) fn shown(&self) -> String {
        let text = |event: EventKind| match event {
            EventKind::RunContent { content } => Some(content.to_string()),
            _ => None,
        };
        self.events().into_iter().filter_map(text).collect()
    }

    /// The text that was shown at a path.
    pub(crate) fn shown_at(&self, path: &str) -> String {
        let events = self.events.lock().unwrap();
        let text = events.iter().filter_map(|(at, event)| match event {
            EventKind::RunContent { content } if at.as_str() == path => Some(content.to_string()),
            _ => None,
        });
        text.collect()
    }

    pub(crate) async fn run(
        self: &Arc<Self>,
        agent: &Agent,
        message: &str,
    ) -> Result<StepOutput, StepError> {
        agent.execute(StepInput::of(message), self.cx()).await
    }
}

impl StepHost for Host {
    fn emit(&self, step: &StepPath, delta: EventKind) {
        assert!(!delta.is_fact(), "{delta:?} must be recorded");
        self.events.lock().unwrap().push((step.clone(), delta));
    }
    fn trace(&self) -> stepwright_core::trace::Traced<'_> {
        stepwright_core::trace::Traced::default()
    }
    fn record<'a>(
        &'a self,
        step: &'a StepPath,
        fact: EventKind,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(async move {
            assert!(fact.is_fact(), "{fact:?} must be shown");
            // The journal takes its time, as a real one does.
            tokio::task::yield_now().await;
            let mut events = self.events.lock().unwrap();
            let facts = events.iter().filter(|(_, kind)| kind.is_fact()).count();
            if facts == self.room {
                return Err(StepError::terminal("the journal is lost"));
            }
            let noted = event((self.past.len() + facts, (step.clone(), fact.clone())));
            self.calls.lock().unwrap().apply(&noted);
            events.push((step.clone(), fact));
            Ok(())
        })
    }
    fn past(&self, step: &StepPath) -> Vec<Event> {
        // The facts of the call at this path are not those of the agent in it.
        let is_call = |event: &&Event| event.kind.name().starts_with("ToolCall");
        let all = self.past.iter().filter(|event| event.path == *step);
        all.filter(|event| !is_call(event)).cloned().collect()
    }
    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast) {
        self.calls.lock().unwrap().call(step, tool)
    }
    fn history(&self, _: u32, _: bool) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        Box::pin(std::future::ready(Ok(Arc::from([]))))
    }
    fn ask<'a>(
        &'a self,
        _: &'a StepPath,
        requirement: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>> {
        let answers = self.answers.lock().unwrap();
        let answer = answers.iter().find(|(id, _)| **id == *requirement.id);
        let answer = answer.map(|(_, answer)| answer.clone());
        let answer = answer.ok_or_else(|| StepError::terminal("no answer was prepared"));
        self.asked.lock().unwrap().push(requirement);
        Box::pin(std::future::ready(answer))
    }
    fn recorded(&self, _: &StepPath, _: &str) -> Option<Value> {
        None
    }
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

/// An agent on a script, ready for tools, whose failures are not tried again.
pub(crate) fn on(model: &ScriptedModel) -> AgentBuilder {
    Agent::builder("Tester").model(model.clone()).unwrap().model_retry(RetryPolicy::never())
}
