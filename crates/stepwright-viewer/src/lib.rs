//! The files of Stepwright's page in the browser: runs as lists, graphs and timelines.
//!
//! The sources are TypeScript in `web/`. The built files are part of this crate, so that only
//! developers of the page need Node. A server answers with [`file()`] and sends
//! [`CONTENT_SECURITY_POLICY`] along; the page asks that server under `/v1` and nothing else.

mod table;

/// The value of `Cache-Control` for files whose name changes with their content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The value of `Cache-Control` for the page itself, which names the other files.
const NO_CACHE: &str = "no-cache";

/// The value of the header `Content-Security-Policy` for the page.
///
/// Scripts, styles and requests are those of the server itself. Images can also be data that
/// events carry. No other page can embed this one.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The SHA-256 of the sources that the files were built from, in hexadecimal.
pub const SOURCES_DIGEST: &str = table::DIGEST;

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// The content.
    pub bytes: &'static [u8],
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// The value of the header `Cache-Control`.
    pub cache_control: &'static str,
}

/// Returns the file at the path of a request, with or without a slash at its beginning. The page
/// itself is at the empty path.
///
/// ```
/// let page = stepwright_viewer::file("/").unwrap();
/// assert_eq!(page.content_type, "text/html; charset=utf-8");
/// assert!(stepwright_viewer::file("/../secrets").is_none());
/// ```
pub fn file(path: &str) -> Option<File> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = if path.is_empty() { "index.html" } else { path };
    table::FILES.iter().find(|(name, _)| *name == path).map(|(_, file)| *file)
}

/// Returns all files by their paths.
///
/// ```
/// assert!(stepwright_viewer::files().iter().any(|(path, _)| *path == "index.html"));
/// ```
pub fn files() -> &'static [(&'static str, File)] {
    table::FILES
}
