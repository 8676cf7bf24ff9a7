//! Styled text, wrapped into lines.

use crate::text::{width_of, width_of_grapheme};
use anstyle::Style;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation as _;

/// The style of what stands beside the text: rules, marks and labels.
pub(crate) const DIM: Style = Style::new().dimmed();

/// A piece of text with one style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StyledSpan {
    pub(crate) text: String,
    pub(crate) style: Style,
    /// The target of a link.
    pub(crate) link: Option<Arc<str>>,
}

impl StyledSpan {
    pub(crate) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, link: None }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::new())
    }
}

/// The spans of one line.
pub(crate) type Line = Vec<StyledSpan>;

pub(crate) fn width_of_line(line: &[StyledSpan]) -> usize {
    line.iter().map(|span| crate::text::width_of(&span.text)).sum()
}

/// The terminal's support for colors and links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paint {
    pub(crate) color: bool,
    pub(crate) links: bool,
}

impl Paint {
    /// Applies a style to `text` if colors are enabled.
    pub(crate) fn paint(self, style: Style, text: impl Display) -> String {
        if self.color && style != Style::new() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    pub(crate) fn line(self, line: &[StyledSpan]) -> String {
        let mut written = String::new();
        for span in line.iter().filter(|span| !span.text.is_empty()) {
            let text = self.paint(span.style, &span.text);
            match &span.link {
                Some(url) if self.links => {
                    let _ = write!(written, "\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\");
                }
                _ => written.push_str(&text),
            }
        }
        written
    }
}

/// Wraps a text into lines of at most `width` columns: between words where possible, otherwise
/// within them. Line breaks in the text are kept.
pub(crate) fn wrap(spans: &[StyledSpan], width: usize) -> Vec<Line> {
    break_into(spans, width, true)
}

/// Wraps code: only where a line does not fit, and without losing spaces.
pub(crate) fn wrap_code(spans: &[StyledSpan], width: usize) -> Vec<Line> {
    break_into(spans, width, false)
}

/// Wraps each line of a plain text between words. The lines that follow are indented: as deep as
/// the line, or as its second column, which two spaces set apart. A command line to copy is left to
/// the terminal: a line break in it would be copied, too.
pub(crate) fn wrapped_lines(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| wrapped_line(line, width)).collect()
}

fn wrapped_line(line: &str, width: usize) -> Vec<String> {
    if width_of(line) <= width || has_command(line) {
        return vec![line.to_owned()];
    }
    let depth = line.len() - line.trim_start_matches(' ').len();
    let column = line[depth..].find("  ").map(|at| {
        let rest = line[depth + at..].trim_start_matches(' ');
        line.len() - rest.len()
    });
    // A column far to the right leaves no room.
    let column = column.filter(|at| *at < line.len() && width_of(&line[..*at]) <= width / 2);
    let (head, body) = line.split_at(column.unwrap_or(depth).min(line.len()));
    let indent = width_of(head);
    // An id or an address that does not fit is left to the terminal, too.
    let is_whole = |word: &str| word.is_ascii() && width_of(word) + indent > width;
    if body.split(' ').any(is_whole) {
        return vec![line.to_owned()];
    }
    let body = wrap(&[StyledSpan::plain(body)], width.saturating_sub(indent));
    let body = body.iter().map(|line| Paint::default().line(line)).enumerate();
    body.map(|(nth, line)| match nth {
        0 => format!("{head}{line}"),
        _ => format!("{}{line}", " ".repeat(indent)),
    })
    .collect()
}

/// Returns `true` if a line has a command of ours that is not quoted.
fn has_command(line: &str) -> bool {
    let is_quoted = |at: usize| line[..at].matches('`').count() % 2 == 1;
    line.match_indices("stepwright ").any(|(at, _)| !is_quoted(at))
}

/// A grapheme: a character as people see it.
struct Cell<'a> {
    grapheme: &'a str,
    width: usize,
    span: usize,
}

fn break_into(spans: &[StyledSpan], width: usize, at_words: bool) -> Vec<Line> {
    // Wide graphemes take two columns.
    let width = width.max(2);
    let cells: Vec<Cell<'_>> = spans
        .iter()
        .enumerate()
        .flat_map(|(span, text)| {
            let graphemes = text.text.graphemes(true);
            graphemes.map(move |grapheme| Cell {
                grapheme,
                width: width_of_grapheme(grapheme),
                span,
            })
        })
        .collect();
    let mut lines = Vec::new();
    for paragraph in cells.split(|cell| cell.grapheme.ends_with('\n')) {
        let mut rest = paragraph;
        loop {
            let end = if at_words { break_at_word(rest, width) } else { fitting(rest, width) };
            lines.push(join(spans, if at_words { trimmed(&rest[..end]) } else { &rest[..end] }));
            rest = &rest[end..];
            if at_words {
                let next = rest.iter().position(|cell| cell.grapheme != " ");
                rest = &rest[next.unwrap_or(rest.len())..];
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    lines
}

/// Returns the number of graphemes that fit, and at least one so that wrapping makes progress.
fn fitting(cells: &[Cell<'_>], width: usize) -> usize {
    let mut used = 0;
    let fits = cells.iter().position(|cell| {
        used += cell.width;
        used > width
    });
    fits.unwrap_or(cells.len()).max(1).min(cells.len())
}

fn break_at_word(cells: &[Cell<'_>], width: usize) -> usize {
    let end = fitting(cells, width);
    if end == cells.len() || cells[end].grapheme == " " {
        return end;
    }
    // Scripts without spaces use wide characters; a line may end between any two of them.
    let breaks = |at: &usize| {
        cells[at - 1].grapheme == " " || (cells[at - 1].width == 2 && cells[*at].width == 2)
    };
    let first_word = cells.iter().position(|cell| cell.grapheme != " ").unwrap_or(0);
    (first_word + 1..=end).rev().find(breaks).unwrap_or(end)
}

fn trimmed<'c, 'a>(cells: &'c [Cell<'a>]) -> &'c [Cell<'a>] {
    let end = cells.iter().rposition(|cell| cell.grapheme != " ").map_or(0, |at| at + 1);
    &cells[..end]
}

fn join(spans: &[StyledSpan], cells: &[Cell<'_>]) -> Line {
    let mut line = Line::new();
    let mut last = None;
    for cell in cells {
        if last != Some(cell.span) {
            let of = &spans[cell.span];
            line.push(StyledSpan { text: String::new(), style: of.style, link: of.link.clone() });
            last = Some(cell.span);
        }
        line.last_mut().expect("one was pushed").text.push_str(cell.grapheme);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, width: usize) -> Vec<String> {
        let lines = wrap(&[StyledSpan::plain(text)], width);
        lines.iter().map(|line| Paint::default().line(line)).collect()
    }

    #[test]
    fn lines_end_between_words_or_where_they_must() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("a bcdefgh", 3), ["a", "bcd", "efg", "h"]);
        assert_eq!(wrapped("日本語テキスト", 5), ["日本", "語テ", "キス", "ト"]);
        assert_eq!(wrapped("a\n\nb", 5), ["a", "", "b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("語", 1), ["語"]);
    }

    #[test]
    fn code_keeps_its_spaces() {
        let lines = wrap_code(&[StyledSpan::plain("    a b")], 5);
        let lines: Vec<String> = lines.iter().map(|l| Paint::default().line(l)).collect();
        assert_eq!(lines, ["    a", " b"]);
    }

    #[test]
    fn a_line_that_is_broken_keeps_its_indentation_and_its_columns() {
        let wrapped = |text: &str| wrapped_lines(text, 24);
        assert_eq!(wrapped("one two\nthree"), ["one two", "three"]);
        assert_eq!(
            wrapped("error[SW0605]: the disk is full"),
            ["error[SW0605]: the disk", "is full"]
        );
        assert_eq!(
            wrapped("  a text that is too long for it"),
            ["  a text that is too", "  long for it"]
        );
        assert_eq!(
            wrapped("  /new    start a new session"),
            ["  /new    start a new", "          session"]
        );
        // A column far to the right is no column.
        assert_eq!(wrapped("one two three four  five six"), ["one two three four  five", "six"]);
        assert_eq!(wrapped("日本語テキスト日本語テキスト"), ["日本語テキスト日本語テキ", "スト"]);
    }

    #[test]
    fn commands_and_ids_to_copy_are_not_broken() {
        let id = "session     01a22971-fa86-7021-92bc-dbf43edf9a79";
        assert_eq!(wrapped_lines(id, 24), [id]);
        let command = "help: to go on: stepwright continue r-7 --approve 'publish!confirm'";
        assert_eq!(wrapped_lines(command, 24), [command]);
        let mention = "help: `stepwright runs` lists the runs";
        assert_eq!(wrapped_lines(mention, 24), ["help: `stepwright runs`", "lists the runs"]);
    }

    #[test]
    fn styles_survive_the_end_of_a_line() {
        let bold = Style::new().bold();
        let lines = wrap(&[StyledSpan::plain("a "), StyledSpan::new("b c", bold)], 3);
        assert_eq!(lines[0][1], StyledSpan::new("b", bold));
        assert_eq!(lines[1], [StyledSpan::new("c", bold)]);
    }
}
