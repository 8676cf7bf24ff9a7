//! The chat API of `OpenAI`, the columns of lists, and the metrics.

use crate::world::World;
use serde_json::{Value, json};

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
