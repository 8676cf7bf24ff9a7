//! Sends requests over HTTP.

use super::body::{ACCEPTED, Body, Wrong};
use super::charset::decoded;
use super::guard::{Public, check_public};
use super::redirect::{self, Redirect};
use crate::effects;
use crate::folder::over;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use stepwright_core::error::ErrorCode;
use stepwright_core::json::{self, JsonError};
use stepwright_core::permission::Verdict;
use stepwright_core::redact::{REDACTED, redact};
use stepwright_core::{Content, ErrorId, StepContext, StepError};
use stepwright_http::reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap,
    HeaderValue, RETRY_AFTER,
};
use stepwright_http::reqwest::{self, Client, Method, Response, Url};
use stepwright_http::{builder, causes};

/// The maximum number of redirects that a request follows, as in browsers and other clients.
const REDIRECTS_MAX: usize = 10;

static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| client(false));

/// The client that reaches no private address. It uses no proxy, which would look up names itself.
static PUBLIC: LazyLock<Result<Client, String>> = LazyLock::new(|| client(true));

fn client(only_public: bool) -> Result<Client, String> {
    let unusable = |error: &dyn std::error::Error| format!("no HTTPS on this machine: {error}");
    let builder = builder().map_err(|error| unusable(&error))?;
    let builder = builder
        // An address may hold a key, and the next server must not see it.
        .referer(false)
        // A connection belongs to the runtime that opened it, and the next run may have another.
        .pool_max_idle_per_host(0);
    let builder =
        if only_public { builder.no_proxy().dns_resolver(Arc::new(Public)) } else { builder };
    builder.build().map_err(|error| unusable(&error))
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: String,
    /// Pairs to add to the query of the address.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
    pub timeout: Duration,
    pub max_bytes: u64,
    /// `true` if an answer with any status is a result.
    pub any_status: bool,
    pub reach: Reach,
}

/// The servers that a request may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Any server.
    #[default]
    All,
    /// Addresses of the internet, none of this machine or its network, but those of these servers:
    /// `host`, or `host:port`.
    Public(Arc<[String]>),
}

impl Reach {
    /// Returns `true` if only addresses of the internet may be reached by this address.
    fn is_guarded(&self, url: &Url) -> bool {
        let Self::Public(except) = self else { return false };
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let is_named = |name: &String| {
            name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(&format!("{host}:{port}"))
        };
        !except.iter().any(is_named)
    }
}

impl Request {
    /// Returns the request for a page.
    pub fn get(url: String, timeout: Duration, max_bytes: u64) -> Self {
        Self {
            method: Method::GET,
            url,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            timeout,
            max_bytes,
            any_status: false,
            reach: Reach::All,
        }
    }

    /// Returns the request as recordings have it. Headers that carry credentials have no value.
    pub fn shown(&self, address: &Url) -> Value {
        let mut request = json!({"method": self.method.as_str(), "url": address.as_str()});
        let headers = self.headers.keys().map(|name| {
            let values = self.headers.get_all(name).iter();
            let values: Vec<_> =
                values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            // Judged as in a log: by the name of the header and the form of its value.
            let line = format!("{name}: {}", values.join(", "));
            let clean = redact(&line);
            let value = clean.split_once(": ").map_or("", |(_, value)| value);
            let value = if *name == COOKIE { REDACTED } else { value };
            (name.to_string(), value.into())
        });
        let headers: serde_json::Map<String, Value> = headers.collect();
        if !headers.is_empty() {
            request["headers"] = headers.into();
        }
        if let Some(body) = &self.body {
            request["body"] = String::from_utf8_lossy(body).into();
        }
        request
    }

    /// Returns the whole address.
    pub fn address(&self) -> Result<Url, StepError> {
        let mut url = address(&self.url)?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub note: Option<String>,
    json: bool,
}

impl Page {
    /// Returns the value if the page is JSON by its type, and the text otherwise. An empty page is
    /// an empty text. The page of an answer that is not a success is a text if it is not JSON:
    /// proxies answer with a page of their own.
    ///
    /// # Errors
    /// Fails if the page is not JSON against its type, or if the JSON is nested too deep, has a
    /// name twice in one object, or an integer that would be rounded.
    pub fn content(self) -> Result<Content, StepError> {
        if !self.json || self.text.trim().is_empty() {
            return Ok(self.text.into());
        }
        match json::parse(&self.text) {
            Ok(value) => Ok(value.into()),
            Err(JsonError::Syntax(_)) if !(200..300).contains(&self.status) => Ok(self.text.into()),
            Err(JsonError::Syntax(why)) => {
                let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                let kind = kind.unwrap_or_default();
                Err(refused(format!("the answer is `{kind}`, and its body is not JSON: {why}")))
            }
            Err(error) => Err(refused(format!("the JSON of the page cannot be used: {error}"))),
        }
    }
}

/// Sends a request. Each piece of the answer is a sign of life of the step.
pub async fn fetch(what: Request, cx: &StepContext) -> Result<Page, StepError> {
    let text = what.url.trim();
    let url = what.address()?;
    let mut is_done = false;
    let in_time = cx.world().timeout(what.timeout, async {
        let response = send(&what, url, &mut is_done, cx).await?;
        read(response, &what, cx).await
    });
    let fetched = in_time.await.unwrap_or_else(|| {
        let message = format!("`{text}` took longer than {:?}", what.timeout);
        let late = StepError::new(message).with_code(ErrorCode::TimedOut);
        Err(late.with_id(ErrorId::HTTP_TIMED_OUT).with_hint("raise `timeout`"))
    });
    fetched
        .map_err(|error| if is_done && error.data.retryable { lost(&what, error) } else { error })
}

/// Sends a request, and follows redirects. See [`Redirect`]. `is_done` becomes `true` when a server
/// has carried out the request and only its answer is left to be fetched.
async fn send(
    what: &Request,
    url: Url,
    is_done: &mut bool,
    cx: &StepContext,
) -> Result<Response, StepError> {
    let text = what.url.trim();
    let (mut url, mut method) = (url, what.method.clone());
    let (mut headers, mut body) = (what.headers.clone(), what.body.clone());
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ACCEPTED));
    for _ in 0..=REDIRECTS_MAX {
        let is_guarded = what.reach.is_guarded(&url);
        if is_guarded {
            check_public(text, &url)?;
        }
        let client = if is_guarded { &*PUBLIC } else { &*CLIENT };
        let client = client.as_ref().map_err(|reason| StepError::terminal(reason.clone()))?;
        let mut request = client.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(body) = &body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| failed(what, &error))?;
        cx.keep_alive();
        match Redirect::of(&response, &url, &method) {
            None => return Ok(response),
            Some(Redirect::Refused(host)) => {
                let status = response.status();
                let message = format!("`{text}` answered {status}, to another server: `{host}`");
                let error = StepError::terminal(message).with_id(ErrorId::HTTP_STATUS);
                let help = "a request that changes something is sent only to the server that it \
                            names: if you trust the other one, write its address as `url`";
                return Err(error.with_hint(help));
            }
            Some(Redirect::To { url: next, as_get, elsewhere }) => {
                if as_get {
                    *is_done |= !matches!(method, Method::GET | Method::HEAD);
                    (method, body) = (Method::GET, None);
                    redirect::without_body(&mut headers);
                }
                if elsewhere {
                    redirect::without_secrets(&mut headers);
                }
                permitted(text, &method, &next, cx)?;
                url = next;
            }
        }
    }
    Err(StepError::new(format!("`{text}` cannot be fetched: too many redirects"))
        .with_id(ErrorId::HTTP_UNREACHABLE))
}

/// Checks a redirect: a page that is permitted may lead to one that is not. Nothing is asked in the
/// middle of a request.
fn permitted(text: &str, method: &Method, url: &Url, cx: &StepContext) -> Result<(), StepError> {
    let effect = effects::request(effects::HTTP, method.as_str(), url);
    if cx.verdict(&effect) == Verdict::Allow {
        return Ok(());
    }
    let address = effect.detail();
    let message = format!("`{text}`: it redirects to `{address}`, which is not permitted");
    let refused = StepError::terminal(message).with_code(ErrorCode::Rejected);
    let refused = refused.with_id(ErrorId::EFFECT_REFUSED);
    Err(refused.with_hint(format!("allow it in the permissions: `http: {address}`")))
}

/// Checks that an address can be fetched.
pub fn check_address(text: &str) -> Result<(), StepError> {
    address(text.trim()).map(drop)
}

/// Parses an address. Browsers repair some wrong addresses, and then visit another place than the
/// one that the text names: such an address is an error here.
pub fn address(text: &str) -> Result<Url, StepError> {
    let text = text.trim();
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

async fn read(mut response: Response, what: &Request, cx: &StepContext) -> Result<Page, StepError> {
    let text = what.url.trim();
    let status = response.status();
    if !status.is_success() && !what.any_status {
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
    let mut headers = response.headers().clone();
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = {
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    };
    let mut body = None;
    while let Some(piece) = response.chunk().await.map_err(|error| failed(what, &error))? {
        cx.keep_alive();
        if piece.is_empty() {
            continue;
        }
        // An answer without a body may tell the encoding of the body that it would have.
        let read = match &mut body {
            Some(body) => body,
            none => none.insert(Body::of(&headers, what.max_bytes).map_err(unread(what))?),
        };
        read.push(&piece).map_err(unread(what))?;
    }
    let is_decoded = body.as_ref().is_some_and(Body::is_decoded);
    let bytes = body.map(Body::end).transpose().map_err(unread(what))?.unwrap_or_default();
    let (page, note) = decoded(bytes, kind);
    let note = note.map(|note| format!("`{text}`: {note}"));
    if is_decoded {
        // They describe the body as it was sent.
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    Ok(Page { status: status.as_u16(), headers, text: page, note, json })
}

fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

/// Returns the error of a body that cannot be read.
fn unread(what: &Request) -> impl Fn(Wrong) -> StepError {
    let text = what.url.trim();
    move |wrong| match wrong {
        Wrong::TooLarge => {
            over(format!("`{text}` has more than {} bytes", what.max_bytes), "max_bytes")
        }
        Wrong::Encoded(encoding) => {
            refused(format!("`{text}` answered with the content encoding `{encoding}`")).with_hint(
                "only gzip can be decoded: leave out an `accept-encoding` of your own, or ask the \
                 server for `identity`",
            )
        }
        Wrong::Damaged(error) => {
            let message = format!("`{text}` cannot be fetched: its gzip body is damaged: {error}");
            lost(what, StepError::new(message))
        }
    }
}

fn failed(what: &Request, error: &reqwest::Error) -> StepError {
    let message = format!("`{}` cannot be fetched: {}", what.url.trim(), causes(error));
    let failed = StepError::new(message);
    // Without a connection, the server has seen nothing of the request.
    if error.is_connect() || error.is_builder() {
        return failed.with_id(ErrorId::HTTP_UNREACHABLE);
    }
    lost(what, failed)
}

/// Makes a failure one after which the request may have been carried out.
fn lost(what: &Request, error: StepError) -> StepError {
    let error = error.with_id(ErrorId::HTTP_LOST);
    if matches!(what.method, Method::GET | Method::HEAD) {
        return error;
    }
    error.with_hint("the request was sent: the server may have done what it asks")
}
