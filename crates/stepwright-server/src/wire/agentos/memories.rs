//! Memories of users.

use super::fault::Fault;
use super::query::Asked;
use super::sessions::iso;
use crate::auth::{Caller, Manage, Read, Start, Who};
use crate::body::JsonBody;
use crate::limits::SEARCH_ROWS_MAX;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stepwright_core::ErrorKind;
use stepwright_core::store::{MemoryUser, PAGE_MAX, UserMemory};
use stepwright_engine::Memories;

/// A new memory, or the new text and topics of one.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    memory: Option<String>,
    user_id: Option<String>,
    topics: Option<Vec<String>>,
}

/// The memories to delete.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    memory_ids: Vec<String>,
    user_id: Option<String>,
}

/// Returns the user that a request is about: the user of the key, whatever the request says.
fn subject<'a>(who: &'a Who, named: Option<&'a str>) -> Option<&'a str> {
    who.only().or(named)
}

/// Returns the users with memories whom the request is about.
async fn users(app: &App, who: &Who, named: Option<&str>) -> Result<Vec<MemoryUser>, Fault> {
    let runs = app.seen_by(who)?;
    if let Some(user) = subject(who, named) {
        let all = runs.memories(user)?.list().await?;
        let newest = all.first().map(|newest| MemoryUser {
            user_id: newest.user_id.clone(),
            memories: all.len() as u64,
            updated_at: newest.updated_at,
        });
        return Ok(newest.into_iter().collect());
    }
    let mut users = Vec::new();
    loop {
        let page = runs.memory_users(0, users.len()).await?;
        let is_last = page.len() < PAGE_MAX;
        users.extend(page);
        if is_last || users.len() >= SEARCH_ROWS_MAX {
            return Ok(users);
        }
    }
}

/// Returns the memories that the request is about, as many as one search reads.
async fn every(app: &App, who: &Who, named: Option<&str>) -> Result<Vec<UserMemory>, Fault> {
    let runs = app.seen_by(who)?;
    let mut all = Vec::new();
    for MemoryUser { user_id, .. } in users(app, who, named).await? {
        all.extend(runs.memories(&user_id)?.list().await?);
        if all.len() >= SEARCH_ROWS_MAX {
            break;
        }
    }
    Ok(all)
}

/// Finds a memory, and the memories of its user.
async fn found(
    app: &App,
    who: &Who,
    id: &str,
    named: Option<&str>,
) -> Result<(UserMemory, Memories), Fault> {
    let runs = app.seen_by(who)?;
    for MemoryUser { user_id, .. } in users(app, who, named).await? {
        let memories = runs.memories(&user_id)?;
        match memories.get(id).await {
            Ok(memory) => return Ok((memory, memories)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::not_found(format!("Memory with ID {id} not found")))
}

fn shown(memory: &UserMemory) -> Value {
    json!({
        "memory_id": memory.memory_id, "memory": memory.memory, "topics": memory.topics,
        "agent_id": null, "team_id": null, "user_id": memory.user_id,
        "updated_at": iso(memory.updated_at),
    })
}

/// Returns a page of a list, as `AgentOS` writes it.
fn paged<T>(all: &[T], asked: &Asked, shown: impl Fn(&T) -> Value) -> Result<Json<Value>, Fault> {
    let (limit, page) = (asked.count("limit", 20)?, asked.count("page", 1)?);
    let some = all.iter().skip((page - 1).saturating_mul(limit)).take(limit);
    let data: Vec<Value> = some.map(shown).collect();
    Ok(Json(json!({"data": data, "meta": {
        "page": page, "limit": limit, "total_pages": all.len().div_ceil(limit),
        "total_count": all.len(), "search_time_ms": 0.0,
    }})))
}

/// `GET /memories`.
pub(super) async fn list(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    asked.database()?;
    let mut all = every(&app, &who, asked.get("user_id")).await?;
    let topics: Vec<&str> = asked.all("topics").flat_map(|some| some.split(',')).collect();
    let has_topic = |memory: &UserMemory| {
        topics.iter().any(|topic| memory.topics.iter().any(|own| **own == *topic.trim()))
    };
    let part = asked.get("search_content").map(str::to_lowercase);
    all.retain(|memory| {
        let text = || memory.memory.to_lowercase();
        (topics.is_empty() || has_topic(memory))
            && part.as_ref().is_none_or(|part| text().contains(part))
            // A memory here belongs to a user alone.
            && asked.get("agent_id").is_none()
            && asked.get("team_id").is_none()
    });
    // First by id, so that pages of memories of one moment do not overlap.
    all.sort_by(|one, other| one.memory_id.cmp(&other.memory_id));
    match asked.get("sort_by").unwrap_or("updated_at") {
        "memory" => all.sort_by(|one, other| one.memory.cmp(&other.memory)),
        "user_id" => all.sort_by(|one, other| one.user_id.as_str().cmp(other.user_id.as_str())),
        "created_at" => all.sort_by_key(|memory| memory.created_at),
        _ => all.sort_by_key(|memory| memory.updated_at),
    }
    if asked.get("sort_order") != Some("asc") {
        all.reverse();
    }
    paged(&all, &asked, shown)
}

/// `GET /memories/{id}`.
pub(super) async fn get(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    asked.database()?;
    let (memory, _) = found(&app, &who, &id, asked.get("user_id")).await?;
    Ok(Json(shown(&memory)))
}

/// `POST /memories`.
pub(super) async fn create(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Value>, Fault> {
    asked.database()?;
    let text = wanted.memory.ok_or_else(|| Fault::missing("body", "memory"))?;
    let user = subject(&who, wanted.user_id.as_deref());
    let user = user.ok_or_else(|| Fault::bad("User ID is required"))?;
    let memories = app.seen_by(&who)?.memories(user)?;
    let memory = memories.add(text, wanted.topics.unwrap_or_default()).await?;
    Ok(Json(shown(&memory)))
}

/// `PATCH /memories/{id}`: the text and the topics replace the old ones.
pub(super) async fn patch(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Value>, Fault> {
    asked.database()?;
    let text = wanted.memory.ok_or_else(|| Fault::missing("body", "memory"))?;
    let (_, memories) = found(&app, &who, &id, wanted.user_id.as_deref()).await?;
    let memory = memories.replace(&id, text, wanted.topics.unwrap_or_default()).await?;
    Ok(Json(shown(&memory)))
}

/// Deletes a memory. It is no error if there is none.
async fn remove(app: &App, who: &Who, id: &str, named: Option<&str>) -> Result<(), Fault> {
    let removed = async {
        let (_, memories) = found(app, who, id, named).await?;
        memories.remove(id).await?;
        Ok(())
    };
    Fault::unless_gone(removed.await)
}

/// `DELETE /memories/{id}`, also of unknown ids.
pub(super) async fn delete(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<StatusCode, Fault> {
    asked.database()?;
    remove(&app, &who, &id, asked.get("user_id")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /memories`.
pub(super) async fn delete_all(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    asked: Asked,
    JsonBody(wanted): JsonBody<Deleted>,
) -> Result<StatusCode, Fault> {
    asked.database()?;
    if wanted.memory_ids.is_empty() {
        let why = "List should have at least 1 item after validation, not 0";
        return Err(Fault::invalid("too_short", "body", "memory_ids", why, "[]"));
    }
    for id in &wanted.memory_ids {
        remove(&app, &who, id, wanted.user_id.as_deref()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /memory_topics`.
pub(super) async fn topics(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    asked.database()?;
    let all = every(&app, &who, asked.get("user_id")).await?;
    let topics: BTreeSet<&str> =
        all.iter().flat_map(|memory| &memory.topics).map(AsRef::as_ref).collect();
    Ok(Json(json!(topics)))
}

/// `GET /user_memory_stats`.
pub(super) async fn stats(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    asked.database()?;
    let users = users(&app, &who, asked.get("user_id")).await?;
    paged(&users, &asked, |user| {
        json!({
            "user_id": user.user_id, "total_memories": user.memories,
            "last_memory_updated_at": iso(user.updated_at),
        })
    })
}
