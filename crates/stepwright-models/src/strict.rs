//! Tools whose arguments the provider holds to their schema.

use crate::catalogue::Wire;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The keywords that every provider with strict tools takes. The tool itself checks the rest.
const KEYWORDS: [&str; 13] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "type",
];

/// Checks that the wire of a model has what a request wants of strict tools.
pub(crate) fn check(tools: &BTreeSet<String>, wire: Wire, model: &str) -> Result<(), String> {
    if tools.is_empty() || is_known(wire) {
        return Ok(());
    }
    Err(format!("`{model}` has no strict tools; leave `strict` out, or use another model"))
}

/// Returns `true` if a wire can be told to hold a tool to its schema.
fn is_known(wire: Wire) -> bool {
    match wire {
        Wire::OpenAi
        | Wire::OpenAiChat
        | Wire::Azure
        | Wire::OpenRouter
        | Wire::DeepSeek
        | Wire::Mistral
        | Wire::Anthropic => true,
        Wire::Xai | Wire::Groq | Wire::Gemini | Wire::Ollama | Wire::Gateway(_) => false,
    }
}

/// Marks these tools as strict in the body of a request.
pub(crate) fn marked(body: Bytes, wire: Wire, tools: &BTreeSet<String>) -> Bytes {
    if tools.is_empty() {
        return body;
    }
    let Ok(mut request) = serde_json::from_slice::<Value>(&body) else { return body };
    for tool in request["tools"].as_array_mut().into_iter().flatten() {
        let tool = if tool["function"].is_object() { &mut tool["function"] } else { tool };
        if !tool["name"].as_str().is_some_and(|name| tools.contains(name)) {
            continue;
        }
        tool["strict"] = true.into();
        let schema = if wire == Wire::Anthropic { "input_schema" } else { "parameters" };
        tool[schema] = strict(&tool[schema], wire != Wire::Anthropic);
    }
    serde_json::to_vec(&request).map_or(body, Bytes::from)
}

/// Returns a schema in the form that strict tools have: objects are closed. With `all_required`,
/// each property is required, and one that was optional may be null.
fn strict(schema: &Value, all_required: bool) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut strict = Map::new();
    for (key, value) in members.iter().filter(|(key, _)| KEYWORDS.contains(&key.as_str())) {
        let value = match (key.as_str(), value) {
            ("$defs" | "definitions" | "properties", Value::Object(schemas)) => schemas
                .iter()
                .map(|(name, schema)| (name.clone(), self::strict(schema, all_required)))
                .collect(),
            ("allOf" | "anyOf", Value::Array(schemas)) => {
                schemas.iter().map(|schema| self::strict(schema, all_required)).collect()
            }
            ("items", schema) => self::strict(schema, all_required),
            (_, value) => value.clone(),
        };
        strict.insert(key.clone(), value);
    }
    if let Some(Value::Object(properties)) = strict.get_mut("properties") {
        let required: Vec<String> = members.get("required").map_or_else(Vec::new, |required| {
            serde_json::from_value(required.clone()).unwrap_or_default()
        });
        if all_required {
            for (name, schema) in properties.iter_mut() {
                if !required.contains(name) {
                    *schema = nullable(schema.take());
                }
            }
            let names: Vec<Value> = properties.keys().map(|name| name.as_str().into()).collect();
            strict.insert("required".into(), names.into());
        }
    }
    if strict.get("type").is_some_and(|kind| kind == "object") {
        strict.insert("additionalProperties".into(), false.into());
    }
    strict.into()
}

/// Returns a schema that allows null too.
fn nullable(mut schema: Value) -> Value {
    let has_enum = schema.get("enum").is_some();
    match schema.get_mut("type") {
        Some(Value::String(kind)) if kind != "null" && !has_enum => {
            schema["type"] = json!([std::mem::take(kind), "null"]);
            schema
        }
        Some(Value::Array(kinds)) if kinds.iter().any(|kind| kind == "null") => schema,
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_schema_is_closed_and_what_was_optional_may_be_null() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Add",
            "type": "object",
            "properties": {
                "a": {"type": "integer", "format": "uint8", "minimum": 0},
                "b": {"type": ["string", "null"]},
                "c": {"$ref": "#/$defs/C"},
                "d": {"type": "string", "enum": ["x"]},
                "e": {"type": "array", "items": {"type": "object", "properties": {}}},
            },
            "required": ["a"],
            "$defs": {"C": {"type": "object", "properties": {"x": {"type": "boolean"}}}},
        });
        let closed = |properties: Value, required: Value| {
            json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            })
        };
        let mut expected = closed(
            json!({
                "a": {"type": "integer"},
                "b": {"type": ["string", "null"]},
                "c": {"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}]},
                "d": {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]},
                "e": {"type": ["array", "null"], "items": closed(json!({}), json!([]))},
            }),
            json!(["a", "b", "c", "d", "e"]),
        );
        let inner = closed(json!({"x": {"type": ["boolean", "null"]}}), json!(["x"]));
        expected["$defs"] = json!({"C": inner});
        assert_eq!(strict(&schema, true), expected);
        let optional = strict(&schema, false);
        assert_eq!(optional["required"], json!(["a"]));
        assert_eq!(optional["properties"]["d"], json!({"type": "string", "enum": ["x"]}));
    }
}
