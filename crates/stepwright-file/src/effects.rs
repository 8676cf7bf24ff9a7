//! The effects of built-in functions and tools, as permissions judge them.

use stepwright_core::permission::{Address, Effect};
use stepwright_http::reqwest::Url;

/// The names of the effects of a built-in function or a tool. The first one is the main name.
pub(crate) type Names = &'static [&'static str];

/// The effects of functions and tools that have none: they compute, or change the session state.
pub(crate) const NONE: Names = &[];

/// Commands.
pub(crate) const SHELL: Names = &["shell"];

/// Files that are read.
pub(crate) const READ: Names = &["read_files", "read_file"];

/// Files that are written.
pub(crate) const WRITE: Names = &["write_file"];

/// Files that are appended to. A rule for `write_file` holds for these too; the opposite is not so.
pub(crate) const APPEND: Names = &["append_file", "write_file"];

/// Searches of the web.
pub(crate) const SEARCH: Names = &["web_search", "search_news"];

/// Requests over HTTP.
pub(crate) const HTTP: Names = &["http", "http_get"];

/// Gives an effect all of its names.
pub(crate) fn called(effect: Effect, names: Names) -> Effect {
    names.iter().fold(effect, |effect, name| effect.also(*name))
}

/// Returns the effect of a request.
pub(crate) fn request(names: Names, method: &str, url: &Url) -> Effect {
    let address = Address {
        method: method.to_owned(),
        scheme: url.scheme().to_owned(),
        host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
        port: url.port_or_known_default().unwrap_or_default(),
        path: url.path().to_owned(),
        query: url.query().map(ToOwned::to_owned),
    };
    called(Effect::http(address), names)
}
