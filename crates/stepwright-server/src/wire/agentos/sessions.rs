//! Sessions.

use super::convert::{self, dropped};
use super::discovery;
use super::fault::Fault;
use super::query::Asked;
use crate::auth::{Caller, Manage, Read, Start, Who};
use crate::body::JsonBody;
use crate::limits::SEARCH_ROWS_MAX;
use crate::state::{App, Served, ServedKind};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepwright_core::store::{PAGE_MAX, RunFilter, SessionFilter};
use stepwright_core::{Error, ErrorKind, Patch, RunOutput, Session, Timestamp, UserId};

/// Returns a time as `AgentOS` writes it: without a fraction unless there is one.
pub(super) fn iso(at: Timestamp) -> String {
    at.to_rfc3339()
}

/// Returns the kind of a session: that of the workflow which opened it.
pub(super) fn kind_of(app: &App, session: &Session) -> ServedKind {
    let served = app.of_id(session.workflow_id.as_str());
    served.map_or(ServedKind::Workflow, |served| served.kind)
}

/// Finds a session that the caller may see, and that is of the user and the kind that the request
/// names.
pub(super) async fn found(
    app: &App,
    who: &Who,
    id: &str,
    asked: &Asked,
    missing: String,
) -> Result<Session, Fault> {
    let kind = asked.kind()?;
    let session = match app.seen_by(who)?.sessions().get(id).await {
        Ok(session) => session,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Usage) => {
            return Err(Fault::not_found(missing));
        }
        Err(error) => return Err(error.into()),
    };
    let user = session.user_id.as_ref().map(UserId::as_str);
    let fits = asked.get("user_id").is_none_or(|wanted| user == Some(wanted))
        && kind.is_none_or(|kind| kind == kind_of(app, &session));
    if fits { Ok(session) } else { Err(Fault::not_found(missing)) }
}

fn missing(id: &str, asked: &Asked) -> String {
    match asked.get("type").and_then(ServedKind::parse) {
        Some(kind) => format!("{} Session with id '{id}' not found", kind.title()),
        None => format!("Session with id '{id}' not found"),
    }
}

/// Returns the outputs of the runs of a session, the oldest first.
pub(super) async fn outputs(
    app: &App,
    who: &Who,
    session: &Session,
) -> Result<Vec<RunOutput>, Error> {
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
async fn name(app: &App, who: &Who, session: &Session, kind: ServedKind) -> Result<String, Error> {
    if let Some(name) = &session.name {
        return Ok(name.clone());
    }
    if kind != ServedKind::Workflow {
        return Ok(String::new());
    }
    let runs = app.seen_by(who)?;
    let session_id = Some(session.session_id.clone());
    let rows = runs.list(RunFilter { session_id, ..<_>::default() }).await?;
    match rows.last() {
        Some(oldest) => Ok(runs.get(&oldest.run_id).await?.input.text().into_owned()),
        None => Ok(String::new()),
    }
}

/// Returns the sessions that the caller may see, as many as one search reads.
pub(super) async fn every_session(app: &App, who: &Who) -> Result<Vec<Session>, Error> {
    let sessions = app.seen_by(who)?.sessions();
    let mut all: Vec<Session> = Vec::new();
    loop {
        let filter = SessionFilter { offset: all.len(), ..<_>::default() };
        let some = sessions.find(filter).await?;
        let is_last = some.len() < PAGE_MAX;
        all.extend(some);
        if is_last || all.len() >= SEARCH_ROWS_MAX {
            return Ok(all);
        }
    }
}

/// `GET /sessions`.
pub(super) async fn list(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    let wanted = asked.kind()?;
    let (limit, page) = (asked.count("limit", 20)?, asked.count("page", 1)?);
    let text = |name: &str| asked.get(name);
    let mut all = every_session(&app, &who).await?;
    all.retain(|session| {
        wanted.is_none_or(|kind| kind == kind_of(&app, session))
            && text("component_id").is_none_or(|id| id == session.workflow_id.as_str())
            && text("user_id")
                .is_none_or(|user| session.user_id.as_ref().is_some_and(|it| it.as_str() == user))
            && text("session_name")
                .is_none_or(|part| session.name.as_ref().is_some_and(|name| name.contains(part)))
    });
    // First by id, so that pages of sessions of one moment do not overlap.
    all.sort_by(|one, other| one.session_id.cmp(&other.session_id));
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
            "session_type": kind.as_str(),
            "user_id": session.user_id,
            "total_tokens": tokens(session),
            "metrics": convert::usage(&session.metrics.usage),
            // Agno's client reads the state and the metrics here.
            "session_data": data_of(session),
        });
        item[kind.id_key()] = json!(session.workflow_id);
        data.push(dropped(item));
    }
    let pages = total.div_ceil(limit);
    Ok(Json(json!({"data": data, "meta": {
        "page": page, "limit": limit, "total_pages": pages, "total_count": total,
        "search_time_ms": 0.0,
    }})))
}

/// Returns the tokens of a session, if there are any.
fn tokens(session: &Session) -> Option<u64> {
    Some(session.metrics.usage.total_tokens()).filter(|count| *count > 0)
}

fn data_of(session: &Session) -> Value {
    let mut data = json!({
        "session_state": session.state, "session_metrics": convert::usage(&session.metrics.usage),
    });
    if let Some(name) = &session.name {
        data["session_name"] = json!(name);
    }
    data
}

async fn detail(app: &App, who: &Who, session: &Session) -> Result<Value, Fault> {
    let kind = kind_of(app, session);
    let mut all = json!({
        "user_id": session.user_id,
        "session_id": session.session_id,
        "session_name": name(app, who, session, kind).await?,
        "session_state": session.state,
        "metadata": {},
        "created_at": iso(session.created_at),
        "updated_at": iso(session.updated_at),
    });
    let served = app.of_id(session.workflow_id.as_str());
    let title = served.map(|served| served.workflow.name());
    all[kind.id_key()] = json!(session.workflow_id);
    if kind == ServedKind::Workflow {
        let steps = served.map(|served| discovery::steps(&served.workflow.plan().body));
        all["workflow_name"] = json!(title);
        all["session_data"] = data_of(session);
        all["workflow_data"] =
            json!({"workflow_id": session.workflow_id, "name": title, "steps": steps});
        return Ok(all);
    }
    all["total_tokens"] = json!(tokens(session));
    all["metrics"] = convert::usage(&session.metrics.usage);
    let mut of = json!({"name": title});
    of[kind.id_key()] = json!(session.workflow_id);
    if kind == ServedKind::Team {
        all["team_data"] = of;
    } else {
        all["agent_session_id"] = json!(session.session_id);
        all["agent_data"] = of;
    }
    let mut history = Vec::new();
    for output in outputs(app, who, session).await? {
        history.push(json!({"role": "user", "content": convert::input(&output.input)}));
        history.push(json!({"role": "assistant", "content": convert::content(&output)}));
    }
    all["chat_history"] = history.into();
    Ok(all)
}

/// `GET /sessions/{sid}`.
pub(super) async fn get(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    let session = found(&app, &who, &id, &asked, missing(&id, &asked)).await?;
    Ok(Json(dropped(detail(&app, &who, &session).await?)))
}

/// A new session, or the changes of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    session_id: Option<String>,
    session_name: Option<String>,
    session_state: Option<Map<String, Value>>,
    metadata: Option<Map<String, Value>>,
    summary: Option<Map<String, Value>>,
    user_id: Option<String>,
    agent_id: Option<String>,
    team_id: Option<String>,
    workflow_id: Option<String>,
}

impl Wanted {
    /// Refuses what a session does not store.
    fn check(&self) -> Result<(), Fault> {
        let stored = [("metadata", &self.metadata), ("summary", &self.summary)];
        for (name, value) in stored {
            if value.as_ref().is_some_and(|value| !value.is_empty()) {
                return Err(Fault::bad(format!("`{name}` of a session is not stored here")));
            }
        }
        Ok(())
    }

    /// Returns the component that the session belongs to.
    fn component<'a>(&self, app: &'a App, kind: ServedKind) -> Result<&'a Served, Fault> {
        let named = match kind {
            ServedKind::Workflow => &self.workflow_id,
            ServedKind::Agent => &self.agent_id,
            ServedKind::Team => &self.team_id,
        };
        if let Some(id) = named {
            return kind.find(app, id);
        }
        let mut all = kind.all(app);
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Fault::missing("body", kind.id_key())),
        }
    }
}

/// `POST /sessions`.
pub(super) async fn create(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let kind = asked.kind()?.unwrap_or(ServedKind::Agent);
    wanted.check()?;
    let component = wanted.component(&app, kind)?;
    let user = who.only().or(wanted.user_id.as_deref());
    let sessions = app.seen_by(&who)?.sessions();
    let id = wanted.session_id.as_deref();
    let Some(session) = sessions.open(component.workflow.id(), id, user).await? else {
        let id = id.unwrap_or_default();
        let what = format!(
            "Session with id '{id}' already exists. Use PATCH /sessions/{id} to update it."
        );
        return Err(Fault::new(StatusCode::CONFLICT, what));
    };
    let id = session.session_id.clone();
    if let Some(name) = &wanted.session_name {
        sessions.rename(&id, name).await?;
    }
    if let Some(state) = wanted.session_state.filter(|state| !state.is_empty()) {
        let set: Vec<Patch> =
            state.into_iter().map(|(key, value)| Patch::set(key, value)).collect();
        sessions.patch(&id, &set).await?;
    }
    let session = sessions.get(&id).await?;
    Ok((StatusCode::CREATED, Json(dropped(detail(&app, &who, &session).await?))))
}

/// `POST /sessions/{sid}/rename`.
pub(super) async fn rename(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Value>, Fault> {
    let name = wanted.session_name.ok_or_else(|| Fault::missing("body", "session_name"))?;
    let gone = || format!("Session with id '{id}' not found");
    found(&app, &who, &id, &asked, gone()).await?;
    app.seen_by(&who)?.sessions().rename(&id, &name).await?;
    let session = found(&app, &who, &id, &asked, gone()).await?;
    Ok(Json(detail(&app, &who, &session).await?))
}

/// `PATCH /sessions/{sid}`: each given member replaces the old one.
pub(super) async fn patch(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Value>, Fault> {
    let session = found(&app, &who, &id, &asked, missing(&id, &asked)).await?;
    wanted.check()?;
    let sessions = app.seen_by(&who)?.sessions();
    if let Some(state) = wanted.session_state {
        let gone = session.state.keys().filter(|key| !state.contains_key(key.as_str()));
        let gone = gone.map(|key| Patch::set(key.clone(), Value::Null));
        let changed = state.iter().filter(|(key, value)| session.state.get(*key) != Some(value));
        let set = changed.map(|(key, value)| Patch::set(key.clone(), value.clone()));
        let patches: Vec<Patch> = gone.chain(set).collect();
        sessions.patch(&id, &patches).await?;
    }
    if let Some(name) = &wanted.session_name {
        sessions.rename(&id, name).await?;
    }
    let session = found(&app, &who, &id, &asked, missing(&id, &asked)).await?;
    Ok(Json(detail(&app, &who, &session).await?))
}

/// Deletes a session. It is no error if there is none.
async fn remove(app: &App, who: &Who, id: &str, asked: &Asked) -> Result<(), Fault> {
    let removed = async {
        let session = found(app, who, id, asked, missing(id, asked)).await?;
        app.seen_by(who)?.sessions().delete(&session.session_id).await?;
        Ok(())
    };
    Fault::unless_gone(removed.await)
}

/// `DELETE /sessions/{sid}`, also of unknown ids.
pub(super) async fn delete(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<StatusCode, Fault> {
    remove(&app, &who, &id, &asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sessions to delete.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    session_ids: Vec<String>,
    session_types: Vec<String>,
}

/// `DELETE /sessions`.
pub(super) async fn delete_all(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Deleted>,
) -> Result<StatusCode, Fault> {
    let Deleted { session_ids, session_types } = wanted;
    if session_ids.len() != session_types.len() {
        return Err(Fault::bad("Session IDs and session types must have the same length"));
    }
    if session_ids.is_empty() {
        let why = "List should have at least 1 item after validation, not 0";
        return Err(Fault::invalid("too_short", "body", "session_ids", why, "[]"));
    }
    if let Some(word) = session_types.iter().find(|word| ServedKind::parse(word).is_none()) {
        let why = "Input should be 'agent', 'team' or 'workflow'";
        return Err(Fault::invalid("enum", "body", "session_types", why, word));
    }
    for id in &session_ids {
        remove(&app, &who, id, &asked).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
