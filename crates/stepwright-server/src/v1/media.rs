//! The bytes of images, videos, audio and files of runs.

use crate::auth::{Caller, Read};
use crate::error::{Problem, ProblemView};
use crate::state::App;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::media::{self, Media};
use stepwright_core::{Error, RunId};

/// The types that a browser shows in its window. An image in SVG is not among them, because it can
/// have scripts.
const SHOWN: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The type of bytes of which nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// The longest name of a file, in characters.
const NAME_CHARS_MAX: usize = 120;

/// Bytes of a media item without a copy.
struct Shared(Arc<[u8]>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Returns the bytes of an image, a video, an audio recording or a file of a run.
///
/// The hash is the `sha256` in the events of the run. The bytes of another run are not found, even
/// if their hash is known. What is not a PNG, JPEG, GIF or WebP image is sent as an attachment.
#[utoipa::path(
    get, path = "/v1/runs/{id}/media/{hash}", tag = "runs",
    params(
        ("id" = String, Path, description = "The id of the run."),
        ("hash" = String, Path, description = "The SHA-256 of the bytes, in hexadecimal."),
    ),
    responses(
        (status = 200, description = "The bytes, with their media type.", body = Vec<u8>,
            content_type = "*/*"),
        (status = 304, description = "The client has the bytes, as its `If-None-Match` says."),
        (status = "4XX", description = "A problem.", body = ProblemView,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_media(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path((id, hash)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = RunId::new(&id).map_err(Error::from)?;
    let (media, bytes) = app.seen_by(&who)?.media_of_hash(&id, &hash).await?;
    let tag = format!("\"{hash}\"");
    let knows = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    // A browser asks each time, so that it shows nothing of a run that was erased.
    let kept =
        [(header::CACHE_CONTROL, "private, no-cache".to_owned()), (header::ETAG, tag.clone())];
    if knows.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let kind = content_type(&media, &bytes);
    let mut answer = (kept, Bytes::from_owner(Shared(bytes))).into_response();
    let into = answer.headers_mut();
    // Nothing in it may act, wherever it is shown.
    let policy = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");
    into.insert(header::CONTENT_SECURITY_POLICY, policy);
    if !SHOWN.contains(&kind.as_str())
        && let Ok(disposition) = HeaderValue::from_str(&attachment(&media, &kind))
    {
        into.insert(header::CONTENT_DISPOSITION, disposition);
    }
    let kind = HeaderValue::from_str(&kind);
    into.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static(UNKNOWN)));
    Ok(answer)
}

/// Returns the media type: that of the item, of its name, or of how its bytes begin.
fn content_type(media: &Media, bytes: &[u8]) -> String {
    let given = media.mime.as_deref().map(media::canonical_mime).filter(|mime| is_type(mime));
    let of_name = || media.name.as_deref().and_then(media::mime_of_name);
    let found = given.or_else(of_name).or_else(|| media::mime_of_bytes(bytes));
    found.unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Returns `true` for the form of a media type.
fn is_type(mime: &str) -> bool {
    let is_word = |word: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
        !word.is_empty() && word.bytes().all(is_plain)
    };
    mime.split_once('/').is_some_and(|(kind, form)| is_word(kind) && is_word(form))
}

/// Returns the header that makes a browser write a file: its name in ASCII, and as it is.
fn attachment(media: &Media, kind: &str) -> String {
    let name = media.name.as_deref().unwrap_or_default();
    // A path would say where the file was.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    let name = if name.trim_matches(['.', ' ']).is_empty() {
        let ending = media::extension_of_mime(kind).unwrap_or("bin");
        format!("{}.{ending}", media.kind.as_str())
    } else {
        name
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut header = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            let is_plain = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let _ = if is_plain {
                write!(header, "{}", char::from(byte))
            } else {
                write!(header, "%{byte:02X}")
            };
        }
    }
    header
}
