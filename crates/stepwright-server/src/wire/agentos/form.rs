//! Bodies of runs: forms of both kinds, and JSON objects.

use super::fault::Fault;
use crate::body;
use crate::limits::BODY_BYTES_MAX;
use axum::extract::{FromRequest, Multipart, Request};
use http::{StatusCode, header};
use serde_json::{Map, Value};
use stepwright_core::json::{self, JsonError};
use stepwright_core::{Media, MediaKind};

/// The fields and files of a body. An empty field counts as absent.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
    pub(super) files: Vec<Media>,
}

impl Form {
    /// Takes the members of an object as fields.
    pub(super) fn of_json(members: Map<String, Value>) -> Self {
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let fields = members.into_iter().map(|(name, value)| (name, text(value)));
        Self { fields: fields.collect(), files: Vec::new() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().rev().find(|(field, _)| field == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns a field that is `true` or `false`, as pydantic reads it.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Fault> {
        let Some(text) = self.get(name) else { return Ok(default) };
        match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => {
                let why = "Input should be a valid boolean, unable to interpret input";
                Err(Fault::invalid("bool_parsing", "body", name, why, text))
            }
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let why = "Input should be a valid integer, unable to parse string as an integer";
            Fault::invalid("int_parsing", "body", name, why, text)
        })
    }

    /// Returns a field that is a JSON object. Anything else is left out, as `AgentOS` does.
    ///
    /// # Errors
    /// If an object in it has a name twice.
    pub(super) fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match json::parse(text) {
            Ok(Value::Object(object)) => Ok(Some(object)),
            Err(error @ JsonError::Twice { .. }) => {
                Err(Fault::bad(format!("Invalid JSON in {name} field: {error}")))
            }
            _ => {
                tracing::warn!("`{name}` is no JSON object, and is left out");
                Ok(None)
            }
        }
    }

    /// Returns the media of a field that is a JSON array, with base64 content or a URL each.
    pub(super) fn media(&self, name: &str, kind: MediaKind) -> Result<Vec<Media>, Fault> {
        let Some(text) = self.get(name) else { return Ok(Vec::new()) };
        let fault = |why: &str| Fault::invalid("value_error", "body", name, why, "");
        let items: Vec<Map<String, Value>> =
            json::read(text).map_err(|error| fault(&error.to_string()))?;
        items.iter().map(|item| media(item, kind).ok_or_else(|| fault("no media"))).collect()
    }
}

/// Reads a field that is JSON.
pub(super) fn read_field(text: &str, name: &str) -> Result<Value, Fault> {
    json::parse(text).map_err(|error| match error {
        JsonError::Twice { .. } => Fault::bad(format!("Invalid JSON in {name} field: {error}")),
        _ => Fault::bad(format!("Invalid JSON in {name} field")),
    })
}

/// Reads one media item of Agno.
fn media(item: &Map<String, Value>, kind: MediaKind) -> Option<Media> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let mime = text("mime_type").map(str::to_owned).or_else(|| {
        // Sounds and images often say only `wav` or `png`.
        let family = match kind {
            MediaKind::Image => "image",
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::File => return None,
        };
        text("format").map(|format| format!("{family}/{format}"))
    });
    let mut media = match (text("content"), text("url")) {
        (Some(content), _) => content_of(kind, content, mime.as_deref())?,
        (None, Some(url)) if crate::wire::media::is_web(url) => Media::url(kind, url),
        // A path of the server, or of the model's, would be readable by each client.
        (None, Some(_)) => return None,
        (None, None) => return None,
    };
    if let Some(mime) = mime {
        media = media.with_mime(mime);
    }
    if let Some(name) = text("filename").or_else(|| text("name")) {
        media = media.with_name(name);
    }
    Some(media)
}

/// Reads a content as Agno writes it: files of text as they are, all else as base64. A file that is
/// not base64 is text, too.
fn content_of(kind: MediaKind, content: &str, mime: Option<&str>) -> Option<Media> {
    let is_file = kind == MediaKind::File;
    let as_text = || Media::bytes(kind, content.as_bytes().to_vec());
    if is_file && mime.is_some_and(|mime| mime.starts_with("text/")) {
        return Some(as_text());
    }
    // The core reads base64 as it writes it.
    let written = serde_json::json!({"kind": kind, "source": {"bytes": content}});
    match serde_json::from_value(written) {
        Ok(media) => Some(media),
        Err(_) => is_file.then(as_text),
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let media = request.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
        let kind = media.split(';').next().unwrap_or_default().trim().to_lowercase();
        match kind.as_str() {
            "multipart/form-data" => multipart(request, state).await,
            "application/json" => {
                let body = body::read(request.into_body()).await?;
                match json::parse_slice(&body) {
                    Ok(Value::Object(members)) => Ok(Self::of_json(members)),
                    Err(error @ JsonError::Twice { .. }) => {
                        Err(Fault::bad(format!("Invalid JSON in the body: {error}")))
                    }
                    _ => Ok(Self::default()),
                }
            }
            _ => {
                let body = body::read(request.into_body()).await?;
                let fields = form_urlencoded::parse(&body).into_owned().collect();
                Ok(Self { fields, files: Vec::new() })
            }
        }
    }
}

async fn multipart<S: Send + Sync>(request: Request, state: &S) -> Result<Form, Fault> {
    // The size is checked before the parts are read, so that no part is held twice.
    let (parts, body) = request.into_parts();
    let body = body::read(body).await?;
    let request = Request::from_parts(parts, axum::body::Body::from(body));
    let bad = |why: String| Fault::new(StatusCode::BAD_REQUEST, why);
    let mut parts =
        Multipart::from_request(request, state).await.map_err(|error| bad(error.body_text()))?;
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(|error| bad(error.body_text()))? {
        let name = part.name().unwrap_or_default().to_owned();
        let file = part.file_name().map(str::to_owned);
        let mime = part.content_type().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|error| bad(error.body_text()))?;
        debug_assert!(bytes.len() <= BODY_BYTES_MAX);
        match file {
            Some(file) => {
                let kind = match mime.as_deref().and_then(|mime| mime.split('/').next()) {
                    Some("image") => MediaKind::Image,
                    Some("audio") => MediaKind::Audio,
                    Some("video") => MediaKind::Video,
                    _ => MediaKind::File,
                };
                let mut media = Media::bytes(kind, bytes.to_vec()).with_name(file);
                if let Some(mime) = mime {
                    media = media.with_mime(mime);
                }
                form.files.push(media);
            }
            None => form.fields.push((name, String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
    Ok(form)
}
