//! The operators of CEL.

use super::failure::{
    Evaluated, Failure, excerpt, fails, no_member, overflow, type_word, unsupported,
};
use super::value::{ELEMENT_BYTES, List, Map, Val, compare_numbers, exact_double, integer, whole};
use crate::budget::Budget;
use std::cmp::Ordering;
use stepwright_core::number;

/// An arithmetic operator on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    fn of_integers(self, a: i128, b: i128) -> Option<i128> {
        // Both have at most 64 bits, so 128 bits are enough.
        match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide => a.checked_div(b),
            Self::Remainder => a.checked_rem(b),
        }
    }

    /// Returns `true` if rounding changes at most the fraction of a result.
    fn keeps_units(self, a: f64, b: f64, result: f64) -> bool {
        // The error of a product is the rest of a fused calculation.
        result.abs() < number::EXACT_BELOW
            || !result.is_finite()
            || match self {
                Self::Add => number::is_whole_sum(a, b, result),
                Self::Subtract => number::is_whole_sum(a, -b, result),
                Self::Multiply => a.mul_add(b, -result) == 0.0,
                Self::Divide => result.mul_add(b, -a) == 0.0,
                Self::Remainder => true,
            }
    }

    fn of_doubles(self, a: f64, b: f64) -> Option<f64> {
        Some(match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => return None,
        })
    }
}

pub(super) fn arithmetic<'a>(
    by: Arithmetic,
    a: &Val<'a>,
    b: &Val<'a>,
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    match (by, a, b) {
        (Arithmetic::Add, Val::Text(left), Val::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            budget.build(left.len() + right.len())?;
            Ok(Val::text([left, right].concat()))
        }
        (Arithmetic::Add, Val::Bytes(left), Val::Bytes(right)) => {
            budget.build(left.len() + right.len())?;
            Ok(Val::Bytes([&**left, &**right].concat().into()))
        }
        (Arithmetic::Add, Val::List(left), Val::List(_) | Val::Map(_)) => {
            let right = elements(b, budget)?.unwrap_or_default();
            let count = left.len() + right.len();
            budget.build(count * ELEMENT_BYTES)?;
            let mut list = Vec::with_capacity(count);
            list.extend(left.iter());
            list.extend(right);
            Ok(Val::list(list))
        }
        _ if a.is_number() && b.is_number() => numbers(by, a, b),
        _ => unsupported(by.sign(), &[a, b]),
    }
}

/// Calculates with numbers. Integers stay integers, and become doubles next to a double.
fn numbers<'a>(by: Arithmetic, a: &Val<'a>, b: &Val<'a>) -> Evaluated<'a> {
    if let (Some(left), Some(right)) = (integer(a), integer(b)) {
        if right == 0 && matches!(by, Arithmetic::Divide | Arithmetic::Remainder) {
            return fails("division by zero");
        }
        let result = by.of_integers(left, right);
        let signed = || result.and_then(|result| i64::try_from(result).ok()).map(Val::Int);
        let unsigned = || result.and_then(|result| u64::try_from(result).ok()).map(Val::UInt);
        let fits = match (a, b) {
            // In CEL, `i64::MIN % -1` is an overflow, although the result would be 0.
            (Val::Int(left), Val::Int(right)) if by == Arithmetic::Remainder => {
                left.checked_rem(*right).map(Val::Int)
            }
            (Val::Int(_), Val::Int(_)) => signed(),
            (Val::UInt(_), Val::UInt(_)) => unsigned(),
            _ => signed().or_else(unsigned),
        };
        return match fits {
            Some(result) => Ok(result),
            None => overflow(format_args!("{left} {} {right}", by.sign())),
        };
    }
    let (left, right) = (as_double(a)?, as_double(b)?);
    let Some(result) = by.of_doubles(left, right) else { return unsupported(by.sign(), &[a, b]) };
    let is_mixed = integer(a).is_some() || integer(b).is_some();
    if is_mixed && !by.keeps_units(left, right, result) {
        return fails(format_args!(
            "`{left} {} {right}` is not exact beside a number with a fraction; `double(…)` rounds \
             it",
            by.sign()
        ));
    }
    Ok(Val::Double(result))
}

/// Converts a number to a double. Fails for an integer that would have to be rounded.
pub(super) fn as_double(value: &Val<'_>) -> Result<f64, Failure> {
    match (value, integer(value)) {
        (Val::Double(number), _) => Ok(*number),
        (_, Some(number)) => exact_double(number).map_or_else(
            || {
                fails(format_args!(
                    "`{number}` is not exact beside a number with a fraction; `double(…)` rounds it"
                ))
            },
            Ok,
        ),
        _ => unsupported("double", &[value]),
    }
}

pub(super) fn negate<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(number) => match number.checked_neg() {
            Some(number) => Ok(Val::Int(number)),
            None => overflow(format_args!("-({number})")),
        },
        Val::Double(number) => Ok(Val::Double(-number)),
        other => unsupported("-unary", &[other]),
    }
}

/// Returns the order of two values, if they have one.
pub(super) fn order(
    a: &Val<'_>,
    b: &Val<'_>,
    budget: &Budget<'_>,
) -> Result<Option<Ordering>, Failure> {
    Ok(match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.read(a.len().min(b.len()))?;
            Some(a.cmp(b))
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            budget.read(a.len().min(b.len()))?;
            Some(a.cmp(b))
        }
        _ => compare_numbers(a, b),
    })
}

pub(super) fn compare<'a>(
    operator: &str,
    a: &Val<'a>,
    b: &Val<'a>,
    budget: &Budget<'_>,
) -> Result<Ordering, Failure> {
    match order(a, b, budget)? {
        Some(order) => Ok(order),
        None if a.is_number() && b.is_number() => {
            fails("a value that is no number (NaN) has no order")
        }
        None => unsupported(operator, &[a, b]),
    }
}

/// Returns `true` if two values are equal. Takes an operation for each value inside them, because a
/// value built from shared parts may be much larger than its memory.
pub(super) fn equal(a: &Val<'_>, b: &Val<'_>, budget: &Budget<'_>) -> Result<bool, Failure> {
    budget.steps(1)?;
    Ok(match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.read(a.len().min(b.len()))?;
            a == b
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            budget.read(a.len().min(b.len()))?;
            a == b
        }
        (Val::Type(a), Val::Type(b)) => a == b,
        (Val::Optional(a), Val::Optional(b)) => match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => equal(a, b, budget)?,
            _ => false,
        },
        (Val::List(a), Val::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(&a, &b, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Val::Map(a), Val::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            budget.build(a.len() * ELEMENT_BYTES * 2)?;
            for (key, value) in a.entries() {
                budget.read(key.len())?;
                match b.get(&key.value()) {
                    Ok(Some(other)) if equal(&value, &other, budget)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        _ => compare_numbers(a, b) == Some(Ordering::Equal),
    })
}

/// Returns `true` if `value` is an element of a list or a key of a map.
pub(super) fn contains(
    container: &Val<'_>,
    value: &Val<'_>,
    budget: &Budget<'_>,
) -> Result<bool, Failure> {
    match container {
        Val::List(list) => {
            for element in list.iter() {
                if equal(&element, value, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => match find(map, value, budget)? {
            Ok(found) => Ok(found.is_some()),
            Err(()) => unsupported("in", &[value, container]),
        },
        _ => unsupported("in", &[value, container]),
    }
}

/// Returns the items of a comprehension: the elements of a list or the keys of a map.
pub(super) fn elements<'a>(
    value: &Val<'a>,
    budget: &Budget<'_>,
) -> Result<Option<Vec<Val<'a>>>, Failure> {
    Ok(match value {
        Val::List(List::Built(list)) => {
            budget.steps(list.len())?;
            Some(list.to_vec())
        }
        Val::List(list) => {
            budget.build(list.len() * ELEMENT_BYTES)?;
            Some(list.iter().collect())
        }
        Val::Map(map) => {
            budget.build(map.len() * ELEMENT_BYTES + map.copied_bytes())?;
            Some(map.keys())
        }
        _ => None,
    })
}

/// Looks up a key. `Err(())` inside if the value cannot be a key.
fn find<'a>(
    map: &Map<'a>,
    key: &Val<'_>,
    budget: &Budget<'_>,
) -> Result<Result<Option<Val<'a>>, ()>, Failure> {
    // A long text is hashed or compared.
    budget.read(key.as_text().map_or(0, str::len))?;
    Ok(map.get(key))
}

/// Returns the value at an index or a key.
pub(super) fn index<'a>(
    operator: &str,
    of: &Val<'a>,
    at: &Val<'a>,
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    match of {
        Val::List(list) => {
            let place = match at {
                Val::Int(place) => usize::try_from(*place).ok(),
                Val::UInt(place) => usize::try_from(*place).ok(),
                Val::Double(place) => match whole(*place) {
                    Some(place) => usize::try_from(place).ok(),
                    None => return fails(format_args!("`{place}` is no place in a list")),
                },
                _ => return unsupported(operator, &[of, at]),
            };
            let element = place.and_then(|place| list.get(place));
            let Some(element) = element else {
                return fails(format_args!(
                    "there is no element {} in a list of {}",
                    shown(at),
                    list.len()
                ));
            };
            Ok(element)
        }
        Val::Map(map) => match find(map, at, budget)? {
            Ok(Some(value)) => Ok(value),
            Ok(None) => no_member(&shown(at)),
            Err(()) => unsupported(operator, &[of, at]),
        },
        _ => unsupported(operator, &[of, at]),
    }
}

/// Returns a member of an object.
pub(super) fn member<'a>(of: &Val<'a>, name: &'a str) -> Evaluated<'a> {
    match of {
        Val::Map(map) => match map.member(name) {
            Some(value) => Ok(value),
            None => no_member(name),
        },
        // A member of an optional value is optional too.
        Val::Optional(None) => Ok(Val::Optional(None)),
        Val::Optional(Some(inner)) => match &**inner {
            Val::Map(map) => Ok(Val::Optional(map.member(name).map(std::sync::Arc::new))),
            Val::List(_) => Ok(Val::Optional(None)),
            _ => no_member(name),
        },
        other => {
            let word = type_word(other.type_name());
            Err(Failure::Said(format!("asks for `{}`, but there is {word}", excerpt(name))))
        }
    }
}

/// Returns `true` if the member exists.
pub(super) fn has(of: &Val<'_>, name: &str) -> Result<bool, Failure> {
    match of {
        Val::Map(map) => Ok(has_member(map, name)),
        Val::Optional(None) => Ok(false),
        Val::Optional(Some(inner)) => match &**inner {
            Val::Map(map) => Ok(has_member(map, name)),
            Val::List(_) => Ok(false),
            _ => no_member(name),
        },
        other => unsupported("has", &[other]),
    }
}

fn has_member(map: &Map<'_>, name: &str) -> bool {
    map.member(name).is_some()
}

fn shown(key: &Val<'_>) -> String {
    match key {
        Val::Text(text) => excerpt(text.as_str()).into_owned(),
        Val::Int(number) => number.to_string(),
        Val::UInt(number) => number.to_string(),
        Val::Double(number) => number.to_string(),
        Val::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}
