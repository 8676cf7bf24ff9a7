//! The facts of workflows that tool calls run.

use super::Recorder;
use crate::stop::Stop;
use rustc_hash::FxHashMap;
use std::sync::atomic::Ordering;
use stepwright_core::event::{Event, EventClass, EventKind};
use stepwright_core::{StepPath, StepStatus};

/// The facts of a workflow that the journal has when a tool call begins to run it.
pub(crate) enum CalledPast {
    /// Its process died, or left the run, while the workflow was under way: it goes on from there.
    Left(Vec<Event>),
    /// The call was made before, in an earlier attempt. Steps that completed then are not repeated.
    Earlier(Vec<Event>),
}

/// The workflows that tool calls run, by path.
#[derive(Debug, Default)]
pub(super) struct CalledWorkflows {
    known: FxHashMap<StepPath, Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The facts of this attempt that another process has recorded.
    left: Vec<Event>,
    /// The beginnings and ends of steps, in all attempts.
    steps: Vec<Event>,
}

impl CalledWorkflows {
    /// Collects the facts of a journal that count. `None` if no call has run a workflow.
    pub(super) fn of(past: &[Event]) -> Option<Box<Self>> {
        if !past.iter().any(|event| event.path.is_in_called_workflow()) {
            return None;
        }
        let mut called = Box::<Self>::default();
        for event in past {
            called.note(event, true);
        }
        Some(called)
    }

    /// Applies a fact that this process records.
    pub(super) fn apply(&mut self, fact: &Event) {
        self.note(fact, false);
    }

    fn note(&mut self, fact: &Event, is_past: bool) {
        let path = &fact.path;
        match fact.kind.class() {
            EventClass::RunRetried(_) | EventClass::RunForked(_) => {
                self.known.values_mut().for_each(|known| known.left.clear());
                return;
            }
            // The next attempt makes the call again.
            _ if matches!(fact.kind, EventKind::StepRetrying { .. }) => {
                let inside = self.known.iter_mut().filter(|(root, _)| path.contains(root));
                inside.for_each(|(_, known)| known.left.clear());
            }
            EventClass::StepEnded(_) => {
                self.known.retain(|root, _| root == path || !path.contains(root));
            }
            _ => {}
        }
        for root in path.called_workflows() {
            let known = self.known.entry(root.into()).or_default();
            if is_past {
                known.left.push(fact.clone());
            }
            if is_of_step(&fact.kind) {
                known.steps.push(fact.clone());
            }
            let ended = match fact.kind.class() {
                EventClass::StepEnded(status) => Some(status),
                _ => None,
            };
            if ended == Some(StepStatus::Cancelled) && path.as_str() == root {
                known.left.clear();
            }
        }
    }

    /// Returns what is known of the workflow at `root`, which begins.
    pub(super) fn begin(&mut self, root: &StepPath) -> CalledPast {
        let known = self.known.entry(root.clone()).or_default();
        match std::mem::take(&mut known.left) {
            left if left.is_empty() => CalledPast::Earlier(known.steps.clone()),
            left => CalledPast::Left(left),
        }
    }
}

/// Returns `true` if a fact tells whether a step has completed, or whether that is unknown. A step
/// that was stopped may have had its effect.
fn is_of_step(kind: &EventKind) -> bool {
    use EventKind as E;
    matches!(
        kind,
        E::StepStarted { .. }
            | E::StepAttemptStarted { .. }
            | E::StepRetrying { .. }
            | E::StepCompleted { .. }
            | E::StepError { .. }
            | E::StepSkipped { .. }
    )
}

/// Returns `true` if nothing that is inside of an execution goes on after this fact.
pub(super) fn ends_calls(kind: &EventKind) -> bool {
    matches!(kind.class(), EventClass::StepEnded(_))
        || matches!(
            kind,
            EventKind::StepRetrying { .. }
                | EventKind::ToolCallCompleted { .. }
                | EventKind::ToolCallError { .. }
        )
}

impl Recorder {
    /// Notes that a tool call runs the workflow at `root`. Returns what the journal knows of it.
    ///
    /// # Errors
    /// If the journal is lost.
    pub(crate) fn begin_called(&self, root: &StepPath) -> Result<CalledPast, Stop> {
        self.calls_workflows.store(true, Ordering::Release);
        let past = self.state().called.get_or_insert_default().begin(root);
        // What a call has left that took too long and is made again.
        if !matches!(past, CalledPast::Left(_))
            && self.is_open(root)
            && let Some(call) = root.parent()
        {
            self.stop_within(&call)?;
        }
        Ok(past)
    }
}
