//! Gateways, proxies, and what providers do themselves: their tools and their caches.

use super::seen::{hello, watch};
use super::server::{Request, Server};
use super::speech::{Event, KEY, Script, Wire};
use serde_json::{Value, json};
use stepwright_core::model::{
    CacheRetention, HostedTool, Model as _, ModelErrorKind, ModelOptions, ModelRequest, ToolChoice,
};
use stepwright_core::tool::ToolSpec;
use stepwright_models::{ApiKey, ModelPlace, Provider, model_at};

fn with(change: impl FnOnce(&mut ModelOptions)) -> ModelRequest {
    let mut request = hello();
    change(&mut request.options);
    request
}

async fn asked(wire: Wire, request: ModelRequest) -> Request {
    let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
    let seen = watch(wire.model(&server), request, None).await;
    assert!(seen.answer.is_ok(), "{wire:?}: {:?}", seen.answer);
    server.request()
}

fn tool() -> ToolSpec {
    let parameters = json!({"type": "object", "properties": {}});
    ToolSpec { name: "add".into(), description: "Adds.".into(), parameters }
}

// --- gateways ---

/// Returns the path of a gateway's usual address, and whether its models take tools.
const GATEWAYS: [(&str, &str, bool); 13] = [
    ("cohere", "/compatibility/v1", true),
    ("doubleword", "/v1", true),
    ("huggingface", "/v1", true),
    ("hyperbolic", "/v1", false),
    ("llamacpp", "/v1", true),
    ("minimax", "/v1", true),
    ("mira", "/v1", false),
    ("moonshot", "/v1", true),
    ("perplexity", "", false),
    ("together", "/v1", true),
    ("venice", "/api/v1", true),
    ("xiaomi", "/v1", true),
    ("zai", "/api/paas/v4", true),
];

#[tokio::test]
async fn every_gateway_is_asked_where_it_listens() {
    for (name, path, takes_tools) in GATEWAYS {
        let server = Server::start([Wire::Chat.says(&Script::text(&["Yes."]))]).await;
        let provider = Provider::named(name).unwrap().base_url(server.url(path)).api_key(KEY);
        let model = provider.model("some-model").unwrap();
        let seen = watch(model.clone(), hello(), None).await;
        assert_eq!(seen.answer.unwrap().turn.text(), "Yes.", "{name}");
        let request = server.request();
        assert_eq!(request.path, format!("{path}/chat/completions"), "{name}");
        assert_eq!(request.body["model"], "some-model", "{name}");
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")), "{name}");

        let with_tool = ModelRequest { tools: vec![tool()], ..hello() };
        assert_eq!(model.check(&with_tool).is_ok(), takes_tools, "{name}");
    }
}

#[tokio::test]
async fn a_schema_reaches_every_gateway() {
    let schema = json!({
        "title": "Sum",
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": false,
    });
    for (name, path, _) in GATEWAYS {
        let server = Server::start([Wire::Chat.says(&Script::text(&["{\"sum\":1}"]))]).await;
        let provider = Provider::named(name).unwrap().base_url(server.url(path)).api_key(KEY);
        let request = ModelRequest { output_schema: Some(schema.clone()), ..hello() };
        let seen = watch(provider.model("some-model").unwrap(), request, None).await;
        assert!(seen.answer.is_ok(), "{name}: {:?}", seen.answer);
        let body = server.request().body.to_string();
        assert!(body.contains("additionalProperties"), "{name}: {body}");
    }
}

#[tokio::test]
async fn a_gateway_that_cannot_be_forced_to_call_a_tool_refuses() {
    let server = Server::start([]).await;
    let provider = Provider::named("moonshot").unwrap().base_url(server.url("/v1")).api_key(KEY);
    let model = provider.model("kimi").unwrap();
    let tool_choice = ToolChoice::Required;
    let request = ModelRequest { tools: vec![tool()], tool_choice, ..hello() };
    let error = model.check(&request).unwrap_err();
    assert_eq!(error.message, "`moonshot` cannot be made to call a tool");
}

// --- proxies ---

#[tokio::test]
async fn requests_go_through_the_proxy_of_the_provider() {
    // The server is the proxy: such a request names the whole address.
    let proxy = Server::start([Wire::Chat.says(&Script::text(&["Yes."]))]).await;
    let provider = Provider::named("openai-chat").unwrap().api_key(KEY);
    let provider = provider.base_url("http://models.test/v1").proxy(proxy.url(""));
    let seen = watch(provider.model("some-model").unwrap(), hello(), None).await;
    assert_eq!(seen.answer.unwrap().turn.text(), "Yes.");
    assert_eq!(proxy.request().path, "http://models.test/v1/chat/completions");
}

#[tokio::test]
async fn a_place_that_another_author_wrote_gets_the_key_that_is_given_with_it() {
    let server = Server::start([Wire::Chat.says(&Script::text(&["Yes."]))]).await;
    let place = ModelPlace {
        base_url: Some(server.url("/v1")),
        api_key: Some(ApiKey::new(KEY)),
        ..ModelPlace::default()
    };
    let model = model_at("openai-chat:some-model", place).unwrap();
    assert!(watch(model, hello(), None).await.answer.is_ok());
    let bearer = format!("Bearer {KEY}");
    assert_eq!(server.request().header("authorization"), Some(bearer.as_str()));

    let wrong = ModelPlace { proxy: Some("socks9://x".into()), ..ModelPlace::default() };
    let error = model_at("ollama:m", wrong).unwrap_err();
    assert!(error.to_string().contains("is not the address of a proxy"), "{error}");
    let unknown = model_at("opnai:m", ModelPlace::default()).unwrap_err();
    assert_eq!(unknown.hint().unwrap(), "did you mean `openai:m`?");
}

// --- reasoning and caches ---

#[tokio::test]
async fn a_budget_of_reasoning_is_sent_or_refused() {
    let with_budget = || with(|options| options.reasoning_budget = Some(2_000));
    for (name, model, place) in [
        ("anthropic", "claude-sonnet-4-5", "/thinking/budget_tokens"),
        ("google", "gemini-2.5-flash", "/generationConfig/thinkingConfig/thinkingBudget"),
    ] {
        let wire = if name == "anthropic" { Wire::Anthropic } else { Wire::Gemini };
        let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
        let provider = Provider::named(name).unwrap().base_url(server.url("")).api_key(KEY);
        let seen = watch(provider.model(model).unwrap(), with_budget(), None).await;
        assert!(seen.answer.is_ok(), "{name}: {:?}", seen.answer);
        let body = server.request().body;
        assert_eq!(body.pointer(place), Some(&json!(2_000)), "{body:#}");
    }
    for wire in [Wire::Chat, Wire::Responses, Wire::Ollama] {
        let server = Server::start([]).await;
        let error = wire.model(&server).check(&with_budget()).unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::BadRequest, "{wire:?}");
    }
    let both = with(|options| {
        options.reasoning_budget = Some(1);
        options.reasoning_effort = Some(stepwright_core::model::ReasoningEffort::Low);
    });
    let server = Server::start([]).await;
    let error = Wire::Gemini.model(&server).check(&both).unwrap_err();
    assert_eq!(error.message, "a request has an effort and a budget of reasoning");
}

#[tokio::test]
async fn the_cache_is_asked_for_where_a_provider_wants_marks() {
    let short = || with(|options| options.cache = Some(CacheRetention::Short));
    let long = || with(|options| options.cache = Some(CacheRetention::Long));
    let mark = asked(Wire::Anthropic, short()).await.body.to_string();
    assert!(mark.contains(r#""cache_control":{"type":"ephemeral"}"#), "{mark}");
    let mark = asked(Wire::Anthropic, long()).await.body.to_string();
    assert!(mark.contains(r#""ttl":"1h""#), "{mark}");
    // Others cache by themselves, and not all of them can be asked for longer.
    for wire in [Wire::Chat, Wire::Responses, Wire::Gemini, Wire::Ollama] {
        let body = asked(wire, short()).await.body.to_string();
        assert!(!body.contains("cache"), "{wire:?}: {body}");
    }
    for wire in [Wire::Gemini, Wire::Ollama] {
        let server = Server::start([]).await;
        let error = wire.model(&server).check(&long()).unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::BadRequest, "{wire:?}");
    }
    let server = Server::start([Wire::Responses.says(&Script::text(&["Yes."]))]).await;
    let provider = Provider::named("openai").unwrap().base_url(server.url("/v1")).api_key(KEY);
    let seen = watch(provider.model("gpt-5-mini").unwrap(), long(), None).await;
    assert!(seen.answer.is_ok(), "{:?}", seen.answer);
    assert_eq!(server.request().body["prompt_cache_retention"], "24h");
}

// --- tools of providers ---

#[tokio::test]
async fn tools_of_a_provider_are_asked_for_in_its_words() {
    use HostedTool::{CodeExecution, WebSearch};
    let both = || {
        let mut request = with(|options| options.hosted_tools = vec![WebSearch, CodeExecution]);
        request.tools.push(tool());
        request
    };
    let body = asked(Wire::Responses, both()).await.body;
    assert!(has_tool(&body, &json!({"type": "web_search"})), "{body:#}");
    let code = json!({"type": "code_interpreter", "container": {"type": "auto"}});
    assert!(has_tool(&body, &code), "{body:#}");
    assert!(body["tools"].to_string().contains(r#""name":"add""#), "{body:#}");

    let request = asked(Wire::Anthropic, both()).await;
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    assert!(has_tool(&request.body, &search), "{:#}", request.body);
    let code = json!({"type": "code_execution_20250825", "name": "code_execution"});
    assert!(has_tool(&request.body, &code), "{:#}", request.body);
    assert_eq!(request.header("anthropic-beta"), Some("code-execution-2025-08-25"));

    let mut request = both();
    request.options.headers.insert("Anthropic-Beta".into(), "another".into());
    let request = asked(Wire::Anthropic, request).await;
    assert_eq!(request.header("anthropic-beta"), Some("another,code-execution-2025-08-25"));

    let request = with(|options| options.hosted_tools = vec![WebSearch, CodeExecution]);
    let body = asked(Wire::Gemini, request).await.body;
    assert!(has_tool(&body, &json!({"googleSearch": {}})), "{body:#}");
    assert!(has_tool(&body, &json!({"codeExecution": {}})), "{body:#}");

    for wire in [Wire::Chat, Wire::Ollama] {
        let server = Server::start([]).await;
        let error = wire.model(&server).check(&both()).unwrap_err();
        let name = wire.provider();
        assert_eq!(error.message, format!("`{name}` has no tool `web_search` of its own"));
    }
}

fn has_tool(body: &Value, tool: &Value) -> bool {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    tools.contains(tool)
}

#[tokio::test]
async fn the_use_of_a_providers_tool_is_told_with_the_answer() {
    for wire in [Wire::Responses, Wire::Anthropic, Wire::Gemini] {
        let mut events = wire.events(&Script::text(&["It rains."]));
        let used = searched(wire, &mut events);
        let bytes = events.iter().map(|event| wire.bytes(event));
        let server = Server::start([wire.ok().writes(bytes.collect::<Vec<_>>())]).await;
        let request = with(|options| options.hosted_tools = vec![HostedTool::WebSearch]);
        let seen = watch(wire.model(&server), request, None).await;
        let answer = seen.answer.unwrap_or_else(|error| panic!("{wire:?}: {error}"));
        assert_eq!(answer.turn.text(), "It rains.", "{wire:?}");
        assert_eq!(*answer.hosted_tools, [used], "{wire:?}");
    }
}

/// Adds a search to an answer. Returns its name.
fn searched(wire: Wire, events: &mut Vec<Event>) -> &'static str {
    match wire {
        Wire::Responses => {
            let item = |status: &str| {
                let action = json!({"type": "search", "query": "rain"});
                json!({"type": "web_search_call", "id": "ws_1", "status": status,
                    "action": action})
            };
            let event = |kind: &str, status: &str| Event {
                name: Some(kind.into()),
                data: json!({"type": kind, "output_index": 9, "item": item(status)}).to_string(),
            };
            let end = events.len() - 1;
            events.insert(end, event("response.output_item.added", "in_progress"));
            events.insert(end + 1, event("response.output_item.done", "completed"));
            "web_search"
        }
        Wire::Anthropic => {
            let block = json!({"type": "server_tool_use", "id": "srvtoolu_1",
                "name": "web_search", "input": {"query": "rain"}});
            let result = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
                "content": []});
            // Before the end of the message, after the blocks of its text.
            let end = events
                .iter()
                .position(|event| event.name.as_deref() == Some("message_delta"))
                .unwrap();
            let mut more = Vec::new();
            for (index, block) in [block, result].into_iter().enumerate() {
                let index = index + 5;
                let start = json!({"type": "content_block_start", "index": index,
                    "content_block": block});
                let stop = json!({"type": "content_block_stop", "index": index});
                for data in [start, stop] {
                    let name = data["type"].as_str().map(Into::into);
                    more.push(Event { name, data: data.to_string() });
                }
            }
            events.splice(end..end, more);
            "web_search"
        }
        _ => {
            let last = events.last_mut().unwrap();
            let mut data: Value = serde_json::from_str(&last.data).unwrap();
            data["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["rain"]});
            last.data = data.to_string();
            "google_search"
        }
    }
}
