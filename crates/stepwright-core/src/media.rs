//! Images, videos, sounds and files that go in or come out.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a medium is for a person and for a model.
///
/// ```
/// use stepwright_core::{Media, MediaKind};
/// let media = [
///     Media::path(MediaKind::Image, "chart.png"),
///     Media::path(MediaKind::Audio, "talk.mp3"),
/// ];
/// assert_eq!(media.iter().filter(|medium| medium.kind == MediaKind::Image).count(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A moving picture.
    Video,
    /// A sound.
    Audio,
    /// Any other file.
    File,
}

/// Where the bytes of a medium are.
///
/// ```
/// use stepwright_core::{Media, MediaKind, MediaSource};
/// fn is_here(medium: &Media) -> bool {
///     matches!(medium.source, MediaSource::Bytes(_))
/// }
/// assert!(is_here(&Media::bytes(MediaKind::File, *b"a,b\n1,2\n")));
/// assert!(!is_here(&Media::url(MediaKind::Image, "https://example.com/chart.png")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// At an address, to be fetched by whoever needs it.
    Url(String),
    /// In a local file.
    Path(String),
    /// Here. Written as base64.
    #[serde(with = "bytes_as_base64")]
    Bytes(Arc<[u8]>),
}

/// An image, a video, a sound or a file.
///
/// ```
/// use stepwright_core::{Media, MediaKind};
/// let chart = Media::bytes(MediaKind::Image, *b"\x89PNG").with_mime("image/png");
/// assert_eq!(chart.mime.as_deref(), Some("image/png"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: MediaSource,
    /// Its media type, such as `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// What to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Media {
    /// A medium at an address.
    pub fn url(kind: MediaKind, url: impl Into<String>) -> Self {
        Self { kind, source: MediaSource::Url(url.into()), mime: None, name: None }
    }

    /// A medium in a local file.
    pub fn path(kind: MediaKind, path: impl Into<String>) -> Self {
        Self { kind, source: MediaSource::Path(path.into()), mime: None, name: None }
    }

    /// A medium that is here.
    pub fn bytes(kind: MediaKind, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { kind, source: MediaSource::Bytes(bytes.into()), mime: None, name: None }
    }

    /// Says what media type it has.
    #[must_use]
    pub fn with_mime(mut self, mime: impl Into<String>) -> Self {
        self.mime = Some(mime.into());
        self
    }

    /// Gives it a name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

mod bytes_as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(Into::into).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_written_form() {
        let image = Media::bytes(MediaKind::Image, vec![0, 159, 146, 150]).with_name("chart");
        let text = serde_json::to_string(&image).unwrap();
        assert_eq!(serde_json::from_str::<Media>(&text).unwrap(), image);
    }
}
