//! Images, videos, audio and files, as input and output.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind of a media item.
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
    /// An image.
    Image,
    /// A video.
    Video,
    /// Audio.
    Audio,
    /// Any other file.
    File,
}

/// The location of the bytes of a media item.
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
    /// A URL. The consumer fetches it.
    Url(String),
    /// A local file.
    Path(String),
    /// The bytes themselves. Serialized as base64.
    #[serde(with = "bytes_as_base64")]
    Bytes(Arc<[u8]>),
}

/// An image, a video, an audio recording or a file.
///
/// ```
/// use stepwright_core::{Media, MediaKind};
/// let chart = Media::bytes(MediaKind::Image, *b"\x89PNG").with_mime("image/png");
/// assert_eq!(chart.mime.as_deref(), Some("image/png"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// The kind.
    pub kind: MediaKind,
    /// The location of the bytes.
    pub source: MediaSource,
    /// The media type, such as `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Media {
    /// Creates a media item from a URL.
    pub fn url(kind: MediaKind, url: impl Into<String>) -> Self {
        Self { kind, source: MediaSource::Url(url.into()), mime: None, name: None }
    }

    /// Creates a media item from a local file.
    pub fn path(kind: MediaKind, path: impl Into<String>) -> Self {
        Self { kind, source: MediaSource::Path(path.into()), mime: None, name: None }
    }

    /// Creates a media item from bytes.
    pub fn bytes(kind: MediaKind, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { kind, source: MediaSource::Bytes(bytes.into()), mime: None, name: None }
    }

    /// Sets the media type.
    #[must_use]
    pub fn with_mime(mut self, mime: impl Into<String>) -> Self {
        self.mime = Some(mime.into());
        self
    }

    /// Sets the display name.
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
