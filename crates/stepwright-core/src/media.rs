//! Images, videos, audio and files, as input and output.

mod stored;
mod types;

pub use stored::{MEDIA_BYTES_MAX, MEDIA_INLINE_BYTES_MAX, StoredMedia};
pub use types::{canonical_mime, extension_of_mime, mime_of_bytes, mime_of_name};

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
    /// Bytes that the store of the run keeps, by their hash. A run makes this of larger bytes: see
    /// [`Media::keep`]. [`StepContext::media_bytes`](crate::StepContext::media_bytes) returns the
    /// bytes.
    Stored(StoredMedia),
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

    /// Reads a media item of `bytes` bytes, without a second copy of them.
    ///
    /// ```
    /// use stepwright_core::{Media, MediaKind};
    /// let table = Media::read(MediaKind::File, 8, &b"a,b\n1,2\n"[..])?;
    /// assert_eq!(table, Media::bytes(MediaKind::File, *b"a,b\n1,2\n"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `from` cannot be read, or has fewer bytes.
    pub fn read(
        kind: MediaKind,
        bytes: usize,
        mut from: impl std::io::Read,
    ) -> std::io::Result<Self> {
        let mut all = stored::zeros(bytes);
        if let Some(space) = Arc::get_mut(&mut all) {
            from.read_exact(space)?;
        }
        Ok(Self::bytes(kind, all))
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

impl Media {
    /// Replaces bytes of more than [`MEDIA_INLINE_BYTES_MAX`] by their hash and size. The item has
    /// its bytes in memory, and the store of the run gets them from there, once for each hash. The
    /// engine calls this for the input of a run and for all that its steps return.
    ///
    /// ```
    /// use stepwright_core::media::{Media, MediaKind, MediaSource};
    /// let mut scan = Media::bytes(MediaKind::File, vec![7; 100_000]);
    /// scan.keep();
    /// let MediaSource::Stored(stored) = &scan.source else { panic!() };
    /// assert_eq!((stored.bytes, stored.live().unwrap().len()), (100_000, 100_000));
    /// ```
    pub fn keep(&mut self) {
        if let MediaSource::Bytes(bytes) = &self.source
            && bytes.len() > MEDIA_INLINE_BYTES_MAX
        {
            self.source = MediaSource::Stored(StoredMedia::of(bytes.clone()));
        }
    }

    /// Returns the bytes, if they are in memory.
    ///
    /// ```
    /// use stepwright_core::{Media, MediaKind};
    /// assert_eq!(&*Media::bytes(MediaKind::File, *b"hi").live().unwrap(), b"hi");
    /// assert!(Media::path(MediaKind::File, "notes.md").live().is_none());
    /// ```
    pub fn live(&self) -> Option<Arc<[u8]>> {
        match &self.source {
            MediaSource::Bytes(bytes) => Some(bytes.clone()),
            MediaSource::Stored(stored) => stored.live().cloned(),
            MediaSource::Url(_) | MediaSource::Path(_) => None,
        }
    }

    /// Gives a reference without bytes those of the same one in `live`.
    pub(crate) fn refill(&mut self, live: &[StoredMedia]) {
        if let MediaSource::Stored(stored) = &mut self.source
            && let Some(found) = live.iter().find(|live| *live == stored)
        {
            *stored = found.clone();
        }
    }

    /// Returns the reference to the bytes that a store keeps, if it is one.
    pub fn stored(&self) -> Option<&StoredMedia> {
        match &self.source {
            MediaSource::Stored(stored) => Some(stored),
            _ => None,
        }
    }

    /// Returns the number of bytes, if it is known.
    pub fn size(&self) -> Option<u64> {
        match &self.source {
            MediaSource::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            MediaSource::Stored(stored) => Some(stored.bytes),
            MediaSource::Url(_) | MediaSource::Path(_) => None,
        }
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
