//! The content that steps pass to each other.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A text, or a JSON value. Cheap to clone.
///
/// A JSON string and a text are the same content. `null` means that there is no content.
///
/// ```
/// use stepwright_core::Content;
/// let text = Content::from("draft");
/// assert_eq!(text.text(), "draft");
/// let value = Content::json(&serde_json::json!({"points": 3})).unwrap();
/// assert_eq!(value.text(), r#"{"points":3}"#);
/// assert_eq!(value.field("points").unwrap().parse::<u32>().unwrap(), 3);
/// assert!(Content::default().is_empty());
/// ```
#[derive(Clone, PartialEq)]
pub enum Content {
    /// Plain text.
    Text(Arc<str>),
    /// Any JSON value except a string, which is always `Text`.
    Json(Arc<Value>),
}

/// A typed value as the input or the output of a function. It travels as JSON.
///
/// ```
/// use stepwright_core::Json;
/// async fn double(Json(n): Json<u32>) -> Json<u32> {
///     Json(2 * n)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl Content {
    /// Serializes a value as content.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        serde_json::to_value(value).map(Self::from)
    }

    /// Returns the text, or the value as compact JSON. `null` gives an empty string.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(value) if value.is_null() => Cow::Borrowed(""),
            Self::Json(value) => Cow::Owned(value.to_string()),
        }
    }

    /// Returns the text for a language model or a person. Objects and arrays are indented JSON.
    pub fn pretty(&self) -> Cow<'_, str> {
        match self {
            Self::Json(value) if value.is_object() || value.is_array() => {
                Cow::Owned(format!("{value:#}"))
            }
            _ => self.text(),
        }
    }

    /// Returns the content as a JSON value.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::String((**text).to_owned()),
            Self::Json(value) => (**value).clone(),
        }
    }

    /// Parses the content as a `T`. A text is tried as a JSON string first, then as a JSON
    /// document.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(value) => T::deserialize(&**value),
            Self::Text(text) => {
                serde_json::from_value(Value::String((**text).to_owned())).or_else(|as_text| {
                    // The text may be a model's.
                    crate::json::check_size(text.as_bytes()).map_err(serde::de::Error::custom)?;
                    let value = serde_json::from_str(text).map_err(|_| as_text)?;
                    crate::json::check_names(text.as_bytes()).map_err(serde::de::Error::custom)?;
                    Ok(value)
                })
            }
        }
    }

    /// Returns a member of a JSON object.
    pub fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Json(value) => value.get(name).cloned().map(Self::from),
            Self::Text(_) => None,
        }
    }

    /// Returns `true` for `null` and for an empty text.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Json(value) => value.is_null(),
        }
    }

    /// Returns the name that Agno uses for the type of this content: `str`, `json`, or `none` for
    /// `null`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "str",
            Self::Json(value) if value.is_null() => "none",
            Self::Json(_) => "json",
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        static NOTHING: std::sync::LazyLock<Arc<Value>> =
            std::sync::LazyLock::new(|| Arc::new(Value::Null));
        Self::Json(NOTHING.clone())
    }
}

impl From<Value> for Content {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.into()),
            Value::Null => Self::default(),
            value => Self::Json(Arc::new(value)),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::Text(text.as_str().into())
    }
}

impl From<Cow<'_, str>> for Content {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for Content {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => fmt::Debug::fmt(text, f),
            Self::Json(value) => fmt::Display::fmt(value, f),
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_that_holds_json_parses_as_text_first() {
        assert_eq!(Content::from("7").parse::<String>().unwrap(), "7");
        assert_eq!(Content::from("7").parse::<u8>().unwrap(), 7);
        assert!(Content::from("seven").parse::<u8>().is_err());
    }

    #[test]
    fn the_written_form_is_the_value_itself() {
        for value in [json!("a"), json!(null), json!({"b": [1, 2]}), json!(3.5)] {
            let content = Content::from(value.clone());
            assert_eq!(serde_json::to_value(&content).unwrap(), value);
            assert_eq!(serde_json::from_value::<Content>(value).unwrap(), content);
        }
    }
}
