//! The tools that agents in files can use.

use crate::functions::{Fetch, Folder, blocking, fetch};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::AgentBuilder;
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, StepContext, StepError};

/// The names of the tools.
pub(crate) const NAMES: [&str; 3] = ["duckduckgo", "http_get", "read_file"];

/// The maximum number of bytes that a tool reads, because models pay for every word.
const BYTES_MAX: u64 = 200_000;
/// The timeout of a tool for a server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A tool with its settings.
#[derive(Clone, Debug)]
pub(crate) enum Chosen {
    #[cfg(feature = "duckduckgo")]
    DuckDuckGo(Box<stepwright_tools::DuckDuckGo>),
    HttpGet,
    ReadFile,
}

impl Chosen {
    /// Returns the name of the tool in files.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            #[cfg(feature = "duckduckgo")]
            Self::DuckDuckGo(_) => "duckduckgo",
            Self::HttpGet => "http_get",
            Self::ReadFile => "read_file",
        }
    }

    /// Returns the names that models see. Some tools have several.
    pub(crate) fn known_as(&self) -> &'static [&'static str] {
        match self {
            #[cfg(feature = "duckduckgo")]
            Self::DuckDuckGo(_) => &["web_search", "search_news"],
            Self::HttpGet => &["http_get"],
            Self::ReadFile => &["read_file"],
        }
    }

    /// Adds the tool to an agent. Tools may read `folder`.
    pub(crate) fn give_to(&self, agent: AgentBuilder, folder: &Arc<Folder>) -> AgentBuilder {
        match self {
            #[cfg(feature = "duckduckgo")]
            Self::DuckDuckGo(search) => agent.tool(search.as_ref().clone()),
            Self::HttpGet => agent.tool(HttpTool {
                spec: spec(
                    "http_get",
                    "Fetches a page over HTTP and gives its text.",
                    "url",
                    "The address, which begins with https:// or http://.",
                ),
            }),
            Self::ReadFile => agent.tool(FileTool {
                spec: spec(
                    "read_file",
                    "Reads a text file of the working directory.",
                    "path",
                    "The path of the file, relative to the working directory.",
                ),
                folder: folder.clone(),
            }),
        }
    }
}

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

struct FileTool {
    spec: ToolSpec,
    folder: Arc<Folder>,
}

impl Tool for FileTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn call(&self, arguments: Value, _: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let (path, folder) = (argument(&arguments, "path")?, self.folder.clone());
            let read = blocking(move || folder.read(&path, BYTES_MAX)).await;
            let (text, note) = read.map_err(told)?;
            Ok(with_note(text, note))
        })
    }
}

struct HttpTool {
    spec: ToolSpec,
}

impl Tool for HttpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let url = argument(&arguments, "url")?;
            let what = Fetch { url, timeout: TIMEOUT, max_bytes: BYTES_MAX };
            let page = fetch(&what, &cx).await.map_err(told)?;
            Ok(with_note(page.text, page.note))
        })
    }
}
