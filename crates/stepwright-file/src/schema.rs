//! The schemas of a workflow's input and of its agents' answers.

use crate::suggest::did_you_mean;
use jsonschema::Validator;
use serde_json::Value;

/// How many things are said about one value.
const REASONS_MAX: usize = 5;

/// The types that JSON Schema knows.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Why something is no JSON Schema.
pub(crate) struct Mistake {
    /// Where, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Whether `schema` is a JSON Schema.
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
    // What the schema of schemas cannot say: references that lead nowhere, patterns that are none.
    let compiled = compile(schema).map(drop);
    compiled.map_err(|message| Mistake { pointer: String::new(), message, help: None })
}

/// A check of values against a schema.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| error.to_string())
}

/// Whether a value fits, and if not, what does not.
pub(crate) fn fits(validator: &Validator, value: &Value) -> Result<(), String> {
    let reasons = validator.iter_errors(value).take(REASONS_MAX).map(|error| {
        let path = error.instance_path().to_string();
        if path.is_empty() { error.to_string() } else { format!("{error} at `{path}`") }
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}
