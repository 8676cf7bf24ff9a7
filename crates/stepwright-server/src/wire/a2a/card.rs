//! Agent cards.

use crate::auth::{Caller, Read};
use crate::error::Problem;
use crate::state::{App, Served};
use axum::Json;
use axum::extract::{Path, State};
use http::{HeaderMap, header};
use serde_json::{Value, json};

/// Returns the card of what is served first.
pub(super) async fn first(
    _: Caller<Read>,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let first = app.served.first().ok_or_else(|| Problem::not_found("nothing is served"))?;
    Ok(Json(card(&app, first, &headers)))
}

/// Returns the card of a workflow, an agent or a team.
pub(super) async fn named(
    _: Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let missing = || Problem::not_found(format!("there is no workflow, agent or team `{id}`"));
    Ok(Json(card(&app, app.of_id(&id).ok_or_else(missing)?, &headers)))
}

/// Returns a card for both versions of the protocol.
fn card(app: &App, served: &Served, headers: &HeaderMap) -> Value {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).unwrap_or("localhost");
    let proxy = header::HeaderName::from_static("x-forwarded-proto");
    let scheme = if text(proxy) == Some("https") { "https" } else { "http" };
    let workflow = &served.workflow;
    let url = format!("{scheme}://{host}/a2a/{}", workflow.id());
    let about = workflow.description().unwrap_or_else(|| workflow.name());
    let binding = "JSONRPC";
    let interface =
        |version: &str| json!({"url": url, "protocolBinding": binding, "protocolVersion": version});
    let modes = ["text/plain", "application/json"];
    let mut card = json!({
        "name": workflow.name(), "description": about, "version": env!("CARGO_PKG_VERSION"),
        "supportedInterfaces": [interface("1.0"), interface("0.3")],
        // The names of 0.3.
        "url": url, "preferredTransport": binding, "protocolVersion": "0.3.0",
        "capabilities": {"streaming": true, "pushNotifications": false},
        "defaultInputModes": modes, "defaultOutputModes": modes,
        "skills": [{
            "id": workflow.id().as_str(), "name": workflow.name(), "description": about,
            "tags": [served.kind.as_str()],
        }],
    });
    if !app.auth.is_open() {
        card["securitySchemes"] = json!({"key": {"httpAuthSecurityScheme": {"scheme": "bearer"}}});
        card["securityRequirements"] = json!([{"schemes": {"key": {"list": []}}}]);
    }
    card
}
