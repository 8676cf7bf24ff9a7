//! Tasks, messages and parts, in the form of 1.0 and in that of 0.3.

use super::fault::Fault;
use crate::v1::RequestView;
use crate::wire::media::{decoded, is_web};
use serde_json::{Value, json};
use stepwright_core::{Content, Media, MediaKind, RunOutput, RunStatus};

/// The version of the protocol, which the name of the method tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V03,
}

/// The content of a message.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) data: Option<Value>,
    pub(super) media: Vec<Media>,
}

impl Version {
    /// Adds the member by which 0.3 tells objects apart.
    fn kind(self, mut object: Value, kind: &str) -> Value {
        if self == Self::V03 {
            object["kind"] = json!(kind);
        }
        object
    }

    fn state(self, state: &str) -> Value {
        match self {
            Self::V1 => json!(format!("TASK_STATE_{}", state.replace('-', "_").to_uppercase())),
            Self::V03 => json!(state),
        }
    }

    fn text(self, text: &str) -> Value {
        self.kind(json!({"text": text}), "text")
    }

    /// Returns a content as a part. The data of 0.3 are objects.
    fn content(self, content: &Content) -> Value {
        match content.to_value() {
            Value::String(text) => self.text(&text),
            value if self == Self::V1 || value.is_object() => {
                self.kind(json!({"data": value}), "data")
            }
            _ => self.text(&content.pretty()),
        }
    }

    /// Returns a medium as a part. `None` if only the store has its bytes, or this machine.
    fn medium(self, medium: &Media) -> Option<Value> {
        // The core writes base64.
        let written = serde_json::to_value(medium).unwrap_or_default();
        let source = &written["source"];
        let (from, value) = [("url", "url"), ("raw", "bytes")]
            .into_iter()
            .find_map(|(name, own)| Some((name, source[own].as_str()?.to_owned())))?;
        Some(match self {
            Self::V1 => filled(json!({
                from: value, "mediaType": medium.mime, "filename": medium.name,
            })),
            Self::V03 => {
                let from = if from == "url" { "uri" } else { "bytes" };
                let file = json!({from: value, "mimeType": medium.mime, "name": medium.name});
                json!({"kind": "file", "file": filled(file)})
            }
        })
    }

    fn message(self, output: &RunOutput, id: &str, is_user: bool, parts: &[Value]) -> Value {
        let role = match (self, is_user) {
            (Self::V1, true) => "ROLE_USER",
            (Self::V1, false) => "ROLE_AGENT",
            (Self::V03, true) => "user",
            (Self::V03, false) => "agent",
        };
        let message = json!({
            "messageId": id, "contextId": output.session_id, "taskId": output.run_id,
            "role": role, "parts": parts,
        });
        self.kind(message, "message")
    }

    /// Returns the status of a run, with its questions or its failure as a message.
    pub(super) fn status(self, output: &RunOutput, at: &str) -> Value {
        let asked: Vec<_> =
            output.requirements.iter().filter(|asked| asked.needs_person()).collect();
        let (state, parts) = match output.status {
            RunStatus::Pending => ("submitted", Vec::new()),
            RunStatus::Completed => ("completed", Vec::new()),
            RunStatus::Cancelled => ("canceled", Vec::new()),
            RunStatus::Error => {
                let why = output.error.as_ref().map(|failure| failure.error.message.clone());
                ("failed", vec![self.text(&why.unwrap_or_default())])
            }
            RunStatus::Paused if !asked.is_empty() => {
                let mut parts: Vec<Value> =
                    asked.iter().map(|asked| self.text(&asked.message)).collect();
                let requests: Vec<RequestView> =
                    asked.iter().map(|asked| RequestView::from(*asked)).collect();
                parts.push(self.kind(json!({"data": {"requests": requests}}), "data"));
                ("input-required", parts)
            }
            _ => {
                ("working", output.awaited_events().iter().map(|waits| self.text(waits)).collect())
            }
        };
        let mut status = json!({"state": self.state(state), "timestamp": at});
        if !parts.is_empty() {
            let id = format!("{}/{state}", output.run_id);
            status["message"] = self.message(output, &id, false, &parts);
        }
        status
    }

    /// Returns the output of a run as an artifact. `None` if it has none.
    pub(super) fn artifact(self, output: &RunOutput) -> Option<Value> {
        let mut parts = Vec::new();
        if output.status == RunStatus::Completed && !output.content.is_empty() {
            parts.push(self.content(&output.content));
        }
        parts.extend(output.media.iter().filter_map(|medium| self.medium(medium)));
        let artifact = json!({"artifactId": ARTIFACT, "name": "output", "parts": parts});
        (!parts.is_empty()).then_some(artifact)
    }

    /// Returns a run as a task.
    pub(super) fn task(self, output: &RunOutput, at: &str) -> Value {
        let said = [self.content(&output.input)];
        let id = format!("{}/input", output.run_id);
        let mut task = json!({
            "id": output.run_id, "contextId": output.session_id,
            "status": self.status(output, at),
            "history": [self.message(output, &id, true, &said)],
        });
        if let Some(artifact) = self.artifact(output) {
            task["artifacts"] = json!([artifact]);
        }
        self.kind(task, "task")
    }

    /// Returns a task as the result of a message, or as the first event of a stream.
    pub(super) fn sent(self, task: Value) -> Value {
        if self == Self::V1 { json!({"task": task}) } else { task }
    }

    /// Returns the status as the last event of a stream.
    pub(super) fn last_status(self, output: &RunOutput, at: &str) -> Value {
        let mut update = json!({
            "taskId": output.run_id, "contextId": output.session_id,
            "status": self.status(output, at),
        });
        match self {
            Self::V1 => json!({"statusUpdate": update}),
            Self::V03 => {
                update["final"] = json!(true);
                self.kind(update, "status-update")
            }
        }
    }

    /// Returns an artifact, or a piece of one, as an event of a stream.
    pub(super) fn artifact_update(
        self,
        (run, session): (&str, &str),
        artifact: &Value,
        (append, is_last): (bool, bool),
    ) -> Value {
        let update = json!({
            "taskId": run, "contextId": session, "artifact": artifact,
            "append": append, "lastChunk": is_last,
        });
        match self {
            Self::V1 => json!({"artifactUpdate": update}),
            Self::V03 => self.kind(update, "artifact-update"),
        }
    }

    /// Returns a piece of the text of the output.
    pub(super) fn piece(self, text: &str) -> Value {
        json!({"artifactId": ARTIFACT, "name": "output", "parts": [self.text(text)]})
    }
}

/// The only artifact of a task.
const ARTIFACT: &str = "output";

/// Leaves out the members without a value.
fn filled(object: Value) -> Value {
    match object {
        Value::Object(all) => {
            Value::Object(all.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

/// Reads the parts of a message, in either form.
pub(super) fn said(message: &Value) -> Result<Said, Fault> {
    let parts = message["parts"].as_array().filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(|| Fault::params("`message.parts` is not a list of parts"))?;
    let (mut said, mut texts) = (Said::default(), Vec::new());
    for part in parts {
        if let Some(text) = part["text"].as_str() {
            texts.push(text);
        } else if let Some(data) = part.get("data") {
            if said.data.replace(data.clone()).is_some() {
                return Err(Fault::params("a message has at most one part with `data`"));
            }
        } else {
            let medium = medium(part).or_else(|| medium(&part["file"]));
            said.media.push(medium.ok_or_else(|| Fault::params("a part cannot be read"))?);
        }
    }
    said.text = texts.join("\n");
    Ok(said)
}

fn medium(part: &Value) -> Option<Media> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| part[name].as_str());
    let mime = text(["mediaType", "mimeType"]);
    let kind = match mime.and_then(|mime| mime.split('/').next()) {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    };
    let medium = match text(["url", "uri"]) {
        Some(url) => Some(url).filter(|url| is_web(url)).map(|url| Media::url(kind, url)),
        None => decoded(kind, text(["raw", "bytes"])?, mime.unwrap_or("application/octet-stream")),
    };
    let name = text(["filename", "name"]);
    medium.map(|medium| match name {
        Some(name) => medium.with_name(name),
        None => medium,
    })
}
