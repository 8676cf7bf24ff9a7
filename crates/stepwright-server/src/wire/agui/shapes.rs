//! The requests of clients of AG-UI.

use crate::error::Problem;
use crate::state::Served;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepwright_core::{Content, Media, MediaKind};

/// A request to run an agent. Its `tools` are ignored: an agent has its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunAgentInput {
    pub(super) thread_id: String,
    pub(super) run_id: String,
    #[serde(default)]
    pub(super) messages: Vec<Message>,
    #[serde(default)]
    pub(super) state: Value,
    #[serde(default)]
    pub(super) context: Vec<Value>,
    #[serde(default)]
    pub(super) forwarded_props: Value,
    #[serde(default)]
    pub(super) resume: Option<Vec<ResumeEntry>>,
}

/// A message of the conversation.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

/// An answer to an interrupt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumeEntry {
    pub(super) interrupt_id: String,
    pub(super) status: ResumeStatus,
    #[serde(default)]
    pub(super) payload: Value,
}

/// The kind of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResumeStatus {
    Resolved,
    Cancelled,
}

impl RunAgentInput {
    /// Returns the input of a run: the last message, which must be the user's. The session has the
    /// earlier ones.
    pub(super) fn prompt(&self, served: &Served) -> Result<(Content, Vec<Media>), Problem> {
        let last = self.messages.last().filter(|message| message.role == "user");
        let Some(last) = last else {
            let problem = Problem::bad("the last message is not a message of the user");
            return Err(problem.with_help("to answer an interrupt, send `resume`"));
        };
        let (text, media) = parts(&last.content)?;
        let content = served.content(text).map_err(|error| {
            Problem::bad(format!("the last message is not the JSON of the input: {error}"))
        })?;
        Ok((content, media))
    }

    /// Returns the members of the session state to set.
    pub(super) fn state(&self) -> Result<Map<String, Value>, Problem> {
        match &self.state {
            Value::Null => Ok(Map::new()),
            Value::Object(state) => Ok(state.clone()),
            _ => Err(Problem::bad("`state` is not an object")),
        }
    }

    /// Returns the data for the steps: `forwardedProps`, and `context` if there is one.
    pub(super) fn data(&self) -> Result<Map<String, Value>, Problem> {
        let mut data = match &self.forwarded_props {
            Value::Null => Map::new(),
            Value::Object(data) => data.clone(),
            _ => return Err(Problem::bad("`forwardedProps` is not an object")),
        };
        if !self.context.is_empty() {
            data.insert("context".to_owned(), json!(self.context));
        }
        Ok(data)
    }
}

/// Returns the text and the media of a content.
fn parts(content: &Value) -> Result<(String, Vec<Media>), Problem> {
    let parts = match content {
        Value::String(text) => return Ok((text.clone(), Vec::new())),
        Value::Array(parts) => parts,
        _ => return Err(Problem::bad("`content` is neither a text nor a list of parts")),
    };
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    for part in parts {
        let kind = match part["type"].as_str().unwrap_or_default() {
            "text" => {
                texts.push(part["text"].as_str().unwrap_or_default());
                continue;
            }
            "image" => MediaKind::Image,
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            "document" => MediaKind::File,
            kind => {
                return Err(Problem::bad(format!("a part of the type `{kind}` cannot be read")));
            }
        };
        media.push(item(kind, &part["source"]).ok_or_else(|| {
            let kind = &part["type"];
            Problem::bad(format!("the source of a part of the type {kind} cannot be read"))
        })?);
    }
    Ok((texts.join("\n"), media))
}

fn item(kind: MediaKind, source: &Value) -> Option<Media> {
    let (value, mime) = (source["value"].as_str()?, source["mimeType"].as_str());
    match source["type"].as_str()? {
        "url" if crate::wire::media::is_web(value) => Some(Media::url(kind, value)),
        "data" => crate::wire::media::decoded(kind, value, mime?),
        _ => None,
    }
}
