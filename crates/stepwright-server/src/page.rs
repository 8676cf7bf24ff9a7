//! The page at `/`: the files of the viewer.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use stepwright_viewer::{CONTENT_SECURITY_POLICY, File};

/// Answers with a file of the page. A path without an extension is a place in the page.
pub(crate) fn answer(path: &str) -> Option<Response> {
    let is_place = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let File { bytes, content_type, cache_control } =
        stepwright_viewer::file(if is_place { "/" } else { path })?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache_control),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    Some((StatusCode::OK, headers, bytes).into_response())
}
