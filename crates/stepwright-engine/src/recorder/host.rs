//! What steps at work may ask of the recorder.

use super::Recorder;
use crate::effects::Stop;
use crate::history;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::context::{RunInfo, StepHost};
use stepwright_core::{
    Answer, ErrorCode, Event, EventKind, Exchange, Requirement, StepError, StepPath, World,
};
use tokio_util::sync::CancellationToken;

impl StepHost for Recorder {
    fn emit(&self, step: &StepPath, delta: EventKind) {
        self.activity.sign(step, Duration::ZERO);
        Self::emit(self, step, delta);
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
            let once = match &fact {
                EventKind::StepRecorded { key, value } => Some((key.clone(), value.clone())),
                _ => None,
            };
            if !fact.is_of_executor() && once.is_none() {
                let message = format!("`{}` is not for an executor to record", fact.name());
                return Err(StepError::terminal(message));
            }
            if !self.tape().fold.is_open(step) {
                return Err(StepError::terminal(format!("step `{step}` has ended")));
            }
            let stopped = |_| StepError::terminal("the journal of the run is lost");
            // Waiting for a model that is busy is not being idle: it is over when it says.
            let pause = match &fact {
                EventKind::ModelRequestRetrying { delay_ms, .. } => {
                    Duration::from_millis(*delay_ms)
                }
                _ => Duration::ZERO,
            };
            self.activity.sign(step, pause);
            self.time_passes();
            let noted = Self::record(self, step, fact);
            self.time_passes();
            noted.map_err(stopped)?;
            if let Some((key, value)) = once {
                self.tape().once.get_or_insert_default().insert((step.clone(), key), value);
            }
            self.settle().await.map_err(stopped)
        })
    }

    fn past(&self, step: &StepPath) -> Vec<Event> {
        self.tape().notes.remove(step).unwrap_or_default()
    }

    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        Box::pin(async move {
            let Some(journal) = &self.journal else { return Ok(Arc::from([])) };
            let began = self.tape().fold.created_at();
            let (session, workflow) = (&self.run.session_id, &self.run.workflow_id);
            let earlier =
                history::of(&journal.store, (session, workflow), began, (runs, completed_only))
                    .await;
            earlier.map(Into::into).map_err(|error| {
                let failed = StepError::new(format!("the session's history: {error}"));
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
            let reply = Self::ask(self, requirement, true).await.map_err(|stop| match stop {
                Stop::Failed(failure) => StepError { data: Box::new(failure.error.clone()) },
                _ => StepError::terminal(format!("step `{step}` was stopped")),
            })?;
            if reply.timed_out && fails {
                return Err(too_late(&id));
            }
            Ok(reply.answer.clone())
        })
    }

    fn recorded(&self, step: &StepPath, key: &str) -> Option<Value> {
        self.tape().once.as_ref()?.get(&(step.clone(), key.into())).cloned()
    }

    fn is_waiting(&self, step: &StepPath) -> bool {
        self.waits.is_waiting(step)
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

/// The failure of what nobody answered in time.
pub(crate) fn too_late(id: &str) -> StepError {
    StepError::terminal(format!("nobody answered `{id}` in time"))
        .with_code(ErrorCode::Rejected)
        .with_hint("give it more time, or say what counts as the answer with `on_timeout`")
}
