//! Functions on texts. Positions and lengths count characters.

use super::super::failure::{Evaluated, Failure, excerpt, fails, type_word, unsupported};
use super::super::regular::{compile, weight};
use super::super::value::{ELEMENT_BYTES, List, Text, Val};
use super::{count, format};
use crate::budget::Budget;
use regex::Regex;
use std::collections::HashMap;

/// The operations to compile a regular expression, in addition to those for its size. A computed
/// pattern can be another one each time.
const REGEX_STEPS: usize = 5000;
/// The number of bytes of text and pattern that a function on texts looks at in one operation: it
/// counts characters and searches, and a pattern is prepared even if the text is shorter.
const SEARCHED_BYTES_PER_STEP: usize = 16;
/// The maximum number of regular expressions that are kept during an evaluation.
const REGEXES_MAX: usize = 64;

/// The regular expressions that were compiled so far.
#[derive(Default)]
pub(in super::super) struct Regexes(HashMap<String, (Regex, usize)>);

pub(super) fn call<'a>(
    name: &str,
    text: &Text<'a>,
    args: &[Val<'a>],
    rest: &[Val<'a>],
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    let this = text.as_str();
    let texts = args.iter().filter_map(Val::as_text).map(str::len);
    budget.steps(texts.fold(0, usize::saturating_add) / SEARCHED_BYTES_PER_STEP)?;
    let wrong = || unsupported(name, &args.iter().collect::<Vec<_>>());
    match (name, rest) {
        ("contains", [Val::Text(other)]) => Ok(Val::Bool(this.contains(other.as_str()))),
        ("startsWith", [Val::Text(other)]) => Ok(Val::Bool(this.starts_with(other.as_str()))),
        ("endsWith", [Val::Text(other)]) => Ok(Val::Bool(this.ends_with(other.as_str()))),
        ("lowerAscii", []) => built(this.len(), budget, || this.to_ascii_lowercase()),
        ("upperAscii", []) => built(this.len(), budget, || this.to_ascii_uppercase()),
        ("trim", []) => built(this.len(), budget, || this.trim().to_owned()),
        ("reverse", []) => built(this.len(), budget, || this.chars().rev().collect()),
        ("charAt", [at]) => match count(at) {
            Some(at) => char_at(this, at),
            None => wrong(),
        },
        ("indexOf", [Val::Text(other)]) => index_of(this, other.as_str(), None, budget),
        ("indexOf", [Val::Text(other), from]) => match count(from) {
            Some(from) => index_of(this, other.as_str(), Some(from), budget),
            None => wrong(),
        },
        ("lastIndexOf", [Val::Text(other)]) => last_index_of(this, other.as_str(), None, budget),
        ("lastIndexOf", [Val::Text(other), from]) => match count(from) {
            Some(from) => last_index_of(this, other.as_str(), Some(from), budget),
            None => wrong(),
        },
        ("substring", [start]) => match count(start) {
            Some(start) => substring(this, start, None, budget),
            None => wrong(),
        },
        ("substring", [start, end]) => match (count(start), count(end)) {
            (Some(start), Some(end)) => substring(this, start, Some(end), budget),
            _ => wrong(),
        },
        ("replace", [Val::Text(from), Val::Text(to)]) => {
            replace(this, from.as_str(), to.as_str(), None, budget)
        }
        ("replace", [Val::Text(from), Val::Text(to), times]) => match count(times) {
            Some(times) => {
                let times = usize::try_from(times).ok();
                replace(this, from.as_str(), to.as_str(), times, budget)
            }
            None => wrong(),
        },
        ("split", [Val::Text(by)]) => split(this, by.as_str(), None, budget),
        ("split", [Val::Text(by), parts]) => match count(parts) {
            Some(parts) => split(this, by.as_str(), usize::try_from(parts).ok(), budget),
            None => wrong(),
        },
        ("format", [Val::List(values)]) => format::format(this, values, budget),
        _ => wrong(),
    }
}

fn built<'a>(bytes: usize, budget: &Budget<'_>, text: impl FnOnce() -> String) -> Evaluated<'a> {
    budget.build(bytes)?;
    Ok(Val::text(text()))
}

fn out_of_range<T>(function: &str, at: i64) -> Result<T, Failure> {
    fails(format_args!("`{function}`: there is no place {at} in the text"))
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn char_at<'a>(this: &str, at: i64) -> Evaluated<'a> {
    match usize::try_from(at) {
        Ok(place) if at <= characters(this) => {
            Ok(Val::text(this.chars().nth(place).map(String::from).unwrap_or_default()))
        }
        _ => out_of_range("charAt", at),
    }
}

/// Returns the byte offset of a character, if the text has that many.
fn byte_of(text: &str, character: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(character)
}

fn index_of<'a>(this: &str, other: &str, from: Option<i64>, budget: &Budget<'_>) -> Evaluated<'a> {
    let length = characters(this);
    let start = from.unwrap_or(0);
    let Ok(place) = usize::try_from(start) else { return out_of_range("indexOf", start) };
    if other.is_empty() {
        return Ok(Val::Int(start.min(length)));
    }
    if from.is_some() && start >= length {
        return out_of_range("indexOf", start);
    }
    budget.read(this.len())?;
    let start = byte_of(this, place).unwrap_or(this.len());
    let found = this[start..].find(other);
    Ok(Val::Int(found.map_or(-1, |at| characters(&this[..start + at]))))
}

fn last_index_of<'a>(
    this: &str,
    other: &str,
    from: Option<i64>,
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    let length = characters(this);
    let start = from.unwrap_or(length);
    let Ok(place) = usize::try_from(start) else { return out_of_range("lastIndexOf", start) };
    if other.is_empty() {
        return Ok(Val::Int(start.min(length)));
    }
    if from.is_some() && start >= length {
        return out_of_range("lastIndexOf", start);
    }
    budget.read(this.len())?;
    // A match at or before this position ends at most `other.len()` bytes after it.
    let start = byte_of(this, place).unwrap_or(this.len());
    let mut end = (start + other.len()).min(this.len());
    while !this.is_char_boundary(end) {
        end -= 1;
    }
    let found = this[..end].rfind(other);
    Ok(Val::Int(found.map_or(-1, |at| characters(&this[..at]))))
}

fn substring<'a>(this: &str, start: i64, end: Option<i64>, budget: &Budget<'_>) -> Evaluated<'a> {
    let length = characters(this);
    let until = end.unwrap_or(length);
    if end.is_some() && start > until {
        return fails(format_args!("`substring`: {start} is after {until}"));
    }
    for at in [start, until] {
        if !(0..=length).contains(&at) {
            return out_of_range("substring", at);
        }
    }
    let places = (usize::try_from(start), usize::try_from(until));
    let (Ok(start), Ok(until)) = places else { return out_of_range("substring", start) };
    let (start, until) = (byte_of(this, start), byte_of(this, until));
    let piece = &this[start.unwrap_or(this.len())..until.unwrap_or(this.len())];
    built(piece.len(), budget, || piece.to_owned())
}

fn replace<'a>(
    this: &str,
    from: &str,
    to: &str,
    times: Option<usize>,
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    let times = times.unwrap_or(usize::MAX);
    let found = this.matches(from).take(times).count();
    let gone = found.saturating_mul(from.len()).min(this.len());
    let bytes = found.saturating_mul(to.len()).saturating_add(this.len() - gone);
    built(bytes, budget, || this.replacen(from, to, times))
}

fn split<'a>(this: &str, by: &str, parts: Option<usize>, budget: &Budget<'_>) -> Evaluated<'a> {
    let pieces: Vec<&str> = match (parts, by.is_empty()) {
        (Some(0), _) => Vec::new(),
        (Some(parts), true) => {
            budget.build(parts.min(this.len()) * size_of::<&str>())?;
            let mut pieces = Vec::new();
            let mut left = this;
            while let Some(c) = left.chars().next()
                && pieces.len() + 1 < parts
            {
                let (head, tail) = left.split_at(c.len_utf8());
                pieces.push(head);
                left = tail;
            }
            if !left.is_empty() {
                pieces.push(left);
            }
            pieces
        }
        (None, true) => {
            budget.build(this.len() * size_of::<&str>())?;
            this.char_indices().map(|(at, c)| &this[at..at + c.len_utf8()]).collect()
        }
        (Some(parts), false) => {
            let count = this.matches(by).take(parts).count() + 1;
            budget.build(count * size_of::<&str>())?;
            this.splitn(parts, by).collect()
        }
        (None, false) => {
            budget.build((this.matches(by).count() + 1) * size_of::<&str>())?;
            this.split(by).collect()
        }
    };
    budget.steps(pieces.len())?;
    // Each text takes its bytes and two counters.
    budget.build(pieces.len() * (ELEMENT_BYTES + 16) + this.len())?;
    Ok(Val::list(pieces.into_iter().map(Val::text).collect()))
}

pub(super) fn join<'a>(list: &List<'a>, between: &str, budget: &Budget<'_>) -> Evaluated<'a> {
    let mut bytes = 0_usize;
    for element in list.iter() {
        budget.steps(1)?;
        match &element {
            Val::Text(text) => bytes = bytes.saturating_add(text.as_str().len() + between.len()),
            other => {
                let word = type_word(other.type_name());
                return fails(format_args!(
                    "`join` puts texts together, and there is {word}; `string(…)` makes a text of it"
                ));
            }
        }
    }
    budget.build(bytes)?;
    let mut joined = String::with_capacity(bytes);
    for (at, element) in list.iter().enumerate() {
        if at > 0 {
            joined.push_str(between);
        }
        joined.push_str(element.as_text().unwrap_or_default());
    }
    Ok(Val::text(joined))
}

pub(super) fn quote<'a>(text: &Val<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
    let Val::Text(this) = text else { return unsupported("strings.quote", &[text]) };
    let this = this.as_str();
    budget.build(this.len() * 2 + 2)?;
    let mut quoted = String::with_capacity(this.len() + 2);
    quoted.push('"');
    for c in this.chars() {
        match c {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Ok(Val::text(quoted))
}

pub(super) fn matches<'a>(
    text: &Val<'a>,
    pattern: &Val<'a>,
    budget: &Budget<'_>,
    regexes: &mut Regexes,
) -> Evaluated<'a> {
    let (Val::Text(this), Val::Text(pattern)) = (text, pattern) else {
        return unsupported("matches", &[text, pattern]);
    };
    let (this, pattern) = (this.as_str(), pattern.as_str());
    budget.read(pattern.len())?;
    if !regexes.0.contains_key(pattern) {
        let weight = weight(pattern);
        budget.steps(REGEX_STEPS.saturating_add(weight.saturating_mul(16)))?;
        let regex = match compile(pattern) {
            Ok(regex) => regex,
            Err(why) => {
                let pattern = excerpt(pattern);
                return fails(format_args!("`{pattern}` is not a regular expression: {why}"));
            }
        };
        if regexes.0.len() >= REGEXES_MAX {
            regexes.0.clear();
        }
        regexes.0.insert(pattern.to_owned(), (regex, weight));
    }
    let Some((regex, weight)) = regexes.0.get(pattern) else { return Ok(Val::Bool(false)) };
    // Matching takes at most the length of the text times the expanded size of the pattern.
    budget.steps(this.len().saturating_mul(*weight) / 64)?;
    Ok(Val::Bool(regex.is_match(this)))
}
