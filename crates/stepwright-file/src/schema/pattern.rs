//! The regular expressions of schemas, without backtracking.

use crate::budget::{Budget, Spent};
use crate::expression::regular;
use regex::Regex;
use std::sync::OnceLock;

/// The operations to compile a regular expression, in addition to those for its size.
const COMPILE_STEPS: usize = 2000;

/// The operations to begin a match.
const MATCH_STEPS: usize = 8;

/// A regular expression that is compiled when it is needed.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    weight: usize,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let translated = translated(text);
        let weight = regular::weight(&translated);
        Self { text: text.to_owned(), weight, compiled: OnceLock::new() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Compiles the expression within a budget. An expression is compiled only once.
    pub(super) fn compile(&self, budget: &Budget<'_>) -> Result<Option<&Regex>, Spent> {
        if self.compiled.get().is_none() {
            budget.steps(steps_for(self.weight))?;
        }
        let compile = || regular::compile(&translated(&self.text)).ok();
        Ok(self.compiled.get_or_init(compile).as_ref())
    }

    pub(super) fn is_match(&self, text: &str, budget: &Budget<'_>) -> Result<bool, Spent> {
        let regex = self.compile(budget)?;
        // Matching takes at most the length of the text times the expanded size of the pattern.
        budget.steps(MATCH_STEPS + text.len().saturating_mul(self.weight) / 128)?;
        Ok(regex.is_some_and(|regex| regex.is_match(text)))
    }
}

/// Checks that a text is a regular expression without backtracking.
pub(super) fn check(text: &str, budget: &Budget<'_>) -> Result<(), String> {
    let translated = translated(text);
    if regular::weight(&translated) > regular::WEIGHT_MAX {
        return Err("it repeats too much".to_owned());
    }
    if budget.steps(steps_for(regular::weight(&translated))).is_err() {
        return Err("the regular expressions before it and this one are too large".to_owned());
    }
    regular::compile(&translated).map(drop)
}

/// Returns the operations to compile an expression.
fn steps_for(weight: usize) -> usize {
    COMPILE_STEPS.saturating_add(weight.saturating_mul(16))
}

/// Returns the beginning of a text of any length.
pub(super) fn excerpt(text: &str) -> std::borrow::Cow<'_, str> {
    regular::excerpt(text)
}

/// Translates an expression of JavaScript, which JSON Schema uses, into one of `regex`: `\d`, `\w`
/// and `.` mean other characters there, and a bracket within brackets is a class.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut chars, mut in_class) = (text.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next();
                let class = match escaped {
                    Some('d') => "[:digit:]",
                    Some('D') => "[:^digit:]",
                    Some('w') => "[:word:]",
                    Some('W') => "[:^word:]",
                    Some(other) => {
                        out.extend(['\\', other]);
                        continue;
                    }
                    None => {
                        out.push('\\');
                        continue;
                    }
                };
                if in_class {
                    out.push_str(class);
                } else {
                    out.extend(["[", class, "]"]);
                }
            }
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // `[]` and `[^]` are nothing and anything.
                if chars.next_if_eq(&']').is_some() {
                    let anything = out.ends_with('^');
                    out.truncate(out.len() - if anything { 2 } else { 1 });
                    out.push_str(if anything { "(?s:.)" } else { "[a&&b]" });
                    in_class = false;
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // These are operators within brackets only if they are doubled.
            '&' | '~' if in_class => out.extend(['\\', c]),
            '-' if in_class && chars.peek() == Some(&'-') => out.push_str("\\-"),
            '.' if !in_class => out.push_str("[^\\n\\r\u{2028}\u{2029}]"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_json_schema() {
        for (pattern, yes, no) in [
            (r"^\d+$", "12", "\u{0663}"),
            (r"^[\d.]+$", "1.2", "1,2"),
            (r"^\w\W$", "a\u{e9}", "\u{e9}a"),
            (r"^[^\D]$", "1", "x"),
            (r"^[[]$", "[", "x"),
            (r"^a&&b$", "a&&b", "a"),
            (r"^[a&&b]+$", "&", "c"),
            (r"^[~~]$", "~", "a"),
            (r"^a.b$", "a\u{85}b", "a\u{2028}b"),
            (r"^[^]$", "\n", "ab"),
            (r"\/x", "/x", "x"),
            (r"^[a\-z]$", "-", "b"),
            (r"^\p{L}+$", "h\u{e9}", "1"),
            ("a", "xay", "b"),
        ] {
            let budget = Budget::whole(None);
            let compiled = Pattern::new(pattern);
            assert!(check(pattern, &budget).is_ok(), "{pattern}");
            assert!(compiled.is_match(yes, &budget).unwrap(), "{pattern} {yes}");
            assert!(!compiled.is_match(no, &budget).unwrap(), "{pattern} {no}");
        }
        assert!(!Pattern::new("[]").is_match("a", &Budget::whole(None)).unwrap());
        let wrong = |pattern: &str| check(pattern, &Budget::whole(None)).unwrap_err();
        assert!(wrong("(?=a)").contains("looks ahead"));
        assert!(wrong(r"(a)\1").contains("refers back"));
        let budget = Budget::whole(None);
        let large = (0..1000).find_map(|_| check("[a-c]{90}", &budget).err());
        assert!(large.unwrap().contains("too large"));
    }

    #[test]
    fn a_pattern_that_would_backtrack_takes_linear_time() {
        let budget = Budget::whole(None);
        let text = "a".repeat(50_000) + "b";
        assert!(!Pattern::new("^(a+)+$").is_match(&text, &budget).unwrap());
    }
}
