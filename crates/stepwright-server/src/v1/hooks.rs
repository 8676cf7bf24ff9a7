//! Webhooks: requests of other services that begin runs, or are events for them.

use super::triggers;
use crate::auth::{Caller, Manage, Read};
use crate::body;
use crate::error::{Problem, Problems};
use crate::limits::HOOK_BODY_BYTES_MAX;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use stepwright_triggers::{Delivery, Received, Refused, StoredWebhook};
use utoipa::ToSchema;

/// The webhooks of the workflows that are served here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookList {
    /// By workflow and name.
    webhooks: Vec<WebhookView>,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    /// The id: that of the workflow and the name, with a full stop between them.
    id: String,
    /// The id of the workflow.
    workflow_id: String,
    /// The name.
    name: String,
    /// The time at which its token was made, in milliseconds since 1970.
    created_at: u64,
}

/// A new token of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// The token, which is shown only now.
    token: String,
    /// The path of its address.
    path: String,
}

/// The answer to a request of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReceivedView {
    /// `begun`, `duplicate`, `emitted` or `ignored`.
    status: &'static str,
    /// The run that began.
    #[schema(required)]
    run_id: Option<String>,
    /// The runs that received the request as an event by this delivery.
    received: Vec<String>,
}

impl From<StoredWebhook> for WebhookView {
    fn from(webhook: StoredWebhook) -> Self {
        Self {
            id: webhook.id,
            workflow_id: webhook.workflow.to_string(),
            name: webhook.name,
            created_at: webhook.created_at.0,
        }
    }
}

/// Lists the webhooks of the workflows that are served, without their tokens.
///
/// Callers who see the runs of one user only get an empty list.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    responses(
        (status = 200, description = "The webhooks.", body = WebhookList),
        Problems,
    )
)]
pub(super) async fn list_webhooks(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
) -> Result<Json<WebhookList>, Problem> {
    let mut webhooks = Vec::new();
    if triggers::are_seen_by(&who) && !app.receiver.is_empty() {
        let all = app.receiver.stored().await?;
        webhooks = all.into_iter().map(WebhookView::from).collect();
    }
    Ok(Json(WebhookList { webhooks }))
}

/// Makes a new token for a webhook.
///
/// The one before is refused from now on.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/token", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the webhook.")),
    responses(
        (status = 200, description = "The token.", body = TokenView),
        Problems,
    )
)]
pub(super) async fn renew_token(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    triggers::check(&who, "webhook", &id, app.receiver.has(&id))?;
    let token = app.receiver.tokens().renew(&id).await?;
    let path = format!("/v1/hooks/{token}");
    Ok(Json(TokenView { token, path }))
}

/// Receives a request of another service, and begins a run, or sends an event to waiting runs.
///
/// The token in the path is the key, and the signature is verified if the webhook has a secret. A
/// delivery that was received before begins no second run.
#[utoipa::path(
    post, path = "/v1/hooks/{id}", tag = "webhooks", security(()), request_body = Object,
    params(("id" = String, Path, description = "The token.")),
    responses(
        (status = 200, description = "No new run.", body = ReceivedView),
        (status = 202, description = "The run is stored.", body = ReceivedView),
        Problems,
    )
)]
pub(super) async fn receive_hook(
    State(app): State<App>,
    Path(token): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = headers(request.headers());
    let body = body::read_at_most(request.into_body(), HOOK_BODY_BYTES_MAX).await?;
    let delivery = Delivery { headers, query, body: body.into() };
    let received = app.receiver.receive(&token, delivery).await.map_err(refused)?;
    let mut events = Vec::new();
    let (code, status, run) = match received {
        Received::Begun(run) => (StatusCode::ACCEPTED, "begun", Some(run)),
        Received::Duplicate(run) => (StatusCode::OK, "duplicate", Some(run)),
        Received::Emitted(runs) => {
            events.extend(runs.iter().map(ToString::to_string));
            (StatusCode::OK, "emitted", None)
        }
        Received::Challenge(text) => return Ok(text.into_response()),
        _ => (StatusCode::OK, "ignored", None),
    };
    let view = ReceivedView { status, run_id: run.map(|run| run.to_string()), received: events };
    Ok((code, Json(view)).into_response())
}

/// Returns the headers that are texts.
fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    texts.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect()
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Forged(why) => {
            let help = "the secret of the sender must be that of the workflow file";
            Problem::new(StatusCode::UNAUTHORIZED, why).with_help(help)
        }
        Refused::Unreadable(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why),
        Refused::Failed(error) => {
            tracing::warn!("a webhook began no run: {}", error.report());
            error.into()
        }
        _ => Problem::not_found("there is no such webhook"),
    }
}
