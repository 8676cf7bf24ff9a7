//! Resources and prompts of a server.

use crate::answer;
use crate::explained::explained;
use crate::link::Link;
use crate::runtime::runtime;
use crate::trace::meta_of;
use crate::unusable::Unusable;
use rmcp::model::{
    ContentBlock, GetPromptRequestParams, PaginatedRequestParams, ReadResourceRequestParams,
    RequestMetaObject,
};
use rmcp::service::{Peer, RoleClient, ServiceError};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{Tool, ToolAnswer, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, StepContext};

/// The largest number of entries in a list for a model.
const ENTRIES_MAX: usize = 500;

/// A request that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    ListResources,
    ReadResource,
    ListPrompts,
    GetPrompt,
}

impl Reading {
    pub(crate) const ALL: [Self; 4] =
        [Self::ListResources, Self::ReadResource, Self::ListPrompts, Self::GetPrompt];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListResources => "list_resources",
            Self::ReadResource => "read_resource",
            Self::ListPrompts => "list_prompts",
            Self::GetPrompt => "get_prompt",
        }
    }

    fn description(self, server: &str) -> String {
        match self {
            Self::ListResources => {
                format!("Lists the resources of `{server}`, with their addresses.")
            }
            Self::ReadResource => format!("Reads a resource of `{server}`."),
            Self::ListPrompts => format!("Lists the prompts of `{server}`, with their arguments."),
            Self::GetPrompt => format!("Returns a prompt of `{server}`, filled with arguments."),
        }
    }

    fn parameters(self) -> Value {
        let (properties, required) = match self {
            Self::ListResources | Self::ListPrompts => (json!({}), json!([])),
            Self::ReadResource => (
                json!({"uri": {"type": "string", "description": "The address of the resource."}}),
                json!(["uri"]),
            ),
            Self::GetPrompt => (
                json!({
                    "name": {"type": "string", "description": "The name of the prompt."},
                    "arguments": {"type": "object", "description": "Its arguments: texts by name."},
                }),
                json!(["name"]),
            ),
        };
        json!({"type": "object", "properties": properties, "required": required})
    }

    /// Returns the tool for an agent.
    pub(crate) fn tool(self, link: &Arc<Link>, name: String, timeout: Duration) -> ReadingTool {
        let (description, parameters) = (self.description(&link.name), self.parameters());
        let spec = ToolSpec { name, description, parameters };
        ReadingTool { link: link.clone(), reading: self, spec, timeout }
    }
}

/// A tool that reads resources or prompts.
#[derive(Debug)]
pub(crate) struct ReadingTool {
    link: Arc<Link>,
    reading: Reading,
    spec: ToolSpec,
    timeout: Duration,
}

impl Tool for ReadingTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move { self.answer(arguments, cx).await.map(|answer| answer.text) })
    }

    fn answer(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        Box::pin(read(&self.link, self.reading, arguments, meta_of(&cx)))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn access(&self, arguments: &Value) -> Effect {
        let server = &self.link.name;
        let effect = Effect::call(format!("mcp:{server}:{}", self.reading.name()), arguments);
        effect.also(self.spec.name.as_str()).also(format!("mcp:{server}:hint.read-only"))
    }
}

/// Carries out a request that changes nothing.
pub(crate) async fn read(
    link: &Arc<Link>,
    reading: Reading,
    arguments: Value,
    meta: Option<RequestMetaObject>,
) -> Result<ToolAnswer, ToolError> {
    let link = link.clone();
    let task = runtime().spawn(async move {
        let failed = |why: Unusable| {
            ToolError::Failed(format!("MCP server `{}` cannot be used: {why}", link.name))
        };
        let running = link.connected().await.map_err(failed)?;
        answered(&link, running.peer(), reading, &arguments, meta).await
    });
    task.await.unwrap_or_else(|error| Err(ToolError::Failed(error.to_string())))
}

fn of_error(link: &Link, error: ServiceError) -> ToolError {
    match error {
        ServiceError::McpError(error) => ToolError::Failed(error.message.into_owned()),
        error => ToolError::Failed(link.cleaned(&explained(&error))),
    }
}

fn text(arguments: &Value, name: &str) -> Result<String, ToolError> {
    let text = arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.map(ToOwned::to_owned);
    text.ok_or_else(|| ToolError::Arguments(format!("`{name}` is missing, or is no text")))
}

async fn answered(
    link: &Link,
    peer: &Peer<RoleClient>,
    reading: Reading,
    arguments: &Value,
    meta: Option<RequestMetaObject>,
) -> Result<ToolAnswer, ToolError> {
    let refused = |error| of_error(link, error);
    let mut answer = ToolAnswer::default();
    match reading {
        Reading::ListResources => {
            let (mut cursor, mut count) = (None, 0);
            loop {
                let mut page = PaginatedRequestParams::default().with_cursor(cursor);
                page.meta.clone_from(&meta);
                let page = peer.list_resources(Some(page)).await.map_err(refused)?;
                count += page.resources.len();
                for resource in page.resources {
                    answer::add(&mut answer, ContentBlock::ResourceLink(resource));
                }
                cursor = page.next_cursor;
                if cursor.is_none() || count >= ENTRIES_MAX {
                    break;
                }
            }
        }
        Reading::ReadResource => {
            let mut params = ReadResourceRequestParams::new(text(arguments, "uri")?);
            params.meta = meta;
            let read = peer.read_resource(params).await.map_err(refused)?;
            for contents in read.contents {
                answer::resource(&mut answer, contents);
            }
        }
        Reading::ListPrompts => {
            let (mut cursor, mut count) = (None, 0);
            loop {
                let mut page = PaginatedRequestParams::default().with_cursor(cursor);
                page.meta.clone_from(&meta);
                let page = peer.list_prompts(Some(page)).await.map_err(refused)?;
                count += page.prompts.len();
                for prompt in page.prompts {
                    let arguments = json!(prompt.arguments.unwrap_or_default());
                    let about = prompt.description.unwrap_or_default();
                    answer::line(
                        &mut answer.text,
                        &format!("{}: {about} {arguments}", prompt.name),
                    );
                }
                cursor = page.next_cursor;
                if cursor.is_none() || count >= ENTRIES_MAX {
                    break;
                }
            }
        }
        Reading::GetPrompt => {
            let mut params = GetPromptRequestParams::new(text(arguments, "name")?);
            params.meta = meta;
            let given: Option<&Map<String, Value>> =
                arguments.get("arguments").and_then(Value::as_object);
            if let Some(given) = given {
                params = params.with_arguments(given.clone());
            }
            let got = peer.get_prompt(params).await.map_err(refused)?;
            for message in got.messages {
                answer::add(&mut answer, message.content);
            }
        }
    }
    if answer.text.is_empty() && answer.media.is_empty() {
        answer.text.push_str("nothing");
    }
    Ok(answer)
}
