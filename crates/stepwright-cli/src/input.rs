//! The input of the run.

use crate::args::Run;
use crate::input_media;
use crate::input_pairs;
use crate::input_text::{read_file, without_line_break};
use serde_json::Value;
use std::path::Path;
use stepwright::{Content, Error, ErrorId, Media, MediaInput};
use stepwright_core::json::{self, JsonError};

/// The argument that stands for the text on stdin.
const STDIN: &str = "-";

/// Parses typed input as the schema demands.
pub(crate) fn typed(text: &str, schema: Option<&Value>) -> Result<Content, Error> {
    parse(text, "the input", schema)
}

/// The format that the schema of a workflow demands for its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    /// JSON if it is an object or an array.
    Either,
}

/// Reads the input of the run as the schema demands.
pub(crate) fn read(
    arguments: &Run,
    schema: Option<&Value>,
    taken: &[MediaInput],
) -> Result<(Content, Vec<Media>), Error> {
    let (media, pairs) = input_media::split(&arguments.pairs, taken)?;
    content(arguments, &pairs, schema).map(|content| (content, media))
}

fn content(arguments: &Run, pairs: &[String], schema: Option<&Value>) -> Result<Content, Error> {
    if let Some(pair) = pairs.first() {
        if arguments.input.is_some() || arguments.input_file.is_some() {
            let other = if arguments.input.is_some() { "INPUT" } else { "--input-file" };
            let error = Error::usage(format!("`-i {pair}` cannot be used with `{other}`"));
            return Err(error.with_id(ErrorId::VALUE_INVALID).with_hint(
                "give the whole input at once, or all of its members with `-i`; beside an input, \
                 `-i` names media that the workflow declares under `media`",
            ));
        }
        return input_pairs::of_pairs(pairs, schema);
    }
    let file: &Path = match (&arguments.input, &arguments.input_file) {
        (Some(text), _) if text == STDIN => Path::new(STDIN),
        (Some(text), _) => return parse(text, "INPUT", schema),
        (None, Some(path)) => path,
        (None, None) => return Ok(Content::default()),
    };
    let (text, shown) = read_file(file)?;
    parse(without_line_break(&text), &shown, schema)
}

impl Form {
    fn of(schema: Option<&Value>) -> Self {
        let Some(schema) = schema else { return Self::Text };
        match schema.get("type") {
            Some(Value::String(one)) if one == "string" => Self::Text,
            Some(Value::Array(several)) if several.iter().any(|one| one == "string") => {
                if several.len() == 1 { Self::Text } else { Self::Either }
            }
            Some(_) => Self::Json,
            None => Self::Either,
        }
    }
}

fn parse(text: &str, shown: &str, schema: Option<&Value>) -> Result<Content, Error> {
    let form = Form::of(schema);
    // The default stands for it.
    let has_default = schema.is_some_and(|schema| schema.get("default").is_some());
    if has_default && form == Form::Json && text.trim().is_empty() {
        return Ok(Content::default());
    }
    let parsed = match form {
        Form::Text => return Ok(text.into()),
        Form::Json | Form::Either => json::parse(text),
    };
    match (parsed, form) {
        (Ok(value), Form::Json) => Ok(value.into()),
        (Ok(value), _) if value.is_object() || value.is_array() => Ok(value.into()),
        // This is JSON, but its parsed form would differ from the text.
        (Err(error), _)
            if !matches!(error, JsonError::Syntax(_))
                && (form == Form::Json || text.trim_start().starts_with(['{', '['])) =>
        {
            Err(Error::usage(format!("{shown} cannot be used: {error}"))
                .with_id(ErrorId::INPUT_NOT_JSON))
        }
        (Err(error), Form::Json) => {
            let wanted = "the workflow declares an input that is no text, so it is read as JSON";
            let error = Error::usage(format!("{shown} is not JSON: {error}"));
            Err(error.with_id(ErrorId::INPUT_NOT_JSON).with_hint(wanted))
        }
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_as(schema: Option<&Value>, text: &str) -> Result<Value, String> {
        let content = parse(text, "INPUT", schema);
        content.map(|content| content.to_value()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_schema_decides_how_the_input_is_read() {
        let object = r#"{"a": 1}"#;
        assert_eq!(read_as(None, object), Ok(json!(object)));
        assert_eq!(read_as(Some(&json!({"type": "string"})), object), Ok(json!(object)));
        assert_eq!(read_as(Some(&json!({"type": ["string"]})), object), Ok(json!(object)));
        assert_eq!(read_as(Some(&json!({"type": "object"})), object), Ok(json!({"a": 1})));
        assert_eq!(read_as(Some(&json!({"type": "integer"})), "-3"), Ok(json!(-3)));
        assert_eq!(read_as(Some(&json!({"type": ["array", "null"]})), "null"), Ok(json!(null)));
        // The default stands for an empty text.
        assert_eq!(read_as(Some(&json!({"type": "integer", "default": 7})), " "), Ok(json!(null)));
        assert!(read_as(Some(&json!({"type": "integer"})), " ").is_err());
        assert_eq!(
            read_as(Some(&json!({"type": "object"})), "{a}"),
            Err("INPUT is not JSON: key must be a string at line 1 column 2".to_owned())
        );
    }

    #[test]
    fn where_both_would_do_objects_and_arrays_are_json() {
        for schema in
            [json!({"type": ["string", "object"]}), json!({"properties": {}}), json!(true)]
        {
            assert_eq!(read_as(Some(&schema), r#"{"a": 1}"#), Ok(json!({"a": 1})));
            assert_eq!(read_as(Some(&schema), "[1]"), Ok(json!([1])));
            assert_eq!(read_as(Some(&schema), "3"), Ok(json!("3")));
            assert_eq!(read_as(Some(&schema), "{a}"), Ok(json!("{a}")));
        }
    }

    #[test]
    fn a_name_twice_is_an_error_where_the_input_is_json() {
        let twice = r#"{"a": 1, "a": 2}"#;
        let wanted = "INPUT cannot be used: an object has `a` twice at line 1 column 10";
        for schema in [json!({"type": "object"}), json!(true)] {
            assert_eq!(read_as(Some(&schema), twice), Err(wanted.to_owned()));
        }
        assert_eq!(read_as(None, twice), Ok(json!(twice)));
    }
}
