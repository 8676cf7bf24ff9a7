//! Events from outside, for the runs that wait for them.

use crate::auth::{Caller, Start};
use crate::body::JsonBody;
use crate::error::{Problem, Problems};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEvent {
    /// The name, such as `order.paid`.
    name: String,
    /// The key, such as the number of an order. The event reaches the runs that wait for this key,
    /// and those that wait without one.
    key: Option<String>,
    /// The payload, which becomes the output of the waits.
    #[serde(default)]
    payload: Value,
    /// The id. Sent again with the same id, the event reaches no run a second time.
    id: Option<String>,
}

/// An event that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EmittedView {
    /// The id of the event.
    id: String,
    /// The number of runs that received it by this request. It is not kept for runs that wait
    /// later.
    received: usize,
    /// The runs.
    run_ids: Vec<String>,
    /// The runs that received the same id before, and did not receive it again.
    #[schema(ignore)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    received_before: Vec<String>,
}

/// Sends an event to the runs that wait for it.
///
/// It is stored for each of them before the answer. Callers who see the runs of one user only reach
/// no others.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", request_body = NewEvent,
    responses(
        (status = 200, description = "The event was sent.", body = EmittedView),
        Problems,
    )
)]
pub(super) async fn emit_event(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    JsonBody(NewEvent { name, key, payload, id }): JsonBody<NewEvent>,
) -> Result<Json<EmittedView>, Problem> {
    let mut event = app.seen_by(&who)?.emit(name).payload(payload);
    if let Some(key) = key {
        event = event.key(key);
    }
    if let Some(id) = id {
        event = event.id(id);
    }
    if let Some(signs) = who.signs() {
        event = event.by(signs);
    }
    let emitted = event.await?;
    let run_ids: Vec<String> = emitted.received.iter().map(ToString::to_string).collect();
    let id = emitted.id.to_string();
    let received_before = emitted.before.iter().map(ToString::to_string).collect();
    Ok(Json(EmittedView { id, received: run_ids.len(), run_ids, received_before }))
}
