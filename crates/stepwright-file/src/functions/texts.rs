//! Functions on texts, and conversions between texts and values.

use super::{Given, RESULT_BYTES_MAX, text, what};
use crate::expression::regular;
use crate::source::Source;
use crate::tree;
use serde_json::{Number, Value};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::json;

pub(super) fn from_json(args: &[Value]) -> Given {
    json::parse(text(&args[0])?).map_err(|error| format!("the text is not JSON: {error}"))
}

#[expect(clippy::unnecessary_wraps, reason = "functions have one type")]
pub(super) fn to_json(args: &[Value]) -> Given {
    Ok(args[0].to_string().into())
}

pub(super) fn from_yaml(args: &[Value]) -> Given {
    let source = Arc::new(Source::new("the text", text(&args[0])?));
    let read = tree::read(&source);
    read.map(|node| node.value.to_json())
        .map_err(|error| format!("the text is not YAML: {}", error.message))
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

fn percent(text: &str, to: &mut String) {
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
    let (mut replaced, mut at) = (String::new(), 0);
    for found in regex.captures_iter(whole) {
        let all = found.get(0).map_or(at..at, |all| all.range());
        replaced.push_str(&whole[at..all.start]);
        found.expand(with, &mut replaced);
        at = all.end;
        if replaced.len() > RESULT_BYTES_MAX {
            return Err(format!("the text is longer than {RESULT_BYTES_MAX} bytes"));
        }
    }
    replaced.push_str(&whole[at..]);
    Ok(replaced.into())
}

/// Returns the operations to compile a regular expression.
pub(super) fn regex_cost(pattern: &str) -> usize {
    regular::weight(pattern).saturating_mul(16).saturating_add(500)
}

/// Adds the numbers of a list. Whole numbers stay exact.
pub(super) fn sum(args: &[Value]) -> Given {
    let Value::Array(list) = &args[0] else {
        return Err(format!("needs a list, not {}", what(&args[0])));
    };
    let mut whole: i64 = 0;
    let mut fraction: Option<f64> = None;
    for one in list {
        let Value::Number(number) = one else {
            return Err(format!("needs numbers, and the list has {}", what(one)));
        };
        match (number.as_i64(), fraction) {
            (Some(number), None) => {
                whole = whole.checked_add(number).ok_or("the sum does not fit into 64 bits")?;
            }
            (_, before) => {
                #[expect(clippy::cast_precision_loss, reason = "a sum with a fraction is one")]
                let before = before.unwrap_or(whole as f64);
                fraction = Some(before + number.as_f64().unwrap_or(f64::NAN));
            }
        }
    }
    match fraction {
        None => Ok(whole.into()),
        Some(sum) => Number::from_f64(sum)
            .map(Value::Number)
            .ok_or_else(|| "the sum is not a finite number".to_owned()),
    }
}
