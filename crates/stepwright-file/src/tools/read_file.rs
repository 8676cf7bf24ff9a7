//! `read_file`: a text file of the base directory.

use super::{BYTES_MAX, argument, told};
use crate::effects;
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::{Folder, Granted, acts, blocking};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_agent::AgentBuilder;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, StepContext};
use stepwright_tools::__private::files::lines_with_notes;

pub(super) const KIND: ToolKind = ToolKind {
    name: "read_file",
    shown: "`read_file`",
    read,
    effects: effects::READ,
    settings: &[],
    needs: &[],
};

#[derive(Debug)]
struct ReadFile;

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn read(_: &mut Reader<'_>, _: &Word, _: Option<&mut Fields<'_>>) -> Option<Box<dyn AgentTool>> {
    Some(Box::new(ReadFile))
}

impl AgentTool for ReadFile {
    fn known_as(&self) -> &'static [&'static str] {
        &["read_file"]
    }

    fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder {
        let whole = |about: &str| json!({"type": "integer", "minimum": 1, "description": about});
        let path = "The path of the file, relative to the working directory.";
        let first = "The number of the first line to read, from 1. Default: 1.";
        let most = "The number of lines to read. Default: as many as one answer may have.";
        agent.tool(FileTool {
            spec: ToolSpec {
                name: "read_file".into(),
                description: "Reads a text file of the working directory, or some of its lines. A \
                              long file is read in parts."
                    .into(),
                parameters: json!({
                    "type": "object",
                    "properties": {
                        "path": {"type": "string", "description": path},
                        "offset": whole(first),
                        "limit": whole(most),
                    },
                    "required": ["path"],
                    "additionalProperties": false,
                }),
            },
            folder: granted.folder.clone(),
        })
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

    fn access(&self, arguments: &Value) -> Effect {
        let path = arguments["path"].as_str().unwrap_or_default();
        acts::file(effects::READ, &self.folder, path, false)
            .unwrap_or_else(|_| Effect::call(self.spec.name.as_str(), arguments))
    }

    fn access_in(&self, arguments: &Value, cx: &StepContext) -> Effect {
        let path = arguments["path"].as_str().unwrap_or_default();
        let folder = self.folder.of_step(cx);
        let named = folder.and_then(|folder| acts::file(effects::READ, &folder, path, false));
        named.unwrap_or_else(|_| Effect::call(self.spec.name.as_str(), arguments))
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let path = argument(&arguments, "path")?;
            let folder = self.folder.of_step(&cx).map_err(told)?;
            let first = number(&arguments, "offset")?.unwrap_or(1);
            let most = number(&arguments, "limit")?.unwrap_or(u64::MAX);
            let read = blocking(move || folder.read_lines(&path, first, most, BYTES_MAX));
            let lines = read.await.map_err(told)?;
            Ok(lines_with_notes(first, lines))
        })
    }
}

/// Returns a number of lines.
fn number(arguments: &Value, name: &str) -> Result<Option<u64>, ToolError> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| *number > 0) {
            Some(number) => Ok(Some(number)),
            None => Err(ToolError::Arguments(format!("`{name}` is a whole number from 1"))),
        },
    }
}
