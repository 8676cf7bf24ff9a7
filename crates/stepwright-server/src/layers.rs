//! Everything between a connection and a handler, in order.

use crate::auth;
use crate::body;
use crate::error::Problem;
use crate::limits::{REQUEST_ID_BYTES_MAX, SMALL_BODY_BYTES_MAX};
use crate::state::App;
use crate::wire::{agentos, openai};
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use stepwright_engine::real_world;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The names of this machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The origin of agent-ui on this machine, the only one that `AgentOS`'s clients need by default.
const AGENT_UI: &str = "http://localhost:3000";

/// The data that the layers need.
pub(crate) struct Front {
    app: App,
    hosts: Vec<String>,
    /// The origins of the own page.
    own: Vec<String>,
}

impl Front {
    pub(crate) fn new(app: App, allowed: &[String], address: SocketAddr) -> Self {
        let mut hosts: Vec<String> = LOCAL.map(str::to_owned).into();
        hosts.extend(allowed.iter().map(|host| host.to_lowercase()));
        if !address.ip().is_unspecified() && !address.ip().is_loopback() {
            hosts.push(match address {
                SocketAddr::V4(address) => address.ip().to_string(),
                SocketAddr::V6(address) => format!("[{}]", address.ip()),
            });
        }
        let own = hosts.iter().flat_map(|host| {
            let port = address.port();
            ["http", "https"].map(|scheme| format!("{scheme}://{host}:{port}"))
        });
        // Behind a proxy the port is not said.
        let named = allowed.iter().map(|host| format!("https://{}", host.to_lowercase()));
        let own = own.chain(named).collect();
        Self { app, hosts, own }
    }

    fn knows_host(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
        let Some(host) = host else { return false };
        let name = match host.rfind(':') {
            Some(at) if !host.ends_with(']') => &host[..at],
            _ => host,
        };
        self.hosts.iter().any(|known| name.eq_ignore_ascii_case(known))
    }

    /// Returns the origin of the page that sends the request, if it is a page of others.
    fn foreign<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let is_own = self.own.iter().any(|own| origin.as_bytes() == own.as_bytes());
        (!is_own).then_some(origin)
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let allowed = &self.app.origins.0;
        match allowed.as_slice() {
            [] => origin.as_bytes() == AGENT_UI.as_bytes(),
            allowed => allowed.iter().any(|one| origin.as_bytes() == one.as_bytes()),
        }
    }
}

/// The form of errors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Own,
    AgentOs,
    OpenAi,
}

impl Dialect {
    fn of(path: &str) -> Self {
        if openai::is_of(path) {
            Self::OpenAi
        } else if agentos::is_of(path) {
            Self::AgentOs
        } else {
            Self::Own
        }
    }
}

/// Answers a request.
pub(crate) async fn answered(
    front: &Front,
    service: TowerToHyperService<axum::Router>,
    request: Request<Body>,
) -> Response {
    // First, so that every answer and every line of the log has it.
    let id = request_id(request.headers());
    let (begun, method) = (real_world().now(), request.method().clone());
    let dialect = Dialect::of(request.uri().path());
    let foreign = front.foreign(request.headers()).cloned();
    let allowed = foreign.as_ref().filter(|origin| front.allows(origin)).cloned();
    let span = tracing::info_span!("request", id, method = %request.method());
    let mut answer =
        checked(front, service, request, foreign.as_ref(), allowed.as_ref()).instrument(span).await;
    if let Some(problem) = answer.extensions_mut().remove::<Problem>() {
        if problem.status.is_server_error() {
            tracing::error!(id, status = problem.status.as_u16(), detail = problem.detail);
        }
        let allow = answer.headers_mut().remove(header::ALLOW);
        answer = match dialect {
            Dialect::Own => problem.rendered(&id),
            Dialect::AgentOs => agentos::rendered(&problem),
            Dialect::OpenAi => openai::rendered(&problem),
        };
        if let Some(allow) = allow {
            answer.headers_mut().insert(header::ALLOW, allow);
        }
        if problem.status == StatusCode::UNAUTHORIZED && dialect != Dialect::AgentOs {
            let bearer = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
    }
    let route = answer.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let time = real_world().now().since(begun);
    front.app.counters.answered(&method, route, answer.status(), time);
    let headers = answer.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    secure(headers);
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        headers
            .entry(header::ACCESS_CONTROL_EXPOSE_HEADERS)
            .or_insert(HeaderValue::from_static("*"));
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    answer
}

async fn checked(
    front: &Front,
    service: TowerToHyperService<axum::Router>,
    mut request: Request<Body>,
    foreign: Option<&HeaderValue>,
    allowed: Option<&HeaderValue>,
) -> Response {
    // A page of an attacker can have the address of this machine, but not its name.
    if !front.knows_host(request.headers(), request.uri()) {
        let what = "the `Host` of the request is not a name of this server";
        let help = "name it with `--allow-host HOST`";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, what).with_help(help).into_response();
    }
    // Before anything is looked up: a browser asks without credentials.
    if request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return preflight(request.headers(), allowed.is_some());
    }
    // A page of others can send simple requests without being allowed to read the answer, and open
    // WebSockets, whose frames it reads.
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && !request.headers().contains_key(header::UPGRADE);
    if foreign.is_some() && allowed.is_none() && !reads {
        let what = "the page that sends this request is not allowed here";
        let help = "allow it with `--allow-origin ORIGIN`";
        return Problem::new(StatusCode::FORBIDDEN, what).with_help(help).into_response();
    }
    if !is_text(request.uri().path()) {
        return Problem::bad("the path is not UTF-8").into_response();
    }
    // Who it is, and no more: each handler says what its caller must be allowed to do.
    let who = auth::who(&front.app.auth, request.headers()).await;
    strip_slash(request.uri_mut());
    request.extensions_mut().insert(who);
    let request = match with_body(request).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let handled = service.call(request);
    match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal server error").into_response()
        }
    }
}

/// Reads a small body at once. A connection whose request is refused before its body is read must
/// be closed, and the next request of the client would fail with it.
async fn with_body(request: Request<Body>) -> Result<Request<Body>, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let (parts, body) = request.into_parts();
    let body = match length {
        Some(1..=SMALL_BODY_BYTES_MAX) => Body::from(body::read(body).await?),
        _ => body,
    };
    Ok(Request::from_parts(parts, body))
}

/// Returns `true` for a path that is UTF-8 once it is decoded.
fn is_text(path: &str) -> bool {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    std::str::from_utf8(&decoded).is_ok()
}

/// Returns the id of a request: that of the client if it is a harmless one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.bytes().all(is_plain)
    });
    #[expect(clippy::disallowed_methods, reason = "the id of a request is no part of a run")]
    given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

/// Answers a browser that asks if a page may send a request.
fn preflight(headers: &HeaderMap, is_allowed: bool) -> Response {
    if !is_allowed {
        return (StatusCode::BAD_REQUEST, "Disallowed CORS origin").into_response();
    }
    let mut answer = "OK".into_response();
    let methods = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY");
    let into = answer.headers_mut();
    into.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    into.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        into.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    into.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answer
}

/// Removes slashes from the end of the path, as `AgentOS` does, without a redirect.
fn strip_slash(uri: &mut Uri) {
    let path = uri.path();
    let stripped = path.trim_end_matches('/');
    if stripped.len() == path.len() || stripped.is_empty() {
        return;
    }
    let text = match uri.query() {
        Some(query) => format!("{stripped}?{query}"),
        None => stripped.to_owned(),
    };
    if let Ok(shorter) = text.parse() {
        *uri = shorter;
    }
}

/// Adds the headers that keep browsers from doing more than the page wants.
fn secure(headers: &mut HeaderMap) {
    let all = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            // The page has its own.
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    for (name, value) in all {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
