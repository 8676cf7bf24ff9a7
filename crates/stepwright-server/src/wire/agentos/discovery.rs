//! Descriptions of the server, its workflows, agents and teams.

use super::convert;
use super::fault::Fault;
use super::query::DB;
use crate::auth::{Caller, Manage, Read, Who};
use crate::state::{App, MemberOf, Served, ServedKind};
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use stepwright_core::plan::{Node, NodeKind};

/// The name of the table of sessions.
const TABLE: &str = "sessions";

/// The name of the table of memories.
const MEMORIES: &str = "memories";

/// `GET /health`.
pub(super) async fn health(State(app): State<App>) -> Json<Value> {
    Json(json!({"status": "ok", "instantiated_at": app.started.to_rfc3339()}))
}

/// `GET /info`.
pub(super) async fn info(State(app): State<App>) -> Json<Value> {
    let count = |kind: ServedKind| kind.all(&app).count();
    Json(json!({
        "os_id": app.name, "name": app.name, "os_version": "1.0.0", "agno_version": "3.1.10",
        "agent_count": count(ServedKind::Agent), "team_count": count(ServedKind::Team),
        "workflow_count": count(ServedKind::Workflow),
        "mcp": {"enabled": false, "path": null, "oauth": null, "tool_run_endpoint": false},
        "auth_mode": app.auth.mode(), "user_isolation": !app.auth.is_open(),
    }))
}

/// `GET /config`.
pub(super) async fn config(_: Caller<Read>, State(app): State<App>) -> Json<Value> {
    let dbs = |tables: &[&str]| {
        json!({"dbs": [{
            "db_id": DB, "domain_config": {"display_name": DB}, "tables": tables,
        }]})
    };
    let summaries = |kind: ServedKind| -> Vec<Value> { kind.all(&app).map(summary).collect() };
    let mut models: Vec<Value> = Vec::new();
    for model in app.served.iter().filter_map(|served| served.model.as_deref()) {
        let (provider, id) = convert::model(model);
        let model = json!({"id": id, "provider": provider});
        if !models.contains(&model) {
            models.push(model);
        }
    }
    Json(json!({
        "os_id": app.name, "available_models": models, "os_database": DB, "databases": [DB],
        "session": dbs(&[TABLE]), "metrics": dbs(&[TABLE]), "memory": dbs(&[MEMORIES]),
        "learning": {"dbs": []}, "evals": {"dbs": []}, "traces": {"dbs": []},
        "knowledge": {"dbs": [], "knowledge_instances": []}, "filesystem": {"namespaces": []},
        "queue": {"durable": false, "queue_per_session": false},
        "agents": summaries(ServedKind::Agent), "teams": summaries(ServedKind::Team),
        "workflows": summaries(ServedKind::Workflow),
        "interfaces": [], "company": null,
    }))
}

fn summary(served: &Served) -> Value {
    let workflow = &served.workflow;
    let mut all = json!({
        "id": workflow.id(), "name": workflow.name(), "description": workflow.description(),
        "db_id": DB,
    });
    if served.kind == ServedKind::Workflow {
        all["is_factory"] = json!(false);
        all["is_component"] = json!(false);
    } else {
        all["mode"] = json!(mode(served));
        all["model"] = json!(served.model.as_deref().map(|model| {
            let (provider, id) = convert::model(model);
            json!({"id": id, "provider": provider})
        }));
    }
    all["sandboxed"] = json!(false);
    convert::dropped(all)
}

/// Returns the mode of a team, by Agno's name.
fn mode(served: &Served) -> Option<&str> {
    let mode = served.mode.as_deref();
    if mode == Some("collaborate") { Some("broadcast") } else { mode }
}

/// `GET /workflows`.
pub(super) async fn workflows(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
) -> Json<Vec<Value>> {
    Json(seen(&app, &who, ServedKind::Workflow).map(summary).collect())
}

/// Returns what is served and the caller may see.
fn seen<'a>(app: &'a App, who: &'a Who, kind: ServedKind) -> impl Iterator<Item = &'a Served> {
    let all = kind.all(app);
    all.filter(move |served| who.sees(kind.resource(), served.workflow.id().as_str()))
}

/// `GET /agents` and `GET /teams`: the whole shape, also in the list.
pub(super) async fn agents(
    Caller(who, _): Caller<Read>,
    kind: ServedKind,
    State(app): State<App>,
) -> Json<Vec<Value>> {
    Json(seen(&app, &who, kind).map(|served| whole_agent(&app, served)).collect())
}

/// `GET /workflows/{id}`.
pub(super) async fn workflow(
    _: Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let served = ServedKind::Workflow.find(&app, &id)?;
    let workflow = &served.workflow;
    Ok(Json(convert::dropped(json!({
        "id": workflow.id(), "name": workflow.name(), "db_id": DB,
        "description": workflow.description(), "input_schema": served.input_schema,
        "steps": steps(&workflow.plan().body), "workflow_agent": false, "is_factory": false,
        "is_component": false, "sandboxed": false,
    }))))
}

/// `GET /agents/{id}` and `GET /teams/{id}`.
pub(super) async fn agent(
    _: Caller<Read>,
    kind: ServedKind,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(whole_agent(&app, kind.find(&app, &id)?)))
}

fn whole_agent(app: &App, served: &Served) -> Value {
    let workflow = &served.workflow;
    let model = served.model.as_deref().map(|model| {
        let (provider, id) = convert::model(model);
        // The list is read as summaries, which want the `id`.
        json!({"id": id, "name": id, "model": id, "provider": provider})
    });
    let mut all = json!({
        "id": workflow.id(), "name": workflow.name(), "db_id": DB,
        "description": workflow.description(), "is_factory": false,
        "model": model, "sessions": {"session_table": TABLE}, "is_component": false,
        "sandboxed": false,
    });
    if served.kind == ServedKind::Team {
        all["mode"] = json!(mode(served));
        let member = |member: &MemberOf| {
            let known = app.served.iter().find(|one| one.workflow.name() == member.name);
            let id = known.map(|known| known.workflow.id());
            convert::dropped(json!({
                "id": id, "name": member.name, "description": member.description,
            }))
        };
        all["members"] = served.members.iter().map(member).collect();
    } else {
        all["filesystem"] = json!(false);
    }
    convert::dropped(all)
}

/// `POST /databases/{db_id}/migrate`: a store is migrated when it is opened.
pub(super) async fn migrate(
    _: Caller<Manage>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    if id != DB && id != "all" {
        return Err(Fault::not_found(format!("No database found with id '{id}'")));
    }
    Ok(Json(json!({"message": "The database has the newest version"})))
}

/// Returns the steps of a plan.
pub(super) fn steps(nodes: &[Node]) -> Vec<Value> {
    nodes.iter().map(step).collect()
}

fn step(node: &Node) -> Value {
    let (kind, inner, other) = match &node.kind {
        NodeKind::Steps { body } => ("Steps", Some(body), None),
        NodeKind::Workflow { body } => ("Workflow", Some(body), None),
        NodeKind::Parallel { branches, .. } => ("Parallel", Some(branches), None),
        NodeKind::Loop { body, .. } => ("Loop", Some(body), None),
        NodeKind::Condition { then, otherwise } => ("Condition", Some(then), Some(otherwise)),
        NodeKind::Router { choices } => ("Router", Some(choices), None),
        NodeKind::Map { body, .. } => ("Steps", Some(body), None),
        _ => ("Step", None, None),
    };
    let mut all = json!({"name": node.name, "type": kind});
    if let NodeKind::Step { executor_type, executor_name, .. } = &node.kind {
        match executor_type {
            stepwright_core::executor::ExecutorType::Agent => {
                all["agent"] = json!({"id": executor_name, "name": executor_name});
            }
            stepwright_core::executor::ExecutorType::Team => {
                all["team"] = json!({"id": executor_name, "name": executor_name});
            }
            stepwright_core::executor::ExecutorType::Function => {
                all["description"] = json!("User-defined callable step");
            }
            _ => {}
        }
    }
    if let Some(inner) = inner {
        all["steps"] = steps(inner).into();
    }
    if let Some(other) = other.filter(|other| !other.is_empty()) {
        all["else_steps"] = steps(other).into();
    }
    all
}
