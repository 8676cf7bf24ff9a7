//! The tools of agents in files. A kind is a file, with its reading and its call, and a line in
//! [`TOOLS`].

mod agents;
mod duckduckgo;
mod files;
mod kits;
mod named;
mod python;
mod read_file;
mod sql;
mod web;
mod wikipedia;

use crate::format::reader::ToolKind;
use serde_json::Value;
use stepwright_core::StepError;
use stepwright_core::tool::ToolError;

/// The kinds of tools.
pub(crate) const TOOLS: &[ToolKind] = &[
    agents::AGENT,
    kits::ASK_USER,
    kits::CALCULATOR,
    kits::CLOCK,
    duckduckgo::KIND,
    named::EXTERNAL,
    files::KIND,
    named::FUNCTION,
    agents::HANDOFF,
    web::HTTP,
    web::GET,
    python::KIND,
    read_file::KIND,
    kits::SCRATCHPAD,
    sql::KIND,
    web::PAGE,
    wikipedia::KIND,
    named::WORKFLOW,
];

/// The maximum number of bytes that a tool reads, because models pay for every word.
const BYTES_MAX: u64 = 200_000;

fn argument(arguments: &Value, name: &str) -> Result<String, ToolError> {
    let text = arguments.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.map(ToOwned::to_owned)
        .ok_or_else(|| ToolError::Arguments(format!("`{name}` is missing, or is no text")))
}

// The model sees the error and may try another path or URL. It cannot end the step.
fn told(error: StepError) -> ToolError {
    ToolError::Failed(error.data.message)
}
