//! Sessions.

use super::list::{no_cursor, page};
use super::runs::{parsed, queried, rows as rows_of};
use super::views::{RowView, SessionView};
use crate::auth::{Caller, Read};
use crate::error::{Problem, Problems};
use crate::limits::LIST_PAGE_MAX;
use crate::state::App;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use stepwright_core::store::{RunFilter, SessionFilter};
use stepwright_core::{SessionId, Timestamp, UserId, WorkflowId};
use utoipa::{IntoParams, ToSchema};

/// The filters of a list of sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionsQuery {
    /// Only sessions that this workflow opened.
    workflow: Option<String>,
    /// Only sessions of this user.
    user: Option<String>,
    /// The number of sessions, from 1 to 200; 50 by default.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionsPage {
    /// The sessions, the last used first.
    sessions: Vec<SessionView>,
    /// The `cursor` of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A session with its runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeSession {
    /// The session.
    session: SessionView,
    /// Its runs, the newest first; 200 at most.
    runs: Vec<RowView>,
}

/// Lists sessions, the last used first.
///
/// Sessions that are used meanwhile move to the front.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", params(SessionsQuery),
    responses(
        (status = 200, description = "A page of sessions.", body = SessionsPage),
        Problems,
    )
)]
pub(super) async fn list_sessions(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    query: Result<Query<SessionsQuery>, QueryRejection>,
) -> Result<Json<SessionsPage>, Problem> {
    let query = queried(query)?;
    let size = page(query.limit)?;
    if who.is_other_user(query.user.as_deref()) {
        return Ok(Json(SessionsPage { sessions: Vec::new(), next: None }));
    }
    let filter = SessionFilter {
        workflow_id: parsed(query.workflow.as_deref(), |id| WorkflowId::new(id).ok(), "id")?,
        user_id: parsed(query.user.as_deref(), |id| UserId::new(id).ok(), "id")?,
        behind: query.cursor.as_deref().map(last_of).transpose()?,
        // One more than the page has says if there is another page.
        limit: size + 1,
        offset: 0,
    };
    let mut found = app.seen_by(&who)?.sessions().find(filter).await?;
    let is_over = found.len() <= size;
    found.truncate(size);
    let last = found.last().filter(|_| !is_over);
    let next = last.map(|last| format!("{}.{}", last.updated_at.0, last.session_id));
    let sessions = found.into_iter().map(SessionView::from).collect();
    Ok(Json(SessionsPage { sessions, next }))
}

/// Returns the time and the id of the last session of the page before.
fn last_of(cursor: &str) -> Result<(Timestamp, SessionId), Problem> {
    let parts = cursor.split_once('.');
    let last = parts
        .and_then(|(time, id)| Some((Timestamp(time.parse().ok()?), SessionId::new(id).ok()?)));
    last.ok_or_else(|| no_cursor(cursor))
}

/// Returns a session with its runs.
///
/// The runs come without their outputs.
#[utoipa::path(
    get, path = "/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The id of the session.")),
    responses(
        (status = 200, description = "The session.", body = WholeSession),
        Problems,
    )
)]
pub(super) async fn get_session(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<WholeSession>, Problem> {
    let runs = app.seen_by(&who)?;
    let session = runs.sessions().get(&id).await?;
    let session_id = Some(session.session_id.clone());
    let rows = runs.list(RunFilter { session_id, limit: LIST_PAGE_MAX, ..<_>::default() }).await?;
    let runs = rows_of(&app, &runs, rows).await;
    Ok(Json(WholeSession { session: session.into(), runs }))
}
