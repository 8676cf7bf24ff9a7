//! Keys, roles and users.

use crate::client::Client;
use crate::world::World;
use http::Method;
use serde_json::{Value, json};
use stepwright_core::{Memory, Timestamp};
use stepwright_server::{ApiKeys, NewKey, Role, Server};

/// An operation, the roles besides `admin` that may use it, and the scopes of a token, of which one
/// is enough.
type Access = (&'static str, &'static [Role], &'static str);

/// Every operation at `/v1`.
const ACCESS: &[Access] = &[
    ("get /v1/workflows", READ, "workflows:read"),
    ("get /v1/workflows/{id}", READ, "workflows:read"),
    ("post /v1/workflows/{id}/runs", START, "workflows:run"),
    ("get /v1/runs", READ, "workflows:read"),
    ("get /v1/runs/{id}", READ, "workflows:read"),
    ("get /v1/runs/{id}/events", READ, "workflows:read"),
    ("get /v1/runs/{id}/media/{hash}", READ, "workflows:read"),
    ("post /v1/runs/{id}/answers", &[Role::Approver], "workflows:run|approvals:write"),
    ("post /v1/runs/{id}/links", &[Role::Approver], "workflows:run|approvals:write"),
    ("post /v1/runs/{id}/cancel", START, "workflows:run"),
    ("post /v1/runs/{id}/resume", START, "workflows:run"),
    ("post /v1/runs/{id}/retry", START, "workflows:run"),
    ("post /v1/runs/{id}/rerun", START, "workflows:run"),
    ("post /v1/runs/{id}/fork", START, "workflows:run"),
    ("post /v1/runs/{id}/messages", START, "workflows:run"),
    ("post /v1/events", START, "workflows:run"),
    ("get /v1/inbox", READ, "workflows:read|approvals:read"),
    ("get /v1/sessions", READ, "sessions:read"),
    ("get /v1/sessions/{id}", READ, "sessions:read"),
    ("get /v1/metrics", READ, "metrics:read"),
    ("get /v1/models", READ, "workflows:read"),
    ("get /v1/models/{id}", READ, "workflows:read"),
    ("post /v1/chat/completions", START, "workflows:run"),
    ("get /v1/schedules", READ, "schedules:read"),
    ("post /v1/schedules/{id}/pause", START, "schedules:write"),
    ("post /v1/schedules/{id}/resume", START, "schedules:write"),
    ("post /v1/schedules/{id}/run", START, "schedules:write"),
    ("get /v1/webhooks", READ, "webhooks:read"),
    ("post /v1/webhooks/{id}/token", &[], "webhooks:write"),
    ("get /v1/keys", ADMIN, "agent_os:admin"),
    ("post /v1/keys", ADMIN, "agent_os:admin"),
    ("delete /v1/keys/{id}", ADMIN, "agent_os:admin"),
    ("get /v1/deliveries", READ, "webhooks:read"),
    ("post /v1/deliveries/{id}/redeliver", START, "webhooks:write"),
];

/// The operations of `AgentOS`, which has no document. Those of agents and teams are the twins of
/// those of workflows.
const AGENTOS: &[Access] = &[
    ("get /config", READ, "config:read"),
    ("get /workflows", READ, "workflows:read"),
    ("get /workflows/{id}", READ, "workflows:read"),
    ("get /workflows/{id}/runs", READ, "workflows:read"),
    ("post /workflows/{id}/runs", START, "workflows:run"),
    ("get /workflows/{id}/runs/{run}", READ, "workflows:read"),
    ("post /workflows/{id}/runs/{run}/cancel", START, "workflows:run"),
    (
        "post /workflows/{id}/runs/{run}/continue",
        &[Role::Approver],
        "workflows:run|approvals:write",
    ),
    ("post /workflows/{id}/runs/{run}/resume", READ, "workflows:run"),
    ("get /sessions", READ, "sessions:read"),
    ("post /sessions", START, "sessions:write"),
    ("delete /sessions", ADMIN, "sessions:delete"),
    ("get /sessions/{session}", READ, "sessions:read"),
    ("patch /sessions/{session}", ADMIN, "sessions:write"),
    ("delete /sessions/{session}", ADMIN, "sessions:delete"),
    ("post /sessions/{session}/rename", ADMIN, "sessions:write"),
    ("get /sessions/{session}/runs", READ, "sessions:read"),
    ("get /sessions/{session}/runs/{run}", READ, "sessions:read"),
    ("get /sessions/{session}/run-previews", READ, "sessions:read"),
    ("get /memories", READ, "memories:read"),
    ("post /memories", START, "memories:write"),
    ("delete /memories", ADMIN, "memories:delete"),
    ("get /memories/{id}", READ, "memories:read"),
    ("patch /memories/{id}", ADMIN, "memories:write"),
    ("delete /memories/{id}", ADMIN, "memories:delete"),
    ("get /memory_topics", READ, "memories:read"),
    ("get /user_memory_stats", READ, "memories:read"),
    ("get /metrics", READ, "metrics:read"),
    ("post /metrics/refresh", ADMIN, "metrics:write"),
    ("get /metrics/refresh/status", READ, "metrics:read"),
    ("post /databases/all/migrate", ADMIN, "config:write"),
];

/// The operations of other protocols.
const OTHERS: &[Access] = &[
    ("post /mcp", READ, "workflows:read"),
    ("get /mcp", READ, "workflows:read"),
    ("delete /mcp", READ, "workflows:read"),
    ("get /.well-known/agent-card.json", READ, "workflows:read"),
    ("get /a2a/{id}/.well-known/agent-card.json", READ, "workflows:read"),
    ("post /a2a/{id}", READ, "workflows:read"),
    ("post /agui", &[Role::Operator, Role::Approver], "workflows:run"),
    ("post /agui/{id}", &[Role::Operator, Role::Approver], "workflows:run"),
];

/// The operations of `AgentOS` that need no key. A socket asks for one after it is open.
const AGENTOS_PUBLIC: &[&str] = &["get /", "get /health", "get /info", "get /ready"];

/// The operation that needs no key.
const PUBLIC: &str = "get /v1/openapi.json";

/// The operations whose path is the key.
const CAPABILITIES: [&str; 3] =
    ["post /v1/hooks/{id}", "get /v1/links/{id}", "post /v1/links/{id}"];

const READ: &[Role] = &[Role::Viewer, Role::Operator, Role::Approver];
const START: &[Role] = &[Role::Operator];
const ADMIN: &[Role] = &[];

pub(crate) fn key(keys: &ApiKeys, role: Role, user: Option<&str>) -> String {
    let user = user.map(str::to_owned);
    let new = NewKey { name: "test".to_owned(), role, user, expires_at: None };
    keys.create(new).unwrap().1
}

/// Sends an operation with ids of nothing, or with these.
async fn probe_at(client: &Client, operation: &str, ids: [&str; 3], body: &Value) -> u16 {
    let (method, path) = operation.split_once(' ').unwrap();
    let [id, run, session] = ids;
    let path = path.replace("{id}", id).replace("{run}", run).replace("{session}", session);
    let path = path.replace("{hash}", "abc");
    let method: Method = method.to_uppercase().parse().unwrap();
    let client = client.with("content-type", "application/json");
    let body = if method == Method::GET { String::new() } else { body.to_string() };
    client.send(method, &path, body).await.status().as_u16()
}

pub(crate) async fn probe(client: &Client, operation: &str) -> u16 {
    probe_at(client, operation, ["nothing"; 3], &json!({})).await
}

/// Returns every operation with its roles and its scopes.
pub(crate) fn every_operation() -> Vec<(String, &'static [Role], String)> {
    let mut all: Vec<(String, &[Role], String)> = Vec::new();
    for (operation, roles, scopes) in ACCESS.iter().chain(AGENTOS).chain(OTHERS) {
        all.push(((*operation).to_owned(), roles, (*scopes).to_owned()));
        if operation.contains("/workflows") && !operation.contains("/v1/") {
            for kind in ["agents", "teams"] {
                let twin = |text: &str| text.replace("workflows", kind);
                all.push((twin(operation), roles, twin(scopes)));
            }
        }
    }
    all
}

#[tokio::test]
async fn every_operation_admits_exactly_its_roles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let document = Server::openapi();
    let mut known: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        known.extend(methods.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    known.sort();
    let mut listed: Vec<String> = ACCESS.iter().map(|access| access.0.to_owned()).collect();
    listed.push(PUBLIC.to_owned());
    listed.extend(CAPABILITIES.map(str::to_owned));
    listed.sort();
    assert_eq!(known, listed);
    for (operation, ..) in &every_operation() {
        assert_eq!(probe(&world.client, operation).await, 401, "{operation} without a key");
        let forged = world.client.with_key("sw_00000000_forged");
        assert_eq!(probe(&forged, operation).await, 401, "{operation} with a forged key");
    }
    for role in Role::ALL {
        let client = world.client.with_key(&key(&keys, role, None));
        for (operation, roles, _) in &every_operation() {
            let may = role == Role::Admin || roles.contains(&role);
            let status = probe(&client, operation).await;
            assert_eq!(may, status != 403, "{operation} as {role}: {status}");
            assert_ne!(status, 401, "{operation} as {role}");
        }
    }
    for public in AGENTOS_PUBLIC.iter().chain(&[PUBLIC]) {
        assert_eq!(probe(&world.client, public).await, 200, "{public}");
    }
    for guessed in CAPABILITIES {
        let status = probe(&world.client, guessed).await;
        assert!(matches!(status, 404 | 415), "{guessed}: {status}");
    }
    assert_eq!(probe(&world.client, "get /no/such/path").await, 401);
    world.end().await;
}

#[tokio::test]
async fn another_users_run_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let anna = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    let ben = world.client.with_key(&key(&keys, Role::Admin, Some("ben")));
    // The key decides about the user, and not the body.
    let new = json!({"input": "x", "run_id": "anna:1", "session_id": "anna:s", "user_id": "ben"});
    assert_eq!(anna.post("/v1/workflows/plain/runs", new).await.status, 202);
    anna.stream("/v1/runs/anna:1/events").await.rest().await;
    let hers = anna.get("/v1/runs/anna:1").await;
    assert_eq!(hers.json()["run"]["user_id"], "anna");
    let none = ben.get("/v1/runs/none").await.json();
    for path in ["/v1/runs/anna:1", "/v1/runs/anna:1/events", "/v1/sessions/anna:s"] {
        assert_eq!(ben.get(path).await.status, 404, "{path}");
    }
    assert_eq!(ben.get("/v1/runs/anna:1").await.json()["code"], none["code"]);
    for verb in ["cancel", "resume", "retry"] {
        assert_eq!(
            ben.post(&format!("/v1/runs/anna:1/{verb}"), json!({})).await.status,
            404,
            "{verb}"
        );
    }
    let fork = ben.post("/v1/runs/anna:1/fork", json!({})).await;
    assert_eq!(fork.status, 404);
    let own = ben.post("/v1/workflows/plain/runs", json!({"input": "x"})).await;
    assert_eq!(own.status, 202, "{own:?}");
    let own = own.json()["run_id"].as_str().unwrap().to_owned();
    ben.stream(&format!("/v1/runs/{own}/events")).await.rest().await;
    for (list, name) in [("runs", "runs"), ("sessions", "sessions")] {
        let hers = ben.get(&format!("/v1/{list}?user=anna")).await.json();
        assert_eq!(hers[name], json!([]), "{list}");
        for filter in ["", "?user=ben", "?user="] {
            let own = ben.get(&format!("/v1/{list}{filter}")).await.json();
            assert_eq!(own[name].as_array().unwrap().len(), 1, "{list}{filter}");
        }
    }
    assert_eq!(ben.get("/v1/metrics").await.status, 403, "they are those of all users");
    let into = json!({"input": "x", "session_id": "anna:s"});
    let into = ben.post("/v1/workflows/plain/runs", into).await;
    assert_eq!(into.status, 404, "{into:?}");
    world.end().await;
}

#[tokio::test]
async fn every_operation_on_a_run_or_a_session_of_another_user_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let anna = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    let ben = world.client.with_key(&key(&keys, Role::Admin, Some("ben")));
    let new = json!({"input": "x", "run_id": "anna:1", "session_id": "anna:s"});
    assert_eq!(anna.post("/v1/workflows/asking/runs", new).await.status, 202);
    anna.stream("/v1/runs/anna:1/events").await.until("WorkflowPaused").await;
    // One body that is good for each of them.
    let body = json!({"answers": {"x": {"decision": "approve"}}});
    let bodies = [
        ("/answers", body),
        ("/rerun", json!({"from": "last"})),
        ("/links", json!({"request": "x", "to": "x"})),
        ("/messages", json!({"text": "x"})),
        ("/rename", json!({"session_name": "x"})),
        ("/continue", json!({"step_requirements": "[]"})),
    ];
    for (operation, ..) in &every_operation() {
        let of_run = operation.contains("/runs/{");
        if !(of_run || operation.contains("/sessions/{")) {
            continue;
        }
        let body = bodies.iter().find(|(end, _)| operation.ends_with(end));
        let body = body.map_or_else(|| json!({}), |(_, body)| body.clone());
        let id = match operation.split_once(' ').unwrap().1 {
            own if own.starts_with("/v1/runs") => "anna:1",
            own if own.starts_with("/v1/sessions") => "anna:s",
            _ => "asking",
        };
        let status = probe_at(&ben, operation, [id, "anna:1", "anna:s"], &body).await;
        // AgentOS answers these for unknown ids, too.
        let expected = match operation.rsplit('/').next() {
            Some("cancel" | "resume") if operation.starts_with("post /workflows") => 200,
            _ if operation.starts_with("delete ") => 204,
            // It needs the session before it looks.
            _ if operation.ends_with("/runs/{run}") && !operation.contains("sessions") => 422,
            _ => 404,
        };
        assert_eq!(status, expected, "{operation}");
    }
    let run = anna.get("/v1/runs/anna:1").await.json();
    assert_eq!(run["run"]["status"], "PAUSED", "nothing has touched it");
    assert_eq!(anna.get("/sessions/anna:s").await.status, 200);
    let session = "/workflows/asking/runs/anna:1?session_id=anna:s";
    assert_eq!(ben.get(session).await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn a_revoked_or_expired_key_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let new = |expires_at| NewKey { name: "k".into(), role: Role::Viewer, user: None, expires_at };
    let (made, secret) = keys.create(new(None)).unwrap();
    let client = world.client.with_key(&secret);
    assert_eq!(client.get("/v1/runs").await.status, 200);
    assert!(keys.revoke(&made.id).unwrap());
    assert_eq!(client.get("/v1/runs").await.status, 401);
    let (_, old) = keys.create(new(Some(Timestamp(1)))).unwrap();
    assert_eq!(world.client.with_key(&old).get("/v1/runs").await.status, 401);
    let stored = std::fs::read_to_string(&path).unwrap();
    assert!(!stored.contains(&old), "only a hash is stored");
    world.end().await;
}

#[tokio::test]
async fn a_server_that_began_without_keys_needs_one_once_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys_if_any(&path));
    assert_eq!(world.client.get("/v1/runs").await.status, 200);
    assert_eq!(world.client.get("/info").await.json()["auth_mode"], "none");
    let new = NewKey { name: "k".into(), role: Role::Viewer, user: None, expires_at: None };
    let (made, secret) = keys.create(new).unwrap();
    assert_eq!(world.client.get("/v1/runs").await.status, 401);
    assert_eq!(world.client.with_key(&secret).get("/v1/runs").await.status, 200);
    assert_eq!(world.client.get("/info").await.json()["auth_mode"], "security_key");
    assert!(keys.revoke(&made.id).unwrap());
    assert_eq!(world.client.get("/v1/runs").await.status, 401, "it stays closed");
    world.end().await;

    // A file that cannot be read admits no caller.
    std::fs::write(&path, "no keys").unwrap();
    let world = World::with(Memory::default(), |server| server.keys_if_any(&path));
    assert_eq!(world.client.get("/v1/runs").await.status, 401);
    world.end().await;
}

#[tokio::test]
async fn an_admin_makes_lists_and_revokes_keys_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let admin = world.client.with_key(&key(&keys, Role::Admin, None));
    let new = json!({"name": "ci", "role": "viewer", "user": "anna", "expires_in": 3600});
    let made = admin.post("/v1/keys", new).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let (id, secret) = (made["key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let life =
        made["key"]["expires_at"].as_u64().unwrap() - made["key"]["created_at"].as_u64().unwrap();
    assert!((3_600_000..3_601_000).contains(&life), "{made}");
    let anna = world.client.with_key(secret);
    assert_eq!(anna.get("/v1/runs").await.status, 200);
    let listed = admin.get("/v1/keys").await;
    assert!(!listed.body.contains(secret) && !listed.body.contains("hash"), "{listed:?}");
    assert_eq!(listed.json()["keys"][1], made["key"]);
    // The command has it too.
    assert_eq!(keys.list().unwrap()[1].id, id);
    let delete = |client: &Client, id: &str| {
        let (client, path) = (client.clone(), format!("/v1/keys/{id}"));
        async move { client.send(Method::DELETE, &path, "").await.status().as_u16() }
    };
    assert_eq!(delete(&anna, id).await, 403);
    assert_eq!(delete(&admin, id).await, 200);
    assert_eq!(delete(&admin, id).await, 404);
    assert_eq!(anna.get("/v1/runs").await.status, 401, "it is refused at once");
    for wrong in [
        json!({"name": "", "role": "viewer"}),
        json!({"name": "ci", "role": "viewer", "user": "a\nb"}),
        json!({"name": "ci", "role": "viewer", "expires_in": 0}),
    ] {
        assert_eq!(admin.post("/v1/keys", wrong.clone()).await.status, 400, "{wrong}");
    }
    let unknown = admin.post("/v1/keys", json!({"name": "ci", "role": "king"})).await;
    assert_eq!(unknown.status, 422, "{unknown:?}");
    // An administrator of one user makes no keys for others.
    let own = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    assert_eq!(own.get("/v1/keys").await.status, 403);
    let all = json!({"name": "all", "role": "admin"});
    assert_eq!(own.post("/v1/keys", all.clone()).await.status, 403);
    world.end().await;
    // A server without a file of keys can make none.
    let world = World::start();
    assert_eq!(world.client.get("/v1/keys").await.json()["keys"], json!([]));
    assert_eq!(world.client.post("/v1/keys", all).await.status, 409);
    world.end().await;
}
