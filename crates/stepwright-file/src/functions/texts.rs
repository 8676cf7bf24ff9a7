//! Functions on texts, and conversions between texts and values.

use super::{Given, RESULT_BYTES_MAX, text, what};
use crate::expression::regular;
use crate::source::Source;
use crate::stack::with_stack;
use crate::tree;
use regex::Regex;
use serde_json::{Number, Value};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::json::{self, JsonError};
use stepwright_core::number;

pub(super) fn from_json(args: &[Value]) -> Given {
    let text = text(&args[0])?;
    json::parse(text).map_err(|error| match error {
        JsonError::Twice { .. } => error.to_string(),
        error => format!("the text is not JSON: {error}"),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "functions have one type")]
pub(super) fn to_json(args: &[Value]) -> Given {
    Ok(args[0].to_string().into())
}

pub(super) fn from_yaml(args: &[Value]) -> Given {
    let source = Arc::new(Source::new("the text", text(&args[0])?));
    with_stack(|| {
        let node = tree::read(&source)
            .map_err(|error| format!("the text is not YAML: {}", error.message))?;
        match node.name_twice() {
            Some(name) => Err(format!("a mapping has `{name}` twice")),
            None => Ok(node.value.to_json()),
        }
    })
}

pub(super) fn to_yaml(args: &[Value]) -> Given {
    let written = serde_saphyr::to_string(&args[0]);
    written.map(Into::into).map_err(|error| format!("it cannot be written: {error}"))
}

/// Encodes a text for a part of an address, or an object as its query.
pub(super) fn urlencode(args: &[Value]) -> Given {
    let encoded = match &args[0] {
        Value::Object(members) => {
            let mut query = String::new();
            for (name, value) in members {
                let list = match value {
                    Value::Null => &[][..],
                    Value::Array(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                for one in list {
                    if !query.is_empty() {
                        query.push('&');
                    }
                    percent(name, &mut query);
                    query.push('=');
                    percent(&plain(one)?, &mut query);
                }
            }
            query
        }
        other => {
            let mut encoded = String::new();
            percent(&plain(other)?, &mut encoded);
            encoded
        }
    };
    Ok(encoded.into())
}

fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(format!("needs a text, not {}", what(other))),
    }
}

/// Encodes all characters that have a meaning in an address.
pub(crate) fn percent(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

/// Shortens a text to a number of characters, with the ending included.
pub(super) fn truncate(args: &[Value]) -> Given {
    let whole = text(&args[0])?;
    let Some(most) = args[1].as_u64().and_then(|most| usize::try_from(most).ok()) else {
        return Err(format!("needs a number of characters, not {}", args[1]));
    };
    let ending = args.get(2).map_or(Ok("…"), text)?;
    if whole.chars().nth(most).is_none() {
        return Ok(whole.into());
    }
    let kept = most.saturating_sub(ending.chars().count());
    let end: String = ending.chars().take(most).collect();
    let cut: String = whole.chars().take(kept).collect();
    Ok(format!("{}{end}", cut.trim_end()).into())
}

/// Replaces all matches of a regular expression. `$1` and `${name}` stand for its groups.
pub(super) fn regex_replace(args: &[Value]) -> Given {
    let (whole, pattern, with) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
    if regular::weight(pattern) > regular::WEIGHT_MAX {
        return Err("the regular expression repeats too much".to_owned());
    }
    let regex = regular::compile(pattern)
        .map_err(|why| format!("`{pattern}` is not a regular expression: {why}"))?;
    let with = pieces(with, &regex)?;
    let (mut replaced, mut at) = (String::new(), 0);
    for found in regex.captures_iter(whole) {
        let all = found.get(0).map_or(at..at, |all| all.range());
        replaced.push_str(&whole[at..all.start]);
        for piece in &with {
            replaced.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(nth) => found.get(*nth).map_or("", |group| group.as_str()),
            });
        }
        at = all.end;
        if replaced.len() > RESULT_BYTES_MAX {
            return Err(format!("the text is longer than {RESULT_BYTES_MAX} bytes"));
        }
    }
    replaced.push_str(&whole[at..]);
    Ok(replaced.into())
}

/// A piece of a text that replaces a match.
enum Piece<'t> {
    Text(&'t str),
    /// The part of the match that a group stands for.
    Group(usize),
}

/// Takes a replacement apart: `$1` and `$name` stand for groups, `${1}` and `${name}` too, and `$$`
/// for a dollar sign.
fn pieces<'t>(text: &'t str, regex: &Regex) -> Result<Vec<Piece<'t>>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('$') {
        pieces.push(Piece::Text(before));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = if let Some(after) = behind.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = after;
            continue;
        } else if let Some(braced) = behind.strip_prefix('{').and_then(|it| it.split_once('}')) {
            braced
        } else if behind.starts_with(|c: char| c.is_ascii_digit()) {
            behind.split_at(behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len()))
        } else {
            behind.split_at(behind.find(|c| !is_word(c)).unwrap_or(behind.len()))
        };
        if name.is_empty() {
            pieces.push(Piece::Text("$"));
            rest = behind;
            continue;
        }
        let by_name = || regex.capture_names().position(|known| known == Some(name));
        let nth = name.parse().ok().filter(|nth| *nth < regex.captures_len()).or_else(by_name);
        let Some(nth) = nth else {
            return Err(format!(
                "the regular expression has no group `{name}`; a dollar sign is `$$`"
            ));
        };
        pieces.push(Piece::Group(nth));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Returns the operations to compile a regular expression.
pub(super) fn regex_cost(pattern: &str) -> usize {
    regular::weight(pattern).saturating_mul(16).saturating_add(500)
}

/// Adds the numbers of a list. Whole parts stay exact.
pub(super) fn sum(args: &[Value]) -> Given {
    let Value::Array(list) = &args[0] else {
        return Err(format!("needs a list, not {}", what(&args[0])));
    };
    let mut sum = Number::from(0);
    for one in list {
        let Value::Number(number) = one else {
            return Err(format!("needs numbers, and the list has {}", what(one)));
        };
        sum = number::sum(&sum, number).ok_or_else(|| inexact_sum(&sum, number))?;
    }
    Ok(sum.into())
}

fn inexact_sum(sum: &Number, next: &Number) -> String {
    if sum.is_f64() || next.is_f64() {
        format!("the sum of {sum} and {next} would be rounded")
    } else {
        "the sum does not fit into 64 bits".to_owned()
    }
}
