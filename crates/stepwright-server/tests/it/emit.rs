//! Events from outside, for runs that wait for them.

use crate::keys::key;
use crate::world::World;
use serde_json::{Value, json};
use stepwright_core::{Memory, StepContext, StepError};
use stepwright_engine::Workflow;
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
