//! An input that is given member by member, and the form for members that are missing.

use crate::input_text::{read_file, without_line_break};
use serde_json::{Map, Value, json};
use std::path::Path;
use stepwright::{Content, Error, ErrorId, StepPath};
use stepwright_core::json;
use stepwright_core::requirement::{OnTimeout, Requirement, RequirementKind};

/// Returns the object that `-i NAME=VALUE` arguments describe.
pub(crate) fn of_pairs(pairs: &[String], schema: Option<&Value>) -> Result<Content, Error> {
    let mut input = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let error = Error::usage(format!("`-i {pair}` is not of the form `NAME=VALUE`"));
            return Err(error.with_id(ErrorId::VALUE_INVALID).with_hint(
                "write `-i topic=bees`, or `-i text=@notes.txt` for the text of a file",
            ));
        };
        if input.contains_key(name) {
            let error = Error::usage(format!("`-i {name}=…` is given twice"));
            return Err(error
                .with_id(ErrorId::VALUE_INVALID)
                .with_hint(format!("give a list as JSON: `-i {name}='[\"a\", \"b\"]'`")));
        }
        let property = property(name, schema)?;
        let (text, shown) = match value.strip_prefix('@') {
            Some(literal) if literal.starts_with('@') => (literal.to_owned(), name.to_owned()),
            Some(path) => {
                let (text, shown) = read_file(Path::new(path))?;
                (without_line_break(&text).to_owned(), shown)
            }
            None => (value.to_owned(), name.to_owned()),
        };
        let value = valued(&text, property, &shown)?;
        input.insert(name.to_owned(), value);
    }
    Ok(Value::Object(input).into())
}

/// Returns the schema of a member. An input whose members are listed has no others.
fn property<'s>(name: &str, schema: Option<&'s Value>) -> Result<Option<&'s Value>, Error> {
    let Some(schema) = schema else { return Ok(None) };
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(None);
    };
    let found = properties.get(name);
    let is_open = schema.get("additionalProperties").is_some_and(|more| *more != json!(false))
        || ["patternProperties", "allOf", "anyOf", "oneOf", "$ref"]
            .iter()
            .any(|key| schema.get(key).is_some());
    if found.is_some() || is_open {
        return Ok(found);
    }
    let names: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
    let error = Error::usage(format!("the input of the workflow has no `{name}`"));
    let error = error.with_id(ErrorId::INPUT_MISMATCH);
    Err(error.with_hint(format!("it has {}", names.join(", "))))
}

/// Returns a value as its schema demands: a text where it may be a text, and JSON otherwise.
fn valued(text: &str, schema: Option<&Value>, shown: &str) -> Result<Value, Error> {
    let kinds: Vec<&str> = match schema.and_then(|schema| schema.get("type")) {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        // Without a type, a number or an object is what it looks like.
        _ => vec!["string", "object"],
    };
    if kinds == ["string"] {
        return Ok(text.into());
    }
    if kinds.contains(&"string") {
        let value = json::parse_if_json(text).map_err(|error| {
            let error = Error::usage(format!("`{shown}` cannot be used: {error}"));
            error.with_id(ErrorId::INPUT_NOT_JSON)
        })?;
        return Ok(value.unwrap_or_else(|| text.into()));
    }
    match json::parse(text) {
        Ok(value) => Ok(value),
        Err(error) => {
            let what = match kinds.as_slice() {
                ["number"] => format!("`{shown}` must be a number, and is `{text}`"),
                ["integer"] => format!("`{shown}` must be a whole number, and is `{text}`"),
                ["boolean"] => format!("`{shown}` must be `true` or `false`, and is `{text}`"),
                _ => format!("`{shown}` is not JSON: {error}"),
            };
            let hint = format!("the workflow declares it as `{}`", kinds.join("` or `"));
            Err(Error::usage(what).with_id(ErrorId::INPUT_NOT_JSON).with_hint(hint))
        }
    }
}

/// Returns the form for the members that an input needs and does not have. `None` if there are
/// none, or if the input is no object.
pub(crate) fn missing(content: &Content, schema: Option<&Value>) -> Option<Requirement> {
    let schema = schema?;
    let given = match content {
        content if content.is_empty() => Map::new(),
        Content::Json(value) => value.as_object()?.clone(),
        Content::Text(_) => return None,
    };
    if schema.get("type") != Some(&json!("object")) || schema.get("default").is_some() {
        return None;
    }
    let properties = schema.get("properties")?.as_object()?;
    let required = schema.get("required")?.as_array()?;
    let missing: Vec<&str> = required
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !given.contains_key(*name))
        .filter(|name| properties.get(*name).is_some_and(|of| of.get("default").is_none()))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let asked: Map<String, Value> =
        missing.iter().map(|name| ((*name).to_owned(), properties[*name].clone())).collect();
    let mut form = json!({"type": "object", "properties": asked, "required": missing});
    if let (Some(form), Some(defs)) = (form.as_object_mut(), schema.get("$defs")) {
        form.insert("$defs".to_owned(), defs.clone());
    }
    Some(Requirement {
        id: "input".into(),
        path: StepPath::root(),
        kind: RequirementKind::UserInput { schema: form.into() },
        message: "The workflow needs an input".into(),
        due: None,
        on_timeout: OnTimeout::default(),
    })
}

/// Adds the answers of a form to an input.
pub(crate) fn completed(content: &Content, answers: Value) -> Content {
    let mut whole = match content {
        Content::Json(value) => value.as_object().cloned().unwrap_or_default(),
        Content::Text(_) => Map::new(),
    };
    if let Value::Object(answers) = answers {
        whole.extend(answers);
    }
    Value::Object(whole).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["topic", "words", "tone"],
            "properties": {
                "topic": {"type": "string"},
                "words": {"type": "integer"},
                "tone": {"type": "string", "default": "plain"},
                "tags": {"type": ["array", "string"]},
                "any": {},
            },
        })
    }

    fn read(pairs: &[&str]) -> Result<Value, String> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        let read = of_pairs(&pairs, Some(&schema()));
        read.map(|content| content.to_value()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_member_is_read_as_its_schema_demands() {
        let pairs = ["topic=12", "words=12", "tags=[1]", "any={\"a\": 1}"];
        let expected = json!({"topic": "12", "words": 12, "tags": [1], "any": {"a": 1}});
        assert_eq!(read(&pairs), Ok(expected));
        assert_eq!(read(&["tags=a", "any=b"]), Ok(json!({"tags": "a", "any": "b"})));
        assert_eq!(read(&["topic=@@home", "any==x"]), Ok(json!({"topic": "@home", "any": "=x"})));
        let many = "`words` must be a whole number, and is `many`";
        assert_eq!(read(&["words=many"]), Err(many.to_owned()));
        assert!(read(&["tags=[1"]).is_ok());
        assert_eq!(read(&["word=1"]), Err("the input of the workflow has no `word`".to_owned()));
        assert_eq!(read(&["topic"]), Err("`-i topic` is not of the form `NAME=VALUE`".to_owned()));
        assert_eq!(read(&["topic=a", "topic=b"]), Err("`-i topic=…` is given twice".to_owned()));
        for pair in ["any={\"a\": 1, \"a\": 2}", "tags=[{\"a\": 1, \"a\": 2}]"] {
            let error = read(&[pair]).unwrap_err();
            assert!(error.contains("cannot be used: an object has `a` twice"), "{error}");
        }
    }

    #[test]
    fn a_form_asks_for_what_is_missing() {
        let given: Content = json!({"topic": "bees"}).into();
        let form = missing(&given, Some(&schema())).unwrap();
        let RequirementKind::UserInput { schema: form } = form.kind else { panic!() };
        assert_eq!(form["required"], json!(["words"]));
        let whole = completed(&given, json!({"words": 3}));
        assert_eq!(whole.to_value(), json!({"topic": "bees", "words": 3}));
        assert!(missing(&whole, Some(&schema())).is_none());
        assert!(missing(&"text".into(), Some(&schema())).is_none());
        assert!(missing(&Content::default(), Some(&json!({"type": "string"}))).is_none());
        assert!(missing(&Content::default(), Some(&schema())).is_some());
    }
}
