//! Events from outside, for runs that wait for them.

use crate::keys::key;
use crate::world::World;
use serde_json::{Value, json};
use stepwright_core::{Memory, StepContext, StepError};
use stepwright_engine::{Step, Workflow};
use stepwright_server::{ApiKeys, Role, ServerBuilder};

fn orders(server: ServerBuilder, store: &Memory) -> ServerBuilder {
    async fn paid(order: String, cx: StepContext) -> Result<String, StepError> {
        let paid: Value = cx.wait_for("order.paid").key(order).await?;
        Ok(format!("paid {}", paid["amount"]))
    }
    let orders = Workflow::builder("orders").store(store.clone()).step(paid).build().unwrap();
    server.workflow(&orders)
}

#[tokio::test]
async fn an_event_carries_on_the_runs_that_wait_for_it() {
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| orders(server, &memory));
    let emit = |event: Value| {
        let client = world.client.clone();
        async move { client.post("/v1/events", event).await }
    };
    let early = emit(json!({"name": "order.paid", "key": "o-1", "id": "e-0"})).await;
    assert_eq!(early.status, 200);
    assert_eq!(early.json(), json!({"id": "e-0", "received": 0, "run_ids": []}));

    let run = world.run("orders", json!({"input": "o-1"})).await;
    world.client.stream(&format!("/v1/runs/{run}/events")).await.until("WorkflowPaused").await;
    let shown = world.client.get(&format!("/v1/runs/{run}")).await.json();
    assert_eq!(shown["requests"].as_array().map_or(0, Vec::len), 0, "no person is asked");
    assert_eq!(world.client.get("/v1/inbox").await.json()["requests"], json!([]));
    let forged = json!({"answers": {"paid": {"decision": "event", "id": "e", "payload": 1}}});
    let forged = world.client.post(&format!("/v1/runs/{run}/answers"), forged).await;
    assert_eq!(forged.status, 400, "{forged:?}");

    let event = json!({"name": "order.paid", "key": "o-1", "payload": {"amount": 5}, "id": "e-1"});
    let sent = emit(event.clone()).await.json();
    assert_eq!(sent, json!({"id": "e-1", "received": 1, "run_ids": [run]}));
    assert_eq!(world.ended(&run).await["output"]["content"], "paid 5");
    assert_eq!(emit(event).await.json()["received"], 0);

    let wrong = emit(json!({"name": "order paid"})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["code"]), (400, &json!("SW0740")));
    assert_eq!(emit(json!({"name": "a", "topic": "b"})).await.status, 422);
    world.end().await;
}

#[tokio::test]
async fn an_event_that_is_sent_again_was_received_before() {
    let memory = Memory::default();
    let step = Step::new("both", |_: String, cx: StepContext| async move {
        let first: Value = cx.wait_for("one").await?;
        let second: Value = cx.wait_for("one").named("second").await?;
        Ok::<_, StepError>(format!("{first}{second}"))
    });
    let both = Workflow::builder("both").store(memory.clone()).step(step).build().unwrap();
    let world = World::with(memory.clone(), |server| server.workflow(&both));
    let run = world.run("both", json!({"input": "x"})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{run}/events")).await;
    frames.until("WorkflowPaused").await;
    let event = json!({"name": "one", "payload": 1, "id": "e-1"});
    let sent = world.client.post("/v1/events", event.clone()).await.json();
    assert_eq!(sent, json!({"id": "e-1", "received": 1, "run_ids": [run]}));
    frames.until("WorkflowPaused").await;
    let again = world.client.post("/v1/events", event).await.json();
    let wanted = json!({"id": "e-1", "received": 0, "run_ids": [], "received_before": [run]});
    assert_eq!(again, wanted);
    world.end().await;
}

#[tokio::test]
async fn an_answer_of_each_protocol_says_that_the_run_waits_for_an_event() {
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| orders(server, &memory));
    let client = &world.client;
    let waits = "waits for the event `order.paid` with the key `o-1`.";

    let message = json!({"id": "m", "role": "user", "content": "o-1"});
    let input = json!({"threadId": "t", "runId": "r-1", "messages": [message]});
    let stream = client.post("/agui/orders", input).await.body;
    let frames = stream.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    let events: Vec<Value> = frames.map(|frame| serde_json::from_str(frame).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "RUN_FINISHED", "{stream}");
    assert_eq!(last["outcome"]["type"], "suspended", "{stream}");
    let told = |event: &&Value| event["delta"].as_str().is_some_and(|told| told.ends_with(waits));
    assert!(events.iter().any(|event| told(&event)), "{stream}");

    for streams in [false, true] {
        let chat = json!({"model": "orders", "stream": streams,
            "messages": [{"role": "user", "content": "o-1"}]});
        let answer = client.post("/v1/chat/completions", chat).await.body;
        assert!(answer.contains(waits), "{answer}");
        assert_eq!(answer.trim_end().ends_with("[DONE]"), streams, "{answer}");
    }

    let parts = json!([{"text": "o-1"}]);
    let message = json!({"messageId": "m", "role": "ROLE_USER", "parts": parts});
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "SendMessage",
        "params": {"message": message}});
    let task = client.post("/a2a/orders", call).await.json()["result"]["task"].clone();
    assert_eq!(task["status"]["state"], "TASK_STATE_WORKING", "{task}");
    let text = task["status"]["message"]["parts"][0]["text"].as_str().unwrap_or_default();
    assert!(text.ends_with(waits), "{task}");

    let accept = "application/json, text/event-stream";
    let version = "2026-07-28";
    let mcp = client.with("accept", accept).with("mcp-protocol-version", version);
    let mcp = mcp.with("mcp-method", "tools/call").with("mcp-name", "orders");
    let meta = json!({"io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "it", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": "orders", "arguments": {"message": "o-1"}, "_meta": meta});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let answer = mcp.post("/mcp", call).await.body;
    assert!(answer.contains("waits for the event `order.paid`"), "{answer}");
    world.end().await;
}

#[tokio::test]
async fn a_key_of_one_user_reaches_the_runs_of_that_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (keys, memory) = (ApiKeys::in_file(&path), Memory::default());
    let world = World::with(memory.clone(), |server| orders(server.keys(&path), &memory));
    let client = |user| world.client.with_key(&key(&keys, Role::Operator, user));
    let (anna, ben) = (client(Some("anna")), client(Some("ben")));
    for (client, run) in [(&anna, "anna:1"), (&ben, "ben:1")] {
        let new = json!({"input": "o-1", "run_id": run});
        assert_eq!(client.post("/v1/workflows/orders/runs", new).await.status, 202);
        client.stream(&format!("/v1/runs/{run}/events")).await.until("WorkflowPaused").await;
    }
    let event = json!({"name": "order.paid", "key": "o-1", "payload": {"amount": 1}});
    let sent = ben.post("/v1/events", event.clone()).await.json();
    assert_eq!(sent["run_ids"], json!(["ben:1"]));
    let sent = client(None).post("/v1/events", event).await.json();
    assert_eq!(sent["run_ids"], json!(["anna:1"]), "the owner reaches all that still wait");
    world.end().await;
}
