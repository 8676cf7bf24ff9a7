//! The API of AgentOS 3.1, as Agno's clients and agent-ui speak it.

mod convert;
mod fault;
mod form;
mod requirements;

use crate::error::Problem;
use crate::state::{App, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;

/// Returns `true` for a path of AgentOS: everything that is not ours.
pub(crate) fn is_of(path: &str) -> bool {
    path != "/v1" && !path.starts_with("/v1/") && path != "/ready"
}

/// Writes a problem as AgentOS does.
pub(crate) fn rendered(problem: &Problem) -> Response {
    (problem.status, Json(json!({"detail": problem.detail}))).into_response()
}

/// Answers `GET /`.
pub(crate) fn root(app: &Shared) -> Response {
    let body = json!({"name": app.name, "health": "/health", "info": "/info", "docs": "/docs"});
    Json(body).into_response()
}

pub(crate) fn router() -> Router<App> {
    Router::new()
}
