//! The defaults of a schema: where they are filled in, and whether they fit.

use super::keywords::{Places, address, place_of};
use super::{Id, Mistake, Purpose, Refusal, Schema, said};
use crate::budget::{Budget, Spent};
use serde_json::Value;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use stepwright_core::form::{self, FillError};

/// Fills in the defaults of a part of a schema.
pub(super) fn fill(
    root: &Value,
    schema: &Value,
    value: &mut Value,
    budget: &Budget<'_>,
) -> Result<(), Refusal> {
    let spent = Cell::new(None);
    let filled = form::fill_in_within(root, schema, value, &mut |bytes| {
        let charged = budget.steps(1).and_then(|()| budget.build(bytes));
        spent.set(charged.err());
        charged.is_ok()
    });
    filled.map_err(|error| match (error, spent.get()) {
        (FillError::Stopped, Some(spent)) => Refusal::Spent(spent),
        (error, _) => Refusal::Unfit(error.to_string()),
    })
}

/// Checks that each `default` is filled in somewhere, and that it fits its own schema.
pub(super) fn check(
    root: &Value,
    purpose: Purpose,
    places: &Places<'_>,
    (compiled, ids): (&Schema, &HashMap<usize, Id>),
    budget: &Budget<'_>,
) -> Result<(), Mistake> {
    let mut with_defaults: Vec<&Value> = Vec::new();
    find(root, &mut with_defaults);
    // Only what is a schema: an object in `enum` may have a member of this name.
    with_defaults.retain(|schema| places.schemas.contains(&address(*schema)));
    if with_defaults.is_empty() {
        return Ok(());
    }
    let mut reach = Reach { root, places, seen: HashSet::new(), applied: HashSet::new() };
    if purpose != Purpose::Output {
        reach.from(root, true);
    }
    for schema in with_defaults {
        let mistake = |message: String, help: &str| {
            let help = Some(help.to_owned()).filter(|help| !help.is_empty());
            let pointer = place_of(root, address(schema)) + "/default";
            Mistake { pointer, message, help }
        };
        if !reach.applied.contains(&address(schema)) {
            let help = match purpose {
                Purpose::Output => {
                    "an agent answers with the whole value: list the property under `required`"
                }
                _ => {
                    "a default is filled in for the whole value and for a property, directly or \
                     through `allOf` and `$ref`; put it beside the property"
                }
            };
            return Err(mistake("the keyword `default` has no effect here".into(), help));
        }
        let mut value = schema["default"].clone();
        let refused = match fill(root, schema, &mut value, budget) {
            Err(Refusal::Unfit(why)) => mistake(why, "leave out the default that repeats itself"),
            Err(Refusal::Spent(Spent::Built)) => {
                let message = "the defaults of the schema are too large";
                mistake(message.to_owned(), "leave out some of them")
            }
            Err(Refusal::Spent(spent)) => mistake(said(spent), "leave out some of the defaults"),
            Ok(()) => {
                let part = ids.get(&address(schema)).copied().unwrap_or_default();
                match compiled.fits_part(part, &value, budget) {
                    Ok(()) => continue,
                    Err(Refusal::Unfit(why)) => {
                        mistake(format!("the default does not fit its schema: {why}"), "")
                    }
                    Err(Refusal::Spent(spent)) => mistake(said(spent), "simplify the schema"),
                }
            }
        };
        return Err(refused);
    }
    Ok(())
}

fn find<'s>(part: &'s Value, found: &mut Vec<&'s Value>) {
    match part {
        Value::Object(members) => {
            if members.contains_key("default") {
                found.push(part);
            }
            members.values().for_each(|part| find(part, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| find(part, found)),
        _ => {}
    }
}

/// The parts of a schema by which defaults are filled in, as `form::fill_in` does.
struct Reach<'s> {
    root: &'s Value,
    places: &'s Places<'s>,
    seen: HashSet<(usize, bool)>,
    applied: HashSet<usize>,
}

impl<'s> Reach<'s> {
    /// Follows a part. `can_lack` says whether its value may be missing, so that its own default is
    /// used.
    fn from(&mut self, start: &'s Value, can_lack: bool) {
        let mut open = vec![(start, can_lack)];
        while let Some((part, can_lack)) = open.pop() {
            if !part.is_object() || !self.seen.insert((address(part), can_lack)) {
                continue;
            }
            if can_lack {
                self.applied.insert(address(part));
            }
            let list = |key: &str| part[key].as_array().into_iter().flatten();
            let target =
                part["$ref"].as_str().filter(|target| target.starts_with("#/") || *target == "#");
            let target = target.and_then(|target| self.places.resolve(self.root, target).ok());
            open.extend(target.map(|target| (target, can_lack)));
            open.extend(list("allOf").map(|part| (part, can_lack)));
            let properties = part["properties"].as_object().into_iter().flatten();
            open.extend(properties.map(|(_, part)| (part, true)));
            open.extend(list("prefixItems").chain(list("items")).map(|part| (part, false)));
            open.extend(part.get("items").map(|part| (part, false)));
            if part.get("patternProperties").is_none() {
                open.extend(part.get("additionalProperties").map(|part| (part, false)));
            }
        }
    }
}
