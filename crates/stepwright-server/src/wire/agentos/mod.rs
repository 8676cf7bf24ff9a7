//! The API of `AgentOS` 3.1, as Agno's clients and agent-ui speak it.

mod convert;
mod discovery;
mod events;
mod fault;
mod form;
mod index;
mod requirements;
mod runs;
mod sessions;

use crate::error::Problem;
use crate::state::{App, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

/// Returns `true` for a path of `AgentOS`: everything that is not ours.
pub(crate) fn is_of(path: &str) -> bool {
    path != "/v1" && !path.starts_with("/v1/") && path != "/ready"
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

/// Returns the routes. Those of agents are the twins of those of workflows.
pub(crate) fn router() -> Router<App> {
    let mut router = Router::new()
        .route("/health", get(discovery::health))
        .route("/info", get(discovery::info))
        .route("/config", get(discovery::config))
        .route("/workflows", get(discovery::workflows))
        .route("/workflows/{id}", get(discovery::workflow))
        .route("/agents", get(discovery::agents))
        .route("/agents/{id}", get(discovery::agent))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{sid}/rename", post(sessions::rename))
        .route("/sessions/{sid}/runs", get(sessions::runs))
        .route("/sessions/{sid}/runs/{run_id}", get(sessions::run))
        .route("/sessions/{sid}/run-previews", get(sessions::previews));
    let one = get(sessions::get).patch(sessions::patch).delete(sessions::delete);
    router = router.route("/sessions/{sid}", one);
    for kind in ["workflows", "agents"] {
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
