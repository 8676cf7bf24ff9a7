//! Values that models write: their JSON Schema, and parsing them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use stepwright_core::{BoxFuture, json};

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

/// The schema of an agent's output, with the check that a value passes.
#[derive(Clone)]
pub(crate) struct OutputSchema {
    pub(crate) schema: Value,
    check: Arc<Check>,
}

type Check = dyn Fn(Arc<Value>) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

impl OutputSchema {
    pub(crate) fn new(
        schema: Value,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::new_async(schema, move |value| std::future::ready(check(&value)))
    }

    pub(crate) fn new_async<Checked>(
        schema: Value,
        check: impl Fn(Arc<Value>) -> Checked + Send + Sync + 'static,
    ) -> Self
    where
        Checked: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { schema, check: Arc::new(move |value| Box::pin(check(value))) }
    }

    pub(crate) fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        Self::new(schema_of::<T>(), |value| read::<T>(value.clone()).map(drop))
    }

    /// Parses the value in an answer.
    pub(crate) async fn read(&self, answer: &str) -> Result<Value, String> {
        let value = json::parse(the_json(answer)).map_err(|e| format!("it is not JSON ({e})"))?;
        let value = Arc::new(value);
        (self.check)(value.clone()).await?;
        Ok(Arc::unwrap_or_clone(value))
    }
}

impl fmt::Debug for OutputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutputSchema").field(&self.schema).finish()
    }
}

/// Returns the answer, or the content of its only code block: models without structured output
/// write JSON there, and some add a sentence around it.
fn the_json(answer: &str) -> &str {
    let answer = answer.trim();
    // A JSON text may contain a fence.
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
    // The word after the opening fence names the language.
    let language = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(0);
    let (language, rest) = inside.split_at(language);
    if language.is_empty() || language.eq_ignore_ascii_case("json") { rest.trim() } else { answer }
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
        let deep = any.read(&"[".repeat(60_000)).await.unwrap_err();
        assert!(deep.contains("nested deeper than 100"), "{deep}");
    }
}
