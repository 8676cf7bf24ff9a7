//! Our own API, at `/v1`.

mod definitions;
mod drive;
mod events;
mod hooks;
mod list;
mod runs;
mod schedules;
mod sessions;
mod views;

use crate::error::ProblemView;
use crate::state::App;
use axum::Json;
use serde_json::Value;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The document without its paths.
#[derive(OpenApi)]
#[openapi(
    info(title = "Stepwright", description = "Runs of workflows and agents."),
    components(schemas(ProblemView)),
    modifiers(&Keys),
    security(("key" = [])),
    tags(
        (name = "workflows", description = "What can run."),
        (name = "runs", description = "What runs, and what ran."),
        (name = "sessions", description = "Threads of runs."),
        (name = "schedules", description = "What begins runs at set times."),
        (name = "webhooks", description = "Requests of other services that begin runs."),
    )
)]
struct Document;

/// Adds the way in which clients send their key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// Returns the routes, with the document that describes them.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(definitions::list_workflows))
        .routes(routes!(definitions::get_workflow))
        .routes(routes!(drive::start_run))
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(events::list_events))
        .routes(routes!(drive::answer_run))
        .routes(routes!(drive::cancel_run))
        .routes(routes!(drive::resume_run))
        .routes(routes!(drive::retry_run))
        .routes(routes!(drive::rerun_run))
        .routes(routes!(drive::fork_run))
        .routes(routes!(drive::send_message))
        .routes(routes!(runs::list_inbox))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::get_session))
        .routes(routes!(schedules::list_schedules))
        .routes(routes!(schedules::pause_schedule))
        .routes(routes!(schedules::resume_schedule))
        .routes(routes!(schedules::run_schedule))
        .routes(routes!(hooks::list_webhooks))
        .routes(routes!(hooks::renew_token))
        .routes(routes!(hooks::receive_hook))
        .routes(routes!(get_openapi))
}

/// Returns the document.
pub(crate) fn document() -> Value {
    let (_, document) = router().split_for_parts();
    serde_json::to_value(document).unwrap_or_default()
}

/// Returns this document.
///
/// It is made from the code of the routes.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "workflows", security(()),
    responses((status = 200, description = "The document.", body = Object))
)]
async fn get_openapi() -> Json<Value> {
    Json(document())
}
