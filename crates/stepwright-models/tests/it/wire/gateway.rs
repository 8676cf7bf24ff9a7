//! A server that is not ours: what our models make of LiteLLM, and LiteLLM of our requests.

use super::litellm::LiteLlm;
use super::seen::{Seen, Verdicts, hello, watch};
use super::server::{Reply, Server};
use super::speech::{Script, Wire};
use serde_json::json;
use stepwright_core::message::{Message, ToolOutcome};
use stepwright_core::model::{AnyModel, ModelRequest};
use stepwright_core::tool::ToolSpec;
use stepwright_models::Provider;

/// The key that each request must have.
const MASTER_KEY: &str = "sk-master-0123456789";

fn models(upstream: &Server) -> String {
    let mock = |name: &str, says: &str| {
        format!(
            "  - model_name: {name}\n    litellm_params: {{model: openai/{name}, api_key: none, \
             mock_response: \"{says}\"}}\n",
        )
    };
    let real = |name: &str, model: &str, base: &str| {
        let url = upstream.url(base);
        format!(
            "  - model_name: {name}\n    litellm_params: {{model: {model}, api_key: upstream-key, \
             api_base: \"{url}\", max_retries: 0}}\n",
        )
    };
    [
        mock("plain", "The harbour is old."),
        mock("limited", "litellm.RateLimitError"),
        mock("small", "litellm.ContextWindowExceededError"),
        mock("broken", "litellm.InternalServerError"),
        real("claude", "anthropic/claude-sonnet-4-5", ""),
        real("gpt", "openai/some-model", "/v1"),
    ]
    .concat()
}

struct Gateway(LiteLlm);

impl Gateway {
    fn model(&self, wire: Wire, name: &str, key: &str) -> AnyModel {
        let provider = Provider::named(wire.provider()).unwrap();
        let url = format!("{}{}", self.0.url, wire.base());
        provider.base_url(url).api_key(key).model(name).unwrap()
    }

    async fn ask(&self, wire: Wire, name: &str, request: ModelRequest) -> Seen {
        watch(self.model(wire, name, MASTER_KEY), request, None).await
    }
}

fn with_tool() -> ModelRequest {
    let parameters = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    });
    let add = ToolSpec { name: "add".into(), description: "Adds.".into(), parameters };
    ModelRequest { tools: vec![add], instructions: Some("Be brief.".into()), ..hello() }
}

/// One test, because it takes LiteLLM ten seconds to start.
#[tokio::test]
async fn a_gateway_of_others_understands_us_and_is_understood() {
    let calls = Script::text(&["I ", "add."])
        .and_call("call_1", "add", &["{\"a\":2,", "\"b\":3}"])
        .and_call("call_2", "add", &["{\"a\":1,\"b\":1}"]);
    let refused = json!({
        "type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"},
    });
    let upstream = Server::start([
        Wire::Anthropic.says(&calls),
        Wire::Anthropic.says(&Script::text(&["5, and ", "2."])),
        Reply::json(401, &refused),
        Wire::Anthropic.says(&calls),
        Wire::Responses.says(&calls),
    ])
    .await;
    let Some(litellm) = LiteLlm::start(&models(&upstream), Some(MASTER_KEY)) else { return };
    let gateway = Gateway(litellm);
    let mut verdicts = Verdicts::default();
    answers_of_its_own(&gateway, &mut verdicts).await;
    assert!(upstream.requests().is_empty(), "those were its own");
    answers_of_others(&gateway, &upstream, &mut verdicts).await;
}

/// Asks for answers that LiteLLM makes up by itself.
async fn answers_of_its_own(gateway: &Gateway, verdicts: &mut Verdicts) {
    // It cuts its text into pieces of three letters.
    let text =
        ["The", " ha", "rbo", "ur ", "is ", "old", "."].map(|piece| format!("text {piece:?}"));
    for (wire, end) in
        [(Wire::Chat, "done end in=8 out=5 thought=0"), (Wire::Gemini, "done end in=0 out=0")]
    {
        let seen = gateway.ask(wire, "plain", hello()).await;
        let expected = [&text[..], &[end.to_owned()]].concat();
        verdicts.check(&format!("{wire:?}, a text"), &seen, &expected);
    }
    let cases = [
        ("the limit", Wire::Chat, "limited", "error RateLimited retryable"),
        ("the limit", Wire::Anthropic, "limited", "error RateLimited retryable"),
        ("the limit", Wire::Gemini, "limited", "error RateLimited retryable"),
        ("too long", Wire::Chat, "small", "error BadRequest final"),
        ("trouble", Wire::Chat, "broken", "error Overloaded retryable"),
        ("no such model", Wire::Chat, "nothing", "error BadRequest final"),
        ("trouble of its own", Wire::Responses, "plain", "error Overloaded retryable"),
    ];
    for (case, wire, name, expected) in cases {
        let seen = gateway.ask(wire, name, hello()).await;
        verdicts.check(&format!("{wire:?}, {case}"), &seen, &[expected]);
    }
    // Asked for a stream, it gives one document all the same, with counts that it makes up.
    let seen = gateway.ask(Wire::Anthropic, "plain", hello()).await;
    let whole = ["text \"The harbour is old.\"", "done end in=2095 out=503"];
    verdicts.check("Anthropic, no stream", &seen, &whole);
    // Without a database it knows one key, and calls every other a bad request.
    let seen = watch(gateway.model(Wire::Chat, "plain", "sk-wrong"), hello(), None).await;
    verdicts.check("a wrong key", &seen, &["error BadRequest final"]);
}

/// Asks for answers that LiteLLM passes on, translated where our wire is not that of the provider
/// behind it.
async fn answers_of_others(gateway: &Gateway, upstream: &Server, verdicts: &mut Verdicts) {
    let said =
        ["text \"I \"", "text \"add.\"", "call 0 add", "args 0 {\"a\":2,", "args 0 \"b\":3}"];
    let (one, two) =
        ("ready 0 add#call_1 {\"a\":2,\"b\":3}", "ready 1 add#call_2 {\"a\":1,\"b\":1}");
    let (start, args) = ("call 1 add", "args 1 {\"a\":1,\"b\":1}");

    let mut request = with_tool();
    let seen = gateway.ask(Wire::Chat, "claude", request.clone()).await;
    let end = "done calls in=15 out=30 cached=0 thought=0";
    let expected = [&said[..], &[start, args, one, two, end]].concat();
    verdicts.check("Chat, with Anthropic behind it", &seen, &expected);

    let turn = seen.answer.unwrap().turn;
    let results = turn.tool_calls().zip(["5", "2"]).map(|(call, text)| ToolOutcome {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: text.into(),
        is_error: false,
        outcome_unknown: false,
        media: Vec::new(),
        whole: None,
    });
    let results = results.collect();
    request.messages.extend([Message::Assistant(turn), Message::Tool { results }]);
    let seen = gateway.ask(Wire::Chat, "claude", request).await;
    let end = "done end in=56 out=30 cached=0 thought=0";
    verdicts.check("Chat, the answers", &seen, &["text \"5, and \"", "text \"2.\"", end]);

    let seen = gateway.ask(Wire::Chat, "claude", hello()).await;
    verdicts.check("Chat, refused behind it", &seen, &["error Auth final"]);

    let expected = |end: &'static str| [&said[..], &[one, start, args, two, end]].concat();
    let seen = gateway.ask(Wire::Anthropic, "claude", with_tool()).await;
    verdicts.check("Anthropic, with Anthropic behind it", &seen, &expected("done calls out=30"));
    let seen = gateway.ask(Wire::Responses, "gpt", with_tool()).await;
    verdicts.check("Responses, with Responses behind it", &seen, &expected("done calls"));

    // Our requests have arrived in the words of the provider.
    let requests = upstream.requests();
    let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    let messages = "/v1/messages";
    assert_eq!(paths, [messages, messages, messages, messages, "/v1/responses"]);
    assert_eq!(
        requests[1].body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I add."},
                {"type": "tool_use", "id": "call_1", "name": "add", "input": {"a": 2, "b": 3}},
                {"type": "tool_use", "id": "call_2", "name": "add", "input": {"a": 1, "b": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "5"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "2"},
            ]},
        ]),
    );
    for request in &requests {
        let (body, key) = (request.body.to_string(), format!("{:?}", request.headers));
        assert!(!body.contains(MASTER_KEY) && !key.contains(MASTER_KEY), "our key went on");
    }
}
