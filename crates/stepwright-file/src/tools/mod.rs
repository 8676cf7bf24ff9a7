//! The tools of agents in files. A kind is a file, with its reading and its call, and a line in
//! [`TOOLS`].

mod duckduckgo;
mod http_get;
mod read_file;

use crate::format::reader::ToolKind;
use serde_json::{Value, json};
use stepwright_core::StepError;
use stepwright_core::tool::{ToolError, ToolSpec};

/// The kinds of tools.
pub(crate) const TOOLS: &[ToolKind] = &[duckduckgo::KIND, http_get::KIND, read_file::KIND];

/// The maximum number of bytes that a tool reads, because models pay for every word.
const BYTES_MAX: u64 = 200_000;

fn spec(name: &str, description: &str, argument: &str, about: &str) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: description.into(),
        parameters: json!({
            "type": "object",
            "properties": {argument: {"type": "string", "description": about}},
            "required": [argument],
            "additionalProperties": false,
        }),
    }
}

fn argument(arguments: &Value, name: &str) -> Result<String, ToolError> {
    let text = arguments.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.map(ToOwned::to_owned)
        .ok_or_else(|| ToolError::Arguments(format!("`{name}` is missing, or is no text")))
}

// The model sees the error and may try another path or URL. It cannot end the step.
fn told(error: StepError) -> ToolError {
    ToolError::Failed(error.data.message)
}

fn with_note(text: String, note: Option<String>) -> String {
    match note {
        Some(note) => format!("({note})\n\n{text}"),
        None => text,
    }
}
