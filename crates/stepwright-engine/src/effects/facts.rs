//! The facts of a run under way: those that the journal has, and those to record.

use super::recalled::{Ended, Recalled};
use super::{Past, Stop};
use crate::gate::Guard;
use crate::interpret::{Flow, Halt};
use crate::pending::Working;
use crate::recorder::Recorder;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stepwright_core::budget::BudgetLeft;
use stepwright_core::context::StepHost as _;
use stepwright_core::dispatch::DEFAULT_QUEUE;
use stepwright_core::event::Reply;
use stepwright_core::plan::Node;
use stepwright_core::state::Reducers;
use stepwright_core::{EventKind, Requirement, StepPath, Timestamp};

/// The facts of a run. All layers share them: a fact is recorded in one way.
pub(crate) struct Facts<'w> {
    pub(super) recorder: Arc<Recorder>,
    /// `None` for a run that has just begun.
    pub(super) recalled: Option<&'w Recalled>,
    reducers: &'w Reducers,
    /// Of the walk of a workflow that a tool call runs: the call, and the permissions of workflows
    /// in it.
    within: Option<(StepPath, &'w [Guard])>,
    /// The steps that are undone if the run fails, in the order in which the walk met them.
    done: Mutex<Vec<Done>>,
    /// `None` if the driver carries out all steps.
    routes: Option<Routes<'w>>,
}

/// The queues of the steps of a run, and those that its driver serves.
#[derive(Clone, Copy)]
pub(crate) struct Routes<'w> {
    pub(crate) queues: &'w HashMap<u32, Arc<str>>,
    pub(crate) served: &'w [Arc<str>],
}

/// A step that has ended and matters if the run fails.
pub(crate) struct Done {
    pub(crate) step: StepPath,
    /// The number of the fact with which it ended.
    pub(crate) ended_at: u64,
    /// The steps that undo it, and the flow with its output. `None` if its outcome is unknown, so
    /// that neither it nor a step before it can be undone.
    pub(crate) undo: Option<Box<(Node, Flow)>>,
    /// `true` if the step has steps that undo it.
    pub(crate) has_undo: bool,
}

impl<'w> Facts<'w> {
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        recalled: Option<&'w Recalled>,
        reducers: &'w Reducers,
    ) -> Self {
        let (within, done, routes) = (None, Mutex::default(), None);
        Self { recorder, recalled, reducers, within, done, routes }
    }

    /// Leaves the steps of other queues to other drivers.
    pub(crate) fn with_routes(self, routes: Option<Routes<'w>>) -> Self {
        Self { routes, ..self }
    }

    /// Makes them the facts of a walk inside of the tool call at `call`.
    pub(crate) fn within(self, call: StepPath, guards: &'w [Guard]) -> Self {
        Self { within: Some((call, guards)), ..self }
    }

    /// Counts as work until the returned value is dropped. At a path, it may wait for replies.
    pub(crate) fn work(&self, at: Option<&StepPath>) -> Working<'_> {
        let pending = self.recorder.pending();
        match &self.within {
            Some((call, _)) => pending.work_within(call, at.cloned()),
            None => pending.work(),
        }
    }

    /// Records a fact, unless the journal has it. It is durable, and shown to readers, before the
    /// next effect begins.
    #[inline]
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
        if self.within.is_none() {
            return self.recorder.ask(requirement, None).await;
        }
        // Boxed, because few walks are inside of a call.
        Box::pin(async move {
            // A place of its own: several requests may be made at one path.
            let asks = StepPath::from(&*requirement.id);
            let _working = self.work(Some(&asks));
            self.recorder.ask(requirement, Some(&asks)).await
        })
        .await
    }

    /// Returns the request with this id, also if it was made before the run was resumed.
    pub(crate) fn asked(&self, id: &str) -> Option<Arc<Requirement>> {
        self.recorder.pending().asked(id)
    }

    /// Returns `true` if the journal may have effects of this walk.
    pub(crate) fn is_resumed(&self) -> bool {
        self.recalled.is_some()
    }

    /// Returns `true` if the driver leaves steps of some queues to others.
    pub(crate) fn has_routes(&self) -> bool {
        self.routes.is_some()
    }

    /// Waits for another driver if this one does not serve the queue of a step that is about to
    /// begin. Then it only ends when this part of the walk is stopped.
    ///
    /// # Errors
    /// [`Stop::Sibling`] if this part of the walk is stopped.
    pub(crate) async fn wait_for_driver(
        &self,
        node: &Node,
        at: &StepPath,
        halt: &Halt,
    ) -> Result<(), Stop> {
        let Some(Routes { queues, served }) = self.routes else { return Ok(()) };
        let queue = queues.get(&node.index).map_or(DEFAULT_QUEUE, |queue| queue);
        if served.iter().any(|served| **served == *queue) || self.had_ended(at) {
            return Ok(());
        }
        let mut waiting = pin!(self.recorder.pending().wait_for_queue(at, queue.into()));
        poll_fn(|cx| {
            if halt.is_stopped() {
                return Poll::Ready(Err(Stop::Sibling));
            }
            waiting.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Notes that a node begins, with the budgets that belong to it.
    pub(crate) fn enter(&self, node: &Node, at: &StepPath) {
        self.recorder.enter(None, at, &node.budgets);
    }

    /// Notes that a nested workflow begins, with the permissions that belong to it.
    pub(crate) fn guard(&self, node: &Node, at: &StepPath) {
        match &self.within {
            Some((_, guards)) => self.recorder.guard(guards, node.index, at),
            None => self.recorder.enter(Some(node.index), at, &[]),
        }
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

    /// Records that everything under way inside `at` was stopped, besides the steps that run when
    /// others have ended.
    pub(crate) fn stop_before(&self, at: &StepPath) -> Result<(), Stop> {
        self.recorder.stop_before(at)
    }

    /// Returns `true` if the journal had this fact before the run was resumed.
    pub(crate) fn has_noted(&self, at: &StepPath, name: &'static str) -> bool {
        self.recalled.is_some_and(|recalled| recalled.noted.contains(&(at.clone(), name)))
    }

    /// Returns `true` if the journal had the decision at this path before the run was resumed.
    pub(crate) fn has_decided(&self, at: &StepPath) -> bool {
        self.recalled.is_some_and(|recalled| {
            recalled.failures.contains_key(at) || recalled.decisions.contains_key(at)
        })
    }

    /// Returns `true` if a request has its reply.
    pub(crate) fn has_reply(&self, id: &str) -> bool {
        self.recorder.pending().reply(id).is_some()
    }

    /// Returns the current time of the run.
    pub(crate) fn now(&self) -> Timestamp {
        self.recorder.world().now()
    }

    /// Notes that time may have passed since the last fact.
    pub(crate) fn time_passes(&self) {
        self.recorder.time_passes();
    }

    /// Waits until a moment. It counts as work, so that the run is not left.
    pub(crate) async fn sleep(&self, until: Timestamp) {
        let _working = self.work(None);
        let world = self.recorder.world();
        world.sleep(until.since(world.now())).await;
        self.time_passes();
    }

    /// Returns the number of the fact with which a step ended, or that of the next fact.
    pub(crate) fn ended_at(&self, step: &StepPath) -> u64 {
        let recalled = self.recalled.and_then(|recalled| recalled.ended_at.get(step)).copied();
        recalled.unwrap_or_else(|| self.recorder.next_sequence())
    }

    /// Notes a step for the case that the run fails or is cancelled.
    pub(crate) fn note_done(&self, done: Done) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }

    /// Returns the noted steps, the last that ended first.
    pub(crate) fn take_done(&self) -> Vec<Done> {
        let mut done =
            std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        done.sort_by_key(|done| std::cmp::Reverse(done.ended_at));
        done
    }

    /// Returns `true` if a step or a container was stopped before the run was resumed.
    pub(crate) fn was_stopped(&self, at: &StepPath) -> bool {
        let end = self.recalled.and_then(|recalled| recalled.ends.get(at));
        matches!(end, Some(Ended::Stopped))
    }

    /// Returns `true` if a step had ended before the run was resumed.
    pub(crate) fn had_ended(&self, step: &StepPath) -> bool {
        self.recalled.is_some_and(|recalled| recalled.ends.contains_key(step))
    }

    /// Returns the state of a step from before the run was resumed.
    pub(crate) fn past(&self, step: &StepPath) -> Past {
        let Some(recalled) = self.recalled else { return Past::default() };
        let past = recalled.attempts.get(step).copied().unwrap_or_default();
        Past { ended: self.had_ended(step), unknown: recalled.begun.unknown(step), ..past }
    }

    /// Runs branches at the same time, `at_a_time` of `count`. Creates each one when its turn
    /// comes, and returns the results in the order of the branches, with `None` for those that did
    /// not begin. If `halt` is stopped, no further branch begins, and the others run to their ends.
    /// Only a result that is `fatal` drops them.
    pub(crate) async fn branches<'a, T: Send + 'a>(
        &'a self,
        (count, at_a_time): (usize, usize),
        halt: &Halt,
        fatal: fn(&T) -> bool,
        branch: impl Fn(usize) -> BoxFuture<'a, T>,
    ) -> Vec<Option<T>> {
        let mut answers: Vec<Option<T>> = Vec::new();
        answers.resize_with(count, || None);
        let mut under_way = FuturesUnordered::new();
        // Branches before `allowed` may begin, those before `begun` have.
        let (mut begun, mut allowed) = (0, at_a_time.min(count));
        let (mut is_first, mut is_told) = (true, false);
        loop {
            let next = poll_fn(|cx| {
                while begun < allowed {
                    let index = begun;
                    begun += 1;
                    let mut work = branch(index);
                    // Most branches of functions do not wait, and need no place in the set.
                    match work.as_mut().poll(cx) {
                        Poll::Ready(answer) => return Poll::Ready(Some((index, answer))),
                        Poll::Pending => under_way.push(work.map(move |answer| (index, answer))),
                    }
                }
                let is_first = std::mem::take(&mut is_first);
                if is_first && !under_way.is_empty() && !halt.is_stopped() {
                    // All of them were polled just now, and wake this task.
                    return Poll::Pending;
                }
                loop {
                    if !is_told && halt.is_stopped() {
                        is_told = true;
                        // New ones in a set are polled. That is how the branches learn of it.
                        under_way = std::mem::take(&mut under_way).into_iter().collect();
                    }
                    match under_way.poll_next_unpin(cx) {
                        Poll::Pending if !is_told && halt.is_stopped() => {}
                        next => return next,
                    }
                }
            });
            let Some((index, answer)) = next.await else { return answers };
            let is_fatal = fatal(&answer);
            answers[index] = Some(answer);
            if is_fatal {
                return answers;
            }
            if allowed < count && !halt.is_stopped() {
                allowed += 1;
            }
        }
    }
}
