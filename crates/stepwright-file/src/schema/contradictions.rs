//! Schemas that contradict themselves: no value can fit a part of them.

use super::compile::Check;
use super::keywords::{Places, address, place_of};
use super::validate::Validator;
use super::{Id, Mistake, Refusal, Schema, said};
use crate::budget::{Budget, Spent};
use crate::expression::regular::excerpt;
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use stepwright_core::number;

/// The least and the greatest count of a keyword pair, and what is counted.
const COUNTS: [(&str, &str, &str); 4] = [
    ("minLength", "maxLength", "text"),
    ("minItems", "maxItems", "list"),
    ("minProperties", "maxProperties", "object"),
    ("minContains", "maxContains", "list"),
];

/// The keywords that may allow more members than `properties` beside them.
const OPEN: [&str; 9] = [
    "anyOf",
    "oneOf",
    "if",
    "not",
    "$ref",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "additionalProperties",
];

type Members = Map<String, Value>;

/// Checks each part of a schema for restrictions that no value can meet together.
pub(super) fn check(
    root: &Value,
    places: &Places<'_>,
    (compiled, ids): (&Schema, &HashMap<usize, Id>),
    budget: &Budget<'_>,
) -> Result<(), Mistake> {
    let mut parts = Vec::new();
    find(root, places, &mut parts);
    for part in parts {
        let id = ids.get(&address(part)).copied();
        let together = Together { root, all: together(root, part, places, budget)? };
        together.counts()?;
        together.numbers()?;
        together.types()?;
        together.names(compiled, ids, budget)?;
        if let (Some(id), Value::Object(members)) = (id, part) {
            values(root, part, members, (compiled, id), budget)?;
        }
    }
    Ok(())
}

/// Finds the parts that are schemas, outermost first.
fn find<'s>(part: &'s Value, places: &Places<'_>, found: &mut Vec<&'s Value>) {
    match part {
        Value::Object(members) => {
            if places.schemas.contains(&address(part)) {
                found.push(part);
            }
            members.values().for_each(|part| find(part, places, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| find(part, places, found)),
        _ => {}
    }
}

fn spent(root: &Value, part: &Value, spent: Spent) -> Mistake {
    let help = Some("simplify the schema".to_owned());
    Mistake { pointer: place_of(root, address(part)), message: said(spent), help }
}

/// Returns a part and the parts that apply to the same value in any case: those of `allOf` and
/// `$ref`.
fn together<'s>(
    root: &'s Value,
    part: &'s Value,
    places: &Places<'s>,
    budget: &Budget<'_>,
) -> Result<Vec<(&'s Value, &'s Members)>, Mistake> {
    let (mut all, mut open, mut seen) = (Vec::new(), vec![part], HashSet::new());
    while let Some(next) = open.pop() {
        budget.steps(1).map_err(|limit| spent(root, part, limit))?;
        let Value::Object(members) = next else { continue };
        if !seen.insert(address(next)) {
            continue;
        }
        all.push((next, members));
        open.extend(members.get("allOf").and_then(Value::as_array).into_iter().flatten());
        let target = members.get("$ref").and_then(Value::as_str);
        open.extend(target.and_then(|target| places.resolve(root, target).ok()));
    }
    Ok(all)
}

/// Parts of a schema that apply to the same value.
struct Together<'s> {
    root: &'s Value,
    all: Vec<(&'s Value, &'s Members)>,
}

impl<'s> Together<'s> {
    /// Returns all values of a keyword, each with the part that it stands in.
    fn of(&self, key: &'s str) -> impl Iterator<Item = (&'s Value, &'s Value)> + '_ {
        self.all.iter().filter_map(move |(part, members)| Some((*part, members.get(key)?)))
    }

    fn numbers_of(&self, key: &'s str) -> impl Iterator<Item = (&'s Value, &'s Number)> + '_ {
        self.of(key).filter_map(|(part, value)| Some((part, value.as_number()?)))
    }

    fn mistake<T>(&self, part: &Value, key: &str, message: String) -> Result<T, Mistake> {
        let pointer = place_of(self.root, address(part)) + "/" + key;
        Err(Mistake { pointer, message, help: Some("change or remove one of them".to_owned()) })
    }

    fn greatest(&self, key: &'s str) -> Option<(&'s Value, &'s Number)> {
        self.numbers_of(key).max_by(|a, b| number::compare(a.1, b.1))
    }

    fn least(&self, key: &'s str) -> Option<(&'s Value, &'s Number)> {
        self.numbers_of(key).min_by(|a, b| number::compare(a.1, b.1))
    }

    fn counts(&self) -> Result<(), Mistake> {
        for (least, most, what) in COUNTS {
            if least == "minContains" {
                continue;
            }
            if let (Some((_, low)), Some((part, high))) = (self.greatest(least), self.least(most))
                && number::compare(low, high) == Ordering::Greater
            {
                let message = format!("no {what} fits: `{least}` is {low} and `{most}` is {high}");
                return self.mistake(part, most, message);
            }
        }
        // These belong to the `contains` beside them.
        for (part, members) in &self.all {
            let one = Number::from(1);
            let low = members.get("minContains").and_then(Value::as_number).unwrap_or(&one);
            if let Some(Value::Number(high)) = members.get("maxContains")
                && number::compare(low, high) == Ordering::Greater
            {
                let message =
                    format!("no list fits: `minContains` is {low} and `maxContains` is {high}");
                return self.mistake(part, "maxContains", message);
            }
        }
        self.sizes()
    }

    /// Compares counts with what may be there at all.
    fn sizes(&self) -> Result<(), Mistake> {
        let count = |found: Option<(&Value, &Number)>| {
            found.and_then(|(_, n)| n.as_u64()).and_then(|n| usize::try_from(n).ok())
        };
        if let Some(low) = count(self.greatest("minItems")) {
            for (part, members) in &self.all {
                let first = |key: &str| members.get(key).and_then(Value::as_array).map(Vec::len);
                let (rest, first) = match (first("prefixItems"), first("items")) {
                    (Some(first), _) => ("items", first),
                    (None, Some(first)) => ("additionalItems", first),
                    (None, None) => ("items", 0),
                };
                if members.get(rest) == Some(&Value::Bool(false)) && low > first {
                    let message = format!(
                        "no list fits: `minItems` is {low}, and `{rest}: false` allows {first}"
                    );
                    return self.mistake(part, rest, message);
                }
            }
        }
        if let Some(low) = count(self.greatest("minProperties")) {
            for (part, members) in self.closed() {
                let known =
                    members.get("properties").and_then(Value::as_object).map_or(0, Map::len);
                if !members.contains_key("patternProperties") && low > known {
                    let message = format!(
                        "no object fits: `minProperties` is {low}, and `additionalProperties: \
                         false` allows {known}"
                    );
                    return self.mistake(part, "additionalProperties", message);
                }
            }
        }
        let required: HashSet<&str> = self.required().map(|(_, name)| name).collect();
        match self.least("maxProperties") {
            Some((part, high)) if count(Some((part, high))).is_some_and(|n| n < required.len()) => {
                let needed = required.len();
                let message = format!(
                    "no object fits: `required` lists {needed} names and `maxProperties` is {high}"
                );
                self.mistake(part, "maxProperties", message)
            }
            _ => Ok(()),
        }
    }

    fn numbers(&self) -> Result<(), Mistake> {
        let lower = ["minimum", "exclusiveMinimum"].map(|key| (key, self.greatest(key)));
        let upper = ["maximum", "exclusiveMaximum"].map(|key| (key, self.least(key)));
        for (least, low) in lower {
            for (most, high) in upper {
                let (Some((_, low)), Some((part, high))) = (low, high) else { continue };
                let is_open = least.starts_with("exclusive") || most.starts_with("exclusive");
                let is_empty = match number::compare(low, high) {
                    Ordering::Less => self.is_integer() && has_no_integer(least, low, most, high),
                    Ordering::Equal => is_open,
                    Ordering::Greater => true,
                };
                if is_empty {
                    let what = if self.is_integer() { "integer" } else { "number" };
                    let message =
                        format!("no {what} fits: `{least}` is {low} and `{most}` is {high}");
                    return self.mistake(part, most, message);
                }
            }
        }
        Ok(())
    }

    fn is_integer(&self) -> bool {
        self.of("type").any(|(_, kind)| kind == "integer")
    }

    fn types(&self) -> Result<(), Mistake> {
        let mut left: Option<Vec<&str>> = None;
        for (part, kinds) in self.of("type") {
            let kinds: Vec<&str> = match kinds {
                Value::String(kind) => vec![kind],
                kinds => kinds.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            };
            let before = left.unwrap_or_else(|| kinds.clone());
            let allows = |kinds: &[&str], kind: &str| {
                kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"))
            };
            let mut both: Vec<&str> =
                before.iter().copied().filter(|kind| allows(&kinds, kind)).collect();
            let other =
                kinds.iter().filter(|kind| !before.contains(*kind) && allows(&before, kind));
            both.extend(other);
            if both.is_empty() {
                let message = format!(
                    "no value fits: `type` is {}, and {} beside it",
                    kinds.join(" or "),
                    before.join(" or ")
                );
                return self.mistake(part, "type", message);
            }
            left = Some(both);
        }
        Ok(())
    }

    fn required(&self) -> impl Iterator<Item = (&'s Value, &'s str)> + '_ {
        self.of("required").flat_map(|(part, names)| {
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            names.map(move |name| (part, name))
        })
    }

    /// Returns the parts that allow no other members than those that they name.
    fn closed(&self) -> impl Iterator<Item = (&'s Value, &'s Members)> + '_ {
        let none = Some(&Value::Bool(false));
        self.all
            .iter()
            .filter(move |(_, members)| members.get("additionalProperties") == none)
            .copied()
    }

    /// Checks that each name under `required` may be there.
    fn names(
        &self,
        compiled: &Schema,
        ids: &HashMap<usize, Id>,
        budget: &Budget<'_>,
    ) -> Result<(), Mistake> {
        for (place, name) in self.required() {
            for (part, members) in &self.all {
                let limit = |limit: Spent| spent(self.root, part, limit);
                budget.steps(1).map_err(limit)?;
                let told = |by: &str| {
                    let name = excerpt(name);
                    let message = format!(
                        "no object fits: `required` lists `{name}`, and {by} does not allow it"
                    );
                    self.mistake(place, "required", message)
                };
                let property = members.get("properties").and_then(|all| all.get(name));
                if property == Some(&Value::Bool(false)) {
                    return told(&format!("`{}: false`", excerpt(name)));
                }
                let is_closed = members.get("additionalProperties") == Some(&Value::Bool(false));
                let patterns = members.get("patternProperties").and_then(Value::as_object);
                if is_closed && property.is_none() {
                    let mut matches = false;
                    for pattern in patterns.into_iter().flatten().map(|(pattern, _)| pattern) {
                        let pattern = super::pattern::Pattern::new(pattern);
                        matches |= pattern.is_match(name, budget).map_err(limit)?;
                    }
                    if !matches {
                        return told("`additionalProperties: false`");
                    }
                }
                let is_shut = members.get("unevaluatedProperties") == Some(&Value::Bool(false))
                    && self.all.len() == 1
                    && !OPEN.iter().any(|key| members.contains_key(*key));
                if is_shut && property.is_none() {
                    return told("`unevaluatedProperties: false`");
                }
                let names = members.get("propertyNames").and_then(|of| ids.get(&address(of)));
                if let Some(names) = names
                    && !Validator::new(compiled, budget).name_fits(*names, name).map_err(limit)?
                {
                    return told("`propertyNames`");
                }
            }
        }
        Ok(())
    }
}

/// Returns `true` if there is no integer between two limits.
fn has_no_integer(least: &str, low: &Number, most: &str, high: &Number) -> bool {
    let (Some(low), Some(high)) = (low.as_f64(), high.as_f64()) else { return false };
    if low.abs().max(high.abs()) >= number::EXACT_BELOW {
        return false;
    }
    let first = if least == "minimum" { low.ceil() } else { low.floor() + 1.0 };
    let last = if most == "maximum" { high.floor() } else { high.ceil() - 1.0 };
    first > last
}

/// Checks that the values of `const` and `enum` fit the keywords beside them.
fn values(
    root: &Value,
    part: &Value,
    members: &Members,
    (compiled, id): (&Schema, Id),
    budget: &Budget<'_>,
) -> Result<(), Mistake> {
    let listed = members.get("enum").and_then(Value::as_array).into_iter().flatten();
    let listed =
        listed.enumerate().map(|(at, value)| (format!("enum/{at}"), "`enum` lists", value));
    let only = members.get("const").map(|value| ("const".to_owned(), "`const` is", value));
    let mut validator = Validator::new(compiled, budget);
    for (key, what, value) in only.into_iter().chain(listed) {
        let mut fits = true;
        for check in &validator.node(id).checks {
            // A value of `enum` is one of `enum`: to look for it would take time.
            if !(matches!(check, Check::Enum(_)) && key != "const") {
                let held = validator.holds(check, value, None);
                fits &= held.map_err(|limit| spent(root, part, limit))?;
            }
        }
        if fits {
            continue;
        }
        match compiled.fits_part(id, value, budget) {
            Ok(()) => {}
            Err(Refusal::Unfit(why)) => {
                let value = value.to_string();
                let message = format!(
                    "{what} {}, which its own schema does not allow: {why}",
                    excerpt(&value)
                );
                let pointer = place_of(root, address(part)) + "/" + &key;
                let help = Some("change it, or the keyword that does not allow it".to_owned());
                return Err(Mistake { pointer, message, help });
            }
            Err(Refusal::Spent(limit)) => return Err(spent(root, part, limit)),
        }
    }
    Ok(())
}
