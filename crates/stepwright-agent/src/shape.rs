//! Values that models write: their JSON Schema, and parsing them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use stepwright_core::{BoxFuture, json as strict};

/// Returns the JSON Schema of a type in the form sent to models.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    // Inline, and without `$schema` and `title`: some providers refuse references, and every
    // request pays for the rest.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

/// Deserializes a value that a model wrote. The error names the place of the mistake.
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

/// The longest phrase after a block of JSON that is only a closing one, in bytes.
const CLOSING_BYTES_MAX: usize = 100;

/// The name of the member that holds an output which is no object.
const WRAPPED: &str = "value";

/// The schema of an agent's output, with the check that a value passes.
#[derive(Clone)]
pub struct OutputSchema {
    /// The schema as it was given.
    pub schema: Value,
    /// `true` if the model writes an object with the output in it: providers refuse a schema whose
    /// root is an enum, a list or a number.
    wrapped: bool,
    check: Arc<Check>,
}

type Check = dyn Fn(Arc<Value>) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

impl OutputSchema {
    /// Creates a schema with its check.
    pub fn new(
        schema: Value,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::new_async(schema, move |value| std::future::ready(check(&value)))
    }

    /// Creates a schema with a check that takes time.
    pub fn new_async<Checked>(
        schema: Value,
        check: impl Fn(Arc<Value>) -> Checked + Send + Sync + 'static,
    ) -> Self
    where
        Checked: Future<Output = Result<(), String>> + Send + 'static,
    {
        let wrapped = !is_object(&schema);
        Self { schema, wrapped, check: Arc::new(move |value| Box::pin(check(value))) }
    }

    /// Returns the schema as the model gets it. Its root is an object.
    pub(crate) fn sent(&self) -> Value {
        if !self.wrapped {
            return self.schema.clone();
        }
        let mut schema = self.schema.clone();
        let mut root = json!({ "type": "object" });
        // References begin at the root.
        for definitions in ["$defs", "definitions"] {
            if let Some(moved) = schema.as_object_mut().and_then(|s| s.remove(definitions)) {
                root[definitions] = moved;
            }
        }
        root["properties"] = json!({ WRAPPED: schema });
        root["required"] = json!([WRAPPED]);
        root["additionalProperties"] = false.into();
        root
    }

    /// Creates the schema of a type.
    pub fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        Self::new(schema_of::<T>(), |value| read::<T>(value.clone()).map(drop))
    }

    /// Parses the value in an answer.
    pub async fn read(&self, answer: &str) -> Result<Value, String> {
        let value =
            strict::parse(the_json(answer)?).map_err(|e| format!("it is not JSON ({e})"))?;
        let inner = match &value {
            Value::Object(members) if self.wrapped && members.len() == 1 => members.get(WRAPPED),
            _ => None,
        };
        let Some(inner) = inner.cloned() else { return self.checked(value).await };
        match self.checked(inner).await {
            Ok(inner) => Ok(inner),
            // An output may be such an object itself, and the model may have left out the wrapping.
            Err(why) => self.checked(value).await.map_err(|_| why),
        }
    }

    async fn checked(&self, value: Value) -> Result<Value, String> {
        let value = Arc::new(value);
        (self.check)(value.clone()).await?;
        Ok(Arc::unwrap_or_clone(value))
    }
}

/// Returns `true` if a schema describes objects and nothing else, in the form that every provider
/// accepts at the root.
fn is_object(schema: &Value) -> bool {
    let choices = ["anyOf", "oneOf", "allOf", "enum", "const", "not", "$ref"];
    // Without any restriction, as for tests.
    schema.is_null()
        || (schema["type"] == "object" && !choices.iter().any(|key| schema.get(key).is_some()))
}

impl fmt::Debug for OutputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutputSchema").field(&self.schema).finish()
    }
}

/// Returns the answer, or the content of its only code block: models without structured output
/// write JSON there, and some add a sentence around it.
///
/// # Errors
/// Fails if more than a closing phrase follows the block: it may say that the block is only an
/// example.
fn the_json(answer: &str) -> Result<&str, String> {
    let answer = answer.trim();
    // A JSON text may contain a fence.
    if answer.starts_with(['{', '[', '"']) {
        return Ok(answer);
    }
    let mut fences = answer.match_indices("```");
    let (Some((begin, fence)), Some((end, _)), None) =
        (fences.next(), fences.next(), fences.next())
    else {
        return Ok(answer);
    };
    let inside = &answer[begin + fence.len()..end];
    // The word after the opening fence names the language.
    let language = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(0);
    let (language, rest) = inside.split_at(language);
    if !language.is_empty() && !language.eq_ignore_ascii_case("json") {
        return Ok(answer);
    }
    if !is_closing(answer[end + fence.len()..].trim()) {
        return Err("more text follows the block of JSON; answer with the JSON alone".to_owned());
    }
    Ok(rest.trim())
}

/// Returns `true` for nothing, and for one short question or exclamation, such as `Anything else?`.
fn is_closing(text: &str) -> bool {
    let phrase = text.strip_suffix(['?', '!']).unwrap_or(".");
    text.is_empty() || (text.len() <= CLOSING_BYTES_MAX && !phrase.contains(['.', '?', '!', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_block_of_code_is_opened() {
        let any = OutputSchema::new(Value::Null, |_| Ok(()));
        for answer in [
            "[1]",
            " [1]\n",
            "```json\n[1]\n```",
            "```JSON [1]```",
            "```\n[1]\n```",
            "Here it is:\n```json\n[1]\n```\nAnything else?",
        ] {
            assert_eq!(any.read(answer).await.unwrap(), serde_json::json!([1]), "{answer}");
        }
        let fence = any.read(r#"{"text": "```json\n[1]\n```"}"#).await.unwrap();
        assert_eq!(fence["text"], "```json\n[1]\n```");
        // With two blocks it is unclear which one is the answer.
        for answer in
            ["```json\n[1]", "```json\n[1]\n```\nor\n```json\n[2]\n```", "```rust\n[1]\n```"]
        {
            assert!(any.read(answer).await.unwrap_err().starts_with("it is not JSON"), "{answer}");
        }
        // What follows may take the block back.
        for after in ["Sorry, I cannot do that.", "Is it? No. Is it?", &"a long story ".repeat(9)] {
            let answer = format!("For example:\n```json\n[0]\n```\n{after}");
            let why = any.read(&answer).await.unwrap_err();
            assert_eq!(why, "more text follows the block of JSON; answer with the JSON alone");
        }
        let twice = any.read(r#"{"to": "ada", "to": "eve"}"#).await.unwrap_err();
        assert!(twice.contains("an object has `to` twice"), "{twice}");
        let deep = any.read(&"[".repeat(60_000)).await.unwrap_err();
        assert!(deep.contains("nested deeper than 100"), "{deep}");
    }
}
