//! The excerpt of a long line: the part around a mistake.

use crate::source::{Source, Span};
use std::fmt::{self, Write as _};
use std::ops::Range;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The minimum width of an excerpt, in characters.
const WIDTH_MIN: usize = 20;

/// The colours of the other excerpts, as parameters of `SGR`.
const PLACE: &str = "36;1;4";
const NUMBER: &str = "2";
const MISTAKE: &str = "35;1";

/// The style of a report.
///
/// ```
/// use stepwright_file::{Definition, Options, ReportStyle};
/// let options = Options::default();
/// let mistakes = Definition::parse("name: Empty", "empty.yaml", &options).unwrap_err();
/// // For a log that may be displayed as ASCII only.
/// let style = ReportStyle { color: false, unicode: false, width: 60 };
/// let report = mistakes.report(style);
/// assert!(report.contains("empty.yaml") && report.is_ascii());
/// assert!(report.lines().all(|line| line.len() <= 60));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ReportStyle {
    /// `true` for colours.
    pub color: bool,
    /// `true` to draw lines with Unicode characters instead of ASCII.
    pub unicode: bool,
    /// The maximum width, in characters.
    pub width: usize,
}

impl Default for ReportStyle {
    /// Returns the style without colours, for 100 columns.
    fn default() -> Self {
        Self { color: false, unicode: true, width: 100 }
    }
}

impl ReportStyle {
    /// Applies these parameters of `SGR` to a text if colours are wanted.
    pub(crate) fn paint(self, sgr: &str, text: impl fmt::Display) -> String {
        if self.color { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Returns the excerpt of a mistake on a line that is too long for the style, in the form of the
/// other excerpts. `None` if the line fits.
pub(crate) fn of(
    source: &Source,
    span: Span,
    (label, style): (&str, ReportStyle),
    related: &[(usize, &str)],
) -> Option<String> {
    let (line, column) = source.position(span.start);
    let digits = line.to_string().len();
    let room = style.width.saturating_sub(digits + 5).max(WIDTH_MIN);
    // The excerpt has the lines before and after, too.
    let is_long = |number: usize| source.slice(source.line(number)).width() > room;
    if !(line.saturating_sub(1).max(1)..=line + 1).any(is_long) {
        return None;
    }
    let tab_as_space = |c: char| if c == '\t' { ' ' } else { c };
    let whole: Vec<char> = source.slice(source.line(line)).chars().map(tab_as_space).collect();
    let room = room - 2;
    let shown = shown_part(&whole, column - 1, room);
    let more = if style.unicode { "…" } else { "~" };
    let before = if shown.start > 0 { more } else { "" };
    let after = if shown.end < whole.len() { more } else { "" };
    let first = (column - 1).min(shown.end);
    let at = columns(&whole[shown.start..first]) + before.chars().count();
    let last = (first + source.chars(span)).min(shown.end);
    let length = columns(&whole[first..last]).max(1);
    let (top, bar, dot, end_bar, under) = if style.unicode {
        ("╭─", "│", "·", "╰────", "─")
    } else {
        (",-", "|", ":", "`----", "-")
    };
    let shown: String = whole[shown].iter().collect();
    let pad = " ".repeat(digits);
    let place = style.paint(PLACE, format!("{}:{line}:{column}", source.name));
    let number = style.paint(NUMBER, line);
    let mut text = String::new();
    let _ = writeln!(text, " {pad} {top}[{place}]");
    let _ = writeln!(text, " {number} {bar} {before}{shown}{after}");
    let under = style.paint(MISTAKE, under.repeat(length));
    let _ = writeln!(text, " {pad} {dot} {}{under}", " ".repeat(at));
    if !label.is_empty() {
        let at = at.min(room.saturating_sub(label.width()));
        let _ = writeln!(text, " {pad} {dot} {}{}", " ".repeat(at), style.paint(MISTAKE, label));
    }
    for (line, label) in related {
        let _ = writeln!(text, " {pad} {dot} line {line}: {label}");
    }
    let _ = writeln!(text, " {pad} {end_bar}");
    Some(text)
}

/// Returns the number of columns that a terminal needs for these characters.
fn columns(text: &[char]) -> usize {
    text.iter().map(|c| c.width().unwrap_or(0)).sum()
}

/// Returns the part of a line that fits into `room` columns and has the character `at` in it, with
/// a third of the room before it.
fn shown_part(line: &[char], at: usize, room: usize) -> Range<usize> {
    // Both marks of omission have a column beside the room.
    if columns(line) <= room + 2 {
        return 0..line.len();
    }
    let width = |at: usize| columns(&line[at..=at]);
    let (mut start, mut end, mut used) = (at.min(line.len()), at.min(line.len()), 0);
    while start > 0 && used + width(start - 1) <= room / 3 {
        start -= 1;
        used += width(start);
    }
    while end < line.len() && used + width(end) <= room {
        used += width(end);
        end += 1;
    }
    if end == line.len() {
        while start > 0 && used + width(start - 1) <= room {
            start -= 1;
            used += width(start);
        }
    }
    start..end
}

/// Wraps a text between words. The lines after the first one are indented.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    const INDENT: &str = "\n  ";
    let mut wrapped = String::new();
    let mut used: usize = 0;
    for word in text.split(' ') {
        let needed = word.width();
        if used > 0 && used + 1 + needed > width {
            wrapped.push_str(INDENT);
            used = 2;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += needed;
    }
    wrapped
}
