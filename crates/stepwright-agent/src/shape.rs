//! Values that models write: their schema, and reading them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

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
        let value = serde_json::from_str(without_fence(answer.trim()))
            .map_err(|error| format!("it is not JSON ({error})"))?;
        (self.check)(&value)?;
        Ok(value)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shape").field(&self.schema).finish()
    }
}

/// Models that have no other way to write JSON put it into a block of code.
fn without_fence(text: &str) -> &str {
    let Some(inside) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else {
        return text;
    };
    inside.strip_prefix("json").unwrap_or(inside).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_code_is_opened() {
        let any = Shape::new(Value::Null, |_| Ok(()));
        for answer in ["[1]", " [1]\n", "```json\n[1]\n```", "```\n[1]\n```"] {
            assert_eq!(any.read(answer).unwrap(), serde_json::json!([1]), "{answer}");
        }
        assert!(any.read("```json\n[1]").unwrap_err().starts_with("it is not JSON"));
    }
}
