//! The complete example, with real parts: a PostgreSQL, a server of models, a server of results.

use crate::examples::{printed, program};
use crate::tools::server as search_server;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use stepwright::prelude::*;
use stepwright::{Postgres, Workflow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NEWS: &str = "Leafcutter ants grow a fungus on pieces of leaves.";

/// A server that speaks the protocol of OpenAI's chat completions, with a model that searches when
/// it can, and otherwise says what it read. Gives its address and what it was asked.
async fn model_server() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, seen.clone()));
        }
    });
    (address, asked)
}

async fn answer(mut stream: TcpStream, asked: Arc<Mutex<Vec<Value>>>) {
    let mut read = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str::<Value>(body) {
            break (head.to_lowercase(), body);
        }
    };
    assert!(head.starts_with("post /v1/chat/completions"), "{head}");
    assert!(head.contains("authorization: bearer a-key"), "{head}");
    let last = body["messages"].as_array().unwrap().last().unwrap();
    let chunks = if last["role"] == "user" && body["tools"].is_array() {
        let call = |arguments: &str| json!([{"index": 0, "function": {"arguments": arguments}}]);
        let begin = json!([{"index": 0, "id": "call-1", "type": "function",
            "function": {"name": "web_search", "arguments": ""}}]);
        vec![
            json!({"role": "assistant", "tool_calls": begin}),
            json!({"tool_calls": call("{\"query\":")}),
            json!({"tool_calls": call("\"leafcutter ants\"}")}),
            json!({"stop": "tool_calls"}),
        ]
    } else {
        let mut said: Vec<Value> =
            NEWS.split_inclusive(' ').map(|word| json!({"content": word})).collect();
        said.push(json!({"stop": "stop"}));
        said
    };
    asked.lock().unwrap().push(body);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for mut delta in chunks {
        let stop = delta.as_object_mut().unwrap().remove("stop");
        let choice = json!({"index": 0, "delta": delta, "finish_reason": stop});
        send(&mut stream, &json!({"choices": [choice], "usage": null})).await;
    }
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    send(&mut stream, &json!({"choices": [], "usage": usage})).await;
    stream.write_all(b"data: [DONE]\n\n").await.unwrap();
}

async fn send(stream: &mut TcpStream, chunk: &Value) {
    let mut chunk = chunk.clone();
    chunk["id"] = "chatcmpl-1".into();
    chunk["object"] = "chat.completion.chunk".into();
    chunk["created"] = 1_795_000_000.into();
    chunk["model"] = "small".into();
    stream.write_all(format!("data: {chunk}\n\n").as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_goes_on_in_a_second_process() {
    let Some(postgres) = stepwright_testing::postgres::server() else { return };
    let db = postgres.database();
    let (models, asked) = model_server().await;
    let (search, searched) = search_server().await;
    let example = || {
        let mut command = program("14_complete");
        command.args(["--model", "openai-chat:small", "--search-url", &search, "--db", &db]);
        command.env("OPENAI_BASE_URL", &models).env("OPENAI_API_KEY", "a-key");
        tokio::task::spawn_blocking(move || printed(&mut command, ""))
    };

    let first = example().await.unwrap();
    let expected = format!(
        "=== Async Streaming Example ===\n\n\n[Research] Starting...\n{NEWS}\n[Research] Done!\n\n\
         [Write] Starting...\n{NEWS}\n[Write] Done!\n\n\n=== Execution Complete ===\n\
         Runs in this session: 1\nTotal duration: "
    );
    assert!(first.starts_with(&expected), "{first}");
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert!(searched.lock().unwrap()[0].contains("leafcutter"), "{searched:?}");
    // The model has read what was found.
    let results = asked.lock().unwrap()[1]["messages"].to_string();
    assert!(results.contains("carry pieces of leaves to their nest"), "{results}");

    // This process goes on with the session, and leaves something in its state.
    let count = |input: StepInput| async move {
        StepOutput::from(input.text()).patch(Patch::increment("counted", 1))
    };
    let workflow = Workflow::builder("Content Pipeline")
        .step(Step::new("Count", count))
        .store(Postgres::connect(&db).await.unwrap())
        .build()
        .unwrap();
    workflow.run("again").session_id("demo-session").user_id("user-123").await.unwrap();
    let last = workflow.get_last_run_output().await.unwrap().unwrap();
    assert_eq!(last.content.text(), "again");

    let second = example().await.unwrap();
    assert!(second.contains("Runs in this session: 3\n"), "{second}");
    let session = workflow.get_session("demo-session").await.unwrap();
    assert_eq!(session.user_id.unwrap().as_str(), "user-123");
    assert_eq!(Value::from(session.state), json!({"counted": 1}));
    let metrics = session.metrics;
    assert_eq!((metrics.runs, metrics.model_calls, metrics.tool_calls), (3, 6, 2));
    assert_eq!(metrics.usage.input_tokens, Some(600));
    assert_eq!(metrics.usage.output_tokens, Some(60));
    let earlier = workflow.sessions().history("demo-session", 3).await.unwrap();
    let outputs: Vec<_> = earlier.iter().map(|exchange| exchange.output.text()).collect();
    assert_eq!(outputs, [NEWS, "again", NEWS]);
}
