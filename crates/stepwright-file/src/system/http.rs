//! Fetches pages over HTTP.

use super::heard::Heard;
use super::{over, refused, text_of};
use std::io::Read as _;
use std::time::Duration;
use stepwright_core::error::ErrorCode;
use stepwright_core::json::{self, JsonError};
use stepwright_core::{Content, StepError};
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};

/// A request for a page.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) url: String,
    pub(crate) timeout: Duration,
    pub(crate) max_bytes: u64,
}

/// A fetched page.
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) note: Option<String>,
    json: bool,
}

impl Page {
    /// Returns the value if the page is JSON by its type and its content, and the text otherwise.
    ///
    /// # Errors
    /// Fails if the JSON is nested too deep, or has an integer that would be rounded.
    pub(crate) fn content(self) -> Result<Content, StepError> {
        if !self.json {
            return Ok(self.text.into());
        }
        match json::parse(&self.text) {
            Ok(value) => Ok(value.into()),
            Err(JsonError::Syntax(_)) => Ok(self.text.into()),
            Err(error) => Err(refused(format!("the JSON of the page cannot be used: {error}"))),
        }
    }
}

/// Fetches a page on this thread. Calls `alive` for each piece of the answer.
pub(crate) fn fetch(what: &Fetch, alive: &dyn Fn()) -> Result<Page, StepError> {
    let url = what.url.trim();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(refused(format!("`{url}` is no address that begins with `https://`")));
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(what.timeout))
        .http_status_as_error(false)
        .user_agent(concat!("stepwright/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|error| failed(what, &error))?;
    let status = response.status();
    if !status.is_success() {
        let message = format!("`{url}` answered {status}");
        // A retry may help after too many requests and after errors of the server.
        if status.as_u16() != 429 && !status.is_server_error() {
            return Err(StepError::terminal(message));
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        let error = StepError::new(message);
        return Err(match after {
            Some(after) => error.with_retry_after(after),
            None => error,
        });
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind == "application/json" || kind.ends_with("+json")
    });
    let mut bytes = Vec::new();
    let body = response.body_mut().as_reader().take(what.max_bytes + 1);
    std::io::BufReader::new(Heard::new(body, alive))
        .read_to_end(&mut bytes)
        .map_err(|error| failed(what, &ureq::Error::from(error)))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > what.max_bytes {
        let message = format!("`{url}` has more than {} bytes", what.max_bytes);
        return Err(over(message, "max_bytes"));
    }
    let (text, note) = text_of(bytes);
    let note = note.map(|note| format!("`{url}`: {note}"));
    Ok(Page { text, note, json })
}

fn failed(what: &Fetch, error: &ureq::Error) -> StepError {
    let url = what.url.trim();
    match error {
        ureq::Error::Timeout(_) => {
            let message = format!("`{url}` took longer than {:?}", what.timeout);
            StepError::new(message).with_code(ErrorCode::TimedOut).with_hint("raise `timeout`")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            refused(format!("`{url}` is not a valid address: {error}"))
        }
        ureq::Error::HostNotFound => StepError::new(format!("the host of `{url}` was not found")),
        error => StepError::new(format!("`{url}` cannot be fetched: {error}")),
    }
}
