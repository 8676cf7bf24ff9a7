//! The input of a run, made of a conversation.

use super::fault::Fault;
use super::shapes::ChatMessage;
use crate::state::Served;
use crate::wire::media::{decoded, is_web};
use serde_json::Value;
use std::fmt::Write as _;
use stepwright_core::{Content, Media, MediaKind};

/// The input of a run.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) input: Content,
    pub(super) media: Vec<Media>,
}

impl Prompt {
    /// Takes the last message as the input. With `history`, the messages before it come ahead of
    /// it; a session remembers them by itself.
    ///
    /// A workflow with a schema of its input gets the JSON in the message.
    pub(super) fn of(
        messages: &[ChatMessage],
        served: &Served,
        history: bool,
    ) -> Result<Self, Fault> {
        let Some((last, before)) = messages.split_last() else {
            return Err(Fault::invalid("messages", "`messages` is empty"));
        };
        let (text, media) = parts(&last.content)?;
        if !served.takes_text() {
            let input = served.content(text).map_err(|error| {
                let what = format!("the last message is not the JSON of the input: {error}");
                Fault::invalid("messages", what)
            })?;
            return Ok(Self { input, media });
        }
        let mut earlier = String::new();
        for message in before.iter().filter(|_| history) {
            let (said, _) = parts(&message.content)?;
            let _ = writeln!(earlier, "{}: {said}", message.role);
        }
        let text = if earlier.is_empty() { text } else { format!("{earlier}\n{text}") };
        Ok(Self { input: Content::from(text), media })
    }
}

/// Returns the text and the media of a content.
fn parts(content: &Value) -> Result<(String, Vec<Media>), Fault> {
    let parts = match content {
        Value::Null => return Ok((String::new(), Vec::new())),
        Value::String(text) => return Ok((text.clone(), Vec::new())),
        Value::Array(parts) => parts,
        _ => {
            let what = "`content` is neither a text nor a list of parts";
            return Err(Fault::invalid("messages", what));
        }
    };
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    for part in parts {
        match part["type"].as_str() {
            Some("text") => texts.push(part["text"].as_str().unwrap_or_default()),
            Some(kind) => media.push(item(kind, part).ok_or_else(|| {
                let what = format!("a part of the type `{kind}` cannot be read");
                Fault::invalid("messages", what)
            })?),
            None => return Err(Fault::invalid("messages", "a part has no `type`")),
        }
    }
    Ok((texts.join("\n"), media))
}

fn item(kind: &str, part: &Value) -> Option<Media> {
    match kind {
        "image_url" => address(MediaKind::Image, part["image_url"]["url"].as_str()?),
        "input_audio" => {
            let sound = &part["input_audio"];
            let format = sound["format"].as_str()?;
            decoded(MediaKind::Audio, sound["data"].as_str()?, &format!("audio/{format}"))
        }
        "file" => {
            let file = address(MediaKind::File, part["file"]["file_data"].as_str()?)?;
            let name = part["file"]["filename"].as_str();
            Some(name.map_or_else(|| file.clone(), |name| file.clone().with_name(name)))
        }
        _ => None,
    }
}

/// Reads an address of the web, or one that has the data.
fn address(kind: MediaKind, address: &str) -> Option<Media> {
    if let Some(data) = address.strip_prefix("data:") {
        let (mime, content) = data.split_once(";base64,")?;
        return decoded(kind, content, mime);
    }
    is_web(address).then(|| Media::url(kind, address))
}
