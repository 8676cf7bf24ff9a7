//! The page at `/`.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// The page of a server without a viewer.
const PLAIN: &str = "\
<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Stepwright</title>
<h1>Stepwright</h1>
<p>This server has no viewer. Its API is at <a href=\"/v1/workflows\">/v1</a>, and
<a href=\"/v1/openapi.json\">its description</a> too.</p>
</html>
";

/// Returns a file of the viewer, by its path without the leading slash. The one place where the
/// viewer is plugged in.
fn file(path: &str) -> Option<(&'static str, &'static [u8])> {
    (path == "index.html").then_some(("text/html; charset=utf-8", PLAIN.as_bytes()))
}

/// Answers with a file of the page. A path without an extension is a place in the page.
pub(crate) fn answer(path: &str) -> Option<Response> {
    let path = path.trim_start_matches('/');
    let is_place = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let name = if is_place { "index.html" } else { path };
    let (media_type, bytes) = file(name)?;
    // Files with a hash in their names never change.
    let cache = if is_place { "no-cache" } else { "public, max-age=31536000, immutable" };
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, cache)];
    Some((StatusCode::OK, headers, bytes).into_response())
}
