//! Checks the inputs that a file gives: to another one with `with`, and to its own runs with the
//! triggers in `on`.

use crate::budget::Budget;
use crate::format::Computed;
use crate::schema::{self, Refusal};
use crate::suggest::{closest, did_you_mean};
use serde_json::{Map, Value};

/// The words for an input in messages.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    /// The key that gives the input.
    pub(super) key: &'a str,
    /// The workflow that gets it.
    pub(super) workflow: &'a str,
}

/// The words for the input of another workflow.
pub(super) const WITH: Words<'static> = Words { key: "with", workflow: "that workflow" };

/// Returns the mistakes of an input, as far as they can be seen before it is computed. Each has a
/// message and a hint.
pub(super) fn mistakes(
    with: &Computed,
    schema: Option<&Value>,
    words: Words<'_>,
) -> Vec<(String, Option<String>)> {
    let Words { key, workflow } = words;
    let Some(schema) = schema else { return Vec::new() };
    let whole =
        || constant(with).and_then(|value| whole(value, schema, words)).into_iter().collect();
    let Computed::Object(members) = with else { return whole() };
    let kind = schema.get("type").and_then(Value::as_str);
    if let Some(kind) = kind.filter(|kind| *kind != "object") {
        let message = format!("the input of {workflow} is of type `{kind}`, not an object");
        return vec![(message, Some(format!("write one expression: `{key}: = …`")))];
    }
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let mut found = Vec::new();
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        let has_default = properties.get(name).is_some_and(|of| of.get("default").is_some());
        if !has_default && members.iter().all(|(member, _)| member != name) {
            let message = format!("{workflow} needs `{name}` in its input");
            found.push((message, Some(format!("add it: `{key}: {{{name}: …}}`"))));
        }
    }
    for (name, member) in members {
        let Some(property) = properties.get(name) else {
            found.extend(unknown(name, schema, properties, words));
            continue;
        };
        let Some(value) = constant(member) else { continue };
        let mut property = property.clone();
        // A property may refer to the definitions of the whole schema.
        if let (Some(property), Some(defs)) = (property.as_object_mut(), schema.get("$defs")) {
            property.entry("$defs").or_insert(defs.clone());
        }
        found.extend(fits(&value, &property).map(|why| (format!("`{name}`: {why}"), None)));
    }
    if found.is_empty() { whole() } else { found }
}

fn unknown(
    name: &str,
    schema: &Value,
    properties: &Map<String, Value>,
    Words { workflow, .. }: Words<'_>,
) -> Option<(String, Option<String>)> {
    let open = ["patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas"];
    let more = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if more || properties.is_empty() || open.iter().any(|key| schema.get(key).is_some()) {
        return None;
    }
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let help = match closest(name, names.iter().copied()) {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None => did_you_mean(name, &names, "it has"),
    };
    Some((format!("the input of {workflow} has no `{name}`"), help))
}

/// Returns the value if nothing in it is computed.
fn constant(with: &Computed) -> Option<Value> {
    match with {
        Computed::Literal(value) => Some(value.clone()),
        Computed::Expression(_) => None,
        Computed::List(list) => list.iter().map(constant).collect(),
        Computed::Object(members) => {
            let members = members.iter().map(|(name, one)| Some((name.clone(), constant(one)?)));
            members.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}

fn whole(value: Value, schema: &Value, words: Words<'_>) -> Option<(String, Option<String>)> {
    let compiled = schema::compile(schema).ok()?;
    let refused = schema::complete(schema, &compiled, value, &Budget::default()).err()?;
    let Refusal::Unfit(why) = refused else { return None };
    Some((format!("the input does not fit {}: {why}", words.workflow), None))
}

fn fits(value: &Value, schema: &Value) -> Option<String> {
    let compiled = schema::compile(schema).ok()?;
    match compiled.fits(value, &Budget::default()) {
        Err(Refusal::Unfit(why)) => Some(why),
        _ => None,
    }
}
