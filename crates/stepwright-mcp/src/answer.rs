//! The results of tools, resources and prompts as answers for a model.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use std::fmt::Write as _;
use stepwright_core::tool::ToolAnswer;
use stepwright_core::{Media, MediaKind};

/// Returns the result of a tool as an answer.
pub(crate) fn of_result(result: CallToolResult) -> ToolAnswer {
    let mut answer = ToolAnswer::default();
    let has_text = result.content.iter().any(|block| matches!(block, ContentBlock::Text(_)));
    for block in result.content {
        add(&mut answer, block);
    }
    // Servers repeat structured content as text. Those that do not have it there alone.
    if let Some(value) = result.structured_content.filter(|_| !has_text) {
        line(&mut answer.text, &value.to_string());
    }
    answer
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
    line(&mut answer.text, &format!("[{about} of {} bytes, shown below]", bytes.len()));
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
