//! `http_get`: a page over HTTP.

use super::{BYTES_MAX, argument, spec, told, with_note};
use crate::effects;
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::{Granted, Request, address, fetch};
use serde_json::Value;
use std::time::Duration;
use stepwright_agent::AgentBuilder;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, StepContext};

pub(super) const KIND: ToolKind =
    ToolKind { name: "http_get", shown: "`http_get`", read, effects: effects::HTTP };

/// The timeout of a tool for a server.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
struct HttpTool {
    spec: ToolSpec,
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn read(_: &mut Reader<'_>, _: &Word, _: Option<&mut Fields<'_>>) -> Option<Box<dyn AgentTool>> {
    let spec = spec(
        "http_get",
        "Fetches a page over HTTP and gives its text.",
        "url",
        "The address, which begins with https:// or http://.",
    );
    Some(Box::new(HttpTool { spec }))
}

impl AgentTool for HttpTool {
    fn known_as(&self) -> &'static [&'static str] {
        &["http_get"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}

impl Tool for HttpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn access(&self, arguments: &Value) -> Effect {
        let url = arguments["url"].as_str().and_then(|url| address(url).ok());
        match url {
            Some(url) => effects::request(effects::HTTP, "GET", &url),
            // Such a call fails before it fetches anything.
            None => Effect::call(self.spec.name.as_str(), arguments),
        }
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let url = argument(&arguments, "url")?;
            let what = Request::get(url, TIMEOUT, BYTES_MAX);
            let page = fetch(what, &cx).await.map_err(told)?;
            Ok(with_note(page.text, page.note))
        })
    }
}
