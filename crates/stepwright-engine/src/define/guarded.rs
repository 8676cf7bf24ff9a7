//! Guardrails around the work of a step.

use super::Work;
use crate::table::Blocking;
use futures_util::future::{Either, select};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use stepwright_core::executor::ExecutorType;
use stepwright_core::guardrail::{Checked, Guard, GuardPlace, GuardVerdict, StepGuards, Unjudged};
use stepwright_core::held_text::HeldText;
use stepwright_core::{
    AnyExecutor, Content, ErrorId, EventKind, Executor, Feedback, Fingerprint, StepContext,
    StepError, StepInput, StepOutput,
};

/// Puts guardrails around the work of a step. A nested workflow has none.
pub(crate) fn guarded(work: Work, guards: Vec<Guard>) -> Work {
    if guards.is_empty() {
        return work;
    }
    let executor = match work {
        Work::Executor(executor) => executor,
        Work::Blocking(function) => AnyExecutor::new(OnThread(function)),
        work @ Work::Workflow(_) => return work,
    };
    Work::Executor(AnyExecutor::new(Guarded { executor, guards }))
}

/// Puts guardrails around an executor.
pub fn guarded_executor(executor: AnyExecutor, guards: Vec<Guard>) -> AnyExecutor {
    if guards.is_empty() { executor } else { AnyExecutor::new(Guarded { executor, guards }) }
}

/// An executor with guardrails before and after it.
struct Guarded {
    executor: AnyExecutor,
    guards: Vec<Guard>,
}

impl Executor for Guarded {
    stepwright_core::as_inner_executor!(executor);

    fn fingerprint(&self) -> Fingerprint {
        let numbered = self.guards.iter().zip(1..);
        numbered.fold(self.executor.fingerprint(), |all, (guard, nth)| {
            all.with(format!("guardrail {nth}"), guard.fingerprint().to_string())
        })
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        // Nothing is shown that a guard may yet rewrite or refuse.
        let is_judged = self.at(GuardPlace::AfterStep, false).next().is_some();
        let held = is_judged.then(|| HeldText::at(cx.path().clone()));
        let inner = self.within(&cx, held.as_ref());
        let output = self.judged(input, &inner).await?;
        if let Some(held) = held
            && (held.was_said() || self.is_talking())
        {
            let text = output.content.text();
            if !text.is_empty() {
                cx.emit(&*text);
            }
            if held.was_completed() {
                cx.emit_event(EventKind::RunContentCompleted);
            }
        }
        Ok(output)
    }
}

impl Guarded {
    /// Returns the context of the work: agents in it have the guards judge messages to them.
    fn within(&self, cx: &StepContext, held: Option<&HeldText>) -> StepContext {
        let mut inner = cx.clone();
        if let Some(held) = held {
            inner = inner.and_state(held.clone());
        }
        let before = self.guards.iter().filter(|it| it.place(true) == GuardPlace::BeforeStep);
        let around = cx.state::<StepGuards>().map_or(&[][..], |guards| &guards.0);
        let all: Vec<Guard> = around.iter().chain(before).cloned().collect();
        if all.is_empty() { inner } else { inner.and_state(StepGuards(all.into())) }
    }

    /// Returns `true` if the text of the executor is its output. An agent that goes on after a
    /// crash does not say again what it has said.
    fn is_talking(&self) -> bool {
        matches!(self.executor.executor_type(), ExecutorType::Agent | ExecutorType::Team)
    }

    /// Executes the step between its guards.
    async fn judged(&self, input: StepInput, cx: &StepContext) -> Result<StepOutput, StepError> {
        let mut input = input;
        for (nth, guard) in self.at(GuardPlace::BeforeStep, false) {
            let message = input.message();
            match judge(guard, GuardPlace::BeforeStep, message, (1, nth), cx).await? {
                GuardVerdict::Allow => {}
                GuardVerdict::Rewrite { content } => tell(&mut input, content),
                GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
                    return Err(guard.refusal(GuardPlace::BeforeStep, None, &reason));
                }
            }
        }
        let mut output = self.watched(&input, cx).await?;
        let (mut round, mut asked) = (1, vec![0; self.guards.len()]);
        'again: loop {
            for (nth, guard) in self.at(GuardPlace::AfterStep, false) {
                let given = output.content.clone();
                match judge(guard, GuardPlace::AfterStep, given, (round, nth), cx).await? {
                    GuardVerdict::Allow => {}
                    GuardVerdict::Rewrite { content } => output.content = content,
                    GuardVerdict::Retry { reason } if asked[nth] < guard.retry_limit() => {
                        asked[nth] += 1;
                        round += 1;
                        let previous = output.content;
                        input.feedback = Some(Arc::new(Feedback { previous, feedback: reason }));
                        let usage = output.usage;
                        output = self.executor.execute(input.clone(), cx.clone()).await?;
                        output.usage += usage;
                        continue 'again;
                    }
                    GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
                        return Err(guard.refusal(GuardPlace::AfterStep, None, &reason));
                    }
                }
            }
            return Ok(output);
        }
    }

    /// Returns the guards at a place, with their numbers.
    fn at(&self, place: GuardPlace, watching: bool) -> impl Iterator<Item = (usize, &Guard)> {
        let numbered = self.guards.iter().enumerate();
        numbered
            .filter(move |(_, guard)| guard.place(true) == place && guard.is_watching() == watching)
    }

    /// Executes the step beside the guards that watch. A refusal drops the work.
    async fn watched(&self, input: &StepInput, cx: &StepContext) -> Result<StepOutput, StepError> {
        let message = input.message();
        let watching = self.at(GuardPlace::BeforeStep, true).map(|(nth, guard)| {
            let message = message.clone();
            async move {
                match judge(guard, GuardPlace::BeforeStep, message, (1, nth), cx).await? {
                    GuardVerdict::Allow => Ok(()),
                    verdict => Err(only_watches(guard, GuardPlace::BeforeStep, &verdict)),
                }
            }
        });
        let watching: Vec<_> = watching.collect();
        let work = pin!(self.executor.execute(input.clone(), cx.clone()));
        if watching.is_empty() {
            return work.await;
        }
        let watched = pin!(futures_util::future::try_join_all(watching));
        match select(watched, work).await {
            Either::Left((verdict, work)) => {
                verdict?;
                work.await
            }
            Either::Right((output, watched)) => {
                watched.await?;
                output
            }
        }
    }
}

/// Makes the failure for the verdict of a guard that watches.
fn only_watches(guard: &Guard, place: GuardPlace, verdict: &GuardVerdict) -> StepError {
    match verdict {
        GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
            guard.refusal(place, None, reason)
        }
        _ => guard.refusal(place, None, "it wants to rewrite what has begun; let it not watch"),
    }
}

/// Judges a content, or recalls the verdict.
async fn judge(
    guard: &Guard,
    place: GuardPlace,
    content: Content,
    (round, nth): (u32, usize),
    cx: &StepContext,
) -> Result<GuardVerdict, StepError> {
    let checked = Checked::new(place, content);
    let key = guard.key(&checked, &round.to_string(), nth, cx.attempt());
    let known = cx.recorded(&key).and_then(|value| serde_json::from_value(value).ok());
    match known {
        Some(verdict) => Ok(verdict),
        None => guard.judge(checked, key, cx).await.map_err(|unjudged| match unjudged {
            Unjudged::Failed(error) | Unjudged::Lost(error) => error,
        }),
    }
}

/// Puts another message in place of the one that the step was given.
fn tell(input: &mut StepInput, content: Content) {
    if content.is_empty() {
        // Without a previous output, the message would be that of the run.
        input.item = Some(content.clone());
    }
    input.previous = Some(Arc::new(StepOutput::from(content)));
}

/// A blocking function as an executor, so that guardrails can be put around it.
struct OnThread(Blocking);

impl Executor for OnThread {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Function
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let function = self.0.clone();
        let work = tokio::task::spawn_blocking(move || {
            std::panic::catch_unwind(AssertUnwindSafe(|| (function.call)(&input, &cx)))
        });
        match work.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => {
                Err(StepError::new("the runtime is shutting down").with_id(ErrorId::STEP_STOPPED))
            }
        }
    }
}
