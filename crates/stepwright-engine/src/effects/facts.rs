//! The facts of a run under way: those that the journal has, and those to record.

use super::recalled::{Ended, Recalled};
use super::{Past, Stop};
use crate::recorder::Recorder;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::BudgetLeft;
use stepwright_core::context::StepHost as _;
use stepwright_core::event::Reply;
use stepwright_core::plan::Node;
use stepwright_core::state::Reducers;
use stepwright_core::{EventKind, Requirement, StepPath};

/// Several branches that run at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fan<T> {
    pub(crate) count: usize,
    pub(crate) at_a_time: usize,
    /// Returns `true` if this result of one branch stops the others.
    pub(crate) gives_up: fn(&T) -> bool,
}

/// The facts of a run. All layers share them: a fact is recorded in one way.
pub(crate) struct Facts<'w> {
    pub(super) recorder: Arc<Recorder>,
    /// `None` for a run that has just begun.
    pub(super) recalled: Option<&'w Recalled>,
    reducers: &'w Reducers,
}

impl<'w> Facts<'w> {
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        recalled: Option<&'w Recalled>,
        reducers: &'w Reducers,
    ) -> Self {
        Self { recorder, recalled, reducers }
    }

    /// Records a fact, unless the journal has it. It is durable, and shown to readers, before the
    /// next effect begins.
    pub(crate) fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop> {
        // Retries and attempts are recorded only when they happen. Those of one step differ only in
        // their number, so the set cannot tell them apart.
        if let Some(Recalled { noted, .. }) = self.recalled
            && !matches!(
                kind,
                EventKind::StepRetrying { .. } | EventKind::StepAttemptStarted { .. }
            )
            && noted.contains(&(at.clone(), kind.name()))
        {
            return Ok(());
        }
        self.recorder.record(at, kind)
    }

    /// Waits until all recorded facts are durable.
    pub(crate) fn settle(&self) -> impl Future<Output = Result<(), Stop>> + Send {
        self.recorder.settle()
    }

    /// Makes a request and waits for the reply, for at most `timeout_ms`, or replays the reply.
    pub(crate) async fn ask(
        &self,
        mut requirement: Requirement,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<Reply>, Stop> {
        let due =
            timeout_ms.map(|limit| self.recorder.world().now().plus(Duration::from_millis(limit)));
        requirement.due = requirement.due.or(due);
        self.recorder.ask(requirement, None).await
    }

    /// Returns the request with this id, also if it was made before the run was resumed.
    pub(crate) fn asked(&self, id: &str) -> Option<Arc<Requirement>> {
        self.recorder.pending().asked(id)
    }

    /// Notes that a node begins, with the budgets that belong to it.
    pub(crate) fn enter(&self, node: &Node, at: &StepPath) {
        self.recorder.enter(None, at, &node.budgets);
    }

    /// Notes that a nested workflow begins, with the permissions that belong to it.
    pub(crate) fn guard(&self, node: &Node, at: &StepPath) {
        self.recorder.enter(Some(node.index), at, &[]);
    }

    /// Returns `true` if a budget holds at `at`.
    pub(crate) fn is_limited(&self, at: &StepPath) -> bool {
        self.recorder.is_limited(at)
    }

    /// Returns the amounts that are left of the budgets around `at`.
    pub(crate) fn budget_left(&self, at: &StepPath) -> Option<Arc<BudgetLeft>> {
        self.recorder.budget_left(at)
    }

    /// Returns the reducers for keys of the state that several branches set.
    pub(crate) fn reducers(&self) -> &Reducers {
        self.reducers
    }

    /// Records that everything under way inside `at` was stopped.
    pub(crate) fn stop_within(&self, at: &StepPath) -> Result<(), Stop> {
        self.recorder.stop_within(at)
    }

    /// Returns `true` if a step or a container at this path is under way.
    pub(crate) fn is_open(&self, at: &StepPath) -> bool {
        self.recorder.is_open(at)
    }

    /// Returns the state of a step from before the run was resumed.
    pub(crate) fn past(&self, step: &StepPath) -> Past {
        let Some(recalled) = self.recalled else { return Past::default() };
        let past = recalled.attempts.get(step).copied().unwrap_or_default();
        let end = recalled.ends.get(step);
        let stopped = matches!(end, Some(Ended::Stopped));
        Past { ended: end.is_some(), stopped, unknown: recalled.begun.unknown(step), ..past }
    }

    /// Runs branches at the same time. Creates each one when its turn comes, and returns the
    /// results in the order of the branches, with `None` for those that were stopped.
    pub(crate) async fn branches<'a, T: Send + 'a>(
        &'a self,
        fan: Fan<T>,
        branch: impl Fn(usize) -> BoxFuture<'a, T>,
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
}
