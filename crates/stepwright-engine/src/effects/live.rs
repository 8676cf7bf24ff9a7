//! The innermost layer, where effects happen.

use super::{Attempt, Decision, Effects, Fan, Past, Stop};
use crate::recorder::Recorder;
use crate::table::{Decider, Entry};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::context::StepHost;
use stepwright_core::event::Reply;
use stepwright_core::plan::{ITEMS_MAX, Node, NodeKind};
use stepwright_core::state::Reducers;
use stepwright_core::{
    Content, ErrorCode, ErrorId, EventKind, Requirement, StepContext, StepError, StepInput,
    StepOutput, StepPath,
};

/// Calls executors and deciders, and runs branches.
pub(crate) struct Live<'w> {
    pub(crate) table: &'w [Entry],
    pub(crate) reducers: &'w Reducers,
    pub(crate) recorder: Arc<Recorder>,
}

impl Live<'_> {
    fn entry(&self, node: &Node) -> &Entry {
        &self.table[node.index as usize]
    }
}

impl Effects for Live<'_> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        let Attempt { node, step, number, input, .. } = *attempt;
        let host: Arc<dyn StepHost> = self.recorder.clone();
        let cx = StepContext::new(step.clone(), number, host);
        let told;
        let input = match node.kind {
            NodeKind::Step { history_runs: 0, .. } => input,
            NodeKind::Step { history_runs, history_completed_only, .. } => {
                // Boxed, so that a step at work does not keep space for this.
                let earlier = Box::pin(async {
                    if history_completed_only {
                        cx.completed_history(history_runs).await
                    } else {
                        cx.history(history_runs).await
                    }
                })
                .await;
                let history = earlier.map_err(|error| Stop::failed(step, error, number))?;
                told = StepInput { history: Some(history), ..input.clone() };
                &told
            }
            _ => input,
        };
        let answer =
            match self.entry(node) {
                // The call itself can panic before it returns a future.
                Entry::Executor(executor) => {
                    match std::panic::catch_unwind(AssertUnwindSafe(|| {
                        executor.execute(input.clone(), cx)
                    })) {
                        Ok(work) => AssertUnwindSafe(work).catch_unwind().await,
                        Err(panic) => Err(panic),
                    }
                }
                Entry::Blocking(function) => {
                    let (function, input) = (function.clone(), input.clone());
                    let work = tokio::task::spawn_blocking(move || {
                        std::panic::catch_unwind(AssertUnwindSafe(|| (function.call)(&input, &cx)))
                    });
                    match work.await {
                        Ok(answer) => answer,
                        Err(_) => Ok(Err(StepError::new("the runtime is shutting down")
                            .with_id(ErrorId::STEP_STOPPED))),
                    }
                }
                _ => Ok(Err(StepError::terminal("the plan and the table do not fit")
                    .with_id(ErrorId::INTERNAL))),
            };
        match answer {
            Ok(Ok(output)) => Ok(Arc::new(output)),
            Ok(Err(error)) => Err(Stop::failed(step, error, number)),
            Err(panic) => Err(Stop::failed(step, panicked(&*panic), number)),
        }
    }

    async fn decide(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> Result<Decision, Stop> {
        let decided = match self.entry(node) {
            Entry::Holds(decider) => ask(decider, input).await.map(Decision::Holds),
            Entry::Chosen(decider) => ask(decider, input).await.and_then(|names| {
                check_route(node, &names).map(|()| Decision::Chosen(names.into()))
            }),
            Entry::Items(decider) => match decider {
                Some(decider) => ask(decider, input).await,
                None => list(input.content()),
            }
            .and_then(check_items)
            .map(|items| Decision::Items(items.into())),
            Entry::Workflow(Some(check)) => {
                let prepared = check(input.message()).await.map_err(bad_input);
                prepared.map(|prepared| match prepared {
                    Some(input) => Decision::Items(Arc::from([input])),
                    None => Decision::Holds(true),
                })
            }
            // A loop without `until` makes all its turns.
            _ => Ok(Decision::Holds(false)),
        };
        decided.map_err(|error| {
            let error = match error.data.code {
                ErrorCode::Failed => error.with_code(ErrorCode::Decision),
                _ => error,
            };
            Stop::failed(at, error, 1)
        })
    }

    fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop> {
        self.recorder.record(at, kind)
    }

    async fn settle(&self) -> Result<(), Stop> {
        self.recorder.settle().await
    }

    async fn branches<'a, T: Send + 'a>(
        &'a self,
        fan: Fan<T>,
        branch: impl Fn(usize) -> BoxFuture<'a, T> + Send + Sync + 'a,
    ) -> Vec<Option<T>> {
        let mut answers: Vec<Option<T>> = Vec::new();
        answers.resize_with(fan.count, || None);
        let pending = self.recorder.pending();
        let numbered = |index: usize| {
            let work = branch(index);
            // A branch counts as work until it is first polled.
            let begins = pending.work();
            async move {
                drop(begins);
                (index, work.await)
            }
        };
        let mut under_way = FuturesUnordered::new();
        let mut waiting = 0..fan.count;
        for index in waiting.by_ref().take(fan.at_a_time) {
            under_way.push(numbered(index));
        }
        while let Some((index, answer)) = under_way.next().await {
            let gives_up = (fan.gives_up)(&answer);
            answers[index] = Some(answer);
            if gives_up {
                break;
            }
            if let Some(next) = waiting.next() {
                under_way.push(numbered(next));
            }
        }
        answers
    }

    fn stop_within(&self, at: &StepPath) -> Result<(), Stop> {
        self.recorder.stop_within(at)
    }

    fn is_open(&self, at: &StepPath) -> bool {
        self.recorder.is_open(at)
    }

    fn past(&self, _: &StepPath) -> Past {
        Past::default()
    }

    async fn ask(
        &self,
        mut requirement: Requirement,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<Reply>, Stop> {
        let due =
            timeout_ms.map(|limit| self.recorder.world().now().plus(Duration::from_millis(limit)));
        requirement.due = requirement.due.or(due);
        self.recorder.ask(requirement, None).await
    }

    fn asked(&self, id: &str) -> Option<Arc<Requirement>> {
        self.recorder.pending().asked(id)
    }

    fn reducers(&self) -> &Reducers {
        self.reducers
    }
}

async fn ask<T: Clone>(decider: &Decider<T>, input: &StepInput) -> Result<T, StepError> {
    let asked = match decider {
        Decider::Constant(value) => return Ok(value.clone()),
        Decider::Sync(decide) => std::panic::catch_unwind(AssertUnwindSafe(|| decide(input))),
        Decider::Async(decide) => {
            let input = input.clone();
            match std::panic::catch_unwind(AssertUnwindSafe(|| decide(input))) {
                Ok(deciding) => AssertUnwindSafe(deciding).catch_unwind().await,
                Err(panic) => Err(panic),
            }
        }
    };
    asked.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn check_route(node: &Node, names: &[Arc<str>]) -> Result<(), StepError> {
    let NodeKind::Router { choices } = &node.kind else { return Ok(()) };
    for (place, name) in names.iter().enumerate() {
        if !choices.iter().any(|choice| choice.name == *name) {
            let known: Vec<_> = choices.iter().map(|choice| format!("`{}`", choice.name)).collect();
            let message = format!("`{name}` is no choice; there are {}", known.join(", "));
            return Err(StepError::terminal(message).with_id(ErrorId::CHOICE_INVALID));
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
        many if many > ITEMS_MAX => Err(StepError::terminal(format!(
            "a map works on at most {ITEMS_MAX} items, these are {many}"
        ))
        .with_code(ErrorCode::Limit)),
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
