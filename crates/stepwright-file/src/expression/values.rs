//! Conversion of values of the run for expressions, and of results to JSON.

use super::failure::{Failure, type_word};
use super::value::{Key, Map, Val};
use crate::budget::{Budget, GIVEN_DEPTH_MAX, Spent};
use crate::reference::{Root, amounts};
use serde_json::{Map as JsonMap, Number, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of bytes that a value counts for besides its text: about its memory and its size in
/// the journal together.
const NODE_BYTES: usize = 16;

pub(super) fn of_root(root: Root<'_>) -> Val<'_> {
    match root {
        Root::Nothing => Val::Null,
        Root::Content(content) => Val::of_content(content),
        Root::Json(value) => Val::of(value),
        Root::Object(members) => Val::Map(Map::Json(members)),
        Root::Text(text) => Val::borrowed(text),
        Root::Number(number) => Val::Int(number.into()),
        Root::Failure(failure) => {
            let told = [
                ("message", Val::borrowed(&failure.message)),
                ("code", Val::text(failure.code.to_string())),
                ("path", Val::borrowed(failure.path.as_str())),
                ("kind", Val::borrowed(&failure.kind)),
            ];
            let told = told.map(|(word, value)| (Key::Text(word.into()), value));
            Val::Map(Map::Built(Arc::new(BTreeMap::from(told))))
        }
        Root::Now(moment) => Val::text(moment),
        Root::Budget(left) => {
            let members = amounts(left).map(|(name, amount)| {
                let value = match amount {
                    None => Val::Null,
                    Some(number) => match number.as_i64() {
                        Some(whole) => Val::Int(whole),
                        None => Val::Double(number.as_f64().unwrap_or(f64::MAX)),
                    },
                };
                (Key::Text(name.into()), value)
            });
            Val::Map(Map::Built(Arc::new(BTreeMap::from(members))))
        }
        Root::Steps(steps) => {
            let members = steps.into_iter().map(|(name, content)| {
                let value = content.map_or(Val::Null, Val::of_content);
                (Key::Text(name.into()), value)
            });
            Val::Map(Map::Built(Arc::new(members.collect::<BTreeMap<_, _>>())))
        }
        Root::Loops(loops) => {
            let members = loops.into_iter().map(|(name, outcome)| {
                let iterations = Val::Int(outcome.iterations.into());
                let exhausted = Val::Bool(outcome.exhausted);
                let told = [("exhausted", exhausted), ("iterations", iterations)];
                let told = told.map(|(word, value)| (Key::Text(word.into()), value));
                (Key::Text(name.into()), Val::Map(Map::Built(Arc::new(BTreeMap::from(told)))))
            });
            Val::Map(Map::Built(Arc::new(members.collect::<BTreeMap<_, _>>())))
        }
    }
}

/// Converts a value to JSON. Shared parts are written out, and counted each time. Objects are
/// `sorted`, except for values that are passed on unchanged.
pub(super) fn to_json(
    value: &Val<'_>,
    sorted: bool,
    budget: &Budget<'_>,
) -> Result<Value, Failure> {
    nested(value, sorted, 0, budget)
}

fn nested(
    value: &Val<'_>,
    sorted: bool,
    depth: usize,
    budget: &Budget<'_>,
) -> Result<Value, Failure> {
    if depth > GIVEN_DEPTH_MAX {
        return Err(Spent::Depth.into());
    }
    budget.steps(1)?;
    budget.give(NODE_BYTES)?;
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(value) => Value::Bool(*value),
        Val::Int(number) => Value::from(*number),
        Val::UInt(number) => Value::from(*number),
        Val::Double(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => return no_value("a number that is not finite"),
        },
        Val::Text(text) => {
            budget.give(text.as_str().len())?;
            budget.read(text.as_str().len())?;
            Value::String(text.as_str().to_owned())
        }
        Val::List(list) => {
            // Do not reserve memory for the whole list before its elements are counted.
            let mut elements = Vec::new();
            for element in list.iter() {
                elements.push(nested(&element, sorted, depth + 1, budget)?);
            }
            Value::Array(elements)
        }
        Val::Map(map) => {
            budget.steps(map.len())?;
            let mut members = Vec::new();
            for (key, value) in map.entries() {
                let key = match key {
                    Key::Text(key) => key.into_owned(),
                    Key::Int(key) => key.to_string(),
                    Key::UInt(key) => key.to_string(),
                    Key::Bool(key) => key.to_string(),
                };
                budget.give(key.len())?;
                members.push((key, nested(&value, sorted, depth + 1, budget)?));
            }
            if sorted {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            Value::Object(members.into_iter().collect::<JsonMap<_, _>>())
        }
        Val::Bytes(_) => return no_value("bytes"),
        other => return no_value(type_word(other.type_name())),
    })
}

fn no_value<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::Said(format!("gives {what}, which is not a value that steps can use")))
}
