//! Sanitizes untrusted text and measures its width.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The longest escape sequence that is removed whole, in characters. Characters beyond it are text.
const SEQUENCE_CHARS_MAX: usize = 32;

/// Removes control characters and escape sequences from a text: models and tools must not move the
/// cursor, change the title or fill the clipboard. Colors are removed too. Line breaks stay; tabs
/// become spaces.
///
/// The text may arrive in pieces, cut at any character.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cleaner(CleanerState);

#[derive(Clone, Copy, Debug, Default)]
enum CleanerState {
    #[default]
    Text,
    Escape,
    Sequence(usize),
}

impl Cleaner {
    pub(crate) fn clean(&mut self, piece: &str, into: &mut String) {
        for c in piece.chars() {
            match (self.0, c) {
                (CleanerState::Escape, '[') => self.0 = CleanerState::Sequence(0),
                (CleanerState::Sequence(length), ' '..='?') if length < SEQUENCE_CHARS_MAX => {
                    self.0 = CleanerState::Sequence(length + 1);
                }
                (CleanerState::Sequence(_), '@'..='~') => self.0 = CleanerState::Text,
                _ => self.take(c, into),
            }
        }
    }

    fn take(&mut self, c: char, into: &mut String) {
        self.0 = CleanerState::Text;
        match c {
            '\x1b' => self.0 = CleanerState::Escape,
            '\u{9b}' => self.0 = CleanerState::Sequence(0),
            '\n' => into.push('\n'),
            '\t' => into.push_str("    "),
            '\u{2028}' | '\u{2029}' => into.push(' '),
            // These characters reverse the direction of all text after them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => into.push(c),
        }
    }
}

/// Removes control characters and escape sequences from a text and keeps its line breaks.
///
/// ```
/// use stepwright_term::harmless_lines;
/// assert_eq!(harmless_lines("\x1b[31mred\x1b[0m\nand \u{7}blue"), "red\nand blue");
/// ```
pub fn harmless_lines(text: &str) -> String {
    clean(text)
}

pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    Cleaner::default().clean(text, &mut cleaned);
    cleaned
}

/// Returns the text on one line, without control characters and escape sequences.
///
/// ```
/// assert_eq!(stepwright_term::harmless("\x1b[31mred\x1b[0m\n\tand \u{7}blue"), "red and blue");
/// ```
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            c if c.is_whitespace() => {
                if !harmless.ends_with(' ') {
                    harmless.push(' ');
                }
            }
            c => harmless.push(c),
        }
    }
    harmless
}

/// Returns the width of a text in columns. Terminals disagree about combined characters; this is
/// the largest width that any of them uses.
///
/// ```
/// assert_eq!(stepwright_term::width_of("日本"), 4);
/// ```
pub fn width_of(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(width_of_grapheme).sum()
}

pub(crate) fn width_of_grapheme(grapheme: &str) -> usize {
    let apart: usize = grapheme.chars().map(|c| c.width().unwrap_or(0)).sum();
    grapheme.width().max(apart)
}

/// Returns the start of a text that fits into `width` columns.
pub(crate) fn beginning(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut free = width.saturating_sub(1);
    let fits = |grapheme: &&str| match free.checked_sub(width_of_grapheme(grapheme)) {
        Some(rest) => {
            free = rest;
            true
        }
        None => false,
    };
    text.graphemes(true).take_while(fits).chain(["…"]).collect()
}

/// Returns the end of a text that fits into `width` columns, from the start of a word if one is
/// near.
pub(crate) fn end(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut free = width.saturating_sub(1);
    let mut from = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        match free.checked_sub(width_of_grapheme(grapheme)) {
            Some(rest) => (free, from) = (rest, at),
            None => break,
        }
    }
    let tail = &text[from..];
    let tail = match tail.find(' ') {
        Some(word) if word < 16 && !text[..from].ends_with(' ') => &tail[word + 1..],
        _ => tail,
    };
    format!("…{tail}")
}

/// Returns the text with a line break at its end.
pub(crate) fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// Formats a progress from 0 to 1 as `40 %`.
pub(crate) fn percent(done: f64) -> String {
    format!("{:.0} %", done * 100.0)
}

/// Returns `1 step` or `3 steps`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_width() {
        assert_eq!(beginning("日本語", 6), "日本語");
        assert_eq!(beginning("日本語", 5), "日本…");
        assert_eq!(end("日本語", 5), "…本語");
        assert_eq!(end("one two three", 9), "…three");
        assert_eq!(end("one two three", 8), "…three");
        assert_eq!(beginning("abc", 0), "…");
        // Terminals show a family of three as one picture or as three; use the wider form, and do
        // not cut it.
        assert_eq!(width_of("👨‍👩‍👧"), 6);
        assert_eq!(beginning("a👨‍👩‍👧b", 7), "a…");
        assert_eq!(width_of("❤️"), 2);
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        for (said, shown) in [
            ("\x1b[2J\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "]0;titletext"),
            ("\x1b]52;c;aGk=\x1b\\text", "]52;c;aGk=\\text"),
            ("\u{9b}31mred \u{9d}0;t\u{9c}", "red 0;t"),
            ("a\rb\x08c\x7f\0d", "abcd"),
            ("\u{202e}evil\u{202c} \u{2066}x", "evil x"),
            ("a\tb\r\nc", "a    b\nc"),
            ("\x1b\x1b[31mx", "x"),
        ] {
            assert_eq!(clean(said), shown, "{said:?}");
            // The result does not depend on where the text was cut.
            for at in (0..said.len()).filter(|at| said.is_char_boundary(*at)) {
                let (mut cleaner, mut cleaned) = (Cleaner::default(), String::new());
                cleaner.clean(&said[..at], &mut cleaned);
                cleaner.clean(&said[at..], &mut cleaned);
                assert_eq!(cleaned, shown, "{said:?} at {at}");
            }
        }
        // The start of a sequence cannot hide the text after it.
        let long = format!("\x1b[{}end", "0;".repeat(100));
        assert!(clean(&long).ends_with("0;end"), "{}", clean(&long));
        assert_eq!(clean("\x1b[日本"), "日本");
    }
}
