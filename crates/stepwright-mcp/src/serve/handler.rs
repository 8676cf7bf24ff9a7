//! The answers to the requests of clients.

use super::shared::Shared;
use super::{follow, operate, task};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ErrorData, GetTaskParams,
    GetTaskResult, Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool, UpdateTaskParams,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::Content;

#[derive(Clone, Debug)]
pub(super) struct Handler(pub(super) Arc<Shared>);

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tasks().build();
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

    /// The SDK checks the headers that repeat arguments against the schema of the tool.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.tools.iter().find(|tool| tool.name == name).cloned()
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

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        task::state(&self.0, &request.task_id, &context).await.map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        task::answered(&self.0, &request.task_id, &request.input_responses).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        task::cancelled(&self.0, &request.task_id).await
    }
}
