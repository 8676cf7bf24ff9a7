//! The parts of a server that all clients share.

use rmcp::model::{CallToolResult, ContentBlock, RequestStateCodec, Tool};
use serde_json::{Map, Value};
use std::fmt;
use stepwright_engine::{Runs, Workflow};

/// A workflow that is a tool.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) tool: Tool,
    pub(super) workflow: Workflow,
    /// `true` if the arguments are the input. Otherwise that is their `message`.
    pub(super) takes_object: bool,
    /// The metadata of its runs.
    pub(super) metadata: Map<String, Value>,
}

/// The parts that all clients share.
pub(super) struct Shared {
    pub(super) served: Vec<Served>,
    pub(super) tools: Vec<Tool>,
    pub(super) runs: Option<Runs>,
    pub(super) operates: bool,
    pub(super) user: Option<String>,
    pub(super) session: Option<String>,
    pub(super) codec: RequestStateCodec,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("served", &self.served).finish_non_exhaustive()
    }
}

/// Returns a result that the model of the client reads as a failure.
pub(super) fn failed(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// Returns a result with a value, as text and as structured content.
pub(super) fn value(value: Value) -> CallToolResult {
    let text = format!("{value:#}");
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    // Earlier protocols have objects alone.
    if value.is_object() {
        result.structured_content = Some(value);
    }
    result
}
