//! Folds the events of runs into spans.

mod run;
mod values;

use crate::span::Span;
use run::RunSpans;
use std::collections::HashMap;
use stepwright_core::RunId;
use stepwright_core::event::{Event, EventKind};
use stepwright_core::rewind::{effective, started};

/// Folds the events of runs into spans.
///
/// A pause ends all spans of a run. What continues after it has new ones in the same trace, with a
/// link to those before. The ids come from the run, its paths and the number of the part, so that
/// two processes that export the same work export the same spans.
///
/// ```
/// use stepwright_core::{Event, EventKind, RunId, StepPath, Timestamp};
/// use stepwright_otel::Spans;
/// # fn events() -> Vec<Event> { Vec::new() }
/// let run = RunId::new("r-1")?;
/// let mut spans = Spans::new(false);
/// spans.begin(&run, &[]);
/// let finished: Vec<_> = events().iter().flat_map(|event| spans.event(event)).collect();
/// spans.leave(&run);
/// # assert!(finished.is_empty());
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Debug, Default)]
pub struct Spans {
    runs: HashMap<RunId, RunSpans>,
    with_content: bool,
}

impl Spans {
    /// Makes a fold without runs. `with_content` adds prompts, answers, and the arguments and
    /// results of tools.
    pub fn new(with_content: bool) -> Self {
        Self { runs: HashMap::new(), with_content }
    }

    /// Begins with a run whose earlier events are `past`: none for a new run.
    pub fn begin(&mut self, run: &RunId, past: &[Event]) {
        let mut spans = RunSpans::new(run.clone(), self.with_content);
        for event in &*effective(past) {
            spans.apply(event);
        }
        // Earlier parts were exported by their drivers; the ones open are exported, and opened
        // anew, when the run continues.
        spans.finished.clear();
        spans.part = continued(past);
        // A fork begins where it leaves its origin.
        let forked = |event: &Event| matches!(event.kind, EventKind::WorkflowForked(_));
        if let Some(at) = past.iter().rposition(forked) {
            spans.first_part = continued(&past[..at]) + 1;
        }
        if let Some(started) = started(past) {
            spans.take_start(&started);
        }
        self.runs.insert(run.clone(), spans);
    }

    /// Adds an event, and returns the spans that it ends.
    pub fn event(&mut self, event: &Event) -> Vec<Span> {
        let Some(spans) = self.runs.get_mut(&event.run) else { return Vec::new() };
        spans.apply(event);
        let finished = std::mem::take(&mut spans.finished);
        if ends(&event.kind) {
            self.runs.remove(&event.run);
        }
        finished
    }

    /// Forgets a run. The spans that it has open are exported by the process that continues it.
    pub fn leave(&mut self, run: &RunId) {
        self.runs.remove(run);
    }
}

/// Counts how often a run was continued.
fn continued(events: &[Event]) -> u32 {
    let continued = |event: &&Event| matches!(event.kind, EventKind::WorkflowContinued { .. });
    u32::try_from(events.iter().filter(continued).count()).unwrap_or(u32::MAX)
}

fn ends(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::WorkflowCompleted { .. }
            | EventKind::WorkflowError { .. }
            | EventKind::WorkflowCancelled { .. }
    )
}
