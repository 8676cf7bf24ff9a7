//! Deliveries: requests to other services about what happened to runs.

use super::runs::queried;
use super::triggers;
use crate::auth::{Caller, Read, Start};
use crate::error::{Problem, Problems};
use crate::limits::LIST_PAGE_MAX;
use crate::state::App;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stepwright_triggers::StoredDelivery;
use utoipa::{IntoParams, ToSchema};

/// The states of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryState {
    /// It is to be sent, for the first time or again.
    Pending,
    /// It is not tried any more.
    #[default]
    Dead,
}

/// The deliveries of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `dead` (the default) or `pending`.
    #[serde(default)]
    state: DeliveryState,
}

/// Deliveries that have not arrived.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryList {
    /// The oldest event first, at most 200.
    deliveries: Vec<DeliveryView>,
    /// The number of all of them.
    total: usize,
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    /// The id, which its requests have as `webhook-id`.
    id: String,
    state: DeliveryState,
    /// The id of the workflow.
    workflow_id: String,
    /// The name of the notification.
    name: String,
    /// The id of the run.
    run_id: String,
    /// `paused`, `completed`, `failed` or `cancelled`.
    event: &'static str,
    /// The time of the event, in milliseconds since 1970.
    at: u64,
    /// The number of requests that were sent.
    attempts: u32,
    /// The time of the next attempt, in milliseconds since 1970. `null` if it is dead.
    #[schema(required)]
    next: Option<u64>,
    /// The reason that the last attempt failed.
    #[schema(required)]
    error: Option<String>,
}

impl From<StoredDelivery> for DeliveryView {
    fn from(delivery: StoredDelivery) -> Self {
        let next = delivery.next.map(|time| time.0);
        let state = if next.is_some() { DeliveryState::Pending } else { DeliveryState::Dead };
        Self {
            id: delivery.id,
            state,
            workflow_id: delivery.workflow.to_string(),
            name: delivery.name,
            run_id: delivery.run.to_string(),
            event: delivery.event.as_str(),
            at: delivery.at.0,
            attempts: delivery.attempts,
            next,
            error: delivery.error,
        }
    }
}

/// Lists the deliveries of notifications that have not arrived.
///
/// Callers who see the runs of one user only get an empty list.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "deliveries", params(Wanted),
    responses(
        (status = 200, description = "The deliveries.", body = DeliveryList),
        Problems,
    )
)]
pub(super) async fn list_deliveries(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<DeliveryList>, Problem> {
    let wanted = queried(query)?;
    let deliveries = app.notifier.deliveries();
    let all = match wanted.state {
        _ if !triggers::are_seen_by(&who) => Vec::new(),
        DeliveryState::Pending => deliveries.pending().await?,
        DeliveryState::Dead => deliveries.dead().await?,
    };
    let total = all.len();
    let deliveries = all.into_iter().take(LIST_PAGE_MAX).map(DeliveryView::from).collect();
    Ok(Json(DeliveryList { deliveries, total }))
}

/// Sends a dead delivery again, with all its attempts.
///
/// A server with its notification sends it within seconds.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/redeliver", tag = "deliveries",
    params(("id" = String, Path, description = "The id of the delivery.")),
    responses(
        (status = 202, description = "The delivery, which is to be sent.", body = DeliveryView),
        Problems,
    )
)]
pub(super) async fn redeliver(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    if !triggers::are_seen_by(&who) {
        let problem = Problem::not_found(format!("no dead delivery has the id `{id}`"));
        return Err(problem.with_help("`GET /v1/deliveries` lists those that are there"));
    }
    let delivery = app.notifier.deliveries().redeliver(&id).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
