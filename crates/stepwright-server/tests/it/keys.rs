//! Keys, roles and users.

use crate::client::Client;
use crate::world::World;
use serde_json::json;
use stepwright_core::{Memory, Timestamp};
use stepwright_server::{ApiKeys, NewKey, Role, Server};

/// Every operation at `/v1`, with the roles besides `admin` that may use it.
const ACCESS: &[(&str, &[Role])] = &[
    ("get /v1/workflows", READ),
    ("get /v1/workflows/{id}", READ),
    ("post /v1/workflows/{id}/runs", START),
    ("get /v1/runs", READ),
    ("get /v1/runs/{id}", READ),
    ("get /v1/runs/{id}/events", READ),
    ("post /v1/runs/{id}/answers", &[Role::Approver]),
    ("post /v1/runs/{id}/cancel", START),
    ("post /v1/runs/{id}/resume", START),
    ("post /v1/runs/{id}/retry", START),
    ("post /v1/runs/{id}/rerun", START),
    ("post /v1/runs/{id}/fork", START),
    ("post /v1/runs/{id}/messages", START),
    ("get /v1/inbox", READ),
    ("get /v1/sessions", READ),
    ("get /v1/sessions/{id}", READ),
    ("get /v1/schedules", READ),
    ("post /v1/schedules/{id}/pause", START),
    ("post /v1/schedules/{id}/resume", START),
    ("post /v1/schedules/{id}/run", START),
    ("get /v1/webhooks", READ),
    ("post /v1/webhooks/{id}/token", &[]),
];

/// The operation that needs no key.
const PUBLIC: &str = "get /v1/openapi.json";

/// The operation whose path is the key.
const HOOK: &str = "post /v1/hooks/{id}";

const READ: &[Role] = &[Role::Viewer, Role::Operator, Role::Approver];
const START: &[Role] = &[Role::Operator];

fn key(keys: &ApiKeys, role: Role, user: Option<&str>) -> String {
    let user = user.map(str::to_owned);
    let new = NewKey { name: "test".to_owned(), role, user, expires_at: None };
    keys.create(new).unwrap().1
}

async fn probe(client: &Client, operation: &str) -> u16 {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path.replace("{id}", "nothing");
    match method {
        "get" => client.get(&path).await.status.as_u16(),
        _ => client.post(&path, json!({})).await.status.as_u16(),
    }
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
    let mut listed: Vec<String> = ACCESS.iter().map(|(operation, _)| (*operation).into()).collect();
    listed.extend([PUBLIC.to_owned(), HOOK.to_owned()]);
    listed.sort();
    assert_eq!(known, listed);
    for (operation, _) in ACCESS {
        assert_eq!(probe(&world.client, operation).await, 401, "{operation} without a key");
        let forged = world.client.with_key("sw_00000000_forged");
        assert_eq!(probe(&forged, operation).await, 401, "{operation} with a forged key");
    }
    for role in Role::ALL {
        let client = world.client.with_key(&key(&keys, role, None));
        for (operation, roles) in ACCESS {
            let may = role == Role::Admin || roles.contains(&role);
            let status = probe(&client, operation).await;
            assert_eq!(may, status != 403, "{operation} as {role}: {status}");
            assert_ne!(status, 401, "{operation} as {role}");
        }
    }
    assert_eq!(probe(&world.client, PUBLIC).await, 200);
    assert_eq!(probe(&world.client, HOOK).await, 404);
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
    assert_eq!(ben.get("/v1/runs?user=anna").await.json()["runs"], json!([]));
    let into = json!({"input": "x", "session_id": "anna:s"});
    let into = ben.post("/v1/workflows/plain/runs", into).await;
    assert_eq!(into.status, 404, "{into:?}");
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
