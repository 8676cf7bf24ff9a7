//! Differences between a recording and a replay.

use serde::Serialize;
use serde_json::Value;
use std::fmt::{self, Write as _};

/// The characters of a text that a report shows around a difference.
const SHOWN_CHARS_MAX: usize = 300;

/// The characters that are shown before a difference.
const BEFORE_CHARS: usize = 40;

/// A difference between what was recorded and what came.
///
/// ```
/// use stepwright_cassette::Difference;
/// let difference = Difference {
///     at: "greet".into(),
///     what: "the output".into(),
///     recorded: Some("Hello".into()),
///     came: Some("Good morning".into()),
///     nearest: None,
/// };
/// assert!(difference.to_string().starts_with("at `greet`: the output differs"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The path of the step. Empty for the run.
    pub at: String,
    /// The part that differs.
    pub what: String,
    /// The recorded value. `None` if it was not recorded.
    pub recorded: Option<Value>,
    /// The value of the replay. `None` if it did not come.
    pub came: Option<Value>,
    /// The path of the recorded effect that is most like the one that came, if it is at another
    /// path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl Difference {
    /// Creates the difference of two values: the first place at which they differ.
    pub(crate) fn of(at: &str, what: &str, recorded: &Value, came: &Value) -> Self {
        let (pointer, recorded, came) = first(recorded, came, String::new());
        let what = format!("{what}{}", within(&pointer));
        Self { at: at.to_owned(), what, recorded, came, nearest: None }
    }
}

fn within(pointer: &str) -> String {
    match pointer {
        "" => String::new(),
        pointer => format!(", `{}`", &pointer[1..]),
    }
}

/// Returns the first place at which two values differ, with its path.
fn first(recorded: &Value, came: &Value, at: String) -> (String, Option<Value>, Option<Value>) {
    match (recorded, came) {
        (Value::Object(one), Value::Object(other)) => {
            for (name, value) in one {
                match other.get(name) {
                    Some(same) if same == value => {}
                    Some(differs) => return first(value, differs, format!("{at}.{name}")),
                    None => return (format!("{at}.{name}"), Some(value.clone()), None),
                }
            }
            let more = other.iter().find(|(name, _)| !one.contains_key(*name));
            match more {
                Some((name, value)) => (format!("{at}.{name}"), None, Some(value.clone())),
                None => (at, Some(recorded.clone()), Some(came.clone())),
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for nth in 0..one.len().max(other.len()) {
                match (one.get(nth), other.get(nth)) {
                    (Some(value), Some(same)) if same == value => {}
                    (Some(value), Some(differs)) => {
                        return first(value, differs, format!("{at}.{nth}"));
                    }
                    (value, differs) => {
                        return (format!("{at}.{nth}"), value.cloned(), differs.cloned());
                    }
                }
            }
            (at, Some(recorded.clone()), Some(came.clone()))
        }
        _ => (at, Some(recorded.clone()), Some(came.clone())),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what, recorded, came, nearest } = self;
        match &**at {
            "" => write!(f, "in the run: {what}")?,
            at => write!(f, "at `{at}`: {what}")?,
        }
        match (recorded, came) {
            (Some(_), Some(_)) => f.write_str(" differs")?,
            (None, Some(_)) => f.write_str(" was not recorded")?,
            (Some(_), None) => f.write_str(" was recorded and did not come")?,
            (None, None) => {}
        }
        let (recorded, came) = (recorded.as_ref().map(text), came.as_ref().map(text));
        let common = match (&recorded, &came) {
            (Some(one), Some(other)) => {
                one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
            }
            _ => 0,
        };
        let shown = |text: &Option<String>| match text {
            Some(text) => excerpt(text, common),
            None => "(nothing)".to_owned(),
        };
        write!(f, "\n  recorded: {}\n  came:     {}", shown(&recorded), shown(&came))?;
        if let Some(nearest) = nearest {
            write!(f, "\n  nearest:  the request recorded at `{nearest}`")?;
        }
        Ok(())
    }
}

/// Returns a value as a text of one line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Returns the part of a text around the character at which it differs, on one line.
fn excerpt(text: &str, differs_at: usize) -> String {
    let skip = differs_at.saturating_sub(BEFORE_CHARS);
    let mut shown = String::from(if skip > 0 { "…" } else { "" });
    let mut rest = text.chars().skip(skip);
    for c in rest.by_ref().take(SHOWN_CHARS_MAX) {
        match c {
            '\n' => shown.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// Returns how alike two requests are, from 0 to 1: the share of the pairs of words that both have.
pub(crate) fn likeness(one: &Value, other: &Value) -> f64 {
    let words = |value: &Value| {
        let text = value.to_string();
        let mut words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(WORDS_MAX)
            .map(ToOwned::to_owned)
            .collect();
        words.sort_unstable();
        words
    };
    let (one, other) = (words(one), words(other));
    let (mut both, mut at) = (0_u32, other.iter().peekable());
    for word in &one {
        while at.next_if(|next| *next < word).is_some() {}
        if at.next_if(|next| *next == word).is_some() {
            both += 1;
        }
    }
    let all = u32::try_from(one.len() + other.len()).unwrap_or(u32::MAX).max(1);
    f64::from(2 * both) / f64::from(all)
}

/// The words of a request that are compared to find the nearest one.
const WORDS_MAX: usize = 2_000;
