//! Lists of runs, single runs, and the inbox.

use super::list::{no_cursor, page};
use super::views::{RequestView, RowView};
use crate::auth::{Caller, Read};
use crate::error::{Problem, Problems};
use crate::limits::{INBOX_RUNS_MAX, LIST_PAGE_MAX, SEARCH_ROWS_MAX};
use crate::row_columns::{self, Columns};
use crate::state::App;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwright_core::store::{RunFilter, RunRow};
use stepwright_core::{ErrorKind, RunId, RunStatus, SessionId, UserId, WorkflowId};
use stepwright_engine::Runs;
use utoipa::{IntoParams, ToSchema};

/// The filters of a list of runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    /// Only runs with this status.
    status: Option<String>,
    /// Only runs of this workflow.
    workflow: Option<String>,
    /// Only runs of this session.
    session: Option<String>,
    /// Only runs of this user.
    user: Option<String>,
    /// Only runs with this text in the id of the run, the workflow, the session or the user.
    q: Option<String>,
    /// The number of runs, from 1 to 200; 50 by default.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// The runs, the newest first.
    runs: Vec<RowView>,
    /// The `cursor` of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A run, with what its events fold into.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeRun {
    /// Its row.
    run: RowView,
    /// Its output so far.
    #[schema(value_type = Object)]
    output: Value,
    /// Its pending requests that have no answer yet.
    requests: Vec<RequestView>,
    /// The run from which it was forked.
    #[schema(required, value_type = Option<Object>)]
    origin: Option<Value>,
    /// The plan with which it began.
    #[schema(required, value_type = Option<Object>)]
    plan: Option<Value>,
}

/// A pending request and its run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Asked {
    /// The run.
    run: RowView,
    /// The request.
    request: RequestView,
}

/// The pending requests of all runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inbox {
    /// The requests, those of the newest run first.
    requests: Vec<Asked>,
    /// `true` if there may be more.
    more: bool,
}

/// Parses an id or a word of a query.
pub(super) fn parsed<T>(
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    name: &str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let value = parse(text);
    value.map(Some).ok_or_else(|| Problem::bad(format!("invalid {name} `{text}`")))
}

/// Returns the query, or the problem with it.
pub(super) fn queried<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|error| {
        let text = error.body_text();
        let why = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, why)| why);
        Problem::bad(format!("invalid query: {why}"))
    })
}

/// Lists runs, the newest first.
///
/// Runs that begin meanwhile do not shift the pages.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs", params(RunsQuery),
    responses(
        (status = 200, description = "A page of runs.", body = Page),
        Problems,
    )
)]
pub(super) async fn list_runs(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let query = queried(query)?;
    let size = page(query.limit)?;
    if who.is_other_user(query.user.as_deref()) {
        return Ok(Json(Page { runs: Vec::new(), next: None }));
    }
    let status =
        |word: &str| serde_json::from_value::<RunStatus>(Value::from(word.to_uppercase())).ok();
    let runs = app.seen_by(&who)?;
    let before = match &query.cursor {
        Some(cursor) => Some(last_of(&runs, cursor).await?),
        None => None,
    };
    let wanted = query.q.unwrap_or_default().to_lowercase();
    let mut filter = RunFilter {
        status: parsed(query.status.as_deref(), status, "status")?,
        workflow_id: parsed(query.workflow.as_deref(), |id| WorkflowId::new(id).ok(), "id")?,
        session_id: parsed(query.session.as_deref(), |id| SessionId::new(id).ok(), "id")?,
        user_id: parsed(query.user.as_deref(), |id| UserId::new(id).ok(), "id")?,
        before,
        // One more than the page has says if there is another page.
        limit: if wanted.is_empty() { size + 1 } else { LIST_PAGE_MAX },
        offset: 0,
    };
    let (mut found, mut read) = (Vec::new(), 0);
    let is_over = 'read: loop {
        let rows = runs.list(filter.clone()).await?;
        let is_last = rows.len() < filter.limit;
        for row in rows {
            if found.len() == size || read == SEARCH_ROWS_MAX {
                break 'read false;
            }
            read += 1;
            filter.before = Some(row.run_id.clone());
            if fits(&row, &wanted) {
                found.push(row);
            }
        }
        if is_last {
            break true;
        }
    };
    let next = filter.before.filter(|_| !is_over).map(|run| run.to_string());
    Ok(Json(Page { runs: rows(&app, &runs, found).await, next }))
}

/// Returns the last run of the page before.
async fn last_of(runs: &Runs, cursor: &str) -> Result<RunId, Problem> {
    let run = RunId::new(cursor).map_err(|_| no_cursor(cursor))?;
    match runs.row(&run).await {
        Ok(_) => Ok(run),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(no_cursor(cursor)),
        Err(error) => Err(error.into()),
    }
}

/// Returns rows with their columns.
pub(super) async fn rows(app: &App, runs: &Runs, rows: Vec<RunRow>) -> Vec<RowView> {
    let mut all = Vec::new();
    for row in rows {
        let columns = row_columns::of(&app.columns, runs, &row).await;
        all.push(RowView::of(row, columns));
    }
    all
}

fn fits(row: &RunRow, wanted: &str) -> bool {
    let user = row.user_id.as_ref().map_or("", UserId::as_str);
    let all = [row.run_id.as_str(), row.workflow_id.as_str(), row.session_id.as_str(), user];
    wanted.is_empty() || all.iter().any(|id| id.to_lowercase().contains(wanted))
}

/// Returns a run: its row, its output so far, its pending requests and its plan.
///
/// The plan is the one with which the run began.
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 200, description = "The run.", body = WholeRun),
        Problems,
    )
)]
pub(super) async fn get_run(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<WholeRun>, Problem> {
    let (runs, id) = (app.seen_by(&who)?, RunId::new(&id).map_err(stepwright_core::Error::from)?);
    let snapshot = runs.load(&id).await?;
    let requests = snapshot.unanswered().iter().map(RequestView::from).collect();
    let plan = runs.plan(&id).await?.and_then(|plan| serde_json::to_value(plan).ok());
    let row = snapshot.row().clone();
    let origin = row.origin.as_ref().and_then(|origin| serde_json::to_value(origin).ok());
    let output = snapshot.into_output();
    let run = RowView::of(row, Some(Columns::of(&output)));
    let output = serde_json::to_value(output).unwrap_or_default();
    Ok(Json(WholeRun { run, output, requests, origin, plan }))
}

/// Lists the pending requests of all runs.
///
/// Requests that have an answer already are left out.
#[utoipa::path(
    get, path = "/v1/inbox", tag = "runs",
    responses(
        (status = 200, description = "The requests.", body = Inbox),
        Problems,
    )
)]
pub(super) async fn list_inbox(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
) -> Result<Json<Inbox>, Problem> {
    let runs = app.seen_by(&who)?;
    let (mut requests, mut more) = (Vec::new(), false);
    // In a run that is under way, a branch may wait for a person.
    for status in [RunStatus::Paused, RunStatus::Running] {
        let limit = INBOX_RUNS_MAX + 1;
        let rows = runs.list(RunFilter { status: Some(status), limit, ..<_>::default() }).await?;
        more |= rows.len() == limit;
        for row in rows.into_iter().take(INBOX_RUNS_MAX) {
            let snapshot = match runs.load(&row.run_id).await {
                // It was deleted meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                snapshot => snapshot?,
            };
            for asked in snapshot.unanswered() {
                let columns = Columns::of(&snapshot.output());
                let run = RowView::of(snapshot.row().clone(), Some(columns));
                requests.push(Asked { run, request: (&asked).into() });
            }
        }
    }
    Ok(Json(Inbox { requests, more }))
}
