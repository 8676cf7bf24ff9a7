//! The `OpenAPI` document: our own API, and the chat API of `OpenAI`.

use crate::error::ProblemView;
use crate::state::App;
use crate::v1;
use crate::wire::openai;
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
        (name = "events", description = "Events from outside that runs wait for."),
        (name = "schedules", description = "What begins runs at set times."),
        (name = "webhooks", description = "Requests of other services that begin runs."),
        (name = "deliveries", description = "Requests to other services about runs."),
        (name = "chat", description = "Runs as the chats of OpenAI."),
        (name = "keys", description = "What callers show to the server."),
        (name = "server", description = "The server itself."),
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
        .merge(v1::router())
        .merge(openai::router())
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
    get, path = "/v1/openapi.json", tag = "server", security(()),
    responses((status = 200, description = "The document.", body = Object))
)]
async fn get_openapi() -> Json<Value> {
    Json(document())
}
