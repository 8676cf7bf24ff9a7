//! Every route, by who calls it.

use crate::auth::{Caller, Read};
use crate::error::Problem;
use crate::openapi;
use crate::page;
use crate::state::App;
use crate::wire::{a2a, agentos, agui};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, Uri, header};

pub(crate) fn router(app: &App) -> Router {
    let (v1, _) = openapi::router().split_for_parts();
    let router = Router::new()
        // Kubernetes, Prometheus and the like.
        .route("/ready", get(ready))
        // Browsers, and AgentOS's clients.
        .route("/", get(root))
        .route("/assets/{*path}", get(asset))
        .route("/app", get(asset))
        .route("/app/{*path}", get(asset))
        // Our page, our programs, Prometheus, and clients of OpenAI.
        .merge(v1)
        // Agno's clients, and agent-ui.
        .merge(agentos::router())
        // Clients of AG-UI, and agents of others.
        .merge(agui::router())
        .merge(a2a::router());
    // Clients of MCP.
    #[cfg(feature = "mcp")]
    let router = router.merge(crate::wire::mcp::router(app));
    router
        .route_layer(from_fn(name_route))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app.clone())
}

/// Adds the pattern of the route to the answer, for the metrics.
async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut answer = next.run(request).await;
    if let Some(route) = route {
        answer.extensions_mut().insert(route);
    }
    answer
}

/// Answers if the server takes requests.
async fn ready(State(app): State<App>) -> Response {
    if app.is_stopping() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server stops").into_response();
    }
    let streams = app.open_streams();
    axum::Json(serde_json::json!({"status": "ready", "streams": streams})).into_response()
}

/// Answers browsers with the page, and programs with what `AgentOS` says of itself.
async fn root(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html"))
        && let Some(page) = page::answer("/")
    {
        return page;
    }
    agentos::root(&app)
}

/// Answers with a file of the page.
async fn asset(uri: Uri) -> Response {
    page::answer(uri.path()).unwrap_or_else(|| nothing_at(&uri).into_response())
}

/// A caller without a key must not learn which paths there are.
async fn unknown(_: Caller<Read>, uri: Uri) -> Problem {
    nothing_at(&uri)
}

fn nothing_at(uri: &Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`", uri.path()))
}

async fn wrong_method(_: Caller<Read>) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method")
}
