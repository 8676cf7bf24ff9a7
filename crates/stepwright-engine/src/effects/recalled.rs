//! The effects that a journal has recorded.

use super::Past;
use super::interrupted::Begun;
use crate::stop::Failure;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::{ContainerKind, Decision, End, Event, EventClass};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{
    ErrorCode, ErrorData, EventKind, RunStatus, StepOutput, StepPath, StepStatus,
};

/// The recorded effects of a resumed run, by path.
#[derive(Default)]
pub(crate) struct Recalled {
    pub(super) ends: HashMap<StepPath, Ended>,
    /// The numbers of the facts with which steps ended.
    pub(super) ended_at: HashMap<StepPath, u64>,
    pub(super) attempts: HashMap<StepPath, Past>,
    pub(super) decisions: HashMap<StepPath, Decision>,
    /// Containers, and turns of loops, that failed on their own, such as in their decision.
    pub(super) failures: HashMap<StepPath, Arc<Failure>>,
    pub(super) noted: HashSet<(StepPath, &'static str)>,
    /// Steps that began and did not end.
    pub(super) begun: Begun,
    /// The status with which the run is about to end, and the reason, if it was stopped.
    pub(crate) stopping: Option<(RunStatus, Arc<str>)>,
}

pub(super) enum Ended {
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
            if let EventClass::StepEnded(_) = event.kind.class() {
                recalled.ended_at.insert(path(), event.sequence);
            }
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
                E::WorkflowStopping { status, reason } => {
                    recalled.stopping = Some((*status, reason.clone()));
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
                E::WorkflowRetried { steps, .. } => {
                    for step in steps {
                        recalled.attempts.remove(step);
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

    /// Returns what an earlier attempt of a tool call leaves to the workflow that it runs: the
    /// outputs of steps that have completed, and the steps whose outcome is not known.
    pub(crate) fn of_earlier(past: &[Event]) -> Self {
        use EventKind as E;
        let mut recalled = Self::default();
        for event in past {
            let path = &event.path;
            match &event.kind {
                E::StepCompleted { output } => {
                    recalled.ends.insert(path.clone(), Ended::Completed(output.clone()));
                    recalled.ended_at.insert(path.clone(), event.sequence);
                    recalled.attempts.remove(path);
                }
                E::StepError { .. } | E::StepSkipped { .. } => {
                    recalled.ends.remove(path);
                    recalled.attempts.remove(path);
                }
                E::StepRetrying { attempt, .. } => {
                    recalled.attempts.entry(path.clone()).or_default().failed_attempts = *attempt;
                }
                _ => {}
            }
            recalled.begun.note(event);
        }
        // A step that begins anew has all its retries; one that was cut goes on counting.
        let begun = &recalled.begun;
        recalled.attempts.retain(|step, _| begun.unknown(step).is_some());
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
