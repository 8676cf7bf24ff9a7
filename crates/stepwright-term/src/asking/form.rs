//! The fields of a form, and parsing what is typed into them.

use crate::excerpt::value_of;
use serde_json::{Map, Value, json};
use stepwright_core::form::mistakes;
use stepwright_core::json::JsonError;

/// A property of the form's object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) required: bool,
    /// The value of an empty input.
    pub(crate) default: Option<Value>,
    schema: Value,
    /// The targets of `$ref`.
    definitions: Map<String, Value>,
}

/// The syntax in which a value is typed.
#[derive(Clone, Debug, PartialEq)]
enum InputKind {
    Text,
    Number,
    YesOrNo,
    /// One of these values.
    Choice(Vec<Value>),
    /// A list of texts, numbers or choices.
    List(Box<Self>),
    Json,
}

/// Returns the fields of a form. `None` if the schema does not describe an object.
pub(crate) fn fields(schema: &Value) -> Option<Vec<Field>> {
    let root = resolved(schema, schema);
    let properties = root["properties"].as_object().filter(|properties| !properties.is_empty())?;
    let required = |name: &str| {
        root["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
    };
    let field = |(name, property): (&String, &Value)| {
        let resolved = resolved(schema, property);
        let text = |key: &str| property[key].as_str().or(resolved[key].as_str());
        Field {
            name: name.clone(),
            description: text("description").map(str::to_owned),
            required: required(name),
            default: property.get("default").or(resolved.get("default")).cloned(),
            schema: property.clone(),
            definitions: definitions(schema),
        }
    };
    Some(properties.iter().map(field).collect())
}

/// Returns an unnamed field for a schema that does not describe an object.
pub(crate) fn single(schema: &Value) -> Field {
    Field {
        name: String::new(),
        description: None,
        required: true,
        default: resolved(schema, schema).get("default").cloned(),
        schema: schema.clone(),
        definitions: definitions(schema),
    }
}

fn definitions(schema: &Value) -> Map<String, Value> {
    let known = ["$defs", "definitions"].into_iter();
    let known =
        known.filter_map(|key| schema.get(key).map(|value| (key.to_owned(), value.clone())));
    known.collect()
}

/// The deepest nesting followed before a value is typed as JSON: references may be circular.
const DEPTH_MAX: usize = 16;

fn resolved<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..DEPTH_MAX {
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        match reference.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

fn input_kind(root: &Value, schema: &Value, depth: usize) -> InputKind {
    if depth > DEPTH_MAX {
        return InputKind::Json;
    }
    let schema = resolved(root, schema);
    if let Some(choices) = schema["enum"].as_array() {
        return InputKind::Choice(
            choices.iter().filter(|choice| !choice.is_null()).cloned().collect(),
        );
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(ways) = schema[keyword].as_array() else { continue };
        // An optional value.
        let ways: Vec<&Value> = ways.iter().filter(|way| way["type"] != "null").collect();
        return match ways[..] {
            [only] => input_kind(root, only, depth + 1),
            _ if ways.iter().all(|way| way.get("const").is_some()) => {
                InputKind::Choice(ways.iter().map(|way| way["const"].clone()).collect())
            }
            _ => InputKind::Json,
        };
    }
    let name = match &schema["type"] {
        Value::String(name) => name.as_str(),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            match (names.next(), names.next()) {
                (Some(name), None) => name,
                _ => "",
            }
        }
        _ => "",
    };
    match name {
        "string" => InputKind::Text,
        "integer" | "number" => InputKind::Number,
        "boolean" => InputKind::YesOrNo,
        "array" => match input_kind(root, &schema["items"], depth + 1) {
            InputKind::Json | InputKind::List(_) | InputKind::YesOrNo => InputKind::Json,
            items => InputKind::List(Box::new(items)),
        },
        _ => InputKind::Json,
    }
}

impl Field {
    fn input_kind(&self) -> InputKind {
        let mut root = self.definitions.clone();
        root.insert("of".to_owned(), self.schema.clone());
        let root = Value::Object(root);
        input_kind(&root, &root["of"], 0)
    }

    /// Returns a description of the accepted input.
    pub(crate) fn takes(&self) -> String {
        takes(&self.input_kind())
    }

    /// Parses an input. Returns `None` if an optional field is left empty.
    ///
    /// # Errors
    /// Returns what is wrong with the input.
    pub(crate) fn read(&self, typed: &str) -> Result<Option<Value>, String> {
        let trimmed = typed.trim();
        if trimmed.is_empty() {
            return match &self.default {
                Some(default) => Ok(Some(default.clone())),
                None if !self.required => Ok(None),
                None if self.fits(&Value::Null) => Ok(Some(Value::Null)),
                None => Err(format!("a value is required: {}", self.takes())),
            };
        }
        let value = read(&self.input_kind(), typed)?;
        match self.mistakes(&value) {
            found if found.is_empty() => Ok(Some(value)),
            found => Err(found.join("; ")),
        }
    }

    fn fits(&self, value: &Value) -> bool {
        self.mistakes(value).is_empty()
    }

    fn mistakes(&self, value: &Value) -> Vec<String> {
        let name = if self.name.is_empty() { "it" } else { &self.name };
        let mut schema = self.definitions.clone();
        schema.insert("properties".to_owned(), json!({ name: self.schema }));
        mistakes(&Value::Object(schema), &json!({ name: value }))
    }
}

fn takes(kind: &InputKind) -> String {
    match kind {
        InputKind::Text => "a text".to_owned(),
        InputKind::Number => "a number".to_owned(),
        InputKind::YesOrNo => "y or n".to_owned(),
        InputKind::Choice(choices) => choices.iter().map(value_of).collect::<Vec<_>>().join(", "),
        InputKind::List(items) => match &**items {
            InputKind::Number => "numbers, separated by commas".to_owned(),
            items @ InputKind::Choice(_) => {
                format!("several of {}, separated by commas", takes(items))
            }
            _ => "texts, separated by commas".to_owned(),
        },
        InputKind::Json => "JSON".to_owned(),
    }
}

fn read(kind: &InputKind, typed: &str) -> Result<Value, String> {
    let trimmed = typed.trim();
    match kind {
        InputKind::Text if trimmed == "\"\"" => Ok("".into()),
        InputKind::Text => Ok(typed.into()),
        InputKind::Number => match stepwright_core::json::parse(trimmed) {
            Ok(value) if value.is_number() => Ok(value),
            Err(error @ JsonError::Number { .. }) => Err(error.to_string()),
            _ => Err(format!("{trimmed:?} is not a number")),
        },
        InputKind::YesOrNo => match trimmed.to_lowercase().as_str() {
            "y" | "yes" | "true" => Ok(true.into()),
            "n" | "no" | "false" => Ok(false.into()),
            _ => Err("type `y` or `n`".to_owned()),
        },
        InputKind::Choice(choices) => choice(choices, trimmed),
        InputKind::List(_) if trimmed.starts_with('[') => parsed(trimmed),
        InputKind::List(items) => {
            trimmed.split(',').map(|item| read(items, item.trim())).collect::<Result<Value, _>>()
        }
        InputKind::Json => parsed(trimmed),
    }
}

fn choice(choices: &[Value], typed: &str) -> Result<Value, String> {
    let is = |choice: &&Value| match choice {
        Value::String(text) => text == typed,
        other => stepwright_core::json::parse(typed).is_ok_and(|value| value == **other),
    };
    let begins = |choice: &&Value| {
        let text = choice.as_str().unwrap_or_default().to_lowercase();
        text.starts_with(&typed.to_lowercase())
    };
    let mut beginning = choices.iter().filter(begins);
    let only = match (beginning.next(), beginning.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    match choices.iter().find(is).or(only) {
        Some(choice) => Ok(choice.clone()),
        None => Err(format!("must be one of {}", takes(&InputKind::Choice(choices.to_vec())))),
    }
}

fn parsed(typed: &str) -> Result<Value, String> {
    stepwright_core::json::parse(typed).map_err(|error| format!("invalid JSON: {error}"))
}

/// Parses an input of any type: JSON, or otherwise a text.
pub(crate) fn anything(typed: &str) -> Result<Value, String> {
    match stepwright_core::json::parse_if_json(typed.trim()) {
        Ok(value) => Ok(value.unwrap_or_else(|| typed.into())),
        Err(error) => Err(format!("invalid JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: &Value, typed: &str) -> Result<Option<Value>, String> {
        fields(schema).unwrap()[0].read(typed)
    }

    #[test]
    fn fields_are_typed_as_their_schema_says() {
        let of = |property: Value| json!({ "properties": { "x": property }, "required": ["x"] });
        for (property, typed, expected) in [
            (json!({ "type": "string" }), " a b", json!(" a b")),
            (json!({ "type": "string" }), "\"\"", json!("")),
            (json!({ "type": "string" }), "12", json!("12")),
            (json!({ "type": "integer", "maximum": 9 }), " 7 ", json!(7)),
            (json!({ "type": "number" }), "-0.5", json!(-0.5)),
            (json!({ "type": "boolean" }), "Y", json!(true)),
            (json!({ "enum": ["plain", "formal"] }), "formal", json!("formal")),
            (json!({ "enum": ["plain", "formal"] }), "P", json!("plain")),
            (json!({ "enum": [1, 2] }), "2", json!(2)),
            (json!({ "type": "array", "items": { "type": "string" } }), "a, b", json!(["a", "b"])),
            (json!({ "type": "array", "items": { "type": "integer" } }), "[1, 2]", json!([1, 2])),
            (json!({ "type": "object" }), r#"{"a": 1}"#, json!({ "a": 1 })),
            (json!({ "type": ["string", "null"] }), "", json!(null)),
            (json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }), "3", json!(3)),
            (json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }), "b", json!("b")),
            (json!({ "type": "string", "default": "d" }), "", json!("d")),
        ] {
            assert_eq!(read(&of(property.clone()), typed), Ok(Some(expected)), "{property}");
        }
        for (property, typed, expected) in [
            (json!({ "type": "string" }), "", "a value is required: a text"),
            (json!({ "type": "integer", "maximum": 9 }), "10", "`x` must be at most 9"),
            (json!({ "type": "integer" }), "1.5", "`x` must be an integer, and is a number"),
            (json!({ "type": "number" }), "many", "\"many\" is not a number"),
            (
                json!({ "type": "number" }),
                "9007199254740993.0",
                "the number 9007199254740993.0 would be rounded at line 1 column 1; write it \
                 without fraction and exponent, or as a text, in quotes",
            ),
            (json!({ "type": "boolean" }), "perhaps", "type `y` or `n`"),
            (json!({ "enum": ["plain", "formal"] }), "loud", "must be one of plain, formal"),
            (json!({ "enum": ["aa", "ab"] }), "a", "must be one of aa, ab"),
        ] {
            assert_eq!(read(&of(property), typed).unwrap_err(), expected);
        }
        assert_eq!(read(&json!({ "properties": { "x": { "type": "string" } } }), " "), Ok(None));
    }

    #[test]
    fn references_are_followed_also_in_circles() {
        let schema = json!({
            "$ref": "#/$defs/Form",
            "$defs": {
                "Form": { "properties": { "tone": { "$ref": "#/$defs/Tone" } } },
                "Tone": { "description": "how", "enum": ["plain"] },
            },
        });
        let field = fields(&schema).unwrap().remove(0);
        assert_eq!(field.description.as_deref(), Some("how"));
        assert_eq!(
            (field.takes(), field.read("plain")),
            ("plain".into(), Ok(Some("plain".into())))
        );
        let circle = json!({ "$ref": "#" });
        assert!(fields(&circle).is_none());
        assert_eq!(single(&circle).takes(), "JSON");
        for around in [
            json!({ "type": "array", "items": { "$ref": "#/$defs/A" } }),
            json!({ "anyOf": [{ "$ref": "#/$defs/A" }] }),
        ] {
            let circle = json!({ "$ref": "#/$defs/A", "$defs": { "A": around } });
            assert_eq!(single(&circle).takes(), "JSON");
        }
    }
}
