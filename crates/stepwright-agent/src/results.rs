//! Long results of tools: the model reads the beginning, and the rest by offset.

use crate::arguments::check_names;
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::message::{Message, ToolOutcome};
use stepwright_core::tool::{ToolError, ToolSpec};

/// The longest tool result given to a model, in bytes. The rest is cut off, and the result says so.
/// A longer text fills the context window of every model.
pub const TOOL_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// The name of the tool that reads the rest of a long result. An agent has it if one of its tools
/// has a limit of its results: see [`ToolOptions::max_bytes`](crate::ToolOptions::max_bytes).
///
/// ```
/// assert_eq!(stepwright_agent::READ_RESULT, "read_result");
/// ```
pub const READ_RESULT: &str = "read_result";

/// The largest part of a long result that the model reads on at once, in bytes.
const PART_BYTES_MAX: usize = 20_000;

/// Returns the description of the tool for the model.
pub(crate) fn spec() -> ToolSpec {
    let whole = |least: u64, about: &str| {
        let kind = "integer";
        json!({"type": kind, "minimum": least, "description": about})
    };
    ToolSpec {
        name: READ_RESULT.into(),
        description: "Reads on in a long result of a tool, of which you have seen the beginning."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "result": whole(1, "The number of the result, as stated at its end."),
                "offset": whole(0, "The byte to begin with."),
                "limit": whole(1, "The number of bytes to read, at most 20000."),
            },
            "required": ["result", "offset"],
            "additionalProperties": false,
        }),
    }
}

/// Shortens the text of an outcome to what the model reads at once. `number` is the number of the
/// result in its conversation.
pub(crate) fn limited(mut outcome: ToolOutcome, number: usize, limit: usize) -> ToolOutcome {
    if outcome.text.len() > limit {
        let whole: Arc<str> = outcome.text.into();
        outcome.text = part(&whole, number, 0, limit);
        outcome.whole = Some(whole);
    }
    outcome
}

/// Returns a part of a result, and where it goes on.
fn part(whole: &str, number: usize, offset: usize, limit: usize) -> String {
    let from = whole.floor_char_boundary(offset);
    let mut to = whole.floor_char_boundary(from.saturating_add(limit));
    if to == from {
        // One character is longer than the limit.
        to = whole.ceil_char_boundary(from + 1);
    }
    let text = &whole[from..to];
    if to == whole.len() {
        return text.to_owned();
    }
    let bytes = whole.len();
    format!(
        "{text}\n[these are the bytes {from} to {to} of {bytes}; read on with `{READ_RESULT}`: \
         {{\"result\": {number}, \"offset\": {to}}}]"
    )
}

/// Returns the number of results in a conversation.
pub(crate) fn count(messages: &[Message]) -> usize {
    outcomes(messages).count()
}

fn outcomes(messages: &[Message]) -> impl Iterator<Item = &ToolOutcome> {
    messages.iter().flat_map(|message| match message {
        Message::Tool { results } => results.as_slice(),
        _ => &[],
    })
}

/// Answers a call of the tool.
pub(crate) fn read(messages: &[Message], arguments: &Value) -> Result<String, ToolError> {
    check_names(&spec(), arguments)?;
    let number = |name: &str| match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|value| usize::try_from(value).ok()) {
            Some(value) => Ok(Some(value)),
            None => Err(ToolError::Arguments(format!("`{name}` must be a whole number"))),
        },
    };
    let missing = |name: &str| ToolError::Arguments(format!("`{name}` is missing"));
    let result = number("result")?.ok_or_else(|| missing("result"))?;
    let offset = number("offset")?.ok_or_else(|| missing("offset"))?;
    let limit = number("limit")?.unwrap_or(PART_BYTES_MAX).clamp(1, PART_BYTES_MAX);
    let found = result.checked_sub(1).and_then(|nth| outcomes(messages).nth(nth));
    let Some(whole) = found.and_then(|outcome| outcome.whole.as_deref()) else {
        let long = outcomes(messages).zip(1..).filter(|(outcome, _)| outcome.whole.is_some());
        let long: Vec<String> = long.map(|(_, number)| number.to_string()).collect();
        let known = match long.as_slice() {
            [] => "there is none".to_owned(),
            long => format!("these go on: {}", long.join(", ")),
        };
        return Err(ToolError::Failed(format!("result {result} does not go on; {known}")));
    };
    if offset >= whole.len() {
        let bytes = whole.len();
        let message = format!("`offset` is {offset}, and the result has {bytes} bytes");
        return Err(ToolError::Arguments(message));
    }
    Ok(part(whole, result, offset, limit))
}
