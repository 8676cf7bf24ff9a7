//! The schema of a workflow's input.

use jsonschema::Validator;
use serde_json::Value;
use stepwright_core::Content;

/// How many things are said about one input.
const REASONS_MAX: usize = 5;

/// Whether `schema` is a JSON Schema; if not, where it is not, as a JSON pointer, and why.
pub(crate) fn check(schema: &Value) -> Result<(), (String, String)> {
    if let Err(error) = jsonschema::meta::validate(schema) {
        return Err((error.instance_path().to_string(), error.to_string()));
    }
    // What the schema of schemas cannot say: references that lead nowhere, patterns that are none.
    compile(schema).map(|_| ()).map_err(|message| (String::new(), message))
}

/// A check of inputs against a schema.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| error.to_string())
}

/// Whether an input fits, and if not, what does not.
pub(crate) fn fits(validator: &Validator, input: &Content) -> Result<(), String> {
    let value = input.to_value();
    let reasons = validator.iter_errors(&value).take(REASONS_MAX).map(|error| {
        let path = error.instance_path().to_string();
        match path.is_empty() {
            true => error.to_string(),
            false => format!("{error} at `{path}`"),
        }
    });
    let reasons: Vec<String> = reasons.collect();
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(reasons.join("; ")),
    }
}
