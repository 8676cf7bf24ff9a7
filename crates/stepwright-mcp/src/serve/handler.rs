//! The answers to the requests of clients.

use super::{follow, operate};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, ListToolsResult, PaginatedRequestParams, RequestStateCodec, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use stepwright_core::Content;
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

/// What all clients share.
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

#[derive(Clone, Debug)]
pub(super) struct Handler(pub(super) Arc<Shared>);

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let about = "Each tool is a workflow, and each call is a run of it. A run may take long, \
                     and may ask a person.";
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("stepwright", env!("CARGO_PKG_VERSION")))
            .with_instructions(about)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.tools.clone()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.clone().unwrap_or_default();
        if let Some(served) = self.0.served.iter().find(|it| it.tool.name == request.name) {
            if let Some(state) = &request.request_state {
                let answers = request.input_responses.clone().unwrap_or_default();
                return follow::go_on(&self.0, served, state, &answers, &context).await;
            }
            let input = if served.takes_object {
                Content::from(Value::Object(arguments))
            } else {
                match arguments.get("message") {
                    Some(message) => Content::from(message.clone()),
                    None => return Err(ErrorData::invalid_params("`message` is missing", None)),
                }
            };
            return follow::begin(&self.0, served, input, &context).await;
        }
        if let Some(runs) = &self.0.runs {
            let called = operate::call(&self.0, runs, &request.name, &arguments, &context).await;
            if let Some(result) = called {
                return result;
            }
        }
        Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None))
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
