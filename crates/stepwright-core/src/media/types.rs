//! The types of media, by names and by first bytes.

use super::MediaKind;

/// The first bytes of files of these types.
const MAGIC: [(&[u8], &str); 9] = [
    (b"\x89PNG", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"\xFF\xFB", "audio/mp3"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1A\x45\xDF\xA3", "video/webm"),
];

/// The extensions of files of these types.
const ENDINGS: [(&str, &str); 27] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("xml", "text/xml"),
    ("json", "application/json"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("m4a", "audio/m4a"),
    ("aac", "audio/aac"),
    ("mp4", "video/mp4"),
    ("mov", "video/mov"),
    ("webm", "video/webm"),
    ("mpeg", "video/mpeg"),
    ("avi", "video/avi"),
];

impl MediaKind {
    /// Returns the kind of a media type: a file, if it is no image, video or audio.
    ///
    /// ```
    /// use stepwright_core::MediaKind;
    /// assert_eq!(MediaKind::of_mime("image/png"), MediaKind::Image);
    /// assert_eq!(MediaKind::of_mime("application/pdf"), MediaKind::File);
    /// ```
    pub fn of_mime(mime: &str) -> Self {
        match mime.split('/').next() {
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::File,
        }
    }

    /// Returns the name of the kind, as files of workflows write it.
    ///
    /// ```
    /// assert_eq!(stepwright_core::MediaKind::Image.as_str(), "image");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }
}

/// Returns the extension of files of a media type, without a dot.
///
/// ```
/// assert_eq!(stepwright_core::media::extension_of_mime("image/jpeg"), Some("jpg"));
/// ```
pub fn extension_of_mime(mime: &str) -> Option<&'static str> {
    let mime = canonical_mime(mime);
    ENDINGS.iter().find(|(_, known)| *known == mime).map(|(ending, _)| *ending)
}

/// Returns the media type of a file of this name, by its extension.
///
/// ```
/// assert_eq!(stepwright_core::media::mime_of_name("a.PNG").as_deref(), Some("image/png"));
/// ```
pub fn mime_of_name(name: &str) -> Option<String> {
    let (_, ending) = name.rsplit_once('.')?;
    let known = ENDINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending))?;
    Some(known.1.to_owned())
}

/// Returns the media type of these bytes, by how they begin.
///
/// ```
/// use stepwright_core::media::mime_of_bytes;
/// assert_eq!(mime_of_bytes(b"%PDF-1.7").as_deref(), Some("application/pdf"));
/// ```
pub fn mime_of_bytes(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"RIFF") {
        let form = bytes.get(8..12)?;
        return match form {
            b"WAVE" => Some("audio/wav".to_owned()),
            b"WEBP" => Some("image/webp".to_owned()),
            _ => None,
        };
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some("video/mp4".to_owned());
    }
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic))?;
    Some(known.1.to_owned())
}

/// Returns the one name of a media type that has several.
///
/// ```
/// assert_eq!(stepwright_core::media::canonical_mime("image/JPG; q=1"), "image/jpeg");
/// ```
pub fn canonical_mime(mime: &str) -> String {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime.as_str() {
        "image/jpg" => "image/jpeg".to_owned(),
        "audio/mpeg" => "audio/mp3".to_owned(),
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav".to_owned(),
        "audio/mp4" | "audio/x-m4a" => "audio/m4a".to_owned(),
        "video/quicktime" => "video/mov".to_owned(),
        "application/x-pdf" => "application/pdf".to_owned(),
        _ => mime,
    }
}
