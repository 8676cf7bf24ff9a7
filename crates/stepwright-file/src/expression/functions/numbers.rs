//! The `math.…` functions.

use super::super::failure::{Evaluated, fails, overflow, unsupported};
use super::super::operators::as_double;
use super::super::value::{Val, compare_numbers};
use crate::budget::Budget;
use std::cmp::Ordering;

pub(super) fn call<'a>(name: &str, args: &[Val<'a>], budget: &Budget<'_>) -> Evaluated<'a> {
    match (name, args) {
        ("math.@max", args) => extreme(name, Ordering::Greater, args, budget),
        ("math.@min", args) => extreme(name, Ordering::Less, args, budget),
        ("math.abs", [value]) => absolute(value),
        ("math.sign", [value]) => Ok(match value {
            Val::Int(number) => Val::Int(number.signum()),
            Val::UInt(number) => Val::UInt(u64::from(*number != 0)),
            Val::Double(number) if *number > 0.0 => Val::Double(1.0),
            Val::Double(number) if *number < 0.0 => Val::Double(-1.0),
            Val::Double(number) if *number == 0.0 => Val::Double(0.0),
            Val::Double(number) => Val::Double(*number),
            other => return unsupported(name, &[other]),
        }),
        ("math.sqrt", [value]) => root(value),
        (
            "math.ceil" | "math.floor" | "math.round" | "math.trunc" | "math.isInf" | "math.isNaN"
            | "math.isFinite",
            [value],
        ) if value.is_number() => {
            let number = as_double(value)?;
            Ok(match name {
                "math.ceil" => Val::Double(number.ceil()),
                "math.floor" => Val::Double(number.floor()),
                "math.round" => Val::Double(number.round()),
                "math.trunc" => Val::Double(number.trunc()),
                "math.isInf" => Val::Bool(number.is_infinite()),
                "math.isNaN" => Val::Bool(number.is_nan()),
                _ => Val::Bool(number.is_finite()),
            })
        }
        (name, args) => unsupported(name, &args.iter().collect::<Vec<_>>()),
    }
}

fn absolute<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(number) => match number.checked_abs() {
            Some(number) => Ok(Val::Int(number)),
            None => overflow(format_args!("math.abs({number})")),
        },
        Val::UInt(_) => Ok(value.clone()),
        Val::Double(number) => Ok(Val::Double(number.abs())),
        other => unsupported("math.abs", &[other]),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a root is not exact anyway")]
fn root<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(number) => Ok(Val::Double((*number as f64).sqrt())),
        Val::UInt(number) => Ok(Val::Double((*number as f64).sqrt())),
        Val::Double(number) => Ok(Val::Double(number.sqrt())),
        other => unsupported("math.sqrt", &[other]),
    }
}

/// Returns the first of the greatest or least numbers, from the arguments or from a list.
fn extreme<'a>(
    name: &str,
    wanted: Ordering,
    args: &[Val<'a>],
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    let list: Vec<Val<'a>> = match args {
        [Val::List(list)] => {
            budget.steps(list.len())?;
            list.iter().collect()
        }
        args => args.to_vec(),
    };
    let mut best: Option<Val<'a>> = None;
    for value in list {
        if !value.is_number() {
            return unsupported(name, &[&value]);
        }
        best = Some(match best {
            None => value,
            Some(best) => match compare_numbers(&best, &value) {
                Some(order) if order == wanted.reverse() => value,
                Some(_) => best,
                None => return fails("a value that is no number (NaN) has no order"),
            },
        });
    }
    best.map_or_else(|| fails("an empty list has no greatest or least number"), Ok)
}
