//! Sessions.

use super::convert::{self, dropped};
use super::discovery::{self, DB};
use super::fault::Fault;
use super::runs::{self, Kind};
use crate::auth::{Caller, Manage, Read, Who};
use crate::body::JsonBody;
use crate::limits::SEARCH_ROWS_MAX;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use stepwright_core::store::{RunFilter, SessionFilter};
use stepwright_core::{Error, ErrorKind, Patch, RunId, RunOutput, Session, Timestamp};

/// The characters of a preview.
const PREVIEW: usize = 280;

type Asked = Query<HashMap<String, String>>;

/// Returns a time as `AgentOS` writes it: without a fraction unless there is one.
fn iso(at: Timestamp) -> String {
    at.to_rfc3339()
}

/// Checks the parameters that all routes of sessions have.
fn checked(query: &HashMap<String, String>) -> Result<Option<&str>, Fault> {
    if let Some(db) = query.get("db_id").filter(|db| !db.is_empty() && *db != DB) {
        return Err(Fault::not_found(format!("No database found with id '{db}'")));
    }
    match query.get("type").map(String::as_str).filter(|kind| !kind.is_empty()) {
        Some(kind @ ("agent" | "team" | "workflow")) => Ok(Some(kind)),
        Some(other) => {
            let why = "Input should be 'agent', 'team' or 'workflow'";
            Err(Fault::invalid("enum", "query", "type", why, other))
        }
        None => Ok(None),
    }
}

/// Returns the kind of a session: that of the workflow which opened it.
fn kind_of(app: &App, session: &Session) -> &'static str {
    let served = app.of_id(session.workflow_id.as_str());
    if served.is_some_and(|served| served.is_agent) { "agent" } else { "workflow" }
}

/// Returns the key of the component's id.
fn id_key(kind: &str) -> &'static str {
    if kind == "agent" { "agent_id" } else { "workflow_id" }
}

/// Finds a session that the caller may see.
async fn found(app: &App, who: &Who, id: &str, missing: String) -> Result<Session, Fault> {
    match app.seen_by(who)?.sessions().get(id).await {
        Ok(session) => Ok(session),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Usage) => {
            Err(Fault::not_found(missing))
        }
        Err(error) => Err(error.into()),
    }
}

fn missing(id: &str, kind: Option<&str>) -> String {
    match kind {
        Some(kind) => {
            let (first, rest) = kind.split_at(1);
            format!("{}{rest} Session with id '{id}' not found", first.to_uppercase())
        }
        None => format!("Session with id '{id}' not found"),
    }
}

/// Returns the outputs of the runs of a session, the oldest first.
async fn outputs(app: &App, who: &Who, session: &Session) -> Result<Vec<RunOutput>, Error> {
    let runs = app.seen_by(who)?;
    let session_id = Some(session.session_id.clone());
    let rows = runs.list(RunFilter { session_id, ..<_>::default() }).await?;
    let mut all = Vec::new();
    for row in rows.iter().rev() {
        all.push(runs.get(&row.run_id).await?);
    }
    Ok(all)
}

/// Returns the name of a session: its own, or the input of its first run.
async fn name(app: &App, who: &Who, session: &Session, kind: &str) -> Result<String, Error> {
    if let Some(name) = &session.name {
        return Ok(name.clone());
    }
    if kind != "workflow" {
        return Ok(String::new());
    }
    let first = outputs(app, who, session).await?.into_iter().next();
    Ok(first.map_or_else(String::new, |run| run.input.text().into_owned()))
}

/// `GET /sessions`.
pub(super) async fn list(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Query(query): Asked,
) -> Result<Json<Value>, Fault> {
    let wanted = checked(&query)?;
    let number = |name: &str, default: usize| match query.get(name).map(|text| text.parse()) {
        None => Ok(default),
        Some(Ok(number)) if number >= 1 => Ok(number),
        Some(_) => {
            let why = "Input should be greater than or equal to 1";
            Err(Fault::invalid("greater_than_equal", "query", name, why, &query[name]))
        }
    };
    let (limit, page) = (number("limit", 20)?, number("page", 1)?);
    let text = |name: &str| query.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let sessions = app.seen_by(&who)?.sessions();
    let mut all: Vec<Session> = Vec::new();
    loop {
        let filter = SessionFilter { offset: all.len(), ..<_>::default() };
        let some = sessions.find(filter).await?;
        let is_last = some.len() < stepwright_core::store::PAGE_MAX;
        all.extend(some);
        if is_last || all.len() >= SEARCH_ROWS_MAX {
            break;
        }
    }
    all.retain(|session| {
        wanted.is_none_or(|kind| kind == kind_of(&app, session))
            && text("component_id").is_none_or(|id| id == session.workflow_id.as_str())
            && text("user_id")
                .is_none_or(|user| session.user_id.as_ref().is_some_and(|it| it.as_str() == user))
            && text("session_name")
                .is_none_or(|part| session.name.as_ref().is_some_and(|name| name.contains(part)))
    });
    match text("sort_by").unwrap_or("created_at") {
        "updated_at" => all.sort_by_key(|session| session.updated_at),
        "session_name" => all.sort_by(|one, other| one.name.cmp(&other.name)),
        _ => all.sort_by_key(|session| session.created_at),
    }
    if text("sort_order") != Some("asc") {
        all.reverse();
    }
    let total = all.len();
    let mut data = Vec::new();
    for session in all.iter().skip((page - 1).saturating_mul(limit)).take(limit) {
        let kind = kind_of(&app, session);
        let mut item = json!({
            "session_id": session.session_id,
            "session_name": name(&app, &who, session, kind).await?,
            "session_state": session.state,
            "created_at": iso(session.created_at),
            "updated_at": iso(session.updated_at),
            "session_type": kind,
            "user_id": session.user_id,
        });
        item[id_key(kind)] = json!(session.workflow_id);
        data.push(dropped(item));
    }
    let pages = total.div_ceil(limit);
    Ok(Json(json!({"data": data, "meta": {
        "page": page, "limit": limit, "total_pages": pages, "total_count": total,
        "search_time_ms": 0.0,
    }})))
}

async fn detail(app: &App, who: &Who, session: &Session) -> Result<Value, Fault> {
    let kind = kind_of(app, session);
    let name = name(app, who, session, kind).await?;
    let mut all = json!({
        "user_id": session.user_id,
        "session_id": session.session_id,
        "session_name": name,
        "session_state": session.state,
        "created_at": iso(session.created_at),
        "updated_at": iso(session.updated_at),
    });
    all[id_key(kind)] = json!(session.workflow_id);
    let served = app.of_id(session.workflow_id.as_str());
    if kind == "agent" {
        all["agent_session_id"] = json!(session.session_id);
        all["total_tokens"] = json!(session.metrics.usage.total_tokens());
        all["metrics"] = convert::usage(&session.metrics.usage);
        all["agent_data"] =
            json!({"agent_id": session.workflow_id, "name": served.map(|it| it.workflow.name())});
        let mut history = Vec::new();
        for output in outputs(app, who, session).await? {
            history.push(json!({"role": "user", "content": convert::input(&output.input)}));
            history.push(json!({"role": "assistant", "content": convert::content(&output)}));
        }
        all["chat_history"] = history.into();
    } else {
        let steps = served.map(|served| discovery::steps(&served.workflow.plan().body));
        let title = served.map(|served| served.workflow.name());
        all["workflow_name"] = json!(title);
        all["session_data"] = json!({"session_state": session.state, "session_metrics": {}});
        if let Some(name) = &session.name {
            all["session_data"]["session_name"] = json!(name);
        }
        all["workflow_data"] =
            json!({"workflow_id": session.workflow_id, "name": title, "steps": steps});
        all["metadata"] = json!({});
    }
    Ok(all)
}

/// `GET /sessions/{sid}`.
pub(super) async fn get(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Asked,
) -> Result<Json<Value>, Fault> {
    let kind = checked(&query)?;
    let session = found(&app, &who, &id, missing(&id, kind)).await?;
    if kind.is_some_and(|kind| kind != kind_of(&app, &session)) {
        return Err(Fault::not_found(missing(&id, kind)));
    }
    Ok(Json(dropped(detail(&app, &who, &session).await?)))
}

/// `POST /sessions/{sid}/rename`.
pub(super) async fn rename(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Value>, Fault> {
    let name = body.get("session_name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Fault::missing("body", "session_name"))?;
    found(&app, &who, &id, missing(&id, None)).await?;
    app.seen_by(&who)?.sessions().rename(&id, name).await?;
    let session = found(&app, &who, &id, missing(&id, None)).await?;
    Ok(Json(detail(&app, &who, &session).await?))
}

/// `PATCH /sessions/{sid}`: each given member replaces the old one.
pub(super) async fn patch(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Value>, Fault> {
    let session = found(&app, &who, &id, missing(&id, None)).await?;
    for unknown in ["metadata", "summary"] {
        if body.get(unknown).is_some_and(|value| !value.is_null()) {
            return Err(Fault::bad(format!("`{unknown}` of a session cannot be changed here")));
        }
    }
    let sessions = app.seen_by(&who)?.sessions();
    if let Some(Value::Object(state)) = body.get("session_state") {
        if let Some(gone) = session.state.keys().find(|key| !state.contains_key(key.as_str())) {
            let what = format!("`session_state` has no `{gone}`, and keys cannot be removed");
            return Err(Fault::bad(what));
        }
        let set = state.iter().map(|(key, value)| Patch::set(key.clone(), value.clone()));
        let patches: Vec<Patch> = set.collect();
        sessions.patch(&id, &patches).await?;
    }
    if let Some(name) = body.get("session_name").and_then(Value::as_str) {
        sessions.rename(&id, name).await?;
    }
    let session = found(&app, &who, &id, missing(&id, None)).await?;
    Ok(Json(detail(&app, &who, &session).await?))
}

/// `DELETE /sessions/{sid}`, also of unknown ids.
pub(super) async fn delete(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    match app.seen_by(&who)?.sessions().delete(&id).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Returns a run as the routes of sessions show it.
async fn of_session(app: &App, who: &Who, output: &RunOutput) -> Result<Value, Fault> {
    let served = app.of_id(output.workflow_id.as_str());
    let is_agent = served.is_some_and(|served| served.is_agent);
    let mut run = if is_agent {
        convert::agent_output(output)
    } else {
        convert::workflow_run(output, served.map(|served| served.workflow.plan()))
    };
    run["run_input"] = json!(output.input.text());
    run["user_id"] = json!(output.user_id.as_ref().map_or("", |user| user.as_str()));
    run["created_at"] = json!(iso(output.created_at));
    run["events"] = match served {
        Some(served) => {
            let runs = app.seen_by(who)?;
            runs::stored(Kind::of(is_agent), served, &runs, output).await?.into()
        }
        None => json!([]),
    };
    if let Some(members) = run.as_object_mut() {
        members.remove("input");
    }
    Ok(run)
}

/// `GET /sessions/{sid}/runs`.
pub(super) async fn runs(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Asked,
) -> Result<Json<Vec<Value>>, Fault> {
    checked(&query)?;
    let session = found(&app, &who, &id, format!("Session with ID {id} not found")).await?;
    let mut all = Vec::new();
    for output in outputs(&app, &who, &session).await? {
        all.push(of_session(&app, &who, &output).await?);
    }
    Ok(Json(all))
}

/// `GET /sessions/{sid}/runs/{run_id}`.
pub(super) async fn run(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path((id, run)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let missing = || Fault::not_found(format!("Run with ID {run} not found in session {id}"));
    found(&app, &who, &id, format!("Session with ID {id} not found")).await?;
    let run_id = RunId::new(&run).map_err(|_| missing())?;
    let output = app.seen_by(&who)?.get(&run_id).await.map_err(|_| missing())?;
    if output.session_id.as_str() != id {
        return Err(missing());
    }
    Ok(Json(of_session(&app, &who, &output).await?))
}

/// `GET /sessions/{sid}/run-previews`.
pub(super) async fn previews(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, Fault> {
    let session = found(&app, &who, &id, format!("Session with ID {id} not found")).await?;
    let short = |text: &str| text.chars().take(PREVIEW).collect::<String>();
    let kind = kind_of(&app, &session);
    let of = |output: RunOutput| {
        let mut one = json!({
            "run_id": output.run_id, "user_id": output.user_id,
            "status": output.status.as_str(), "run_input": short(&output.input.text()),
            "content_preview": short(&output.content.text()),
            "created_at": iso(output.created_at),
        });
        one[id_key(kind)] = json!(output.workflow_id);
        one
    };
    Ok(Json(outputs(&app, &who, &session).await?.into_iter().map(of).collect()))
}
