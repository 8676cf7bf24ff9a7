//! The results of tools, resources and prompts as answers for a model.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;
use std::fmt::Write as _;
use stepwright_core::tool::ToolAnswer;
use stepwright_core::{Media, MediaKind};

/// Returns the result of a tool as an answer.
pub(crate) fn of_result(result: CallToolResult) -> ToolAnswer {
    let mut answer = ToolAnswer::default();
    let structured = result.structured_content.filter(|value| !repeats(&result.content, value));
    for block in result.content {
        add(&mut answer, block);
    }
    if let Some(value) = structured {
        line(&mut answer.text, &value.to_string());
    }
    answer
}

/// Returns `true` if the texts of a result say what its structured content says.
///
/// Most servers repeat it as JSON. Some put a value that is not an object below `result`, and write
/// each item of a list as a text of its own.
fn repeats(content: &[ContentBlock], structured: &Value) -> bool {
    let texts: Vec<&str> = content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect();
    let says = |text: &str, value: &Value| {
        value.as_str() == Some(text)
            || serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value)
    };
    let alone = match structured.as_object() {
        Some(members) if members.len() == 1 => members.get("result"),
        _ => None,
    };
    [Some(structured), alone].into_iter().flatten().any(|value| {
        let is_listed = value.as_array().is_some_and(|items| {
            items.len() == texts.len()
                && items.iter().zip(&texts).all(|(item, text)| says(text, item))
        });
        is_listed || texts.iter().any(|text| says(text, value))
    })
}

/// Adds a piece of content to an answer.
pub(crate) fn add(answer: &mut ToolAnswer, block: ContentBlock) {
    match block {
        ContentBlock::Text(text) => line(&mut answer.text, &text.text),
        ContentBlock::Image(image) => {
            medium(answer, MediaKind::Image, &image.data, Some(image.mime_type), None);
        }
        ContentBlock::Audio(audio) => {
            medium(answer, MediaKind::Audio, &audio.data, Some(audio.mime_type), None);
        }
        ContentBlock::Resource(embedded) => resource(answer, embedded.resource),
        ContentBlock::ResourceLink(link) => {
            let mut text = format!("[resource {}: {}", link.name, link.uri);
            if let Some(kind) = &link.mime_type {
                let _ = write!(text, ", {kind}");
            }
            if let Some(about) = &link.description {
                let _ = write!(text, ", {about}");
            }
            line(&mut answer.text, &format!("{text}]"));
        }
        _ => line(&mut answer.text, "[content of a kind that is not known]"),
    }
}

/// Adds the contents of a resource to an answer.
pub(crate) fn resource(answer: &mut ToolAnswer, contents: ResourceContents) {
    match contents {
        ResourceContents::TextResourceContents { uri, text, .. } => {
            line(&mut answer.text, &format!("[resource {uri}]\n{text}"));
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            let kind = match mime_type.as_deref().and_then(|mime| mime.split('/').next()) {
                Some("image") => MediaKind::Image,
                Some("audio") => MediaKind::Audio,
                Some("video") => MediaKind::Video,
                _ => MediaKind::File,
            };
            medium(answer, kind, &blob, mime_type, Some(uri));
        }
        _ => line(&mut answer.text, "[a resource of a kind that is not known]"),
    }
}

fn medium(
    answer: &mut ToolAnswer,
    kind: MediaKind,
    data: &str,
    mime: Option<String>,
    name: Option<String>,
) {
    let Ok(bytes) = STANDARD.decode(data) else {
        line(&mut answer.text, "[a medium that is not valid base64]");
        return;
    };
    let about = mime.as_deref().unwrap_or("a medium");
    line(&mut answer.text, &format!("[{about} of {} bytes]", bytes.len()));
    let mut medium = Media::bytes(kind, bytes);
    medium.mime = mime;
    medium.name = name;
    answer.media.push(medium);
}

pub(crate) fn line(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}
