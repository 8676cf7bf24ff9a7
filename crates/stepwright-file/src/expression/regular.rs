//! Regular expressions of expressions and schemas, without backtracking and with a limit of size.

use super::failure;
use regex::{Regex, RegexBuilder};

/// The maximum size of a compiled regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// The mistakes, as the library describes them and in plain words.
const MISTAKES: [(&str, &str); 14] = [
    ("look-around", "it looks ahead or behind, which is not possible here"),
    ("backreferences", "it refers back to a group, which is not possible here"),
    ("unclosed group", "a `(` is not closed"),
    ("unopened group", "a `)` is not opened"),
    ("unclosed character class", "a `[` is not closed"),
    ("repetition operator missing", "`*`, `+`, `?` or `{…}` follows nothing that can be repeated"),
    ("repetition quantifier", "the numbers in `{…}` are not valid"),
    ("unclosed counted repetition", "a `{` is not closed"),
    ("decimal literal", "a number in it is not valid"),
    ("character class range", "a range in `[…]` ends before it begins"),
    ("incomplete escape sequence", "it ends within an escape"),
    ("unrecognized escape sequence", "there is no such escape with `\\`"),
    ("Unicode", "there is no such class of characters"),
    ("flag", "its flags in `(?…)` are not valid"),
];

/// Compiles a regular expression. Returns the reason if it is invalid.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it repeats too much".to_owned(),
        error => {
            // The message shows the pattern with a mark, and the reason on its last line.
            let shown = error.to_string();
            let last = shown.lines().last().unwrap_or_default();
            let mistake = MISTAKES.iter().find(|(words, _)| last.contains(words));
            mistake.map_or("it is not valid", |(_, plain)| plain).to_owned()
        }
    })
}

/// The maximum size of a pattern with its repetitions expanded. A compiled one exceeds its limit
/// before that, but only after some time.
pub(crate) const WEIGHT_MAX: usize = 1_000_000;

/// Returns the beginning of a text of any length.
pub(crate) fn excerpt(text: &str) -> std::borrow::Cow<'_, str> {
    failure::excerpt(text)
}

/// Returns the maximum size of a pattern with its repetitions expanded.
pub(crate) fn weight(pattern: &str) -> usize {
    let mut weight = pattern.len().max(1);
    let mut before = "";
    for piece in pattern.split('{') {
        let counts = piece.split('}').next().unwrap_or_default();
        // Characters and classes have braces too: `\u{2028}`, `\p{L}`.
        let is_character = ["\\u", "\\x", "\\U", "\\p", "\\P"].iter().any(|c| before.ends_with(c));
        let most = counts.split(',').filter_map(|count| count.trim().parse::<usize>().ok()).max();
        if !before.is_empty() && !is_character {
            weight = weight.saturating_mul(most.unwrap_or(1).max(1));
        }
        before = piece;
    }
    weight
}
