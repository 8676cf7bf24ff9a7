//! The effects of toolkits, as permissions judge them.

use stepwright_core::permission::{Address, Effect};
use stepwright_http::reqwest::Url;

/// The names of the effects of a function or a tool. The first one is the main name.
pub type Names = &'static [&'static str];

/// Files that are read.
pub const READ: Names = &["read_files", "read_file"];

/// Files that are written.
pub const WRITE: Names = &["write_file"];

/// Files that are appended to. A rule for `write_file` holds for these too; the opposite is not so.
pub const APPEND: Names = &["append_file", "write_file"];

/// Searches of the web.
pub const SEARCH: Names = &["web_search", "search_news"];

/// Requests over HTTP.
pub const HTTP: Names = &["http", "http_get"];

/// Files that are read, found, listed, written and changed by one toolkit.
pub const FILES: Names = &[
    "read_files",
    "read_file",
    "list_files",
    "find_files",
    "search_files",
    "write_file",
    "patch_file",
];

/// Pages that are read as text.
pub const PAGE: Names = &["http", "http_get", "read_page"];

/// Requests with any method.
pub const REQUEST: Names = &["http", "http_get", "http_request"];

/// Searches of Wikipedia, and its articles.
pub const WIKIPEDIA: Names = &["search_wikipedia", "read_wikipedia"];

/// Scripts of skills, which are commands.
pub const SCRIPT: Names = &["shell", "run_skill_script"];

/// Questions to a database. The effect names the call, with the text of the question.
pub const SQL: Names = &["sql", "sql_query", "sql_schema", "sql_execute"];

/// Programs in Python. A rule for commands holds for these too.
pub const PYTHON: Names = &["python", "run_python", "shell"];

/// Gives an effect all of its names.
pub fn called(effect: Effect, names: Names) -> Effect {
    names.iter().fold(effect, |effect, name| effect.also(*name))
}

/// Returns the effect of a request.
pub fn request(names: Names, method: &str, url: &Url) -> Effect {
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
