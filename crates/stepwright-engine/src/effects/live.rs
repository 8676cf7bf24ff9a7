//! The innermost layer, where effects happen.

use super::decider::DeciderHost;
use super::{Attempt, Effects, Facts, Stop};
use crate::table::{Decider, Entry, InputCheck};
use futures_util::future::{BoxFuture, FutureExt as _};
use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use stepwright_core::context::StepHost;
use stepwright_core::event::Decision;
use stepwright_core::executor::ExecutorType;
use stepwright_core::gate::{Admission, Demand};
use stepwright_core::plan::{ITEMS_MAX, Node, NodeKind};
use stepwright_core::values::HostValues;
use stepwright_core::{
    Content, ErrorCode, ErrorId, RunId, StepContext, StepError, StepInput, StepOutput, StepPath,
    Timestamp,
};
use tracing::Instrument as _;

/// Calls executors and deciders.
pub(crate) struct Live<'w> {
    pub(crate) table: &'w [Entry],
    pub(crate) deadlines: &'w HashMap<u32, Decider<Timestamp>>,
    pub(crate) facts: Facts<'w>,
    pub(crate) values: &'w HostValues,
}

impl Live<'_> {
    fn entry(&self, node: &Node) -> &Entry {
        &self.table[node.index as usize]
    }

    /// Returns `true` if the executor of the step asks for recorded answers itself.
    fn asks_player(&self, node: &Node) -> bool {
        matches!(self.entry(node), Entry::Executor(executor) if executor.asks_player())
    }

    /// Returns an output as its fact has it.
    #[inline]
    fn kept(&self, mut output: StepOutput) -> Result<Arc<StepOutput>, StepError> {
        self.facts.recorder.keep_output(&mut output)?;
        Ok(Arc::new(output))
    }

    fn decider_context(&self, at: &StepPath) -> StepContext {
        let host = DeciderHost::new(self.facts.recorder.clone(), at);
        StepContext::new(at.clone(), 1, Arc::new(host)).with_state(self.values.clone())
    }
}

impl Effects for Live<'_> {
    fn facts(&self) -> &Facts<'_> {
        &self.facts
    }

    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        let Attempt { node, step, number, round, input, .. } = *attempt;
        let host: Arc<dyn StepHost> = self.facts.recorder.clone();
        let cx = StepContext::new(step.clone(), number, host).with_state(self.values.clone());
        let cx = cx.in_round(round);
        if self.facts.is_limited(step) {
            // Nothing begins after the time of a budget. Boxed, because few steps have a budget.
            let admitted = Box::pin(cx.reserve(&Demand::Nothing)).await;
            self.facts.time_passes();
            match admitted.map_err(|error| Stop::failed(step, error, number))? {
                Admission::Spent(error) if !is_agent(node) => {
                    return Err(Stop::failed(step, error, number));
                }
                _ => {}
            }
        }
        let mut history = None;
        if let NodeKind::Step { history_runs, history_completed_only, .. } = node.kind
            && history_runs > 0
        {
            // Boxed, so that a step at work does not keep space for this.
            let earlier = Box::pin(async {
                if history_completed_only {
                    cx.completed_history(history_runs).await
                } else {
                    cx.history(history_runs).await
                }
            })
            .await;
            self.facts.time_passes();
            history = Some(earlier.map_err(|error| Stop::failed(step, error, number))?);
        }
        let now = self.facts.recorder.now();
        // The executor may work for long before it first waits, and other branches go on then.
        self.facts.time_passes();
        // Made where it is taken, so that the future has no place for it.
        let input = || {
            let mut input = input();
            input.history = history;
            input.now = now;
            input
        };
        if cx.is_played() && !self.asks_player(node) {
            let played = Box::pin(played(input(), cx)).await;
            return played
                .and_then(|output| self.kept(output))
                .map_err(|error| Stop::failed(step, error, number));
        }
        let answer = match self.entry(node) {
            // The call itself can panic before it returns a future.
            Entry::Executor(executor) => {
                match std::panic::catch_unwind(AssertUnwindSafe(|| executor.execute(input(), cx))) {
                    Ok(work) => {
                        let work = within_span(work, self.facts.recorder.run_id(), step, number);
                        // Outputs are large: each `map` and `await` on the way would copy this one.
                        let work = async move { work.await.and_then(|output| self.kept(output)) };
                        AssertUnwindSafe(work).catch_unwind().await
                    }
                    Err(panic) => Err(panic),
                }
            }
            Entry::Blocking(function) => {
                let (function, input) = (function.clone(), input());
                let work = tokio::task::spawn_blocking(move || {
                    std::panic::catch_unwind(AssertUnwindSafe(|| (function.call)(&input, &cx)))
                });
                match work.await {
                    Ok(answer) => answer.map(|done| done.and_then(|output| self.kept(output))),
                    Err(_) => Ok(Err(StepError::new("the runtime is shutting down")
                        .with_id(ErrorId::STEP_STOPPED))),
                }
            }
            _ => {
                let what = format!("internal error: the plan has no executor for `{step}`");
                Ok(Err(StepError::terminal(what).with_id(ErrorId::INTERNAL)))
            }
        };
        match answer {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(Stop::failed(step, error, number)),
            Err(panic) => Err(Stop::failed(step, panicked(&*panic), number)),
        }
    }

    async fn decide(
        &self,
        node: &Node,
        path: &StepPath,
        input: &StepInput,
    ) -> Result<Decision, Stop> {
        let cx = || self.decider_context(path);
        let input = &StepInput { now: self.facts.recorder.world().now(), ..input.clone() };
        let decided = match self.entry(node) {
            Entry::Holds(decider) => ask(decider, input, cx).await.map(Decision::answer),
            Entry::Chosen(decider) => ask(decider, input, cx).await.and_then(|names| {
                check_route(node, &names).map(|()| Decision::Names(names.into()))
            }),
            Entry::Items(decider) => match decider {
                Some(decider) => ask(decider, input, cx).await,
                None => list(input.content()),
            }
            .and_then(check_items)
            .map(|items| batched(node, items))
            .map(|items| Decision::Items { items: items.into(), concurrency: 0 }),
            Entry::Workflow { check, input: own } => {
                nested_input(check.as_ref(), own.as_ref(), input, cx).await.map(|prepared| {
                    match prepared {
                        Some(input) => Decision::Items { items: [input].into(), concurrency: 0 },
                        None => Decision::answer(true),
                    }
                })
            }
            // A loop without `until` makes all its turns.
            _ => Ok(Decision::answer(false)),
        };
        decided.map_err(|error| {
            let error = match error.data.code {
                ErrorCode::Failed => error.with_code(ErrorCode::Decision),
                _ => error,
            };
            Stop::failed(path, error, 1)
        })
    }

    fn has_deadline(&self, node: &Node) -> bool {
        self.deadlines.contains_key(&node.index)
    }

    async fn due(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> Result<Option<Timestamp>, Stop> {
        let Some(decider) = self.deadlines.get(&node.index) else { return Ok(None) };
        let input = StepInput { now: self.facts.recorder.world().now(), ..input.clone() };
        let due = ask(decider, &input, || self.decider_context(at)).await;
        due.map(Some).map_err(|error| {
            let error = match error.data.code {
                ErrorCode::Failed => error.with_code(ErrorCode::Decision),
                _ => error,
            };
            Stop::failed(at, error, 1)
        })
    }
}

/// Returns the recorded result of a function of the host program.
async fn played(input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
    let request = || {
        let mut request = serde_json::Map::new();
        request.insert("input".into(), input.message().to_value());
        let more = [
            ("item", input.item.as_ref().map(Content::to_value)),
            ("user_input", input.user_input.as_deref().cloned()),
            ("feedback", input.feedback.as_ref().map(|said| said.feedback.as_ref().into())),
        ];
        request.extend(more.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
        request.into()
    };
    let unfit = |why: String| StepError::terminal(why).with_id(ErrorId::RECORD_UNFIT);
    let answer = cx.played("function", request).await;
    let answer = answer.ok_or_else(|| unfit("the recording has no result of it".into()))??;
    serde_json::from_value(answer)
        .map_err(|error| unfit(format!("its recorded result cannot be read: {error}")))
}

/// Puts the items of a map together that it works on as one.
fn batched(node: &Node, items: Vec<Content>) -> Vec<Content> {
    let NodeKind::Map { batch: Some(size), .. } = node.kind else { return items };
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let lists = items.chunks(size).map(|items| items.iter().map(Content::to_value).collect());
    lists.map(|list: Vec<_>| Content::from(serde_json::Value::Array(list))).collect()
}

/// Returns `true` if the executor can end with what it has.
fn is_agent(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Step { executor_type: ExecutorType::Agent, .. })
}

/// Lets the log lines of an executor, and of everything that it calls, name their run, step and
/// attempt. Without a log it costs nothing.
fn within_span<'w, T: 'w>(
    work: BoxFuture<'w, T>,
    run: &RunId,
    path: &StepPath,
    attempt: u32,
) -> BoxFuture<'w, T> {
    let span = tracing::info_span!(target: "stepwright", "step", %run, %path, attempt);
    if span.is_disabled() { work } else { Box::pin(work.instrument(span)) }
}

async fn ask<T: Clone>(
    decider: &Decider<T>,
    input: &StepInput,
    cx: impl FnOnce() -> StepContext,
) -> Result<T, StepError> {
    let asked = match decider {
        Decider::Constant(value) => return Ok(value.clone()),
        Decider::Sync(decide) => std::panic::catch_unwind(AssertUnwindSafe(|| decide(input))),
        Decider::Async(decide) => {
            let (input, cx) = (input.clone(), cx());
            match std::panic::catch_unwind(AssertUnwindSafe(|| decide(input, cx))) {
                Ok(deciding) => AssertUnwindSafe(deciding).catch_unwind().await,
                Err(panic) => Err(panic),
            }
        }
    };
    asked.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Returns the input of a nested workflow if it is another one than the message of its step.
async fn nested_input(
    check: Option<&InputCheck>,
    own: Option<&Decider<Content>>,
    input: &StepInput,
    cx: impl FnOnce() -> StepContext,
) -> Result<Option<Content>, StepError> {
    let own = match own {
        Some(decider) => Some(ask(decider, input, cx).await?),
        None => None,
    };
    let Some(check) = check else { return Ok(own) };
    let prepared = check(own.clone().unwrap_or_else(|| input.message())).await;
    Ok(prepared.map_err(bad_input)?.or(own))
}

fn check_route(node: &Node, names: &[Arc<str>]) -> Result<(), StepError> {
    let NodeKind::Router { choices } = &node.kind else { return Ok(()) };
    for (place, name) in names.iter().enumerate() {
        if !choices.iter().any(|choice| choice.name == *name) {
            let known: Vec<_> = choices.iter().map(|choice| format!("`{}`", choice.name)).collect();
            let message =
                format!("router `{}` selects `{name}`, which it does not have", node.name);
            let error = StepError::terminal(message).with_id(ErrorId::CHOICE_INVALID);
            return Err(error.with_hint(format!("the choices are {}", known.join(", "))));
        }
        if names[..place].contains(name) {
            let message = format!("`{name}` is chosen twice; a step runs once in a router");
            return Err(StepError::terminal(message).with_id(ErrorId::CHOICE_INVALID));
        }
    }
    Ok(())
}

fn check_items(items: Vec<Content>) -> Result<Vec<Content>, StepError> {
    match items.len() {
        many if many > ITEMS_MAX => {
            Err(StepError::terminal(format!("the map has {many} items; the limit is {ITEMS_MAX}"))
                .with_code(ErrorCode::Limit))
        }
        _ => Ok(items),
    }
}

fn list(content: &Content) -> Result<Vec<Content>, StepError> {
    content.parse::<Vec<Content>>().map_err(|_| {
        bad_input(format!("a map needs a list to work on, and was given {}", kind_of(content)))
            .with_hint("say what the items are with `.over(…)`")
    })
}

fn kind_of(content: &Content) -> &'static str {
    match content {
        Content::Text(_) => "text",
        Content::Json(value) if value.is_null() => "nothing",
        Content::Json(value) if value.is_object() => "an object",
        Content::Json(_) => "a value",
    }
}

fn bad_input(message: String) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

fn panicked(panic: &(dyn Any + Send)) -> StepError {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    StepError::terminal(format!("it panicked: {what}")).with_code(ErrorCode::Panicked)
}
