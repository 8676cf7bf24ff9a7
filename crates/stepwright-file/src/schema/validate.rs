//! Checks a value against a schema, within a budget.
//!
//! A result for a part of the schema and a part of the value is remembered if several ways lead to
//! it, so parts that refer to each other many times take no more checks than once.

use super::compile::{Check, Measure, Node, Side, Types};
use super::formats;
use super::keywords::address;
use super::{Id, Schema};
use crate::budget::{Budget, Spent};
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use stepwright_core::number;

/// The maximum depth of a schema and a value together: references and members on the way.
const DEPTH_MAX: usize = 4000;
/// The depth that is checked on the caller's thread.
const DEPTH_INLINE_MAX: usize = 48;
/// The memory of a remembered result, in bytes.
const RESULT_BYTES: usize = 48;

/// The members and elements of a value that some check has looked at.
#[derive(Debug, Default)]
pub(super) struct Looked<'v> {
    all_members: bool,
    members: HashSet<&'v str>,
    all_elements: bool,
    first: usize,
    elements: HashSet<usize>,
}

impl Looked<'_> {
    fn add(&mut self, other: Self) {
        self.all_members |= other.all_members;
        self.all_elements |= other.all_elements;
        self.first = self.first.max(other.first);
        self.members.extend(other.members);
        self.elements.extend(other.elements);
    }
}

pub(super) struct Validator<'a> {
    schema: &'a Schema,
    pub(super) budget: &'a Budget<'a>,
    results: HashMap<(Id, usize), bool>,
    depth: usize,
    /// Above zero while the value is a temporary one, whose address may be used again.
    temporary: usize,
}

impl<'a> Validator<'a> {
    pub(super) fn new(schema: &'a Schema, budget: &'a Budget<'a>) -> Self {
        Self { schema, budget, results: HashMap::new(), depth: 0, temporary: 0 }
    }

    pub(super) fn node(&self, id: Id) -> &'a Node {
        &self.schema.nodes[id as usize]
    }

    /// Returns `true` if a value fits a part of the schema.
    pub(super) fn fits<'v>(
        &mut self,
        id: Id,
        value: &'v Value,
        looked: Option<&mut Looked<'v>>,
    ) -> Result<bool, Spent> {
        self.budget.steps(1)?;
        let node = self.node(id);
        let remembered = node.shared && looked.is_none() && self.temporary == 0;
        let key = (id, address(value));
        if remembered && let Some(result) = self.results.get(&key) {
            return Ok(*result);
        }
        self.deeper()?;
        let mut own = (node.collects || looked.is_some()).then(Looked::default);
        let mut fits = true;
        for check in &node.checks {
            if !self.holds(check, value, own.as_mut())? {
                fits = false;
                break;
            }
        }
        self.depth -= 1;
        if remembered {
            self.budget.build(RESULT_BYTES)?;
            self.results.insert(key, fits);
        }
        if let (true, Some(looked), Some(own)) = (fits, looked, own) {
            self.budget.steps(own.members.len() + own.elements.len())?;
            looked.add(own);
        }
        Ok(fits)
    }

    /// Enters a part of the schema.
    pub(super) fn deeper(&mut self) -> Result<(), Spent> {
        self.depth += 1;
        if self.depth > DEPTH_INLINE_MAX && self.budget.is_inline() {
            // Another thread has a larger stack.
            return Err(Spent::Steps);
        }
        if self.depth > DEPTH_MAX { Err(Spent::Depth) } else { Ok(()) }
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Returns `true` if one restriction holds.
    pub(super) fn holds<'v>(
        &mut self,
        check: &'a Check,
        value: &'v Value,
        mut looked: Option<&mut Looked<'v>>,
    ) -> Result<bool, Spent> {
        self.budget.steps(1)?;
        Ok(match (check, value) {
            (Check::Never, _) => false,
            (Check::Type(types), value) => types.allow(value),
            (Check::Const(only), value) => self.same(only, value)?,
            (Check::Enum(allowed), value) => {
                for allowed in allowed {
                    if self.same(allowed, value)? {
                        return Ok(true);
                    }
                }
                false
            }
            (Check::Bound(side, limit), Value::Number(number)) => {
                side.allows(number::compare(number, limit))
            }
            (Check::MultipleOf(step), Value::Number(number)) => is_multiple(number, step),
            (Check::Size(measure, side, limit), value) => match self.measure(*measure, value)? {
                Some(size) => side.allows(size.cmp(limit)),
                None => true,
            },
            (Check::Format(format), Value::String(text)) => {
                formats::fits(format, text, self.budget)?
            }
            (Check::Pattern(pattern), Value::String(text)) => {
                pattern.is_match(text, self.budget)?
            }
            (Check::Required(names), Value::Object(members)) => {
                self.look_up(names)?;
                names.iter().all(|name| members.contains_key(name))
            }
            (Check::DependentRequired(name, names), Value::Object(members)) => {
                self.look_up(names)?;
                self.budget.read(name.len())?;
                !members.contains_key(name) || names.iter().all(|name| members.contains_key(name))
            }
            (Check::DependentSchema(name, part), Value::Object(members)) => {
                self.budget.read(name.len())?;
                !members.contains_key(name) || self.fits(*part, value, looked)?
            }
            (Check::Unique, Value::Array(elements)) => self.are_unique(elements)?,
            (Check::Refer(part), value) => self.fits(*part, value, looked)?,
            (Check::AllOf(parts), value) => {
                for part in parts {
                    if !self.fits(*part, value, looked.as_deref_mut())? {
                        return Ok(false);
                    }
                }
                true
            }
            (Check::AnyOf(parts), value) => {
                let mut any = false;
                for part in parts {
                    any |= self.fits(*part, value, looked.as_deref_mut())?;
                    // All that fit tell what they have looked at.
                    if any && looked.is_none() {
                        break;
                    }
                }
                any
            }
            (Check::OneOf(parts), value) => self.fitting(parts, value, looked)? == 1,
            (Check::Not(part), value) => !self.fits(*part, value, None)?,
            (Check::If { test, then, otherwise }, value) => {
                let holds = self.fits(*test, value, looked.as_deref_mut())?;
                match if holds { then } else { otherwise } {
                    Some(part) => self.fits(*part, value, looked)?,
                    None => true,
                }
            }
            (Check::Object { .. }, Value::Object(_)) => {
                for (part, name, member) in self.members(check, value)? {
                    if let Some(looked) = looked.as_deref_mut() {
                        looked.members.insert(name);
                    }
                    if !self.fits(part, member, None)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Check::PropertyNames(part), Value::Object(members)) => {
                for name in members.keys() {
                    if !self.name_fits(*part, name)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Check::Items { first, rest }, Value::Array(elements)) => {
                for (at, element) in elements.iter().enumerate() {
                    let Some(part) = first.get(at).or(rest.as_ref()) else { break };
                    if !self.fits(*part, element, None)? {
                        return Ok(false);
                    }
                }
                if let Some(looked) = looked {
                    looked.all_elements |= rest.is_some();
                    looked.first = looked.first.max(first.len());
                }
                true
            }
            (Check::Contains { what, least, most }, Value::Array(elements)) => {
                let mut found = 0;
                for (at, element) in elements.iter().enumerate() {
                    if self.fits(*what, element, None)? {
                        found += 1;
                        if let Some(looked) = looked.as_deref_mut() {
                            looked.elements.insert(at);
                        }
                    }
                }
                found >= *least && most.is_none_or(|most| found <= most)
            }
            (Check::UnevaluatedItems(part), Value::Array(elements)) => {
                let Some(looked) = looked else { return Ok(true) };
                for (at, element) in elements.iter().enumerate() {
                    if !looked.has_element(at) && !self.fits(*part, element, None)? {
                        return Ok(false);
                    }
                }
                looked.all_elements = true;
                true
            }
            (Check::UnevaluatedProperties(part), Value::Object(members)) => {
                let Some(looked) = looked else { return Ok(true) };
                for (name, member) in members {
                    if !looked.has_member(name) && !self.fits(*part, member, None)? {
                        return Ok(false);
                    }
                }
                looked.all_members = true;
                true
            }
            // A restriction of another type of value.
            _ => true,
        })
    }

    /// Returns the number of parts that a value fits, up to two.
    pub(super) fn fitting<'v>(
        &mut self,
        parts: &[Id],
        value: &'v Value,
        mut looked: Option<&mut Looked<'v>>,
    ) -> Result<usize, Spent> {
        let mut found = 0;
        for part in parts {
            found += usize::from(self.fits(*part, value, looked.as_deref_mut())?);
            if found > 1 {
                break;
            }
        }
        Ok(found)
    }

    /// Returns the members that a check looks at, with the parts of the schema for them.
    pub(super) fn members<'v>(
        &mut self,
        check: &'a Check,
        value: &'v Value,
    ) -> Result<Vec<(Id, &'v str, &'v Value)>, Spent> {
        let mut looked = Vec::new();
        let (Check::Object { properties, patterns, others }, Value::Object(members)) =
            (check, value)
        else {
            return Ok(looked);
        };
        for (name, member) in members {
            self.budget.steps(1 + patterns.len())?;
            self.budget.read(name.len())?;
            let before = looked.len();
            looked.extend(properties.get(name).map(|part| (*part, name.as_str(), member)));
            for (pattern, part) in patterns {
                if pattern.is_match(name, self.budget)? {
                    looked.push((*part, name, member));
                }
            }
            if looked.len() == before {
                looked.extend(others.map(|part| (part, name.as_str(), member)));
            }
        }
        Ok(looked)
    }

    /// Takes the operations to look up names.
    fn look_up(&self, names: &[String]) -> Result<(), Spent> {
        self.budget.steps(names.len())?;
        names.iter().try_for_each(|name| self.budget.read(name.len()))
    }

    pub(super) fn name_fits(&mut self, part: Id, name: &str) -> Result<bool, Spent> {
        self.budget.read(name.len())?;
        let name = Value::from(name);
        self.temporary += 1;
        let fits = self.fits(part, &name, None);
        self.temporary -= 1;
        fits
    }

    pub(super) fn measure(&self, what: Measure, value: &Value) -> Result<Option<u64>, Spent> {
        let size = match (what, value) {
            (Measure::Characters, Value::String(text)) => {
                self.budget.read(text.len())?;
                text.chars().count()
            }
            (Measure::Elements, Value::Array(elements)) => elements.len(),
            (Measure::Members, Value::Object(members)) => members.len(),
            _ => return Ok(None),
        };
        Ok(Some(size as u64))
    }

    /// Returns `true` if two values are the same JSON: equal numbers may be written differently.
    fn same(&self, a: &Value, b: &Value) -> Result<bool, Spent> {
        self.budget.steps(1)?;
        Ok(match (a, b) {
            (Value::Number(a), Value::Number(b)) => number::compare(a, b) == Ordering::Equal,
            (Value::String(a), Value::String(b)) => {
                self.budget.read(a.len().min(b.len()))?;
                a == b
            }
            (Value::Array(a), Value::Array(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b) {
                    if !self.same(a, b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Object(a), Value::Object(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (key, a) in a {
                    match b.get(key) {
                        Some(b) if self.same(a, b)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (a, b) => a == b,
        })
    }

    /// Returns `true` if no two elements are the same. Only those with the same hash are compared.
    fn are_unique(&self, elements: &[Value]) -> Result<bool, Spent> {
        let state = std::collections::hash_map::RandomState::new();
        let mut hashes: Vec<(u64, usize)> = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            self.budget.build(size_of::<(u64, usize)>())?;
            hashes.push((self.hash(element, &state)?, at));
        }
        // A comparison for each time that the list can be halved.
        self.budget.steps(hashes.len().saturating_mul(hashes.len().max(1).ilog2() as usize) / 8)?;
        hashes.sort_unstable();
        for same in hashes.chunk_by(|a, b| a.0 == b.0) {
            for (first, (_, at)) in same.iter().enumerate() {
                for (_, other) in &same[first + 1..] {
                    if self.same(&elements[*at], &elements[*other])? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Returns the same hash for the same JSON.
    fn hash(&self, value: &Value, state: &impl BuildHasher) -> Result<u64, Spent> {
        self.budget.steps(1)?;
        let mut hasher = state.build_hasher();
        std::mem::discriminant(value).hash(&mut hasher);
        match value {
            Value::Null => {}
            Value::Bool(value) => value.hash(&mut hasher),
            // Equal numbers are equal as doubles too.
            Value::Number(number) => {
                (number.as_f64().unwrap_or_default() + 0.0).to_bits().hash(&mut hasher);
            }
            Value::String(text) => {
                self.budget.read(text.len())?;
                text.hash(&mut hasher);
            }
            Value::Array(elements) => {
                for element in elements {
                    self.hash(element, state)?.hash(&mut hasher);
                }
            }
            Value::Object(members) => {
                // The order of members does not count.
                let mut sum = 0_u64;
                for (key, value) in members {
                    self.budget.read(key.len())?;
                    sum = sum.wrapping_add(state.hash_one((key, self.hash(value, state)?)));
                }
                sum.hash(&mut hasher);
            }
        }
        Ok(hasher.finish())
    }
}

impl Looked<'_> {
    pub(super) fn has_member(&self, name: &str) -> bool {
        self.all_members || self.members.contains(name)
    }

    pub(super) fn has_element(&self, at: usize) -> bool {
        self.all_elements || at < self.first || self.elements.contains(&at)
    }
}

impl Types {
    fn allow(self, value: &Value) -> bool {
        let bits = match value {
            Value::Array(_) => 1,
            Value::Bool(_) => 1 << 1,
            Value::Number(number) if number::is_integer(number) => 1 << 2 | 1 << 4,
            Value::Null => 1 << 3,
            Value::Number(_) => 1 << 4,
            Value::Object(_) => 1 << 5,
            Value::String(_) => 1 << 6,
        };
        self.0 & bits != 0
    }
}

impl Side {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::AtLeast => order != Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Above => order == Ordering::Greater,
            Self::Below => order == Ordering::Less,
        }
    }
}

/// Returns `true` if a number is a multiple of another, as both are written: 0.3 is one of 0.1.
fn is_multiple(number: &Number, step: &Number) -> bool {
    let ((number, at), (step, by)) = (decimal(number), decimal(step));
    if number == 0 || step == 0 {
        return number == 0;
    }
    // number * 10^at / (step * 10^by)
    if at >= by {
        let mut power = number % step;
        for _ in 0..(at - by) {
            power = power * 10 % step;
        }
        return power == 0;
    }
    let mut step = step;
    for _ in 0..(by - at) {
        match step.checked_mul(10) {
            Some(more) if more <= number => step = more,
            _ => return false,
        }
    }
    number % step == 0
}

/// Returns the size of a number as digits and an exponent of ten.
fn decimal(number: &Number) -> (u128, i32) {
    let written = number.to_string();
    let written = written.trim_start_matches('-');
    let (digits, exponent) = written.split_once(['e', 'E']).unwrap_or((written, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let after = i32::try_from(fraction.len()).unwrap_or_default();
    let digits = format!("{whole}{fraction}").parse().unwrap_or_default();
    (digits, exponent - after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn multiples_are_exact() {
        for (number, step, wanted) in [
            (json!(0.3), json!(0.1), true),
            (json!(0.35), json!(0.1), false),
            (json!(19.99), json!(0.01), true),
            (json!(9_007_199_254_740_993_u64), json!(2), false),
            (json!(u64::MAX), json!(5), true),
            (json!(1e300), json!(3), false),
            (json!(1e300), json!(1000), true),
            (json!(1e-300), json!(1), false),
            (json!(-7.5), json!(2.5), true),
            (json!(0), json!(7), true),
            (json!(3), json!(1e-9), true),
        ] {
            let of = |value: &Value| value.as_number().unwrap().clone();
            assert_eq!(is_multiple(&of(&number), &of(&step)), wanted, "{number} {step}");
        }
    }
}
