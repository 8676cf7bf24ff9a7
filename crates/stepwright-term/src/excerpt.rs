//! The starts of messages, values and calls, each short enough for a part of a line.

use crate::text::harmless;
use serde_json::Value;
use stepwright_core::message::{Arguments, ToolCall};

/// The largest number of characters shown of a message.
const MESSAGE_CHARS_MAX: usize = 300;

/// The largest number of characters shown of an answered value.
const VALUE_CHARS_MAX: usize = 60;

/// The largest number of characters shown of a tool's arguments.
const ARGUMENTS_CHARS_MAX: usize = 60;

/// Returns the start of a message on one line.
pub(crate) fn short(message: &str) -> String {
    let message = harmless(message.trim());
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message,
    }
}

/// Returns the start of a value on one line.
pub(crate) fn value_of(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = harmless(&text);
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Formats a call as `search(query: "weather")`.
pub(crate) fn call(call: &ToolCall) -> String {
    let arguments = match &call.arguments {
        Arguments::Json(value) => match &**value {
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| format!("{key}: {value}"));
                members.collect::<Vec<_>>().join(", ")
            }
            Value::Null => String::new(),
            value => value.to_string(),
        },
        Arguments::Invalid(raw) => raw.clone(),
    };
    format!("{}({})", harmless(&call.name), cut(&harmless(&arguments), ARGUMENTS_CHARS_MAX))
}

/// Returns a text of at most this many characters; `…` stands for the rest.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}
