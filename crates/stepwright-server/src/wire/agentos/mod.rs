//! The API of `AgentOS` 3.1, as Agno's clients and agent-ui speak it.

mod convert;
mod discovery;
mod events;
mod fault;
mod form;
mod index;
mod kind;
mod memories;
mod metrics;
mod outputs;
mod query;
mod requirements;
mod runs;
mod session_runs;
mod sessions;
mod socket;
mod stored;
mod tools;

use crate::error::Problem;
use crate::state::{App, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::json;

/// The first parts of paths that are not those of `AgentOS`.
const OTHERS: [&str; 6] = ["v1", "ready", "mcp", "agui", "a2a", ".well-known"];

/// Returns `true` for a path of `AgentOS`: everything that is not ours.
pub(crate) fn is_of(path: &str) -> bool {
    let first = path.split('/').nth(1);
    !first.is_some_and(|first| OTHERS.contains(&first))
}

/// Writes a problem as `AgentOS` does.
pub(crate) fn rendered(problem: &Problem) -> Response {
    (problem.status, Json(json!({"detail": problem.detail}))).into_response()
}

/// Answers `GET /`.
pub(crate) fn root(app: &Shared) -> Response {
    let body = json!({"name": app.name, "health": "/health", "info": "/info", "docs": "/docs"});
    Json(body).into_response()
}

/// Returns the routes. Those of agents and teams are the twins of those of workflows.
pub(crate) fn router() -> Router<App> {
    let sessions = get(sessions::list).post(sessions::create).delete(sessions::delete_all);
    let session = get(sessions::get).patch(sessions::patch).delete(sessions::delete);
    let memories = get(memories::list).post(memories::create).delete(memories::delete_all);
    let memory = get(memories::get).patch(memories::patch).delete(memories::delete);
    let mut router = Router::new()
        .route("/health", get(discovery::health))
        .route("/info", get(discovery::info))
        .route("/config", get(discovery::config))
        .route("/workflows", get(discovery::workflows))
        .route("/workflows/ws", any(socket::connect))
        .route("/workflows/{id}", get(discovery::workflow))
        .route("/databases/{db_id}/migrate", post(discovery::migrate))
        .route("/memories", memories)
        .route("/memories/{memory_id}", memory)
        .route("/memory_topics", get(memories::topics))
        .route("/user_memory_stats", get(memories::stats))
        .route("/metrics", get(metrics::list))
        .route("/metrics/refresh", post(metrics::refresh))
        .route("/metrics/refresh/status", get(metrics::status))
        .route("/sessions", sessions)
        .route("/sessions/{sid}", session)
        .route("/sessions/{sid}/rename", post(sessions::rename))
        .route("/sessions/{sid}/runs", get(session_runs::list))
        .route("/sessions/{sid}/runs/{run_id}", get(session_runs::get))
        .route("/sessions/{sid}/run-previews", get(session_runs::previews));
    for kind in ["agents", "teams"] {
        router = router
            .route(&format!("/{kind}"), get(discovery::agents))
            .route(&format!("/{kind}/{{id}}"), get(discovery::agent));
    }
    for kind in ["workflows", "agents", "teams"] {
        let run = format!("/{kind}/{{id}}/runs/{{run_id}}");
        router = router
            .route(&format!("/{kind}/{{id}}/runs"), get(runs::list).post(runs::start))
            .route(&run, get(runs::get))
            .route(&format!("{run}/cancel"), post(runs::cancel))
            .route(&format!("{run}/continue"), post(runs::go_on))
            .route(&format!("{run}/resume"), post(runs::resume));
    }
    router
}
