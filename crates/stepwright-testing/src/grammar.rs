//! The grammar of event streams, and streams as text.

use std::fmt::Write as _;
use stepwright_core::fold::Fold;
use stepwright_core::{Event, EventKind};

/// Checks all events of one run in the order in which a reader received them. The run starts first
/// and ends last. Facts are numbered from 0 without a gap. Deltas follow the fact that they name.
/// Every step that starts ends once, inside of its container. Time does not run backwards. A run
/// that cannot begin has one event, its error, which is not a fact.
///
/// # Panics
/// Panics if the events break the grammar, with the mistake and the events.
pub fn check(events: &[Event]) {
    if let Err(wrong) = mistake(events) {
        panic!("{wrong}\n{}", transcript(events));
    }
}

fn mistake(events: &[Event]) -> Result<(), String> {
    if let [Event { delta: 1, path, kind: EventKind::WorkflowError { .. }, .. }] = events
        && path.is_root()
    {
        return Ok(());
    }
    let mut fold = Fold::default();
    let mut last: Option<&Event> = None;
    for event in events {
        if event.is_fact() != event.kind.is_fact() {
            return Err(format!("{event:?} has the number of a fact or delta, which it is not"));
        }
        if let Some(last) = last {
            if event.time < last.time {
                return Err(format!("{event:?} happened before {last:?}"));
            }
            let follows = if event.is_fact() {
                event.sequence == last.sequence + 1
            } else {
                event.sequence == last.sequence && event.delta > last.delta
            };
            if !follows {
                return Err(format!("{event:?} does not follow {last:?}"));
            }
        }
        if !event.is_fact() && !fold.is_open(&event.path) {
            return Err(format!("{event:?} comes from a step that is not running"));
        }
        fold.apply(event).map_err(|illegal| illegal.to_string())?;
        last = Some(event);
    }
    match last {
        Some(last) if last.kind.is_terminal() => Ok(()),
        Some(last) => Err(format!("the last event is {last:?}, which does not end the run")),
        None => Err("there are no events".into()),
    }
}

/// Formats events as text for snapshots: one per line, indented by depth, without numbers and
/// times.
///
/// ```text
/// WorkflowStarted "in"
///   outline StepStarted
///   outline StepCompleted "points"
/// WorkflowCompleted "points"
/// ```
pub fn transcript(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let depth = if event.path.is_root() {
            0
        } else {
            1 + event.path.as_str().matches(['/', '#']).count()
        };
        let _ = write!(text, "{:1$}", "", 2 * depth);
        if !event.path.is_root() {
            let _ = write!(text, "{} ", event.path);
        }
        let _ = write!(text, "{}", event.name());
        let said = match &event.kind {
            EventKind::WorkflowStarted(started) => Some(started.input.content.clone()),
            kind => kind.content(),
        };
        if let Some(said) = said {
            let _ = write!(text, " {said:?}");
        }
        text.push('\n');
    }
    text
}
