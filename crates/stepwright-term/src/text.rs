//! What others have said, made harmless; and how wide it is.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The longest sequence that moves cursors or changes colours and is taken out whole, in
/// characters. What goes on for longer is text.
const SEQUENCE_CHARS_MAX: usize = 32;

/// Takes out of a text what a terminal would obey: models and tools must not move the cursor,
/// change the title or fill the clipboard. Colours go with it. Line breaks and tabs stay, as line
/// breaks and spaces.
///
/// The text may come in pieces, cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cleaner(Within);

#[derive(Clone, Copy, Debug, Default)]
enum Within {
    #[default]
    Text,
    Escape,
    Sequence(usize),
}

impl Cleaner {
    pub(crate) fn clean(&mut self, piece: &str, into: &mut String) {
        for c in piece.chars() {
            match (self.0, c) {
                (Within::Escape, '[') => self.0 = Within::Sequence(0),
                (Within::Sequence(length), ' '..='?') if length < SEQUENCE_CHARS_MAX => {
                    self.0 = Within::Sequence(length + 1);
                }
                (Within::Sequence(_), '@'..='~') => self.0 = Within::Text,
                _ => self.take(c, into),
            }
        }
    }

    fn take(&mut self, c: char, into: &mut String) {
        self.0 = Within::Text;
        match c {
            '\x1b' => self.0 = Within::Escape,
            '\u{9b}' => self.0 = Within::Sequence(0),
            '\n' => into.push('\n'),
            '\t' => into.push_str("    "),
            '\u{2028}' | '\u{2029}' => into.push(' '),
            // They turn the direction of everything behind them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => into.push(c),
        }
    }
}

/// The text without anything that a terminal would obey, with its line breaks.
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

/// The text on one line, without anything that a terminal would obey.
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

/// How many columns it takes. Terminals do not agree about letters that are put together of
/// several; this is the most that one of them takes.
pub(crate) fn width_of(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(width_of_grapheme).sum()
}

pub(crate) fn width_of_grapheme(grapheme: &str) -> usize {
    let apart: usize = grapheme.chars().map(|c| c.width().unwrap_or(0)).sum();
    grapheme.width().max(apart)
}

/// As much of the beginning as fits.
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

/// As much of the end as fits, from the beginning of a word if one is near.
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

/// The text, with a line break at its end.
pub(crate) fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// How far a step has come, of 0 to 1: `40 %`.
pub(crate) fn percent(done: f64) -> String {
    format!("{:.0} %", done * 100.0)
}

/// `1 step`, `3 steps`.
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
        // A family of three is one picture or three; the wider one counts, and it is not cut.
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
            // It may be cut anywhere.
            for at in (0..said.len()).filter(|at| said.is_char_boundary(*at)) {
                let (mut cleaner, mut cleaned) = (Cleaner::default(), String::new());
                cleaner.clean(&said[..at], &mut cleaned);
                cleaner.clean(&said[at..], &mut cleaned);
                assert_eq!(cleaned, shown, "{said:?} at {at}");
            }
        }
        // Nobody can hide a text behind the beginning of a sequence.
        let long = format!("\x1b[{}end", "0;".repeat(100));
        assert!(clean(&long).ends_with("0;end"), "{}", clean(&long));
        assert_eq!(clean("\x1b[日本"), "日本");
    }
}
