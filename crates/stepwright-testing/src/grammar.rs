//! The grammar that every stream of events follows, and streams as text.

use std::fmt::Write as _;
use stepwright_core::fold::Fold;
use stepwright_core::{Event, EventKind};

/// Checks all events of one run, in the order in which a reader got them: the run begins first and
/// ends last, facts are numbered from 0 without a gap, deltas stand behind the fact that they name,
/// every step that begins ends once and inside of what encloses it, and time does not run back.
///
/// # Panics
/// If they do not follow it; with what is wrong, and the events.
pub fn check(events: &[Event]) {
    if let Err(wrong) = mistake(events) {
        panic!("{wrong}\n{}", transcript(events));
    }
}

fn mistake(events: &[Event]) -> Result<(), String> {
    let mut fold = Fold::default();
    let mut last: Option<&Event> = None;
    for event in events {
        if event.is_fact() != event.kind.is_fact() {
            return Err(format!("{event:?} is numbered as what it is not"));
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
            return Err(format!("{event:?} is said by what is not under way"));
        }
        fold.apply(event).map_err(|illegal| illegal.to_string())?;
        last = Some(event);
    }
    match last {
        Some(last) if last.kind.is_terminal() => Ok(()),
        Some(last) => Err(format!("the last event is {last:?}, which ends nothing")),
        None => Err("there are no events".into()),
    }
}

/// Events as text, one a line, indented by depth, without numbers and times: for snapshots.
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
