//! Media on their way to a model: read, typed, and written as providers take them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Read as _;
use std::sync::Arc;
use stepwright_core::media::{
    Media, MediaKind, MediaSource, canonical_mime, mime_of_bytes, mime_of_name,
};
use stepwright_core::model::{ModelError, ModelErrorKind};

/// The largest file that is sent to a model, in bytes. Providers accept less.
const ATTACHMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A medium that can be written into a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) kind: MediaKind,
    pub(crate) mime: Option<String>,
    pub(crate) source: AttachmentSource,
    /// The name of the attachment in an error.
    pub(crate) label: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttachmentSource {
    Url(String),
    Base64(String),
    Text(String),
}

impl Attachment {
    /// Reads a medium. A file is read beside the runtime.
    pub(crate) async fn of(media: &Media) -> Result<Self, ModelError> {
        let mut mime = media.mime.as_deref().map(canonical_mime);
        let (label, bytes): (String, Arc<[u8]>) = match &media.source {
            MediaSource::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                let mime = mime.or_else(|| mime_of_name(path));
                if url.starts_with("data:") {
                    return Err(refusal("an address that is itself the data")
                        .with_hint("give the bytes with `Media::bytes`"));
                }
                let label = format!("`{url}`");
                let source = AttachmentSource::Url(url.clone());
                return Ok(Self { kind: media.kind, mime, source, label });
            }
            MediaSource::Path(path) => {
                mime = mime.or_else(|| mime_of_name(path));
                (format!("`{path}`"), read(path.clone()).await?.into())
            }
            MediaSource::Bytes(bytes) => {
                let name = media.name.as_deref();
                mime = mime.or_else(|| mime_of_name(name?));
                let label = name.map_or_else(|| kind_name(media.kind).into(), |n| format!("`{n}`"));
                (label, bytes.clone())
            }
            MediaSource::Stored(stored) => {
                let name = media.name.as_deref();
                mime = mime.or_else(|| mime_of_name(name?));
                let label = name.map_or_else(|| kind_name(media.kind).into(), |n| format!("`{n}`"));
                let unread = || refusal("a medium whose bytes were not read from their store");
                (label, stored.live().ok_or_else(unread)?.clone())
            }
            _ => return Err(refusal("a medium of this source")),
        };
        let mime = mime.or_else(|| mime_of_bytes(&bytes));
        if media.kind == MediaKind::File && mime.as_deref().is_none_or(is_text) {
            // A type that is not known may still be text: the bytes tell.
            return match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    let source = AttachmentSource::Text(text.to_owned());
                    Ok(Self { kind: media.kind, mime, source, label })
                }
                Err(_) => Err(refusal(&format!("{label}, which is neither text nor a known type"))
                    .with_hint("say its type with `Media::with_mime`")),
            };
        }
        let source = AttachmentSource::Base64(STANDARD.encode(&bytes));
        Ok(Self { kind: media.kind, mime, source, label })
    }
}

impl Attachment {
    /// The error for a model that cannot be given this.
    pub(crate) fn refused_by(&self, id: &str) -> ModelError {
        let is_url = matches!(self.source, AttachmentSource::Url(_));
        let mime = self.mime.as_ref().map(|mime| format!(" of type `{mime}`")).unwrap_or_default();
        let way = if is_url { " by its address" } else { "" };
        let (kind, label) = (kind_name(self.kind), &self.label);
        let message = format!("`{id}` cannot be given {kind}{mime}{way}: {label}");
        ModelError::new(ModelErrorKind::BadRequest, message).with_hint(if is_url {
            "give its bytes or its path, or use a model that fetches such media"
        } else {
            "use a model that takes such media, or give what is in it as text"
        })
    }
}

/// An error for what cannot be sent.
fn refusal(what: &str) -> ModelError {
    ModelError::new(ModelErrorKind::BadRequest, format!("a model cannot be given {what}"))
}

/// Returns the name of this kind of medium.
fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "an image",
        MediaKind::Video => "a video",
        MediaKind::Audio => "a sound",
        MediaKind::File => "a file",
    }
}

async fn read(path: String) -> Result<Vec<u8>, ModelError> {
    let file = path.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::fs::File::open(file)?.take(ATTACHMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let read =
        reading.await.unwrap_or_else(|_| Err(std::io::Error::other("the reader was stopped")));
    match read {
        Ok(bytes) if bytes.len() as u64 > ATTACHMENT_BYTES_MAX => {
            Err(refusal(&format!("`{path}`: it is larger than {ATTACHMENT_BYTES_MAX} bytes")))
        }
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(refusal(&format!("`{path}`: {error}"))),
    }
}

fn is_text(mime: &str) -> bool {
    const TEXTS: [&str; 6] = ["json", "yaml", "xml", "javascript", "toml", "csv"];
    mime.starts_with("text/") || TEXTS.iter().any(|text| mime.ends_with(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_medium_is_typed_by_what_is_known_of_it() {
        let png = Media::bytes(MediaKind::Image, *b"\x89PNG\r\n");
        let read = Attachment::of(&png).await.unwrap();
        assert_eq!(read.mime.as_deref(), Some("image/png"));
        assert_eq!(read.source, AttachmentSource::Base64("iVBORw0K".into()));

        let named = png.clone().with_mime("image/jpg; q=1");
        assert_eq!(Attachment::of(&named).await.unwrap().mime.as_deref(), Some("image/jpeg"));

        let url = Media::url(MediaKind::Image, "https://example.org/a.webp?size=1");
        assert_eq!(Attachment::of(&url).await.unwrap().mime.as_deref(), Some("image/webp"));
    }

    #[tokio::test]
    async fn a_file_of_text_is_text_and_other_bytes_need_a_type() {
        let notes = Media::bytes(MediaKind::File, *b"# Notes").with_name("notes.md");
        let read = Attachment::of(&notes).await.unwrap();
        assert_eq!(read.source, AttachmentSource::Text("# Notes".into()));

        let bytes = Media::bytes(MediaKind::File, [0xFF, 0x00, 0xFE]).with_name("blob");
        let error = Attachment::of(&bytes).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::BadRequest);
        assert!(error.message.contains("`blob`"), "{error}");
        assert!(error.hint.unwrap().contains("with_mime"));
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_told_by_its_name() {
        let error = Attachment::of(&Media::path(MediaKind::File, "no/such.pdf")).await.unwrap_err();
        assert!(error.message.contains("`no/such.pdf`"), "{error}");
        assert!(!error.retryable);
    }
}
