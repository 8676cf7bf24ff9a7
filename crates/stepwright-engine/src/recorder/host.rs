//! The services of the recorder for steps at work.

use super::Recorder;
use super::done::{is_of_guarded_step, note_effect};
use crate::runner::{LEASE, is_dead};
use crate::runs::history;
use crate::stop::Stop;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_core::budget::Budget;
use stepwright_core::calls::CallPast;
use stepwright_core::context::{AtEnd, RunInfo, StepHost};
use stepwright_core::cost::Cost;
use stepwright_core::gate::{Admission, Demand, Permit, Release};
use stepwright_core::message::{ToolCall, Usage};
use stepwright_core::permission::{Effect, Verdict};
use stepwright_core::sent::SentMessage;
use stepwright_core::store::{SharedRequests, UserMemories};
use stepwright_core::trace::Traced;
use stepwright_core::{
    Answer, ErrorCode, ErrorId, Event, EventKind, Exchange, Media, Requirement, StepError,
    StepPath, StoredMedia, World,
};
use tokio_util::sync::CancellationToken;

impl Release for Recorder {
    fn release(&self, number: u64) {
        if let Some(ledger) = &mut self.state().ledger {
            ledger.release(number);
        }
    }
}

impl Recorder {
    /// Returns the media and the additional data of the run's input, which its workflows see.
    pub(crate) fn given(&self) -> (Vec<Media>, Map<String, Value>) {
        let state = self.state();
        let given = state.fold.started().map(|started| &started.input);
        given.map(|input| (input.media.clone(), input.additional_data.clone())).unwrap_or_default()
    }

    /// Records the work of an agent in a decider.
    pub(crate) async fn record_of_decider(
        &self,
        at: &StepPath,
        fact: EventKind,
    ) -> Result<(), StepError> {
        let stopped = |_| {
            StepError::terminal("the journal of the run is lost").with_id(ErrorId::STEP_STOPPED)
        };
        self.time_passes();
        let noted = Self::record(self, at, EventKind::DeciderRecorded { fact: Box::new(fact) });
        self.time_passes();
        noted.map_err(stopped)?;
        self.settle().await.map_err(stopped)
    }
}

impl StepHost for Recorder {
    fn emit(&self, step: &StepPath, delta: EventKind) {
        self.activity.sign(step, Duration::ZERO);
        Self::emit(self, step, delta);
    }

    fn trace(&self) -> Traced<'_> {
        Traced {
            continues: self.trace.context.as_ref(),
            part: self.trace.parts.load(Ordering::Relaxed),
            is_traced: self.trace.is_traced,
        }
    }

    fn keep_alive(&self, step: &StepPath) {
        self.activity.sign(step, Duration::ZERO);
    }

    fn record<'a>(
        &'a self,
        step: &'a StepPath,
        fact: EventKind,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(async move {
            let is_effect = matches!(
                fact,
                EventKind::StepRecorded { .. }
                    | EventKind::StepEffectStarted { .. }
                    | EventKind::StepEffectFailed { .. }
            );
            let is_effect = is_effect || is_of_guarded_step(&fact);
            let is_process = matches!(fact, EventKind::StepProcessStarted { .. });
            if !fact.is_of_executor() && !is_effect && !is_process {
                let message = format!("`{}` is not for an executor to record", fact.name());
                return Err(StepError::terminal(message).with_id(ErrorId::RECORD_REFUSED));
            }
            let is_open = {
                let fold = &self.state().fold;
                match fact {
                    // A fact for all steps of the run.
                    EventKind::StepRecorded { .. } if step.is_root() => true,
                    EventKind::ToolCallStarted { .. } => {
                        step.caller_str().is_some_and(|caller| fold.is_open(&caller.into()))
                    }
                    _ => fold.is_open(step),
                }
            };
            if !is_open {
                let error = StepError::terminal(format!("step `{step}` has ended"));
                return Err(error.with_id(ErrorId::RECORD_REFUSED));
            }
            let stopped = |_| {
                StepError::terminal("the journal of the run is lost").with_id(ErrorId::STEP_STOPPED)
            };
            // A step that waits for a busy model is not idle until the announced wait is over.
            let pause = match &fact {
                EventKind::ModelRequestRetrying { delay_ms, .. } => {
                    Duration::from_millis(*delay_ms)
                }
                _ => Duration::ZERO,
            };
            self.activity.sign(step, pause);
            self.time_passes();
            let effect = is_effect.then(|| fact.clone());
            let noted = Self::record(self, step, fact);
            self.time_passes();
            noted.map_err(stopped)?;
            if let Some(effect) = effect {
                note_effect(&mut self.state().once, step, &effect);
            }
            self.settle().await.map_err(stopped)
        })
    }

    fn past(&self, step: &StepPath) -> Vec<Event> {
        let mut state = self.state();
        let Some(all) = &mut state.notes else { return Vec::new() };
        let Some(notes) = all.get_mut(step) else { return Vec::new() };
        // A function may call several agents, one after the other. Each has its own facts.
        let is_begin = |note: &Event| matches!(note.kind, EventKind::RunStarted { .. });
        let next = notes.iter().skip(1).position(is_begin).map(|next| next + 1);
        match next {
            Some(next) => notes.drain(..next).collect(),
            None => all.remove(step).unwrap_or_default(),
        }
    }

    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        Box::pin(async move {
            let Some(journal) = &self.journal else { return Ok(Arc::from([])) };
            let began = self.state().fold.history_until();
            let (session, workflow) = (&self.run.session_id, Some(&self.run.workflow_id));
            let (of, which) = ((session, workflow), (runs, completed_only));
            let own = Some(&self.run.run_id);
            let earlier = history::of(&journal.store, of, began, which, own).await;
            earlier.map(Into::into).map_err(|error| {
                let failed = StepError::new(format!("the session's history: {error}"))
                    .with_id(ErrorId::HISTORY_UNREADABLE);
                match error.hint() {
                    Some(hint) => failed.with_hint(hint),
                    None => failed,
                }
            })
        })
    }

    fn ask<'a>(
        &'a self,
        step: &'a StepPath,
        requirement: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(async move {
            let fails = requirement.at_timeout().is_none();
            let id = requirement.id.clone();
            let reply =
                Self::ask(self, requirement, Some(step)).await.map_err(|stop| match stop {
                    Stop::Failed(failure) => StepError { data: Box::new(failure.error.clone()) },
                    _ => StepError::terminal(format!("step `{step}` was stopped"))
                        .with_id(ErrorId::STEP_STOPPED),
                })?;
            if reply.timed_out && fails {
                return Err(too_late(&id));
            }
            Ok(reply.answer.clone())
        })
    }

    fn media<'a>(&'a self, stored: &'a StoredMedia) -> BoxFuture<'a, Result<Arc<[u8]>, StepError>> {
        Box::pin(self.bytes_of(stored))
    }

    fn recorded(&self, step: &StepPath, key: &str) -> Option<Value> {
        self.state().once.as_ref()?.get(&(step.clone(), key.into()))?.done.clone()
    }

    fn effect_interrupted(&self, step: &StepPath, key: &str) -> Option<u32> {
        let state = self.state();
        let effect = state.once.as_ref()?.get(&(step.clone(), key.into()))?;
        effect.open.then_some(effect.begun)
    }

    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast) {
        self.state().calls.get_or_insert_default().call(step, tool)
    }

    fn call_begins(&self, step: &StepPath, call: &StepPath) {
        self.pending.call_begins(step, call);
    }

    fn call_ends(&self, step: &StepPath, call: &StepPath) {
        self.pending.call_ends(step, call);
    }

    fn is_waiting(&self, step: &StepPath) -> bool {
        self.pending.is_waiting(step)
    }

    fn permit<'a>(
        &'a self,
        asks: &'a StepPath,
        at: &'a StepPath,
        attempt: u32,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Permit, StepError>> {
        Box::pin(self.permitted((asks, at), attempt, effect))
    }

    fn verdict(&self, at: &StepPath, effect: &Effect) -> Verdict {
        let state = self.state();
        let judged = state.guards.as_ref().and_then(|guards| guards.judge(at, effect));
        judged.map_or(Verdict::Allow, |judged| judged.verdict)
    }

    fn reserve<'a>(
        self: Arc<Self>,
        step: &'a StepPath,
        demand: &'a Demand,
    ) -> BoxFuture<'a, Result<Admission, StepError>> {
        Box::pin(async move { self.reserved(step, demand, true).await })
    }

    fn at_end(&self, key: &str, work: AtEnd) {
        let at_end = &mut self.state().at_end;
        if at_end.iter().all(|(known, _)| **known != *key) {
            at_end.push((key.into(), work));
        }
    }

    fn limit(&self, path: &StepPath, budget: &Budget) {
        self.enter(None, path, std::slice::from_ref(budget));
    }

    fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.prices.cost(model, usage)
    }

    fn shared_requests(&self) -> Option<SharedRequests> {
        let store = self.store().filter(|store| store.is_shared())?.clone();
        let driver = self.state().driver.clone()?;
        Some(SharedRequests::new(store, driver, LEASE, is_dead, self.world().clone()))
    }

    fn memories(&self) -> Option<UserMemories> {
        let (store, user) = (self.store()?.clone(), self.run.user_id.clone()?);
        let run = Some(self.run.run_id.clone());
        Some(UserMemories::new(store, user, run, self.world().clone()))
    }

    fn receive<'a>(
        &'a self,
        step: &'a StepPath,
        ends: bool,
    ) -> BoxFuture<'a, Result<Vec<SentMessage>, StepError>> {
        Box::pin(self.received(step, ends, false))
    }

    fn interrupted<'a>(&'a self, step: &'a StepPath) -> BoxFuture<'a, ()> {
        Box::pin(self.until_interrupted(step))
    }

    fn engine(self: Arc<Self>) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(self)
    }

    fn run(&self) -> &RunInfo {
        &self.run
    }

    fn world(&self) -> &World {
        self.clock.world()
    }

    fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    fn is_cancelled(&self, step: &StepPath) -> bool {
        self.cancelled.is_cancelled()
            && (self.is_ended_early() || !self.state().fold.runs_after(step))
    }
}

/// Makes the failure of a request without a reply in time.
pub(crate) fn too_late(id: &str) -> StepError {
    StepError::terminal(format!("no answer to `{id}` came in time"))
        .with_code(ErrorCode::Rejected)
        .with_id(ErrorId::ANSWER_NOT_IN_TIME)
        .with_hint("give it more time, or say what counts as the answer with `on_timeout`")
}
