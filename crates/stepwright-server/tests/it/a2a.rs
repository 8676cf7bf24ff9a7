//! A2A at `/a2a`, in both versions.

use crate::client::Client;
use crate::keys::key;
use crate::world::World;
use serde_json::{Value, json};
use stepwright_core::Memory;
use stepwright_server::{ApiKeys, Role};

/// Calls a method, and returns the whole answer.
async fn call(client: &Client, agent: &str, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = client.post(&format!("/a2a/{agent}"), body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
    answer
}

async fn result(client: &Client, agent: &str, method: &str, params: Value) -> Value {
    let answer = call(client, agent, method, params).await;
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}

async fn fault(client: &Client, agent: &str, method: &str, params: Value) -> i64 {
    let answer = call(client, agent, method, params).await;
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer}"))
}

fn message(text: &str) -> Value {
    let parts = json!([{"text": text}]);
    json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": parts}})
}

fn reply(task: &Value, text: &str) -> Value {
    let mut params = message(text);
    params["message"]["taskId"] = task["id"].clone();
    params
}

/// Reads a stream to its end.
async fn stream(client: &Client, agent: &str, method: &str, params: Value) -> Vec<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = client.post(&format!("/a2a/{agent}"), body).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream", "{answer:?}");
    let lines = answer.body.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    let all = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["result"].clone());
    all.collect()
}

#[tokio::test]
async fn a_card_names_the_address_of_an_agent() {
    let world = World::start();
    let first = world.client.get("/.well-known/agent-card.json").await.json();
    let card = world.client.get("/a2a/plain/.well-known/agent-card.json").await.json();
    assert_eq!(first, card, "it is served first");
    assert_eq!((&card["name"], &card["skills"][0]["id"]), (&json!("plain"), &json!("plain")));
    let interface = &card["supportedInterfaces"][0];
    assert_eq!(
        (&interface["protocolBinding"], &interface["protocolVersion"]),
        (&json!("JSONRPC"), &json!("1.0"))
    );
    assert!(interface["url"].as_str().unwrap().ends_with("/a2a/plain"), "{card}");
    assert_eq!(world.client.get("/a2a/none/.well-known/agent-card.json").await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn a_message_begins_a_task_that_is_a_run() {
    let world = World::start();
    let client = &world.client;
    let mut params = message("x");
    params["message"]["contextId"] = json!("c");
    let task = result(client, "plain", "SendMessage", params).await["task"].clone();
    assert_eq!(task["status"]["state"], "TASK_STATE_COMPLETED", "{task}");
    assert_eq!(task["artifacts"][0]["parts"], json!([{"text": "last first x"}]));
    assert_eq!(task["history"][0]["parts"], json!([{"text": "x"}]));
    let run = client.get(&format!("/v1/runs/{}", task["id"].as_str().unwrap())).await.json();
    assert_eq!((&run["run"]["session_id"], &task["contextId"]), (&json!("c"), &json!("c")));
    let seen = result(client, "plain", "GetTask", json!({"id": task["id"]})).await;
    assert_eq!(seen, task);
    let older = result(client, "plain", "tasks/get", json!({"id": task["id"]})).await;
    assert_eq!((&older["kind"], &older["status"]["state"]), (&json!("task"), &json!("completed")));
    assert_eq!(older["artifacts"][0]["parts"], json!([{"kind": "text", "text": "last first x"}]));
    world.end().await;
}

#[tokio::test]
async fn a_stream_has_the_task_its_artifact_and_its_end() {
    let world = World::start();
    let all = stream(&world.client, "plain", "SendStreamingMessage", message("x")).await;
    let [first, artifact, last] = &all[..] else { panic!("{all:?}") };
    assert!(first["task"]["id"].is_string(), "{first}");
    let artifact = &artifact["artifactUpdate"];
    assert_eq!(artifact["artifact"]["parts"], json!([{"text": "last first x"}]));
    assert_eq!(artifact["lastChunk"], true);
    assert_eq!(last["statusUpdate"]["status"]["state"], "TASK_STATE_COMPLETED");
    let parts = json!([{"kind": "text", "text": "x"}]);
    let message = json!({"message": {"messageId": "m", "role": "user", "parts": parts}});
    let all = stream(&world.client, "plain", "message/stream", message).await;
    let kinds: Vec<&Value> = all.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["task", "artifact-update", "status-update"]);
    assert_eq!(all[2]["final"], true);
    world.end().await;
}

#[tokio::test]
async fn a_pause_is_a_task_that_needs_input() {
    let world = World::start();
    let client = &world.client;
    let task = result(client, "asking", "SendMessage", message("x")).await["task"].clone();
    let status = &task["status"];
    assert_eq!(status["state"], "TASK_STATE_INPUT_REQUIRED", "{task}");
    assert_eq!(status["message"]["parts"][0]["text"], "Publish it?");
    let request = &status["message"]["parts"][1]["data"]["requests"][0];
    assert_eq!(request["decisions"], json!(["approve", "reject"]));
    assert_eq!(fault(client, "asking", "SendMessage", reply(&task, "perhaps")).await, -32602);
    let mut answer = reply(&task, "");
    let answers = json!({"answers": {request["id"].as_str().unwrap(): {"decision": "approve"}}});
    answer["message"]["parts"] = json!([{"data": answers}]);
    let done = result(client, "asking", "SendMessage", answer).await["task"].clone();
    assert_eq!(
        (&done["id"], &done["status"]["state"]),
        (&task["id"], &json!("TASK_STATE_COMPLETED"))
    );
    assert_eq!(fault(client, "asking", "SendMessage", reply(&task, "approve")).await, -32004);
    let task = result(client, "asking", "SendMessage", message("x")).await["task"].clone();
    let all = stream(client, "asking", "SendStreamingMessage", reply(&task, "approve")).await;
    assert_eq!(all[0]["task"]["id"], task["id"]);
    let last = &all.last().unwrap()["statusUpdate"];
    assert_eq!(last["status"]["state"], "TASK_STATE_COMPLETED", "{all:?}");
    world.end().await;
}

#[tokio::test]
async fn a_task_is_cancelled_and_followed() {
    let world = World::start();
    let client = &world.client;
    let mut params = message("x");
    params["configuration"] = json!({"returnImmediately": true});
    let task = result(client, "slow", "SendMessage", params).await["task"].clone();
    let id = json!({"id": task["id"]});
    let (followed, ()) =
        tokio::join!(stream(client, "slow", "SubscribeToTask", id.clone()), async {
            // The follower is there once its stream is open.
            while client.get("/ready").await.json()["streams"] != 1 {}
            let stopped = result(client, "slow", "CancelTask", id.clone()).await;
            assert_eq!(stopped["status"]["state"], "TASK_STATE_CANCELED", "{stopped}");
        });
    let last = &followed.last().unwrap()["statusUpdate"]["status"];
    assert_eq!(last["state"], "TASK_STATE_CANCELED", "{followed:?}");
    assert_eq!(fault(client, "slow", "tasks/cancel", id.clone()).await, -32002);
    assert_eq!(fault(client, "slow", "SubscribeToTask", id).await, -32004);
    world.end().await;
}

#[tokio::test]
async fn mistakes_have_the_codes_of_the_protocol() {
    let world = World::start();
    let client = &world.client;
    assert_eq!(fault(client, "plain", "NoSuchMethod", json!({})).await, -32601);
    assert_eq!(fault(client, "plain", "GetTask", json!({"id": "none"})).await, -32001);
    assert_eq!(fault(client, "plain", "GetTask", json!({})).await, -32602);
    assert_eq!(fault(client, "plain", "SendMessage", json!({})).await, -32602);
    let push = "tasks/pushNotificationConfig/set";
    assert_eq!(fault(client, "plain", push, json!({})).await, -32003);
    let task = result(client, "plain", "SendMessage", message("x")).await["task"].clone();
    let elsewhere = json!({"id": task["id"]});
    assert_eq!(fault(client, "slow", "GetTask", elsewhere).await, -32001);
    let broken = client.post_text("/a2a/plain", "application/json", "{").await.json();
    assert_eq!(broken["error"]["code"], -32700, "{broken}");
    let odd = client.post("/a2a/plain", json!({"id": 1})).await.json();
    assert_eq!(odd["error"]["code"], -32600, "{odd}");
    assert_eq!(client.post_text("/a2a/plain", "text/plain", "{}").await.status, 415);
    assert_eq!(client.post("/a2a/none", json!({})).await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn tasks_belong_to_users_and_roles_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let of = |role, user| world.client.with_key(&key(&keys, role, Some(user)));
    let (anna, ben) = (of(Role::Admin, "anna"), of(Role::Admin, "ben"));
    let operator = of(Role::Operator, "anna");
    let task = result(&anna, "asking", "SendMessage", message("x")).await["task"].clone();
    let id = json!({"id": task["id"]});
    for method in ["GetTask", "CancelTask", "SubscribeToTask"] {
        assert_eq!(fault(&ben, "asking", method, id.clone()).await, -32001, "{method}");
    }
    assert_eq!(fault(&ben, "asking", "SendMessage", reply(&task, "approve")).await, -32001);
    let refused = async |client: &Client, method: &str, params: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        client.post("/a2a/asking", body).await.status
    };
    assert_eq!(refused(&operator, "SendMessage", reply(&task, "approve")).await, 403);
    let viewer = of(Role::Viewer, "anna");
    assert_eq!(refused(&viewer, "SendMessage", message("x")).await, 403);
    assert_eq!(refused(&viewer, "tasks/cancel", id.clone()).await, 403);
    assert_eq!(result(&viewer, "asking", "GetTask", id).await["id"], task["id"]);
    let card = viewer.get("/.well-known/agent-card.json").await.json();
    assert!(card["securitySchemes"]["key"].is_object(), "{card}");
    world.end().await;
}
