//! HTTP to providers: one client for all of them, and answers that are read as they come.

use crate::catalogue::Wire;
use crate::failure::Speaker;
use crate::shape::Reader;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::header::{self, HeaderMap, HeaderName};
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;
use stepwright_core::model::{ModelError, ModelErrorKind};

/// How long a provider may take to accept a connection. How long it may be silent after that is
/// for the guard to say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How much of an answer that is no stream is read, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// How long a whole answer may be, in bytes. The longest text of any model is far below this.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Where providers are told the key. With no key, nothing of this is sent.
const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

// Connections are kept open between requests, and reading the platform's certificates takes
// milliseconds: both ask for one client in a process.
static CLIENT: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| build(builder()?));

/// The pieces of an answer, as they come.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, ModelError>>;

/// How every client of this crate is made.
pub(crate) fn builder() -> Result<reqwest::ClientBuilder, String> {
    let tls = tls().map_err(|error| error.to_string())?;
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect would take the key along to somebody else.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("stepwright/", env!("CARGO_PKG_VERSION"))))
}

pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| causes(&error.without_url()))
}

/// TLS by `ring`, trusting what the platform trusts. Where it trusts nothing, as in a container
/// without certificates, the roots of Mozilla stand in.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let config = match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        Err(_) => config.with_root_certificates(rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }),
    };
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec!["http/1.1".into()];
    Ok(config)
}

/// Sends a request, and gives the headers and the body of an answer that is a stream of events.
/// Everything else is an error.
pub(crate) async fn send(
    request: http::Request<Bytes>,
    speaker: Arc<Speaker>,
    wire: Wire,
) -> Result<http::Response<Pieces>, ModelError> {
    let client = CLIENT.as_ref().map_err(|reason| {
        speaker.error(ModelErrorKind::Transport, format!("no HTTPS on this machine: {reason}"))
    })?;
    let request = prepared(request, &speaker)?;
    let place = place(request.url());
    let sent = client.execute(request).await;
    let response = sent.map_err(|error| not_reached(error, &place, &speaker))?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status != http::StatusCode::OK {
        let body = beginning(response).await;
        return Err(speaker.refused(status, &headers, &body));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    // Lines or events, each wire has its own. An Ollama behind a proxy may call its lines JSON.
    let streams: &[&str] = match wire {
        Wire::Ollama => &["application/x-ndjson", "application/ndjson", "application/json"],
        _ => &["text/event-stream"],
    };
    let said = content_type.trim_start().to_ascii_lowercase();
    if !streams.iter().any(|stream| said.starts_with(stream)) {
        let body = beginning(response).await;
        return Err(speaker.wrong_content(&content_type, &body));
    }
    let mut answer = http::Response::new(pieces(response, speaker, wire));
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn prepared(
    request: http::Request<Bytes>,
    speaker: &Speaker,
) -> Result<reqwest::Request, ModelError> {
    let (parts, body) = request.into_parts();
    let wrong = |_| speaker.error(ModelErrorKind::BadRequest, "the base URL is no address");
    let mut url: reqwest::Url = parts.uri.to_string().parse().map_err(wrong)?;
    let mut headers = parts.headers;
    // A key in an address ends up in the logs of every proxy on the way.
    if url.query_pairs().any(|(name, _)| name == "key") {
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "key")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(others);
        if let Some(key) = &speaker.key
            && let Ok(key) = key.expose().parse()
        {
            headers.insert(HeaderName::from_static("x-goog-api-key"), key);
        }
    }
    for name in KEY_HEADERS {
        match (&speaker.key, headers.get_mut(name)) {
            (Some(_), Some(value)) => value.set_sensitive(true),
            (None, Some(_)) => {
                headers.remove(name);
            }
            (_, None) => {}
        }
    }
    let mut request = reqwest::Request::new(parts.method, url);
    *request.headers_mut() = headers;
    *request.body_mut() = Some(body.into());
    Ok(request)
}

/// Where a request goes, without what might be secret in its address.
fn place(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

fn not_reached(error: reqwest::Error, place: &str, speaker: &Speaker) -> ModelError {
    let provider = speaker.provider;
    let could_not_connect = error.is_connect();
    let reason = causes(&error.without_url());
    if could_not_connect {
        return speaker
            .error(
                ModelErrorKind::Transport,
                format!("no connection to `{provider}` at {place}: {reason}"),
            )
            .with_hint("check the base URL, and whether the server runs and can be reached");
    }
    speaker.error(
        ModelErrorKind::Transport,
        format!("the connection to `{provider}` at {place} failed: {reason}"),
    )
}

/// The innermost causes of an error: the outer ones say only that there was one.
fn causes(error: &reqwest::Error) -> String {
    let mut reasons = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        reasons.push(error.to_string());
        cause = error.source();
    }
    // Causes often repeat what is beneath them.
    let innermost = reasons.pop().unwrap_or_else(|| error.to_string());
    match reasons.pop() {
        Some(outer) if !outer.contains(&innermost) => format!("{outer}: {innermost}"),
        Some(outer) => outer,
        None => innermost,
    }
}

/// The beginning of a body that explains a failure. What cannot be read explains nothing.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES_MAX
        && let Ok(Some(piece)) = response.chunk().await
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(REFUSAL_BYTES_MAX);
    String::from_utf8_lossy(&body).into_owned()
}

/// The body, piece by piece, each of the right shape. The first error is the end.
fn pieces(response: reqwest::Response, speaker: Arc<Speaker>, wire: Wire) -> Pieces {
    let state = Some((response, Reader::new(wire), 0));
    stream::unfold(state, move |state| {
        let speaker = speaker.clone();
        async move {
            let (mut response, mut reader, read) = state?;
            let piece = match response.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    return reader.end().map(|mistake| (Err(misshapen(&mistake, &speaker)), None));
                }
                Err(error) => return Some((Err(broken(error, &speaker)), None)),
            };
            let read = read + piece.len();
            let provider = speaker.provider;
            let wrong = if read > ANSWER_BYTES_MAX {
                format!("the answer of `{provider}` is longer than {ANSWER_BYTES_MAX} bytes")
            } else if let Some(mistake) = reader.read(&piece) {
                return Some((Err(misshapen(&mistake, &speaker)), None));
            } else {
                return Some((Ok(piece), Some((response, reader, read))));
            };
            Some((Err(speaker.error(ModelErrorKind::Malformed, wrong)), None))
        }
    })
    .boxed()
}

fn misshapen(mistake: &str, speaker: &Speaker) -> ModelError {
    let provider = speaker.provider;
    let message = format!("`{provider}` sent what is not its wire: {mistake}");
    speaker.error(ModelErrorKind::Malformed, message)
}

fn broken(error: reqwest::Error, speaker: &Speaker) -> ModelError {
    let reason = causes(&error.without_url());
    let provider = speaker.provider;
    speaker.error(
        ModelErrorKind::Transport,
        format!("the connection to `{provider}` broke within the answer: {reason}"),
    )
}

/// What one request has heard so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pieces: AtomicU64,
    request_id: OnceLock<String>,
}

impl Heard {
    /// The answer has begun.
    pub(crate) fn headers(&self, headers: &HeaderMap) {
        let names = ["x-request-id", "request-id", "mistral-correlation-id", "apim-request-id"];
        let mut ids = names.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
        if let Some(id) = ids.find(|id| !id.is_empty()) {
            let _ = self.request_id.set(id.to_owned());
        }
    }

    /// A piece of it has come.
    pub(crate) fn piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// How many pieces have come.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// What the provider calls the request, if it said.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.request_id.get().cloned()
    }
}
