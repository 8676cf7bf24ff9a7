//! Replays the effects that the journal has, and records the others.

use super::interrupted::Begun;
use super::{Attempt, Effects, Failure, Fan, Past, Stop};
use crate::recorder::Recorder;
use futures_util::future::BoxFuture;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::{ContainerKind, Decision, End, Event, Reply};
use stepwright_core::plan::Node;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::state::Reducers;
use stepwright_core::{
    ErrorCode, ErrorData, EventKind, Requirement, StepInput, StepOutput, StepPath, StepStatus,
};

/// Replays recorded effects from the journal, and records new ones.
pub(crate) struct Journaled<'r, E> {
    pub(crate) inner: E,
    pub(crate) recorder: Arc<Recorder>,
    /// `None` for a run that has just begun.
    pub(crate) recalled: Option<&'r Recalled>,
}

/// The recorded effects of a resumed run, by path.
#[derive(Default)]
pub(crate) struct Recalled {
    ends: HashMap<StepPath, Ended>,
    attempts: HashMap<StepPath, Past>,
    decisions: HashMap<StepPath, Decision>,
    /// Containers, and turns of loops, that failed on their own, such as in their decision.
    failures: HashMap<StepPath, Arc<Failure>>,
    noted: HashSet<(StepPath, &'static str)>,
    /// Steps that began and did not end.
    begun: Begun,
}

enum Ended {
    Completed(Arc<StepOutput>),
    Failed(Arc<Failure>),
    Stopped,
}

impl Recalled {
    pub(crate) fn of(past: &[Event]) -> Self {
        use EventKind as E;
        let mut recalled = Self::default();
        // Containers that began without a decision. Later facts tell if the decision failed.
        let mut idle = HashSet::new();
        for event in past {
            let path = || event.path.clone();
            let fail = |error: &ErrorData, attempts: u32| {
                let error = error.clone();
                Ended::Failed(Arc::new(Failure { path: path(), error, attempts }))
            };
            match &event.kind {
                E::StepCompleted { output } => {
                    recalled.ends.insert(path(), Ended::Completed(output.clone()));
                }
                E::StepError { error, attempts, .. } | E::StepSkipped { error, attempts } => {
                    recalled.ends.insert(path(), fail(error, *attempts));
                }
                E::StepCancelled { .. } => {
                    recalled.ends.insert(path(), Ended::Stopped);
                }
                E::StepRetrying { attempt, delay_ms, .. } => {
                    let past = recalled.attempts.entry(path()).or_default();
                    past.failed_attempts = *attempt;
                    past.due = Some(event.time.plus(Duration::from_millis(*delay_ms)));
                }
                E::ContainerCompleted { kind: ContainerKind::Iteration, turns, end }
                    if end.status == StepStatus::Completed =>
                {
                    let met = !turns.should_continue && !turns.exhausted;
                    recalled.decisions.insert(path(), Decision::answer(met));
                }
                E::ContainerStarted { kind, decision } if kind.decides() => {
                    if decision.is_empty() {
                        idle.insert(&event.path);
                    }
                    // A condition without an answer never had a decision.
                    if !matches!(decision, Decision::Holds { holds: None, .. }) {
                        recalled.decisions.insert(path(), decision.clone());
                    }
                }
                kind => {
                    if let Some(end) = kind.end() {
                        idle.remove(&event.path);
                        recalled.ended(&event.path, end);
                    }
                    if let Some(asked) = kind.requirement()
                        && idle.remove(&event.path)
                        && let RequirementKind::ErrorDecision { error, .. } = &asked.kind
                    {
                        recalled.failed(&event.path, error);
                    }
                }
            }
            recalled.begun.note(event);
            recalled.noted.insert((path(), event.kind.name()));
        }
        // These have no further facts, so it is not known whether their decisions failed.
        for path in idle {
            recalled.decisions.remove(path);
        }
        recalled
    }

    /// Notes the end of a container, a turn or an item.
    fn ended(&mut self, path: &StepPath, end: &End) {
        match (&end.error, end.status) {
            (_, StepStatus::Cancelled) => {
                self.ends.insert(path.clone(), Ended::Stopped);
            }
            (Some(error), _) => self.failed(path, error),
            _ => {}
        }
    }

    /// Notes that a container or a turn failed on its own.
    fn failed(&mut self, path: &StepPath, error: &ErrorData) {
        // A rejection is not a failure to replay: the request and its reply are replayed instead.
        if error.code != ErrorCode::Rejected {
            let failure = Failure { path: path.clone(), error: error.clone(), attempts: 1 };
            self.failures.insert(path.clone(), Arc::new(failure));
        }
    }
}

impl<E: Effects> Effects for Journaled<'_, E> {
    async fn execute(&self, attempt: &Attempt<'_>) -> Result<Arc<StepOutput>, Stop> {
        match self.recalled.and_then(|recalled| recalled.ends.get(attempt.step)) {
            Some(Ended::Completed(output)) => return Ok(output.clone()),
            Some(Ended::Failed(failure)) => return Err(Stop::Failed(failure.clone())),
            Some(Ended::Stopped) => return Err(Stop::Sibling),
            None => {}
        }
        let _working = self.recorder.pending().work();
        // Earlier facts must be durable before the next effect begins.
        self.settle().await?;
        self.recorder.time_passes();
        let answer = self.inner.execute(attempt).await;
        self.recorder.time_passes();
        self.recorder.check()?;
        answer
    }

    async fn decide(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> Result<Decision, Stop> {
        if let Some(recalled) = self.recalled {
            // A failed decision has a fact of its beginning, without a decision in it: look here
            // first.
            if let Some(failure) = recalled.failures.get(at) {
                return Err(Stop::Failed(failure.clone()));
            }
            if let Some(decision) = recalled.decisions.get(at) {
                return Ok(decision.clone());
            }
        }
        let _working = self.recorder.pending().work();
        self.settle().await?;
        self.recorder.time_passes();
        let decided = self.inner.decide(node, at, input).await;
        self.recorder.time_passes();
        decided
    }

    fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop> {
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

    fn settle(&self) -> impl Future<Output = Result<(), Stop>> + Send {
        self.recorder.settle()
    }

    fn ask(
        &self,
        requirement: Requirement,
        timeout_ms: Option<u64>,
    ) -> impl Future<Output = Result<Arc<Reply>, Stop>> + Send {
        self.inner.ask(requirement, timeout_ms)
    }

    fn asked(&self, id: &str) -> Option<Arc<Requirement>> {
        self.inner.asked(id)
    }

    fn reducers(&self) -> &Reducers {
        self.inner.reducers()
    }

    fn branches<'a, T: Send + 'a>(
        &'a self,
        fan: Fan<T>,
        branch: impl Fn(usize) -> BoxFuture<'a, T> + Send + Sync + 'a,
    ) -> impl Future<Output = Vec<Option<T>>> + Send {
        self.inner.branches(fan, branch)
    }

    fn stop_within(&self, at: &StepPath) -> Result<(), Stop> {
        self.recorder.stop_within(at)
    }

    fn is_open(&self, at: &StepPath) -> bool {
        self.recorder.is_open(at)
    }

    fn past(&self, step: &StepPath) -> Past {
        let Some(recalled) = self.recalled else { return Past::default() };
        let past = recalled.attempts.get(step).copied().unwrap_or_default();
        let end = recalled.ends.get(step);
        let stopped = matches!(end, Some(Ended::Stopped));
        Past { ended: end.is_some(), stopped, unknown: recalled.begun.unknown(step), ..past }
    }
}
