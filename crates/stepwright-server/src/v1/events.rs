//! The events of a run, as JSON or as a stream.

use super::runs::queried;
use crate::auth::{Caller, Read};
use crate::error::{Problem, Problems};
use crate::limits::EVENTS_PAGE_MAX;
use crate::state::{App, Found};
use crate::stream;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, StreamExt as _, once};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwright_core::{Error, Event};
use stepwright_engine::Runs;
use utoipa::{IntoParams, ToSchema};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The first frame: the time after which a browser comes back.
const RETRY: &str = "retry: 3000\n\n";

/// The comment on a silent stream.
const COMMENT: &str = ": keep-alive\n\n";

/// The place to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// The sequence number of the last fact that the client has.
    after: Option<u64>,
}

/// Recorded events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsPage {
    /// The facts, in order.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// The `after` of the next request; `null` if there will be no more.
    #[schema(required)]
    next: Option<u64>,
}

/// Returns the events of a run.
///
/// With `Accept: text/event-stream` it is a stream that ends with the run. `Last-Event-ID` wins
/// over `after`. Once the run has ended and the client has everything, the answer is 204.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", tag = "runs",
    params(("id" = String, Path, description = "The id of the run."), EventsQuery),
    responses(
        (status = 200, description = "The events.", content(
            (EventsPage = "application/json"), (String = "text/event-stream"),
        )),
        (status = 204, description = "The run has ended, and there are no further events."),
        Problems,
    )
)]
pub(super) async fn list_events(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut after = queried(query)?.after;
    if let Some(last) = headers.get(LAST_EVENT_ID).filter(|last| !last.is_empty()) {
        let parsed = last.to_str().ok().and_then(|last| last.parse().ok());
        after = Some(parsed.ok_or_else(|| Problem::bad("`Last-Event-ID` is no sequence number"))?);
    }
    let from = after.map_or(0, |after| after.saturating_add(1));
    let (runs, found) = (app.seen_by(&who)?, app.find(&who, &id).await?);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_none_or(|accept| !accept.contains("text/event-stream")) {
        return recorded(&runs, &found, after).await;
    }
    let run = &found.row.run_id;
    if found.row.status.is_terminal() && runs.recorded(run, from).await?.next().await.is_none() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = match found.served {
        // Its process has the deltas too.
        Some(served) => served.workflow.events(run, from).await?,
        None => runs.follow(run, from).await?,
    };
    stream::answer(&app, frames(events), COMMENT, "text/event-stream")
}

async fn recorded(runs: &Runs, found: &Found<'_>, after: Option<u64>) -> Result<Response, Problem> {
    let run = &found.row.run_id;
    let from = after.map_or(0, |after| after.saturating_add(1));
    let mut facts = runs.recorded(run, from).await?;
    let (mut events, mut last) = (Vec::new(), after);
    let mut is_all = true;
    while let Some(fact) = facts.next().await {
        let fact = fact?;
        if events.len() == EVENTS_PAGE_MAX {
            is_all = false;
            break;
        }
        last = Some(fact.sequence);
        events.push(serde_json::to_value(&fact).unwrap_or_default());
    }
    // The row is older than the facts: an end that it knows is among them.
    let is_over = is_all && found.row.status.is_terminal();
    let next = if is_over { None } else { last };
    Ok(Json(EventsPage { events, next }).into_response())
}

fn frames(events: impl Stream<Item = Result<Event, Error>> + Send) -> impl Stream<Item = String> {
    let frames = events.map(|event| match event {
        Ok(event) => frame(&event),
        Err(error) => failure(error),
    });
    once(async { RETRY.to_owned() }).chain(frames)
}

/// Writes an event. Its name is one of ours, so that it has no line break.
fn frame(event: &Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    let name = event.name();
    if event.is_fact() {
        format!("event: {name}\nid: {}\ndata: {data}\n\n", event.sequence)
    } else {
        // A delta leaves the browser at the last fact.
        format!("event: {name}\ndata: {data}\n\n")
    }
}

/// Writes the failure of a stream, as when the run is deleted meanwhile.
fn failure(error: Error) -> String {
    let problem = Problem::from(error);
    let data = serde_json::json!({
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "code": problem.code.map(|code| code.to_string()),
    });
    format!("event: error\ndata: {data}\n\n")
}
