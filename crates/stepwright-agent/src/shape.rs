//! Values that models write: their schema, and reading them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use stepwright_core::json;

/// The JSON Schema of a type, as models are told it.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    // Inline, and without `$schema` and `title`: some providers refuse references, and the rest is
    // paid for with every request.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

/// Reads a value that a model wrote. The error says where in it the mistake is.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let wrong = error.into_inner();
        match path.as_str() {
            "." => wrong.to_string(),
            path => format!("at `{path}`: {wrong}"),
        }
    })
}

/// What the answer of an agent must be like.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) schema: Value,
    check: Arc<Check>,
}

type Check = dyn Fn(&Value) -> Result<(), String> + Send + Sync;

impl Shape {
    pub(crate) fn new(
        schema: Value,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { schema, check: Arc::new(check) }
    }

    pub(crate) fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        Self::new(schema_of::<T>(), |value| read::<T>(value.clone()).map(drop))
    }

    /// The value in an answer, or what is wrong with it.
    pub(crate) fn read(&self, answer: &str) -> Result<Value, String> {
        let value = json::parse(the_json(answer)).map_err(|e| format!("it is not JSON ({e})"))?;
        (self.check)(&value)?;
        Ok(value)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shape").field(&self.schema).finish()
    }
}

/// The answer, or what stands in its only block of code: models that have no other way to write
/// JSON put it there, and some write a sentence around it.
fn the_json(answer: &str) -> &str {
    let answer = answer.trim();
    // A text in JSON may hold a fence.
    if answer.starts_with(['{', '[', '"']) {
        return answer;
    }
    let mut fences = answer.match_indices("```");
    let (Some((begin, fence)), Some((end, _)), None) =
        (fences.next(), fences.next(), fences.next())
    else {
        return answer;
    };
    let inside = &answer[begin + fence.len()..end];
    // What stands behind the opening fence names the language.
    let language = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(0);
    let (language, rest) = inside.split_at(language);
    if language.is_empty() || language.eq_ignore_ascii_case("json") { rest.trim() } else { answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_code_is_opened() {
        let any = Shape::new(Value::Null, |_| Ok(()));
        for answer in [
            "[1]",
            " [1]\n",
            "```json\n[1]\n```",
            "```JSON [1]```",
            "```\n[1]\n```",
            "Here it is:\n```json\n[1]\n```\nAnything else?",
        ] {
            assert_eq!(any.read(answer).unwrap(), serde_json::json!([1]), "{answer}");
        }
        let fence = any.read(r#"{"text": "```json\n[1]\n```"}"#).unwrap();
        assert_eq!(fence["text"], "```json\n[1]\n```");
        // Of two blocks none is the answer.
        for answer in
            ["```json\n[1]", "```json\n[1]\n```\nor\n```json\n[2]\n```", "```rust\n[1]\n```"]
        {
            assert!(any.read(answer).unwrap_err().starts_with("it is not JSON"), "{answer}");
        }
        let deep = any.read(&"[".repeat(60_000)).unwrap_err();
        assert!(deep.contains("nested deeper than 100"), "{deep}");
    }
}
