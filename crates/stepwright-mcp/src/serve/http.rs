//! The server over streamable HTTP.

use super::handler::Handler;
use super::shared::Shared;
use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{Error, ErrorKind};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The largest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The sessions at once. One more is refused until another ends, or has been silent for five
/// minutes.
pub const SESSIONS_MAX: usize = 1_000;

/// The header with the session of a request, from the second request of a session on.
const SESSION: &str = "mcp-session-id";

/// The header with the version of the protocol, and the version that has no sessions.
const VERSION: &str = "mcp-protocol-version";
const STATELESS: &str = "2026-07-28";

/// The time in which a client must send the headers of a request.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// The delay after a connection that could not be accepted, as when there are too many files.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// The path of the server.
const PATH: &str = "/mcp";

/// The options of a server over HTTP.
///
/// ```
/// use stepwright_mcp::HttpOptions;
/// let options = HttpOptions::new().token("a long secret").host("mcp.example.org");
/// assert!(!format!("{options:?}").contains("a long secret"));
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct HttpOptions {
    token: Option<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl HttpOptions {
    /// Creates the options of a server for programs of this machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires `Authorization: Bearer TOKEN` of each request.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Allows a name in the `Host` header, besides those of this machine.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Allows pages of this origin, such as `https://app.example.org`. By default pages of
    /// browsers are refused.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("has_token", &self.token.is_some())
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .finish()
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The protocol over HTTP, with its sessions.
#[derive(Clone)]
struct Service {
    protocol: StreamableHttpService<Handler, LocalSessionManager>,
    sessions: Arc<LocalSessionManager>,
}

impl Service {
    fn new(shared: Arc<Shared>, config: StreamableHttpServerConfig) -> Self {
        let sessions = Arc::new(LocalSessionManager::default());
        let config = config.with_max_request_body_bytes(REQUEST_BYTES_MAX);
        let protocol = StreamableHttpService::new(
            move || Ok(Handler(shared.clone())),
            sessions.clone(),
            config,
        );
        Self { protocol, sessions }
    }

    async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send + 'static,
        B::Error: fmt::Display,
    {
        let headers = request.headers();
        let begins = request.method() == Method::POST
            && !headers.contains_key(SESSION)
            && headers.get(VERSION).is_none_or(|version| version != STATELESS);
        if begins && self.sessions.sessions.read().await.len() >= SESSIONS_MAX {
            let why = "there are too many sessions: end one, or try again later\n";
            return plain(StatusCode::TOO_MANY_REQUESTS, why);
        }
        self.protocol.handle(request).await
    }
}

/// A service that answers requests which another HTTP server has received: see
/// [`McpService::mounted`](crate::McpService::mounted).
#[derive(Clone)]
pub struct MountedMcp(Service);

impl MountedMcp {
    pub(super) fn new(shared: Arc<Shared>, stop: CancellationToken) -> Self {
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_cancellation_token(stop);
        Self(Service::new(shared, config))
    }

    /// Answers a request. The answer may be a stream that goes on for as long as a run.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<BoxBody<Bytes, Infallible>> {
        self.0.answer(request.map(Full::new)).await
    }
}

impl fmt::Debug for MountedMcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountedMcp").finish_non_exhaustive()
    }
}

pub(super) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    options: HttpOptions,
    stop: CancellationToken,
) -> Result<(), Error> {
    let failed =
        |error: std::io::Error| Error::new(ErrorKind::Run, "cannot serve HTTP").with_source(error);
    let address = listener.local_addr().map_err(failed)?;
    let is_local = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if !is_local && options.token.is_none() {
        let what = format!("other machines reach `{address}`, and there is no token");
        let hint = "set the variable `STEPWRIGHT_MCP_TOKEN` to a secret that clients send, or \
                    listen on 127.0.0.1";
        return Err(Error::usage(what).with_hint(hint));
    }
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    hosts.extend(options.hosts.clone());
    // A page of the server itself, if it had one, would be of these origins.
    let own = ["localhost", "127.0.0.1", "[::1]"];
    let own = own.map(|host| format!("http://{host}:{}", address.port()));
    let origins = own.into_iter().chain(options.origins.clone());
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_cancellation_token(stop.clone());
    let service = Service::new(shared, config);
    let token: Option<Arc<str>> = options.token.map(Into::into);
    let connections = tokio_util::task::TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_DELAY).await;
            continue;
        };
        let (service, token, stop) = (service.clone(), token.clone(), stop.clone());
        connections.spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let (service, token) = (service.clone(), token.clone());
                async move {
                    let answer = answered(&service, token.as_deref(), request).await;
                    Ok::<_, Infallible>(answer)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            tokio::select! {
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn answered(service: &Service, token: Option<&str>, request: Request<Incoming>) -> Answer {
    if let Some(token) = token
        && !has_token(&request, token)
    {
        let mut answer = plain(StatusCode::UNAUTHORIZED, "a token is needed\n");
        answer.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        return answer;
    }
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "the MCP server is at /mcp\n");
    }
    service.answer(request).await
}

/// Compares hashes, so that the time tells nothing about the token.
fn has_token(request: &Request<Incoming>, token: &str) -> bool {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && Sha256::digest(given.trim()) == Sha256::digest(token)
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *answer.status_mut() = status;
    answer
}
