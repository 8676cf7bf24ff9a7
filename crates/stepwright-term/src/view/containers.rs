//! The output for containers: decisions and contents.

use super::frame::{DIM, color};
use crate::options::Style as Form;
use crate::styled::{Line, StyledSpan};
use crate::text::{counted, harmless};
use anstyle::AnsiColor;
use std::sync::Arc;
use stepwright_core::{ContainerKind, Content, Decision, EventKind};

/// The largest number of names or items listed.
const LISTED_MAX: usize = 8;

/// Returns the mark and the text for the start of a container.
pub(super) fn begun(kind: &EventKind, form: Form) -> Option<(Line, Line)> {
    let EventKind::ContainerStarted { kind, decision } = kind else { return None };
    let text = decided(*kind, decision)?;
    let mark = if let Decision::Turn { .. } = decision { "↻ " } else { "◆ " };
    let mark = if form == Form::Plain { Line::new() } else { marked(mark) };
    let style = if form == Form::Plain { anstyle::Style::new() } else { DIM };
    Some((mark, vec![StyledSpan::new(text, style)]))
}

/// Returns the text for the start of a container. `None` for an item, which its path names.
pub(crate) fn decided(kind: ContainerKind, decision: &Decision) -> Option<String> {
    let [part, parts] = kind.parts();
    let counted = |count: u64| counted(count, part, parts);
    let text = match decision {
        Decision::Count(count) => counted(u64::from(*count)),
        Decision::AtMost(count) => format!("at most {}", counted(u64::from(*count))),
        Decision::Turn { number, at_most } => {
            return at_most.map(|most| format!("{} {number} of at most {most}", kind.word()));
        }
        Decision::Holds { holds: None, .. } => "could not be decided".to_owned(),
        Decision::Holds { holds: Some(holds), branch } => {
            let way = match branch.as_deref() {
                Some("else") => ": else branch",
                Some(_) => "",
                None => ": nothing to do",
            };
            format!("{}{way}", if *holds { "met" } else { "not met" })
        }
        Decision::Names(names) if !kind.decides() => {
            format!("{}: {}", counted(names.len() as u64), listed(names))
        }
        Decision::Names(names) if names.is_empty() => "nothing chosen".to_owned(),
        Decision::Names(names) => format!("chosen {}", listed(names)),
        Decision::Items { items, concurrency } => {
            let count = counted(items.len() as u64);
            format!("{count}, at most {concurrency} at a time: {}", contents(items))
        }
    };
    Some(match kind.word() {
        "" => text,
        word => format!("{word}: {text}"),
    })
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
