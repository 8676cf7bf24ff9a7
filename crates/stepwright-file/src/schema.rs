//! The schemas of the input of a workflow and of the answers of its agents.

use crate::suggest::did_you_mean;
use jsonschema::Validator;
use serde_json::Value;

/// The maximum number of reasons that are reported for one value.
const REASONS_MAX: usize = 5;

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// The reason that a value is not a valid JSON Schema.
pub(crate) struct Mistake {
    /// The place, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Checks that `schema` is a valid JSON Schema.
pub(crate) fn check(schema: &Value) -> Result<(), Mistake> {
    if let Err(error) = jsonschema::meta::validate(schema) {
        let pointer = error.instance_path().to_string();
        let mistake = match schema.pointer(&pointer).and_then(Value::as_str) {
            Some(name) if pointer.ends_with("/type") => Mistake {
                message: format!("there is no type `{name}`"),
                help: did_you_mean(name, &TYPES, "types are"),
                pointer,
            },
            _ => Mistake { message: error.to_string(), help: None, pointer },
        };
        return Err(mistake);
    }
    // The meta schema cannot check references and patterns.
    let compiled = compile(schema).map(drop);
    compiled.map_err(|message| Mistake { pointer: String::new(), message, help: None })
}

/// The known keywords. Others would be ignored silently.
const KEYWORDS: [&str; 61] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
    "$recursiveRef",
];

/// The formats that are checked.
const FORMATS: [&str; 17] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// The maximum depth of the search in a schema.
const DEPTH_MAX: usize = 100;

/// Checks that all keywords and formats in `schema` have an effect.
pub(crate) fn check_effects(schema: &Value) -> Result<(), Mistake> {
    without_effect(schema, "", 0)
}

/// Fails for the first keyword or format without an effect.
fn without_effect(schema: &Value, at: &str, depth: usize) -> Result<(), Mistake> {
    let Value::Object(members) = schema else { return Ok(()) };
    if depth > DEPTH_MAX {
        return Ok(());
    }
    for (key, value) in members {
        let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (key.as_str(), value) {
            ("format", Value::String(format)) if !FORMATS.contains(&format.as_str()) => {
                let message = format!("there is no format `{format}` that is checked");
                let help = did_you_mean(format, &FORMATS, "formats are");
                return Err(Mistake { pointer: here, message, help });
            }
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Value::Object(schemas),
            ) => {
                for (name, schema) in schemas {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    without_effect(schema, &format!("{here}/{name}"), depth + 1)?;
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                for (place, schema) in schemas.iter().enumerate() {
                    without_effect(schema, &format!("{here}/{place}"), depth + 1)?;
                }
            }
            (
                "items"
                | "additionalProperties"
                | "additionalItems"
                | "contains"
                | "not"
                | "if"
                | "then"
                | "else"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties"
                | "contentSchema",
                schema,
            ) => without_effect(schema, &here, depth + 1)?,
            // Keywords that begin with `x-` are for other programs.
            (key, _) if KEYWORDS.contains(&key) || key.starts_with("x-") => {}
            (key, _) => {
                let message = format!("the keyword `{key}` has no effect");
                let help = crate::suggest::closest(key, KEYWORDS);
                let help = help.map_or_else(
                    || "leave it out".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                );
                return Err(Mistake { pointer: here, message, help: Some(help) });
            }
        }
    }
    Ok(())
}

/// Compiles a schema into a validator.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(schema).map_err(|error| error.to_string())
}

/// Checks a value. Returns the reasons if it does not match.
pub(crate) fn fits(validator: &Validator, value: &Value) -> Result<(), String> {
    let reasons = validator.iter_errors(value).take(REASONS_MAX).map(|error| {
        let path = error.instance_path().to_string();
        if path.is_empty() { error.to_string() } else { format!("{error} at `{path}`") }
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}
