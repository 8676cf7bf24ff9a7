//! A workflow with agents whose models are behind a gateway that is not ours.

#[path = "../../../stepwright-models/tests/it/wire/litellm.rs"]
mod litellm;
#[expect(dead_code, reason = "the tests of models need more of it")]
#[path = "../../../stepwright-models/tests/it/wire/server.rs"]
mod server;

use litellm::LiteLlm;
use serde_json::{Value, json};
use server::{Reply, Server};
use stepwright::models::RetryPolicy;
use stepwright::prelude::*;
use stepwright::tools::FunctionTool;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Sum {
    a: i64,
    b: i64,
}

/// An answer of Anthropic's with one block.
fn answer(block: &Value, deltas: &[Value], stop: &str) -> Reply {
    let usage = json!({"input_tokens": 9, "output_tokens": 1});
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [], "stop_reason": null, "usage": usage,
    });
    let delta = |delta| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    events.extend(deltas.iter().map(delta));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    let (delta, usage) = (json!({"stop_reason": stop}), json!({"output_tokens": 7}));
    events.push(json!({"type": "message_delta", "delta": delta, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    let bytes = events.iter().map(|event| {
        let name = event["type"].as_str().unwrap();
        format!("event: {name}\ndata: {event}\n\n")
    });
    Reply::new(200, "text/event-stream").writes(bytes)
}

/// One test, because the gateway takes ten seconds to start.
#[tokio::test]
async fn agents_work_through_a_gateway_of_others() {
    let call = answer(
        &json!({"type": "tool_use", "id": "call_1", "name": "add", "input": {}}),
        &["{\"a\": 2, \"b\"", ": 3}"]
            .map(|json| json!({"type": "input_json_delta", "partial_json": json})),
        "tool_use",
    );
    let sum = answer(
        &json!({"type": "text", "text": ""}),
        &[json!({"type": "text_delta", "text": "The sum is 5."})],
        "end_turn",
    );
    let upstream = Server::start([call, sum]).await;
    let models = format!(
        "  - model_name: plain\n    litellm_params: {{model: openai/plain, api_key: none, \
         mock_response: \"The harbour is old.\"}}\n  \
         - model_name: limited\n    litellm_params: {{model: openai/limited, api_key: none, \
         mock_response: \"litellm.RateLimitError\"}}\n  \
         - model_name: claude\n    litellm_params: {{model: anthropic/claude-sonnet-4-5, \
         api_key: upstream-key, api_base: \"{}\", max_retries: 0}}\n",
        upstream.url(""),
    );
    let Some(gateway) = LiteLlm::start(&models, None) else { return };
    let model = |name: &str| format!("openai-chat:{name}@{}/v1", gateway.url);

    let agent = Agent::builder("Reader").model(model("plain")).unwrap().build().unwrap();
    let workflow = Workflow::builder("Harbour").step(agent).build().unwrap();
    let output = workflow.run("How is the harbour?").await.unwrap();
    assert_eq!(output.content.text(), "The harbour is old.");

    let add =
        FunctionTool::new("add", "Adds.", |sum: Sum| async move { (sum.a + sum.b).to_string() });
    let agent = Agent::builder("Adder").model(model("claude")).unwrap().tool(add).build().unwrap();
    let workflow = Workflow::builder("Sum").step(agent).build().unwrap();
    let output = workflow.run("What is 2 and 3?").await.unwrap();
    assert_eq!(output.content.text(), "The sum is 5.");
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[1].body["messages"][2]["content"][0],
        json!({"type": "tool_result", "tool_use_id": "call_1", "content": "5"}),
    );

    // Once: its limit does not pass.
    let agent = Agent::builder("Reader").model(model("limited")).unwrap();
    let agent = agent.model_retry(RetryPolicy::never()).build().unwrap();
    let workflow = Workflow::builder("Harbour").step(agent).build().unwrap();
    let error = workflow.run("How is the harbour?").await.unwrap_err();
    assert!(error.report().contains("429 Too Many Requests"), "{}", error.report());
}
