//! The output for containers: decisions and contents.

use super::frame::{DIM, color};
use crate::options::Style as Form;
use crate::styled::{Line, StyledSpan};
use crate::text::{counted, harmless};
use anstyle::AnsiColor;
use std::sync::Arc;
use stepwright_core::{Content, EventKind};

/// The largest number of names or items listed.
const LISTED_MAX: usize = 8;

/// Returns the mark and the text for the start of a container.
pub(super) fn begun(kind: &EventKind, form: Form) -> Option<(Line, Line)> {
    use EventKind as E;
    let (mark, text) = match kind {
        E::StepsExecutionStarted { steps_count } => {
            ("◆ ", counted(u64::from(*steps_count), "step", "steps"))
        }
        E::ParallelExecutionStarted { branches } => {
            let count = counted(branches.len() as u64, "branch", "branches");
            ("◆ ", format!("parallel: {count}: {}", listed(branches)))
        }
        E::LoopExecutionStarted { max_iterations } => {
            let turns = counted(u64::from(*max_iterations), "turn", "turns");
            ("◆ ", format!("loop: at most {turns}"))
        }
        E::LoopIterationStarted { iteration, max_iterations } => {
            ("↻ ", format!("turn {iteration} of at most {max_iterations}"))
        }
        E::ConditionExecutionStarted { condition_result, branch } => {
            let way = match branch.as_deref() {
                Some("else") => ": else branch",
                Some(_) => "",
                None => ": nothing to do",
            };
            match condition_result {
                Some(true) => ("◆ ", format!("condition: met{way}")),
                Some(false) => ("◆ ", format!("condition: not met{way}")),
                None => ("◆ ", "condition: could not be decided".to_owned()),
            }
        }
        E::RouterExecutionStarted { selected_steps } if selected_steps.is_empty() => {
            ("◆ ", "router: nothing chosen".to_owned())
        }
        E::RouterExecutionStarted { selected_steps } => {
            ("◆ ", format!("router: chosen {}", listed(selected_steps)))
        }
        E::MapExecutionStarted { items, concurrency } => {
            let count = counted(items.len() as u64, "item", "items");
            ("◆ ", format!("map: {count}, at most {concurrency} at a time: {}", contents(items)))
        }
        _ => return None,
    };
    let mark = if form == Form::Plain { Line::new() } else { marked(mark) };
    let style = if form == Form::Plain { anstyle::Style::new() } else { DIM };
    Some((mark, vec![StyledSpan::new(text, style)]))
}

/// Returns `true` if the end of the container is shown: for kinds that may contain much output.
pub(super) fn has_end(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::ParallelExecutionCompleted { .. }
            | EventKind::LoopExecutionCompleted { .. }
            | EventKind::MapExecutionCompleted { .. }
    )
}

fn marked(mark: &str) -> Line {
    vec![StyledSpan::new(mark, color(AnsiColor::Cyan))]
}

fn listed(names: &[Arc<str>]) -> String {
    list(names.iter().map(|name| harmless(name)), names.len())
}

fn contents(items: &[Content]) -> String {
    let short = |item: &Content| {
        let text = harmless(&item.text());
        match text.char_indices().nth(24) {
            Some((at, _)) => format!("{}…", &text[..at]),
            None => text,
        }
    };
    list(items.iter().map(short), items.len())
}

fn list(names: impl Iterator<Item = String>, count: usize) -> String {
    let shown: Vec<String> = names.take(LISTED_MAX).collect();
    match count.checked_sub(LISTED_MAX) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
