//! Strict tools on each wire.

use super::seen::watch;
use super::server::Server;
use super::speech::{Script, Wire};
use serde_json::{Value, json};
use stepwright_core::message::Message;
use stepwright_core::model::{Model as _, ModelRequest};
use stepwright_core::tool::ToolSpec;

fn tool(name: &str) -> ToolSpec {
    let parameters = json!({
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 0},
            "b": {"type": "string"},
        },
        "required": ["a"],
    });
    ToolSpec { name: name.into(), description: "Adds.".into(), parameters }
}

fn request() -> ModelRequest {
    ModelRequest {
        messages: vec![Message::user("What is 2 and 3?")],
        tools: vec![tool("add"), tool("other")],
        strict_tools: ["add".to_owned()].into(),
        ..ModelRequest::default()
    }
}

async fn body(wire: Wire) -> Value {
    let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
    let seen = watch(wire.model(&server), request(), None).await;
    assert!(seen.answer.is_ok(), "{wire:?}: {:?}", seen.answer);
    server.request().body
}

#[tokio::test]
async fn a_strict_tool_is_marked_and_its_schema_is_closed_on_each_wire_that_has_it() {
    for wire in [Wire::Chat, Wire::Responses, Wire::Anthropic] {
        let body = body(wire).await;
        let place = if wire == Wire::Chat { "/function" } else { "" };
        let of = |nth: u32, member: &str| body.pointer(&format!("/tools/{nth}{place}/{member}"));
        assert_eq!(of(0, "strict"), Some(&json!(true)), "{wire:?}: {body:#}");
        assert!(of(1, "strict").is_none_or(|strict| strict == false), "{wire:?}: {body:#}");
        let schema = if wire == Wire::Anthropic { "input_schema" } else { "parameters" };
        let (b, required) = match wire {
            Wire::Anthropic => (json!("string"), json!(["a"])),
            _ => (json!(["string", "null"]), json!(["a", "b"])),
        };
        let expected = json!({
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": b}},
            "required": required,
            "additionalProperties": false,
        });
        assert_eq!(of(0, schema), Some(&expected), "{wire:?}: {body:#}");
        assert_eq!(of(1, &format!("{schema}/properties/a/minimum")), Some(&json!(0)), "{body:#}");
    }
}

#[tokio::test]
async fn a_wire_without_strict_tools_refuses_them_before_anything_is_sent() {
    for wire in [Wire::Gemini, Wire::Ollama] {
        let server = Server::start([]).await;
        let model = wire.model(&server);
        let error = model.check(&request()).unwrap_err().to_string();
        assert!(error.contains("has no strict tools"), "{error}");
        assert!(server.requests().is_empty());
    }
}
