//! Sessions.

use super::list::{Behind, Cursor, page};
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
use stepwright_core::{UserId, WorkflowId};
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
    let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
    if who.is_other_user(query.user.as_deref()) {
        return Ok(Json(SessionsPage { sessions: Vec::new(), next: None }));
    }
    let mut filter = SessionFilter {
        workflow_id: parsed(query.workflow.as_deref(), |id| WorkflowId::new(id).ok(), "id")?,
        user_id: parsed(query.user.as_deref(), |id| UserId::new(id).ok(), "id")?,
        limit: LIST_PAGE_MAX,
        offset: cursor.as_ref().map_or(0, |cursor| cursor.offset),
    };
    let sessions = app.seen_by(&who)?.sessions();
    let mut behind = Behind::new(cursor);
    let mut found = Vec::new();
    loop {
        let rows = sessions.find(filter.clone()).await?;
        let is_last = rows.len() < LIST_PAGE_MAX;
        for row in rows {
            if behind.is_known(row.updated_at.0, row.session_id.as_str()) {
                filter.offset += 1;
                continue;
            }
            if found.len() == size {
                let last: &stepwright_core::Session = &found[size - 1];
                let (time, id) = (last.updated_at.0, last.session_id.to_string());
                let next = Cursor { offset: filter.offset, time, id }.text();
                let sessions = found.into_iter().map(SessionView::from).collect();
                return Ok(Json(SessionsPage { sessions, next: Some(next) }));
            }
            filter.offset += 1;
            found.push(row);
        }
        if is_last {
            let sessions = found.into_iter().map(SessionView::from).collect();
            return Ok(Json(SessionsPage { sessions, next: None }));
        }
    }
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
