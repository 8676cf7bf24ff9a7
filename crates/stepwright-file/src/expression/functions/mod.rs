//! The functions of expressions. They have the same results as those of CEL's own interpreter,
//! within a budget. They also accept whole numbers written with a fraction, which CEL rejects.

mod convert;
mod format;
mod lists;
mod numbers;
mod strings;

pub(super) use strings::Regexes;

use super::failure::{Evaluated, fails, unsupported};
use super::names::QUALIFIED;
use super::value::{Val, whole};
use super::values::to_json;
use crate::budget::Budget;
use crate::functions::{bytes, named};

/// Returns `true` if `name` is a function of this namespace.
pub(super) fn is_qualified(namespace: &str, name: &str) -> bool {
    QUALIFIED.iter().any(|known| {
        known.split_once('.').is_some_and(|(space, last)| space == namespace && last == name)
    })
}

/// Calls `size(x)` or `math.ceil(x)`.
pub(super) fn call<'a>(
    name: &str,
    args: &[Val<'a>],
    budget: &Budget<'_>,
    regexes: &mut Regexes,
) -> Evaluated<'a> {
    match (name, args) {
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Val::Type(value.type_name())),
        ("size", [value]) => size(value, budget),
        ("matches", [text, pattern]) => strings::matches(text, pattern, budget, regexes),
        ("int" | "uint" | "double" | "string" | "bytes" | "bool", [value]) => {
            convert::convert(name, value, budget)
        }
        ("lists.range", [count]) => lists::range(count, budget),
        ("strings.quote", [text]) => strings::quote(text, budget),
        ("optional.none", []) => Ok(Val::Optional(None)),
        ("optional.of", [value]) => Ok(value.clone().some()),
        ("optional.ofNonZeroValue", [value]) => {
            Ok(if is_zero(value) { Val::Optional(None) } else { value.clone().some() })
        }
        (name, args) if name.starts_with("math.") => numbers::call(name, args, budget),
        (name, args) if named(name).is_some() => shared(name, args, budget),
        (name, args) => unsupported(name, &args.iter().collect::<Vec<_>>()),
    }
}

/// Calls `x.contains(y)`, where `x` is the first of `args`.
pub(super) fn call_method<'a>(
    name: &str,
    args: &[Val<'a>],
    budget: &Budget<'_>,
    regexes: &mut Regexes,
) -> Evaluated<'a> {
    match (name, args) {
        (name, args) if named(name).is_some() => shared(name, args, budget),
        ("size", [value]) => size(value, budget),
        ("matches", [text, pattern]) => strings::matches(text, pattern, budget, regexes),
        ("hasValue", [Val::Optional(inner)]) => Ok(Val::Bool(inner.is_some())),
        ("value", [Val::Optional(inner)]) => match inner {
            Some(inner) => Ok((**inner).clone()),
            None => fails("`value` is asked of an optional value that is not there"),
        },
        ("or", [Val::Optional(inner), other]) => {
            Ok(if inner.is_some() { args[0].clone() } else { other.clone() })
        }
        ("orValue", [Val::Optional(inner), other]) => {
            Ok(inner.as_ref().map_or_else(|| other.clone(), |inner| (**inner).clone()))
        }
        (name, [Val::Text(text), rest @ ..]) => strings::call(name, text, args, rest, budget),
        (name, [Val::List(list), rest @ ..]) => lists::call(name, list, args, rest, budget),
        (name, args) => unsupported(name, &args.iter().collect::<Vec<_>>()),
    }
}

/// Calls a function that templates have, too.
fn shared<'a>(name: &str, args: &[Val<'a>], budget: &Budget<'_>) -> Evaluated<'a> {
    let Some(function) = named(name) else { return unsupported(name, &[]) };
    let mut given = Vec::with_capacity(args.len());
    for arg in args {
        given.push(to_json(arg, true, budget)?);
    }
    budget.steps(function.cost(&given))?;
    let value = match function.call(&given) {
        Ok(value) => value,
        Err(why) => return fails(why),
    };
    budget.build(bytes(&value))?;
    Ok(Val::of_owned(value))
}

fn size<'a>(value: &Val<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
    let size = match value {
        Val::Text(text) => {
            budget.read(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Val::Bytes(bytes) => bytes.len(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        other => return unsupported("size", &[other]),
    };
    Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null => true,
        Val::Bool(value) => !value,
        Val::Int(number) => *number == 0,
        Val::UInt(number) => *number == 0,
        Val::Double(number) => *number == 0.0,
        Val::Text(text) => text.as_str().is_empty(),
        Val::Bytes(bytes) => bytes.is_empty(),
        Val::List(list) => list.len() == 0,
        Val::Map(map) => map.len() == 0,
        Val::Optional(_) | Val::Type(_) => false,
    }
}

/// Returns a position or a count: a whole number, which may have a fraction of zero.
fn count(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Double(number) => whole(*number),
        other => other.as_whole(),
    }
}
