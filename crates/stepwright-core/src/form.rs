//! Validates answers of people against the schemas of forms.

use serde_json::Value;
use std::cell::Cell;

/// The maximum number of mistakes that are reported for one answer.
pub const MISTAKES_MAX: usize = 10;

/// The maximum depth of a form.
const DEPTH_MAX: usize = 32;

/// The maximum number of comparisons between parts of an answer and parts of its form.
///
/// A form with recursive alternatives can need very many in a few bytes.
pub const CHECKS_MAX: u32 = 100_000;

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

/// Adds the `default` of each missing property to `value`: at any depth, in the elements of lists,
/// and through `allOf` and through `$ref` within the schema.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::form::fill_in;
/// let schema = json!({ "properties": { "words": { "type": "integer", "default": 300 } } });
/// let mut value = json!({ "tone": "plain" });
/// fill_in(&schema, &mut value);
/// assert_eq!(value, json!({ "tone": "plain", "words": 300 }));
/// ```
pub fn fill_in(schema: &Value, value: &mut Value) {
    fill(schema, schema, value, 0);
}

fn fill(root: &Value, schema: &Value, value: &mut Value, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    let referred = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    if let Some(target) = referred.and_then(|pointer| root.pointer(pointer)) {
        fill(root, target, value, depth + 1);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fill(root, part, value, depth + 1);
    }
    match value {
        Value::Object(members) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if !members.contains_key(name)
                    && let Some(default) = default_of(root, property)
                {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    fill(root, property, member, depth + 1);
                }
            }
        }
        Value::Array(elements) => {
            if let Some(items) = schema.get("items") {
                for element in elements {
                    fill(root, items, element, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Returns the default of a property, following `$ref`.
fn default_of<'s>(root: &'s Value, property: &'s Value) -> Option<&'s Value> {
    let mut schema = property;
    for _ in 0..DEPTH_MAX {
        if let Some(default) = schema.get("default") {
            return Some(default);
        }
        let reference = schema["$ref"].as_str()?.strip_prefix('#')?;
        schema = root.pointer(reference)?;
    }
    None
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
    let root = Root { schema, left: Cell::new(CHECKS_MAX) };
    check(&root, schema, value, "", 0, &mut found);
    if root.left.get() == 0 {
        return vec![format!(
            "the form and the answer have more than {CHECKS_MAX} parts to compare"
        )];
    }
    found.truncate(MISTAKES_MAX);
    found
}

/// The whole schema, and the number of comparisons that are left.
struct Root<'a> {
    schema: &'a Value,
    left: Cell<u32>,
}

fn check(
    root: &Root<'_>,
    schema: &Value,
    value: &Value,
    at: &str,
    depth: usize,
    found: &mut Vec<String>,
) {
    root.left.set(root.left.get().saturating_sub(1));
    if depth > DEPTH_MAX || found.len() >= MISTAKES_MAX || root.left.get() == 0 {
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
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        found.push(format!("{} must be one of {}", name(), allowed.join(", ")));
    }
    if let Some(only) = schema.get("const")
        && only != value
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
    let mut bound = |keyword: &str, measure: Option<f64>, too_small: bool, what: &str| {
        if let (Some(measure), Some(limit)) = (measure, schema[keyword].as_f64()) {
            let wrong = if too_small { measure < limit } else { measure > limit };
            if wrong {
                let side = if too_small { "at least" } else { "at most" };
                found.push(format!("{} must {what} {side} {}", name(), schema[keyword]));
            }
        }
    };
    let number = value.as_f64();
    bound("minimum", number, true, "be");
    bound("maximum", number, false, "be");
    #[expect(clippy::cast_precision_loss, reason = "no form has so many parts")]
    let size = |count: usize| count as f64;
    let chars = value.as_str().map(|text| size(text.chars().count()));
    bound("minLength", chars, true, "have a length of");
    bound("maxLength", chars, false, "have a length of");
    let items = value.as_array().map(|list| size(list.len()));
    bound("minItems", items, true, "have an item count of");
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
        "integer" => value.is_i64() || value.is_u64(),
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
