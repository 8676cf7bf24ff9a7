//! Formats JSON for people.

use crate::styled::{Line, StyledSpan, wrap_code};
use crate::text::clean;
use anstyle::{AnsiColor, Style};
use serde_json::Value;

const KEY: Style = AnsiColor::Cyan.on_default();

/// Formats a value as indented JSON, in lines of at most `width` columns.
pub(crate) fn lines(value: &Value, width: usize) -> Vec<Line> {
    let text = clean(&format!("{value:#}"));
    text.lines().flat_map(|line| wrap_code(&spans(line), width)).collect()
}

/// Highlights the key of a line.
fn spans(line: &str) -> Line {
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    match key(text) {
        Some(key) => {
            vec![
                StyledSpan::plain(indent),
                StyledSpan::new(key, KEY),
                StyledSpan::plain(&text[key.len()..]),
            ]
        }
        None => vec![StyledSpan::plain(line)],
    }
}

fn key(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = rest.find(|c| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })?;
    let key = &text[..end + 2];
    text[key.len()..].starts_with(':').then_some(key)
}

/// Parses a text if it is a JSON object or array.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let value = stepwright_core::json::parse(text.trim()).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// Returns `true` if the text may be the start of a JSON object or array.
pub(crate) fn may_be(text: &str) -> bool {
    let mut letters = text.trim_start().chars();
    match letters.next() {
        Some('{') => true,
        // Markdown links start with `[` too.
        Some('[') => letters
            .find(|c| !c.is_whitespace())
            .is_none_or(|c| matches!(c, '{' | '[' | '"' | '-' | ']') || c.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::styled::Paint;

    #[test]
    fn keys_stand_out_and_values_do_not() {
        let value = serde_json::json!({"a\"b": ["c: d", "\u{9b}2J\u{1b}"]});
        let paint = Paint { color: true, links: false };
        let shown: Vec<String> = lines(&value, 80).iter().map(|l| paint.line(l)).collect();
        assert_eq!(
            shown,
            ["{", "  \x1b[36m\"a\\\"b\"\x1b[0m: [", "    \"c: d\",", "    \"\\u001b\"", "  ]", "}"]
        );
    }

    #[test]
    fn what_may_be_json_is_told_by_its_beginning() {
        assert!(["{", " [", "[1", "[ {", "[]"].iter().all(|text| may_be(text)));
        assert!(["", "a", "[link](x)", "[x] done"].iter().all(|text| !may_be(text)));
    }
}
