//! Turns a schema into checks that refer to each other by index.

use super::keywords::{FORMATS, Places, TYPES, address, place_of};
use super::pattern::Pattern;
use super::{Id, Mistake, Schema};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// A part of a schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) checks: Vec<Check>,
    /// `true` if more than one place leads here, so that results are worth remembering.
    pub(super) shared: bool,
    /// `true` if a check needs to know what the other ones looked at.
    pub(super) collects: bool,
}

/// Types, as bits in the order of [`TYPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(pub(super) u8);

/// The thing that a keyword counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Characters,
    Elements,
    Members,
}

/// A comparison of a number with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// One restriction. The order is that in which they are made: cheap ones first.
#[derive(Debug)]
pub(super) enum Check {
    Never,
    Type(Types),
    Const(Value),
    Enum(Vec<Value>),
    Bound(Side, Number),
    MultipleOf(Number),
    Size(Measure, Side, u64),
    Required(Vec<String>),
    Format(&'static str),
    Pattern(Pattern),
    DependentRequired(String, Vec<String>),
    Unique,
    Refer(Id),
    AllOf(Vec<Id>),
    Object { properties: HashMap<String, Id>, patterns: Vec<(Pattern, Id)>, others: Option<Id> },
    Items { first: Vec<Id>, rest: Option<Id> },
    PropertyNames(Id),
    DependentSchema(String, Id),
    Contains { what: Id, least: u64, most: Option<u64> },
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If { test: Id, then: Option<Id>, otherwise: Option<Id> },
    UnevaluatedItems(Id),
    UnevaluatedProperties(Id),
}

impl Check {
    fn rank(&self) -> u8 {
        match self {
            Self::Never => 0,
            Self::Type(_) => 1,
            Self::Const(_) | Self::Required(_) | Self::Bound(..) => 2,
            Self::Enum(_) | Self::MultipleOf(_) | Self::DependentRequired(..) => 3,
            Self::Size(..) => 4,
            Self::Format(_) | Self::Pattern(_) => 5,
            Self::Refer(_) | Self::AllOf(_) => 6,
            Self::Object { .. } | Self::Items { .. } | Self::PropertyNames(_) => 7,
            Self::Unique | Self::Contains { .. } => 8,
            Self::AnyOf(_) | Self::OneOf(_) | Self::Not(_) | Self::If { .. } => 9,
            Self::DependentSchema(..) => 9,
            Self::UnevaluatedItems(_) | Self::UnevaluatedProperties(_) => 10,
        }
    }

    /// The parts that apply to the same value.
    fn beside(&self) -> Vec<Id> {
        match self {
            Self::Refer(id) | Self::Not(id) | Self::DependentSchema(_, id) => vec![*id],
            Self::AllOf(ids) | Self::AnyOf(ids) | Self::OneOf(ids) => ids.clone(),
            Self::If { test, then, otherwise } => {
                [Some(*test), *then, *otherwise].into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }
}

struct Compiler<'s> {
    root: &'s Value,
    places: &'s Places<'s>,
    ids: HashMap<usize, Id>,
    parts: Vec<&'s Value>,
    leads: Vec<u32>,
}

/// Compiles a schema whose keywords have been checked. Returns the indices of its parts, too, by
/// their addresses.
pub(super) fn compile(
    root: &Value,
    places: &Places<'_>,
) -> Result<(Schema, HashMap<usize, Id>), Mistake> {
    let (ids, parts, leads) = (HashMap::new(), Vec::new(), Vec::new());
    let mut compiler = Compiler { root, places, ids, parts, leads };
    compiler.id(root);
    let mut nodes: Vec<Node> = Vec::new();
    while let Some(part) = compiler.parts.get(nodes.len()) {
        nodes.push(compiler.node(part));
    }
    for (node, leads) in nodes.iter_mut().zip(&compiler.leads) {
        node.shared = *leads > 1;
    }
    if let Some(endless) = endless(&nodes) {
        let message = "this schema leads back to itself for the same value".to_owned();
        let help = "refer to it below `properties` or `items`, so that each turn has another value";
        let pointer = place_of(root, address(compiler.parts[endless]));
        return Err(Mistake { pointer, message, help: Some(help.to_owned()) });
    }
    Ok((Schema { nodes }, compiler.ids))
}

/// Returns a part that leads back to itself without a step into the value.
fn endless(nodes: &[Node]) -> Option<usize> {
    let beside: Vec<Vec<Id>> =
        nodes.iter().map(|node| node.checks.iter().flat_map(Check::beside).collect()).collect();
    let mut leads = vec![0_usize; nodes.len()];
    for id in beside.iter().flatten() {
        leads[*id as usize] += 1;
    }
    let mut free: Vec<usize> = (0..nodes.len()).filter(|at| leads[*at] == 0).collect();
    while let Some(at) = free.pop() {
        for id in &beside[at] {
            let id = *id as usize;
            leads[id] -= 1;
            if leads[id] == 0 {
                free.push(id);
            }
        }
    }
    // A part that is only reached from a circle has a lead left too, but the circle comes first in
    // a walk along the leads.
    let mut from: Vec<usize> = (0..nodes.len()).collect();
    for (at, beside) in beside.iter().enumerate().filter(|(at, _)| leads[*at] > 0) {
        for id in beside {
            from[*id as usize] = at;
        }
    }
    let mut at = leads.iter().position(|leads| *leads > 0)?;
    let mut seen = vec![false; nodes.len()];
    while !seen[at] {
        seen[at] = true;
        at = from[at];
    }
    Some(at)
}

impl<'s> Compiler<'s> {
    fn id(&mut self, part: &'s Value) -> Id {
        let next = Id::try_from(self.parts.len()).unwrap_or(Id::MAX);
        let id = *self.ids.entry(address(part)).or_insert(next);
        if id == next {
            self.parts.push(part);
            self.leads.push(0);
        }
        self.leads[id as usize] += 1;
        id
    }

    fn ids(&mut self, parts: &'s [Value]) -> Vec<Id> {
        parts.iter().map(|part| self.id(part)).collect()
    }

    fn node(&mut self, part: &'s Value) -> Node {
        let Value::Object(members) = part else {
            let checks = if *part == Value::Bool(false) { vec![Check::Never] } else { Vec::new() };
            return Node { checks, ..Node::default() };
        };
        let mut checks: Vec<Check> = Vec::new();
        for (key, value) in members {
            self.keyword(members, key, value, &mut checks);
        }
        checks.extend(self.object(members));
        checks.extend(self.items(members));
        checks.sort_by_key(Check::rank);
        let collects = checks.iter().any(|check| {
            matches!(check, Check::UnevaluatedItems(_) | Check::UnevaluatedProperties(_))
        });
        Node { checks, shared: false, collects }
    }

    fn keyword(
        &mut self,
        members: &'s Map<String, Value>,
        key: &str,
        value: &'s Value,
        checks: &mut Vec<Check>,
    ) {
        let other = |name: &str| members.get(name);
        let count = |value: &Value| {
            let whole = value.as_u64().or(value.as_f64().map(whole_count));
            whole.unwrap_or(u64::MAX)
        };
        let side = |at_least: bool| if at_least { Side::AtLeast } else { Side::AtMost };
        let size = |what, at_least| Check::Size(what, side(at_least), count(value));
        let check = match (key, value) {
            ("$ref", Value::String(target)) => match self.places.resolve(self.root, target) {
                Ok(part) => Check::Refer(self.id(part)),
                Err(_) => Check::Never,
            },
            ("type", types) => Check::Type(types_of(types)),
            ("const", only) => Check::Const(only.clone()),
            ("enum", Value::Array(allowed)) => Check::Enum(allowed.clone()),
            ("minimum", Value::Number(limit)) => Check::Bound(Side::AtLeast, limit.clone()),
            ("maximum", Value::Number(limit)) => Check::Bound(Side::AtMost, limit.clone()),
            ("exclusiveMinimum", Value::Number(limit)) => Check::Bound(Side::Above, limit.clone()),
            ("exclusiveMaximum", Value::Number(limit)) => Check::Bound(Side::Below, limit.clone()),
            ("multipleOf", Value::Number(step)) => Check::MultipleOf(step.clone()),
            ("minLength", _) => size(Measure::Characters, true),
            ("maxLength", _) => size(Measure::Characters, false),
            ("minItems", _) => size(Measure::Elements, true),
            ("maxItems", _) => size(Measure::Elements, false),
            ("minProperties", _) => size(Measure::Members, true),
            ("maxProperties", _) => size(Measure::Members, false),
            ("required", names) => Check::Required(names_of(names)),
            ("format", Value::String(format)) => {
                match FORMATS.iter().find(|known| *known == format) {
                    Some(format) => Check::Format(format),
                    None => return,
                }
            }
            ("pattern", Value::String(pattern)) => Check::Pattern(Pattern::new(pattern)),
            ("uniqueItems", Value::Bool(true)) => Check::Unique,
            ("allOf", Value::Array(parts)) => Check::AllOf(self.ids(parts)),
            ("anyOf", Value::Array(parts)) => Check::AnyOf(self.ids(parts)),
            ("oneOf", Value::Array(parts)) => Check::OneOf(self.ids(parts)),
            ("not", part) => Check::Not(self.id(part)),
            ("if", part) => {
                let test = self.id(part);
                let then = other("then").map(|part| self.id(part));
                let otherwise = other("else").map(|part| self.id(part));
                Check::If { test, then, otherwise }
            }
            ("propertyNames", part) => Check::PropertyNames(self.id(part)),
            ("contains", part) => {
                let least = other("minContains").map_or(1, count);
                let most = other("maxContains").map(count);
                Check::Contains { what: self.id(part), least, most }
            }
            ("dependentRequired" | "dependentSchemas" | "dependencies", Value::Object(of)) => {
                for (name, of) in of {
                    checks.push(match of {
                        Value::Array(_) => Check::DependentRequired(name.clone(), names_of(of)),
                        part => Check::DependentSchema(name.clone(), self.id(part)),
                    });
                }
                return;
            }
            ("unevaluatedItems", part) => Check::UnevaluatedItems(self.id(part)),
            ("unevaluatedProperties", part) => Check::UnevaluatedProperties(self.id(part)),
            _ => return,
        };
        checks.push(check);
    }

    fn object(&mut self, members: &'s Map<String, Value>) -> Option<Check> {
        let named = |key: &str| members.get(key).and_then(Value::as_object).into_iter().flatten();
        let properties: HashMap<String, Id> =
            named("properties").map(|(name, part)| (name.clone(), self.id(part))).collect();
        let patterns: Vec<(Pattern, Id)> = named("patternProperties")
            .map(|(pattern, part)| (Pattern::new(pattern), self.id(part)))
            .collect();
        let others = members.get("additionalProperties").map(|part| self.id(part));
        let is_none = properties.is_empty() && patterns.is_empty() && others.is_none();
        (!is_none).then_some(Check::Object { properties, patterns, others })
    }

    fn items(&mut self, members: &'s Map<String, Value>) -> Option<Check> {
        let (first, rest) = match (members.get("prefixItems"), members.get("items")) {
            (Some(Value::Array(first)), rest) => (self.ids(first), rest),
            (_, Some(Value::Array(first))) => (self.ids(first), members.get("additionalItems")),
            (_, rest) => (Vec::new(), rest),
        };
        let rest = rest.map(|part| self.id(part));
        (rest.is_some() || !first.is_empty()).then_some(Check::Items { first, rest })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole_count(count: f64) -> u64 {
    count as u64
}

fn types_of(types: &Value) -> Types {
    let bit = |name: &str| TYPES.iter().position(|known| *known == name).map_or(0, |at| 1 << at);
    Types(match types {
        Value::String(name) => bit(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).fold(0, |all, n| all | bit(n))
        }
        _ => 0,
    })
}

fn names_of(names: &Value) -> Vec<String> {
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(ToOwned::to_owned).collect()
}
