//! `read_file`: a text file of the base directory.

use super::{BYTES_MAX, argument, spec, told, with_note};
use crate::effects;
use crate::format::reader::{Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::{Folder, Granted, acts, blocking};
use crate::tree::Node;
use serde_json::Value;
use std::sync::Arc;
use stepwright_agent::AgentBuilder;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, StepContext};

pub(super) const KIND: ToolKind = ToolKind { name: "read_file", read, effects: effects::READ };

#[derive(Debug)]
struct ReadFile;

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn read(
    reader: &mut Reader<'_>,
    name: &Word,
    settings: Option<&Node>,
) -> Option<Box<dyn AgentTool>> {
    reader.no_settings(name, settings);
    Some(Box::new(ReadFile))
}

impl AgentTool for ReadFile {
    fn known_as(&self) -> &'static [&'static str] {
        &["read_file"]
    }

    fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder {
        agent.tool(FileTool {
            spec: spec(
                "read_file",
                "Reads a text file of the working directory.",
                "path",
                "The path of the file, relative to the working directory.",
            ),
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
