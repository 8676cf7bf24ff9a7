//! The chat API of `OpenAI`, the columns of lists, and the metrics.

use crate::world::World;
use serde_json::{Value, json};
use stepwright_agent::Agent;
use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
use stepwright_core::plan::OnError;
use stepwright_core::{ErrorCode, Memory};
use stepwright_engine::{Step, Workflow};
use stepwright_testing::model::{Reply, ScriptedModel};

fn chat(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn a_workflow_answers_a_chat() {
    let world = World::start();
    let models = world.client.get("/v1/models").await.json();
    assert_eq!(models["data"][0]["id"], "plain");
    let mut body = chat("plain", "x");
    body["metadata"] = json!({"run_id": "r-1", "session_id": "s-1"});
    let answer = world.client.post("/v1/chat/completions", body).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "last first x", "{answer}");
    assert_eq!((&answer["id"], &answer["model"]), (&json!("chatcmpl-r-1"), &json!("plain")));
    let run = world.client.get("/v1/runs/r-1").await.json();
    assert_eq!((&run["run"]["session_id"], &run["run"]["input"]), (&json!("s-1"), &json!("x")));
    let unknown = world.client.post("/v1/chat/completions", chat("nope", "x")).await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    let empty = json!({"model": "plain", "messages": []});
    let empty = world.client.post("/v1/chat/completions", empty).await;
    assert_eq!((empty.status.as_u16(), &empty.json()["error"]["param"]), (400, &json!("messages")));
    let wrong = world.client.post("/v1/chat/completions", json!({"model": 1})).await;
    assert_eq!(wrong.json()["error"]["type"], "invalid_request_error", "{wrong:?}");
    let waiting = world.client.post("/v1/chat/completions", chat("asking", "x")).await.json();
    let text = waiting["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.ends_with("waits for an answer: Publish it?"), "{text}");
    world.end().await;
}

#[tokio::test]
async fn a_chat_is_streamed_to_its_last_line() {
    let world = World::start();
    let mut body = chat("plain", "x");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let answer = world.client.post("/v1/chat/completions", body).await;
    let lines: Vec<&str> =
        answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let (done, pieces) = lines.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let pieces: Vec<Value> =
        pieces.iter().map(|piece| serde_json::from_str(piece).unwrap()).collect();
    assert_eq!(pieces[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(pieces[1]["choices"][0]["delta"]["content"], "last first x");
    assert_eq!(pieces[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&pieces[3]["choices"], &pieces[3]["usage"]["total_tokens"]),
        (&json!([]), &json!(0))
    );
    world.end().await;
}

#[tokio::test]
async fn lists_have_columns_and_prometheus_has_counters() {
    let world = World::start();
    let run = world.run("plain", json!({"input": {"topic": "sea"}})).await;
    world.ended(&run).await;
    // The second list is one that remembers.
    for _ in 0..2 {
        let row = world.client.get("/v1/runs").await.json()["runs"][0].clone();
        assert_eq!(row["input"], r#"{"topic":"sea"}"#, "{row}");
        assert_eq!((&row["tokens"], &row["cost"]), (&json!(0), &json!(0.0)));
    }
    let waiting = world.run("asking", json!({})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{waiting}/events")).await;
    frames.until("WorkflowPaused").await;
    assert_eq!(world.client.get("/v1/nothing/here").await.status, 404);
    let text = world.client.get("/v1/metrics").await;
    assert!(text.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let has =
        |line: &str| assert!(text.body.lines().any(|one| one == line), "{line}\n{}", text.body);
    has(r#"stepwright_runs_open{status="PAUSED"} 1"#);
    has(r#"stepwright_served{kind="workflow"} 3"#);
    has(r#"stepwright_http_requests_total{method="GET",route="/v1/runs",status="200"} 2"#);
    has(r#"stepwright_http_requests_total{method="GET",route="none",status="404"} 1"#);
    has("stepwright_streams_open 1");
    world.end().await;
}

/// Returns the text of a streamed chat and that of one that is not streamed.
async fn both(step: impl Fn() -> Step, first: bool) -> (String, String) {
    let store = Memory::default();
    let flow = |id: &str| {
        let flow = Workflow::builder(id).store(store.clone());
        let flow = if first { flow.step(Step::new("first", early)) } else { flow };
        flow.step(step()).build().unwrap()
    };
    let flows = [flow("streamed"), flow("whole")];
    let world = World::with(store.clone(), |server| {
        flows.iter().fold(server, stepwright_server::ServerBuilder::workflow)
    });
    let mut body = chat("streamed", "x");
    body["stream"] = json!(true);
    let streamed = world.client.post("/v1/chat/completions", body).await.body;
    let pieces = streamed.lines().filter_map(|line| line.strip_prefix("data: {"));
    let pieces = pieces.map(|piece| serde_json::from_str(&format!("{{{piece}")).unwrap());
    let text = pieces.map(|piece: Value| {
        piece["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    });
    let text = text.collect();
    let whole = world.client.post("/v1/chat/completions", chat("whole", "x")).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    world.end().await;
    (text, whole)
}

async fn early(_: String) -> String {
    "the first step".to_owned()
}

#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
struct City {
    name: String,
}

const AGAIN: &str = "\n\n[The answer begins again.]\n\n";

#[tokio::test]
async fn the_pieces_of_a_stream_are_the_answer_or_say_that_it_begins_again() {
    let agent =
        |replies: Vec<Reply>| Agent::builder("A").model(ScriptedModel::new(replies)).unwrap();
    let plain = || Step::new("last", agent(vec!["Rome.".into()]).build().unwrap());
    assert_eq!(both(plain, false).await, ("Rome.".to_owned(), "Rome.".to_owned()));

    // A guardrail refuses what was held back, and the step is passed over.
    let refuses = || {
        let bad = AnyGuardrail::of("bad", |_, _| async { Ok(GuardVerdict::refuse("no")) });
        let step = Step::new("last", agent(vec!["Rome.".into()]).build().unwrap());
        step.guardrail(Guard::after(bad)).on_error(OnError::Skip)
    };
    let told = "the first step".to_owned();
    assert_eq!(both(refuses, true).await, (told.clone(), told.clone()));

    // A model that fails in the middle of its answer.
    let fails = || {
        let error = stepwright_core::model::ModelErrorKind::Refused;
        let error = stepwright_core::model::ModelError::new(error, "no");
        let agent = agent(vec![Reply::text("half ").and_error(error)]).build().unwrap();
        Step::new("last", agent).on_error(OnError::Fail.but(ErrorCode::Model, OnError::Skip))
    };
    assert_eq!(both(fails, true).await, (format!("half {AGAIN}{told}"), told));

    let repaired = || {
        let replies = vec!["Rome".into(), Reply::text(r#"{"name":"Rome"}"#)];
        Step::new("last", agent(replies).output::<City>().build().unwrap())
    };
    let (streamed, whole) = both(repaired, false).await;
    let rest = streamed.strip_prefix(&format!("Rome{AGAIN}")).unwrap();
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(rest), value(&whole));
}
