//! Refuses comparisons of values that have no order among each other, as expressions do.
//!
//! minijinja orders values of different types by their types, so that the text `50` is greater than
//! the number 500.

use super::words::{kind, said};
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// The order signs, each with the tests of the same meaning.
const SIGNS: [(&str, &[&str]); 4] = [
    ("<", &["<", "lt", "lessthan"]),
    ("<=", &["<=", "le"]),
    (">", &[">", "gt", "greaterthan"]),
    (">=", &[">=", "ge"]),
];

/// Returns the order sign that a test stands for.
pub(super) fn sign_of(test: &str) -> Option<&'static str> {
    SIGNS.iter().find(|(_, tests)| tests.contains(&test)).map(|(sign, _)| *sign)
}

/// Checks that two values have an order: two numbers, two texts, or two booleans.
pub(super) fn check(sign: &str, left: &Value, right: &Value) -> Result<(), Error> {
    if left.is_undefined() || right.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let kinds = (left.kind(), right.kind());
    let ordered = [ValueKind::Number, ValueKind::String, ValueKind::Bool];
    if kinds.0 == kinds.1 && ordered.contains(&kinds.0) {
        return Ok(());
    }
    Err(unordered(sign, left, right))
}

/// Checks that a filter such as `sort` can order these values.
pub(super) fn check_all(filter: &str, values: &[Value]) -> Result<(), Error> {
    let Some((first, others)) = values.split_first() else { return Ok(()) };
    others.iter().try_for_each(|other| check_pair(filter, first, other))
}

fn check_pair(filter: &str, first: &Value, other: &Value) -> Result<(), Error> {
    let kinds = (list_or(first.kind()), list_or(other.kind()));
    match kinds {
        (ValueKind::Seq, ValueKind::Seq) => {
            // The first elements decide, unless they are the same.
            let head = |list: &Value| list.try_iter().ok()?.next();
            match (head(first), head(other)) {
                (Some(first), Some(other)) => check_pair(filter, &first, &other),
                _ => Ok(()),
            }
        }
        (ValueKind::Map, ValueKind::Map) => Err(said(format!(
            "`{filter}` has no order for objects; name one of their members: \
             `{filter}(attribute='name')`"
        ))),
        (one, other) if one == other => Ok(()),
        _ => Err(unordered(filter, first, other)),
    }
}

fn list_or(kind: ValueKind) -> ValueKind {
    if kind == ValueKind::Iterable { ValueKind::Seq } else { kind }
}

fn unordered(sign: &str, left: &Value, right: &Value) -> Error {
    let (left, right) = (left.kind(), right.kind());
    let is_number_as_text =
        [(left, right), (right, left)].contains(&(ValueKind::Number, ValueKind::String));
    let help =
        if is_number_as_text { "; `| int` or `| float` makes a number of a text" } else { "" };
    let (left, right) = (left.to_string(), right.to_string());
    said(format!("`{sign}` cannot be used on {} and {}{help}", kind(&left), kind(&right)))
}
