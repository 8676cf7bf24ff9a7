//! Fetches pages over HTTP.

use super::{over, refused, text_of};
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;
use stepwright_core::error::ErrorCode;
use stepwright_core::json::{self, JsonError};
use stepwright_core::{Content, ErrorId, StepContext, StepError};
use stepwright_http::reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use stepwright_http::reqwest::redirect::Policy;
use stepwright_http::reqwest::{self, Client, Response, Url};
use stepwright_http::{builder, causes};

/// The maximum number of redirects that a fetch follows, as in browsers and other clients.
const REDIRECTS_MAX: usize = 10;

static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    let unusable = |error: &dyn std::error::Error| format!("no HTTPS on this machine: {error}");
    let builder = builder().map_err(|error| unusable(&error))?;
    let builder = builder
        .gzip(true)
        .redirect(Policy::limited(REDIRECTS_MAX))
        // An address may hold a key, and the next server must not see it.
        .referer(false)
        // A connection belongs to the runtime that opened it, and the next run may have another.
        .pool_max_idle_per_host(0);
    builder.build().map_err(|error| unusable(&error))
});

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

/// Fetches a page. Each piece of the answer is a sign of life of the step.
pub(crate) async fn fetch(what: &Fetch, cx: &StepContext) -> Result<Page, StepError> {
    let text = what.url.trim();
    let url = address(text)?;
    let in_time = cx.world().timeout(what.timeout, async {
        let client = CLIENT.as_ref().map_err(|reason| StepError::terminal(reason.clone()))?;
        let response = client.get(url).send().await.map_err(|error| failed(text, &error))?;
        cx.keep_alive();
        read(response, what, cx).await
    });
    in_time.await.unwrap_or_else(|| {
        let message = format!("`{text}` took longer than {:?}", what.timeout);
        let late = StepError::new(message).with_code(ErrorCode::TimedOut);
        Err(late.with_id(ErrorId::HTTP_TIMED_OUT).with_hint("raise `timeout`"))
    })
}

/// Checks that an address can be fetched.
pub(crate) fn check_address(text: &str) -> Result<(), StepError> {
    address(text.trim()).map(drop)
}

/// Parses an address. Browsers repair some wrong addresses, and then visit another place than the
/// one that the text names: such an address is an error here.
fn address(text: &str) -> Result<Url, StepError> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        let error =
            refused(format!("`{text}` is no address that begins with `https://` or `http://`"));
        return Err(error.with_id(ErrorId::HTTP_ADDRESS_REFUSED));
    }
    let is_repaired = |c: &char| c.is_whitespace() || c.is_control() || *c == '\\';
    if let Some(character) = text.chars().find(is_repaired) {
        let message = format!("`{text}` is not a valid address: it contains {character:?}");
        let mut encoded = String::new();
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            let _ = write!(encoded, "%{byte:02X}");
        }
        let error = refused(message).with_id(ErrorId::HTTP_ADDRESS_REFUSED);
        return Err(error.with_hint(format!("write `{encoded}` instead")));
    }
    Url::parse(text).map_err(|error| {
        refused(format!("`{text}` is not a valid address: {error}"))
            .with_id(ErrorId::HTTP_ADDRESS_REFUSED)
    })
}

async fn read(mut response: Response, what: &Fetch, cx: &StepContext) -> Result<Page, StepError> {
    let text = what.url.trim();
    let status = response.status();
    if !status.is_success() {
        let message = format!("`{text}` answered {status}");
        // A retry may help after too many requests and after errors of the server.
        if status.as_u16() != 429 && !status.is_server_error() {
            return Err(StepError::terminal(message).with_id(ErrorId::HTTP_STATUS));
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        let error = StepError::new(message).with_id(ErrorId::HTTP_STATUS);
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
    while let Some(piece) = response.chunk().await.map_err(|error| failed(text, &error))? {
        cx.keep_alive();
        bytes.extend_from_slice(&piece);
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > what.max_bytes {
            let message = format!("`{text}` has more than {} bytes", what.max_bytes);
            return Err(over(message, "max_bytes"));
        }
    }
    let (page, note) = text_of(bytes);
    let note = note.map(|note| format!("`{text}`: {note}"));
    Ok(Page { text: page, note, json })
}

fn failed(text: &str, error: &reqwest::Error) -> StepError {
    StepError::new(format!("`{text}` cannot be fetched: {}", causes(error)))
        .with_id(ErrorId::HTTP_UNREACHABLE)
}
