//! Validates answers of people against the schemas of forms.

use crate::number;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// The maximum number of mistakes that are reported for one answer.
pub const MISTAKES_MAX: usize = 10;

/// The maximum depth of a form.
const DEPTH_MAX: usize = 32;

/// The maximum depth of an answer, counted with the references on the way.
const CHECKED_DEPTH_MAX: usize = 256;

/// The maximum number of checks of parts of an answer against parts of its form.
///
/// A form with recursive alternatives can need very many in a few bytes.
pub const CHECKS_MAX: u32 = 100_000;

/// The number of bytes of text that count as one check.
const BYTES_PER_CHECK: usize = 64;

/// The keywords that [`mistakes`] checks, besides `$ref`.
pub const CHECKED: [&str; 15] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "anyOf",
    "oneOf",
];

/// The keywords that only describe a schema and do not restrict the answer.
const TOLD: [&str; 9] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "$schema",
    "$id",
    "$comment",
    "$anchor",
];

/// Returns the places in a schema that [`mistakes`] ignores, as JSON pointers.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::form::passed_over;
/// let schema = json!({ "properties": { "mail": { "type": "string", "pattern": "@" } } });
/// assert_eq!(passed_over(&schema), ["/properties/mail/pattern"]);
/// ```
pub fn passed_over(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(schema, "", 0, &mut found);
    found.truncate(MISTAKES_MAX);
    found
}

fn look(schema: &Value, at: &str, depth: usize, found: &mut Vec<String>) {
    let members = match schema {
        Value::Object(members) if depth <= DEPTH_MAX => members,
        Value::Bool(true) => return,
        _ => return found.push(at.to_owned()),
    };
    for (key, value) in members {
        let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        let mut inside = |value: &Value, at: &str| look(value, at, depth + 1, found);
        match (key.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    inside(schema, &format!("{here}/{name}"));
                }
            }
            ("anyOf" | "oneOf", Value::Array(schemas)) => {
                for (place, schema) in schemas.iter().enumerate() {
                    inside(schema, &format!("{here}/{place}"));
                }
            }
            ("items", schema) => inside(schema, &here),
            ("additionalProperties", Value::Bool(_)) => {}
            ("$ref", Value::String(target)) if target == "#" || target.starts_with("#/") => {}
            ("additionalProperties" | "$ref", _) => found.push(here),
            (key, _) if CHECKED.contains(&key) || TOLD.contains(&key) => {}
            _ => found.push(here),
        }
    }
}

/// The maximum depth of a value with its defaults. People and models write values of 100 levels.
const FILLED_DEPTH_MAX: usize = 128;

/// The maximum size of the defaults that [`fill_in`] adds to one value, in bytes.
pub const FILLED_BYTES_MAX: usize = 4_000_000;

/// The memory of a member of an object without the texts in it, in bytes.
const MEMBER_BYTES: usize = 128;

/// The reason that the defaults of a schema cannot be filled in. [`fill_in`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FillError {
    /// The schema takes more than [`CHECKS_MAX`] checks for the value.
    #[error("the schema takes more than {CHECKS_MAX} checks for this value")]
    Checks,
    /// The defaults are larger than [`FILLED_BYTES_MAX`].
    #[error("the defaults of the schema have more than {FILLED_BYTES_MAX} bytes")]
    Bytes,
    /// A default contains itself.
    #[error(
        "the defaults of the schema have no end: they are nested deeper than \
             {FILLED_DEPTH_MAX}"
    )]
    Endless,
    /// The caller of [`fill_in_within`] has stopped it.
    #[error("filling in the defaults of the schema was stopped")]
    Stopped,
}

/// Adds defaults to `value`: the `default` of the schema in place of `null`, and the `default` of
/// each missing property, at any depth. It follows `allOf`, `$ref` within the schema, the elements
/// of lists (`items` and `prefixItems`), and members that only `additionalProperties` describes.
///
/// # Errors
/// Fails if the defaults have no end or exceed a limit. The value is incomplete then.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::form::fill_in;
/// let schema = json!({ "properties": { "words": { "type": "integer", "default": 300 } } });
/// let mut value = json!({ "tone": "plain" });
/// fill_in(&schema, &mut value)?;
/// assert_eq!(value, json!({ "tone": "plain", "words": 300 }));
///
/// let endless = json!({ "properties": { "next": { "$ref": "#", "default": {} } } });
/// assert!(fill_in(&endless, &mut json!({})).is_err());
/// # Ok::<(), stepwright_core::form::FillError>(())
/// ```
pub fn fill_in(schema: &Value, value: &mut Value) -> Result<(), FillError> {
    let (mut checks, mut bytes) = (CHECKS_MAX as usize, FILLED_BYTES_MAX);
    let mut over = FillError::Stopped;
    let filled = fill_in_within(schema, schema, value, &mut |added| {
        let left = (checks.checked_sub(1), bytes.checked_sub(added));
        let (Some(checks_left), Some(bytes_left)) = left else {
            over = if left.0.is_none() { FillError::Checks } else { FillError::Bytes };
            return false;
        };
        (checks, bytes) = (checks_left, bytes_left);
        true
    });
    filled.map_err(|error| if error == FillError::Stopped { over } else { error })
}

/// Adds defaults like [`fill_in`], by a part of a whole schema and within limits of the caller.
///
/// References lead to `root`. `charge` is called for each check of a part of the value, with the
/// number of bytes that are about to be added; `false` stops.
///
/// # Errors
/// Fails if the defaults have no end, or if `charge` returned `false`.
pub fn fill_in_within(
    root: &Value,
    schema: &Value,
    value: &mut Value,
    charge: &mut dyn FnMut(usize) -> bool,
) -> Result<(), FillError> {
    let mut filling = Filling { root, charge };
    let schemas = filling.beside(&[schema])?;
    if value.is_null()
        && let Some(default) = default_of(&schemas)
    {
        filling.charge(size(default))?;
        *value = default.clone();
    }
    filling.fill(&schemas, value, 0)
}

/// The name of a member, and the schemas that describe it.
type Described<'a> = (Cow<'a, str>, Vec<&'a Value>);

struct Filling<'a> {
    root: &'a Value,
    charge: &'a mut dyn FnMut(usize) -> bool,
}

impl<'a> Filling<'a> {
    fn charge(&mut self, bytes: usize) -> Result<(), FillError> {
        if (self.charge)(bytes) { Ok(()) } else { Err(FillError::Stopped) }
    }

    /// Returns schemas with all that describe the same value through `$ref` and `allOf`, each once.
    fn beside(&mut self, schemas: &[&'a Value]) -> Result<Vec<&'a Value>, FillError> {
        let mut all: Vec<&Value> = Vec::new();
        let mut seen = HashSet::new();
        let mut open: Vec<&Value> = schemas.iter().rev().copied().collect();
        while let Some(schema) = open.pop() {
            self.charge(0)?;
            if !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            all.push(schema);
            // A reference is looked up by its text.
            for _ in 0..schema["$ref"].as_str().map_or(0, str::len) / BYTES_PER_CHECK {
                self.charge(0)?;
            }
            let parts = schema["allOf"].as_array().into_iter().flatten();
            open.extend(parts.rev().chain(referred(self.root, schema)));
        }
        Ok(all)
    }

    /// Fills in a value that all of these schemas describe.
    fn fill(
        &mut self,
        schemas: &[&'a Value],
        value: &mut Value,
        depth: usize,
    ) -> Result<(), FillError> {
        if depth > FILLED_DEPTH_MAX {
            return Err(FillError::Endless);
        }
        match value {
            Value::Object(members) => {
                for (name, schemas) in self.of_members(schemas, members)? {
                    let schemas = self.beside(&schemas)?;
                    if !members.contains_key(name.as_ref())
                        && let Some(default) = default_of(&schemas)
                    {
                        self.charge(name.len().saturating_add(size(default)))?;
                        members.insert(name.to_string(), default.clone());
                    }
                    if let Some(member) = members.get_mut(name.as_ref()) {
                        self.fill(&schemas, member, depth + 1)?;
                    }
                }
            }
            Value::Array(elements) => {
                for (at, element) in elements.iter_mut().enumerate() {
                    let of = schemas.iter().filter_map(|schema| of_element(schema, at));
                    let of = self.beside(&of.collect::<Vec<_>>())?;
                    self.fill(&of, element, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the schemas of each member that is there or may be missing.
    fn of_members(
        &mut self,
        schemas: &[&'a Value],
        members: &Map<String, Value>,
    ) -> Result<Vec<Described<'a>>, FillError> {
        let mut all: Vec<Described<'a>> = Vec::new();
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        let mut add = |name: Cow<'a, str>, schema: &'a Value| {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                all.push((name, Vec::new()));
                all.len() - 1
            });
            all[place].1.push(schema);
        };
        for schema in schemas {
            let properties = schema["properties"].as_object();
            for (name, property) in properties.into_iter().flatten() {
                self.charge(0)?;
                add(Cow::Borrowed(name), property);
            }
            // A pattern may describe a member: then `additionalProperties` does not.
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            if let (Some(others), None) = (others, schema.get("patternProperties")) {
                for name in members.keys() {
                    self.charge(0)?;
                    if !properties.is_some_and(|properties| properties.contains_key(name)) {
                        add(Cow::Owned(name.clone()), others);
                    }
                }
            }
        }
        Ok(all)
    }
}

fn default_of<'a>(schemas: &[&'a Value]) -> Option<&'a Value> {
    schemas.iter().find_map(|schema| schema.get("default"))
}

/// Returns the schema of an element of a list.
fn of_element(schema: &Value, at: usize) -> Option<&Value> {
    let first = schema["prefixItems"].as_array().or(schema["items"].as_array());
    let rest = schema.get("items").filter(|items| items.is_object());
    first.and_then(|first| first.get(at)).or(rest)
}

/// Returns the part of a schema that `$ref` of another part refers to.
fn referred<'s>(root: &'s Value, schema: &Value) -> Option<&'s Value> {
    root.pointer(schema["$ref"].as_str()?.strip_prefix('#')?)
}

/// Returns the memory of a value, roughly, in bytes.
fn size(value: &Value) -> usize {
    MEMBER_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(elements) => elements.iter().map(size).sum(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| name.len() + size(value)).sum()
            }
            _ => 0,
        }
}

/// Returns the mistakes in `value` as an answer to a form with this JSON Schema. Empty if it fits.
///
/// Forms are simple, so only these keywords are checked: `type`, `properties`, `required`,
/// `additionalProperties: false`, `items`, `enum`, `const`, `minimum`, `maximum`, `minLength`,
/// `maxLength`, `minItems`, `maxItems`, `anyOf`, `oneOf`, and `$ref` within the schema. `oneOf`
/// works like `anyOf`: a value may match more than one alternative. Other keywords are ignored: see
/// [`passed_over`].
///
/// ```
/// use serde_json::json;
/// use stepwright_core::form::mistakes;
/// let schema = json!({
///     "type": "object",
///     "properties": { "tone": { "enum": ["plain", "formal"] }, "words": { "type": "integer" } },
///     "required": ["tone"],
/// });
/// assert!(mistakes(&schema, &json!({ "tone": "plain", "words": 300 })).is_empty());
/// assert_eq!(
///     mistakes(&schema, &json!({ "words": "many" })),
///     ["`tone` is missing", "`words` must be an integer, and is a text"],
/// );
/// ```
pub fn mistakes(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let root = Root { schema, left: Cell::new(CHECKS_MAX), too_deep: Cell::new(false) };
    check(&root, schema, value, "", 0, &mut found);
    if root.left.get() == 0 {
        return vec![format!("the schema takes more than {CHECKS_MAX} checks for this value")];
    }
    if root.too_deep.get() {
        return vec![format!(
            "the schema and the value are nested deeper than {CHECKED_DEPTH_MAX}"
        )];
    }
    found.truncate(MISTAKES_MAX);
    found
}

/// The whole schema, and the number of checks that are left.
struct Root<'a> {
    schema: &'a Value,
    left: Cell<u32>,
    too_deep: Cell<bool>,
}

impl Root<'_> {
    /// Takes a check. Returns `false` if there is none left.
    fn takes(&self, checks: usize) -> bool {
        let checks = u32::try_from(checks).unwrap_or(u32::MAX);
        self.left.set(self.left.get().saturating_sub(checks));
        self.left.get() > 0
    }

    /// Returns `true` if two values are the same JSON: equal numbers may be written differently.
    fn same(&self, a: &Value, b: &Value) -> bool {
        if !self.takes(1) {
            return false;
        }
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => number::compare(a, b) == Ordering::Equal,
            (Value::String(a), Value::String(b)) => {
                self.takes(a.len().min(b.len()) / BYTES_PER_CHECK) && a == b
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                let like =
                    |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| self.same(a, b));
                a.len() == b.len() && a.iter().all(like)
            }
            (a, b) => a == b,
        }
    }
}

fn check(
    root: &Root<'_>,
    schema: &Value,
    value: &Value,
    at: &str,
    depth: usize,
    found: &mut Vec<String>,
) {
    if depth > CHECKED_DEPTH_MAX {
        root.too_deep.set(true);
    }
    // The place is copied for each part of the value, and a reference is looked up by its text.
    let texts = at.len() + schema["$ref"].as_str().map_or(0, str::len);
    if !root.takes(1 + texts / BYTES_PER_CHECK)
        || root.too_deep.get()
        || found.len() >= MISTAKES_MAX
    {
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.schema.pointer(pointer));
        if let Some(target) = target {
            check(root, target, value, at, depth + 1, found);
        }
    }
    let name = || if at.is_empty() { "it".to_owned() } else { format!("`{at}`") };
    if let Some(wanted) = type_mistake(&schema["type"], value) {
        found.push(format!("{} must be {wanted}, and is {}", name(), kind(value)));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.iter().any(|allowed| root.same(allowed, value))
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        found.push(format!("{} must be one of {}", name(), allowed.join(", ")));
    }
    if let Some(only) = schema.get("const")
        && !root.same(only, value)
    {
        found.push(format!("{} must be {only}", name()));
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(ways) = schema[keyword].as_array() {
            let fits = |way: &Value| {
                let mut wrong = Vec::new();
                check(root, way, value, at, depth + 1, &mut wrong);
                wrong.is_empty()
            };
            if !ways.iter().any(fits) {
                found.push(format!("{} fits none of its forms", name()));
            }
        }
    }
    bounds(schema, value, &name, found);
    if let Some(members) = value.as_object() {
        let properties = schema["properties"].as_object();
        for required in schema["required"].as_array().into_iter().flatten() {
            if let Some(required) = required.as_str()
                && !members.contains_key(required)
            {
                found.push(format!("`{}` is missing", inner(at, required)));
            }
        }
        for (key, member) in members {
            match properties.and_then(|properties| properties.get(key)) {
                Some(property) => {
                    check(root, property, member, &inner(at, key), depth + 1, found);
                }
                None if schema["additionalProperties"] == false => {
                    found.push(format!("`{}` is not asked for", inner(at, key)));
                }
                None => {}
            }
        }
    }
    if let (Some(elements), Some(items)) = (value.as_array(), schema.get("items")) {
        for (place, element) in elements.iter().enumerate() {
            check(root, items, element, &format!("{at}[{place}]"), depth + 1, found);
        }
    }
}

fn inner(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn bounds(schema: &Value, value: &Value, name: &dyn Fn() -> String, found: &mut Vec<String>) {
    let mut bound = |keyword: &str, measure: Option<Number>, too_small: bool, what: &str| {
        if let (Some(measure), Some(limit)) = (measure, schema[keyword].as_number()) {
            let wrong = if too_small { Ordering::Less } else { Ordering::Greater };
            if number::compare(&measure, limit) == wrong {
                let side = if too_small { "at least" } else { "at most" };
                found.push(format!("{} must {what} {side} {}", name(), schema[keyword]));
            }
        }
    };
    let number = value.as_number();
    bound("minimum", number.cloned(), true, "be");
    bound("maximum", number.cloned(), false, "be");
    let chars = value.as_str().map(|text| Number::from(text.chars().count()));
    bound("minLength", chars.clone(), true, "have a length of");
    bound("maxLength", chars, false, "have a length of");
    let items = value.as_array().map(|list| Number::from(list.len()));
    bound("minItems", items.clone(), true, "have an item count of");
    bound("maxItems", items, false, "have an item count of");
}

/// Describes the wanted types if `value` has none of them.
fn type_mistake(wanted: &Value, value: &Value) -> Option<String> {
    let names: Vec<&str> = match wanted {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |name: &&str| match *name {
        "string" => value.is_string(),
        "integer" => value.as_number().is_some_and(number::is_integer),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    };
    if names.iter().any(fits) {
        return None;
    }
    let named = names.iter().map(|name| match *name {
        "string" => "a text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "nothing",
    });
    Some(named.collect::<Vec<_>>().join(" or "))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
