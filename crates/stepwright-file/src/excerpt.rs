//! The excerpt of a long line: the part around a mistake.

use crate::source::{Source, Span};
use std::fmt::Write as _;

/// The minimum width of an excerpt, in characters.
const WIDTH_MIN: usize = 20;

/// Returns the excerpt of a mistake on a line that is too long for `width`, in the form of the
/// other excerpts. `None` if the line fits.
pub(crate) fn of(
    source: &Source,
    span: Span,
    (label, width, is_unicode): (&str, usize, bool),
    related: &[(usize, &str)],
) -> Option<String> {
    let (line, column) = source.position(span.start);
    let digits = line.to_string().len();
    let room = width.saturating_sub(digits + 5).max(WIDTH_MIN);
    // The excerpt has the lines before and after, too.
    let is_long = |number: usize| source.slice(source.line(number)).chars().count() > room;
    if !(line.saturating_sub(1).max(1)..=line + 1).any(is_long) {
        return None;
    }
    let whole = source.slice(source.line(line));
    let count = whole.chars().count();
    // Leave space for a mark at each end.
    let room = room - 2;
    let start = (column - 1).saturating_sub(room / 3).min(count.saturating_sub(room));
    let start = if count <= room + 2 { 0 } else { start };
    let end = if count <= room + 2 { count } else { (start + room).min(count) };
    let more = if is_unicode { "…" } else { "~" };
    let shown: String = whole.chars().skip(start).take(end - start).collect();
    let shown = shown.replace('\t', " ");
    let (before, after) = (if start > 0 { more } else { "" }, if end < count { more } else { "" });
    let at = column - 1 - start + before.chars().count();
    let length = source.chars(span).max(1).min(end.saturating_sub(column - 1).max(1));
    let (top, bar, dot, end_bar, under) = if is_unicode {
        ("╭─", "│", "·", "╰────", "─")
    } else {
        (",-", "|", ":", "`----", "-")
    };
    let pad = " ".repeat(digits);
    let mut text = String::new();
    let _ = writeln!(text, " {pad} {top}[{}:{line}:{column}]", source.name);
    let _ = writeln!(text, " {line} {bar} {before}{shown}{after}");
    let _ = writeln!(text, " {pad} {dot} {}{}", " ".repeat(at), under.repeat(length));
    if !label.is_empty() {
        let at = at.min(room.saturating_sub(label.chars().count()));
        let _ = writeln!(text, " {pad} {dot} {}{label}", " ".repeat(at));
    }
    for (line, label) in related {
        let _ = writeln!(text, " {pad} {dot} line {line}: {label}");
    }
    let _ = writeln!(text, " {pad} {end_bar}");
    Some(text)
}
