//! The requests to providers, whole and compared.

use super::seen::{Seen, hello, watch};
use super::server::{Request, Server};
use super::speech::{KEY, Script, Wire, anthropic, gemini};
use serde_json::{Value, json};
use stepwright_core::message::{Message, StopReason, ToolOutcome};
use stepwright_core::model::{Model as _, ModelOptions, ModelRequest, OutputMode, ToolChoice};
use stepwright_core::tool::ToolSpec;

fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": false,
    })
}

fn schema() -> Value {
    json!({
        "title": "Sum",
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": false,
    })
}

fn add() -> ToolSpec {
    ToolSpec { name: "add".into(), description: "Adds.".into(), parameters: parameters() }
}

/// A request in which everything is said that can be said.
fn everything() -> ModelRequest {
    let options = ModelOptions {
        max_output_tokens: Some(500),
        temperature: Some(0.5),
        ..ModelOptions::default()
    };
    ModelRequest {
        instructions: Some("Be brief.".into()),
        messages: vec![Message::user("What is 2 and 3?")],
        tools: vec![add()],
        options,
        ..ModelRequest::default()
    }
}

/// Asks for one answer to `request`, and gives what the server was asked.
async fn asked(wire: Wire, request: ModelRequest) -> Request {
    let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
    let seen = watch(wire.model(&server), request, None).await;
    assert!(seen.answer.is_ok(), "{wire:?}: {:?}", seen.answer);
    server.request()
}

/// The conversation up to the first question, and the tools, as each wire has them.
fn first(wire: Wire) -> Value {
    match wire {
        Wire::Chat => json!({
            "model": "some-model",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": "What is 2 and 3?"},
            ],
            "tools": [{"type": "function", "function": {
                "name": "add", "description": "Adds.", "parameters": parameters(),
            }}],
            "tool_choice": "auto",
            "temperature": 0.5,
            "max_tokens": 500,
            "stream": true,
            "stream_options": {"include_usage": true},
        }),
        Wire::Responses => json!({
            "model": "some-model",
            "instructions": "Be brief.",
            "input": [{"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "What is 2 and 3?"},
            ]}],
            "tools": [{
                "type": "function", "name": "add", "description": "Adds.",
                "parameters": parameters(), "strict": false,
            }],
            "tool_choice": "auto",
            "temperature": 0.5,
            "max_output_tokens": 500,
            "stream": true,
            // Nothing stays there, so thoughts must come along.
            "store": false,
            "include": ["reasoning.encrypted_content"],
        }),
        Wire::Anthropic => json!({
            "model": "some-model",
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [{"role": "user", "content": [
                {"type": "text", "text": "What is 2 and 3?"},
            ]}],
            "tools": [{
                "name": "add", "description": "Adds.", "input_schema": parameters(),
            }],
            "tool_choice": {"type": "auto"},
            "temperature": 0.5,
            "max_tokens": 500,
            "stream": true,
        }),
        Wire::Gemini => json!({
            "systemInstruction": {"role": "model", "parts": [gemini_text("Be brief.")]},
            "contents": [{"role": "user", "parts": [gemini_text("What is 2 and 3?")]}],
            "tools": [{
                "functionDeclarations": [{
                    "name": "add", "description": "Adds.", "parametersJsonSchema": parameters(),
                }],
                "codeExecution": null,
            }],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 500},
            "safetySettings": null,
        }),
        Wire::Ollama => json!({
            "model": "some-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is 2 and 3?"},
            ],
            "tools": [{"type": "function", "function": {
                "name": "add", "description": "Adds.", "parameters": parameters(),
            }}],
            "options": {"temperature": 0.5, "num_predict": 500},
            "stream": true,
        }),
    }
}

fn gemini_text(text: &str) -> Value {
    json!({"text": text, "thought": false})
}

/// Where a wire keeps the conversation.
fn conversation(wire: Wire) -> &'static str {
    match wire {
        Wire::Chat | Wire::Anthropic | Wire::Ollama => "messages",
        Wire::Responses => "input",
        Wire::Gemini => "contents",
    }
}

/// Returns the model's calls and the tools' answers, as each wire takes them back.
fn second(wire: Wire) -> Value {
    let (one, two) = ("{\"a\":2,\"b\":3}", "{\"a\":1,\"b\":1}");
    let (one_read, two_read) = (json!({"a": 2, "b": 3}), json!({"a": 1, "b": 1}));
    match wire {
        Wire::Chat => {
            let call = |id: &str, arguments: &str| {
                let function = json!({"name": "add", "arguments": arguments});
                json!({"id": id, "type": "function", "function": function})
            };
            json!([
                {
                    "role": "assistant", "content": "I add.", "reasoning_content": "Let me add.",
                    "tool_calls": [call("call_1", one), call("call_2", two)],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "5"},
                {"role": "tool", "tool_call_id": "call_2", "content": "no such number"},
            ])
        }
        Wire::Responses => {
            let call = |id: &str, call_id: &str, arguments: &str| {
                json!({
                    "type": "function_call", "id": id, "call_id": call_id, "name": "add",
                    "arguments": arguments, "status": "completed",
                })
            };
            let output = |call_id: &str, text: &str| {
                json!({
                    "type": "function_call_output", "call_id": call_id, "output": text,
                    "status": "completed",
                })
            };
            json!([
                {
                    "type": "reasoning", "id": "rs_0", "encrypted_content": "ciph",
                    "summary": [{"type": "summary_text", "text": "Let me add."}],
                },
                {
                    "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "I add.", "annotations": []}],
                },
                call("fc_2", "call_1", one),
                call("fc_3", "call_2", two),
                output("call_1", "5"),
                output("call_2", "no such number"),
            ])
        }
        Wire::Anthropic => {
            let call = |id: &str, input: &Value| -> Value {
                json!({"type": "tool_use", "id": id, "name": "add", "input": input})
            };
            let text = |text: &str| json!([{"type": "text", "text": text}]);
            json!([
                {"role": "assistant", "content": [
                    {
                        "type": "thinking", "thinking": "Let me add.",
                        "signature": anthropic::SIGNATURE,
                    },
                    {"type": "text", "text": "I add."},
                    call("call_1", &one_read),
                    call("call_2", &two_read),
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": text("5")},
                    {
                        "type": "tool_result", "tool_use_id": "call_2", "is_error": true,
                        "content": text("no such number"),
                    },
                ]},
            ])
        }
        Wire::Gemini => {
            let call = |args: &Value| {
                json!({
                    "functionCall": {"name": "add", "args": args},
                    "thoughtSignature": gemini::SIGNATURE,
                })
            };
            let result = |response: Value| {
                json!({
                    "functionResponse": {"name": "add", "response": response}, "thought": false,
                })
            };
            json!([
                {"role": "model", "parts": [
                    {"text": "Let me add.", "thought": true},
                    {"text": "I add."},
                    call(&one_read),
                    call(&two_read),
                ]},
                // Without identifiers: they answer in the order of the calls.
                {"role": "user", "parts": [
                    result(json!({"result": "5"})),
                    result(json!({"error": "no such number"})),
                ]},
            ])
        }
        Wire::Ollama => {
            let call = |id: &str, arguments: &Value| -> Value {
                json!({"id": id, "function": {"name": "add", "arguments": arguments}})
            };
            let result = |id: &str, text: &str| -> Value {
                json!({"role": "tool", "tool_call_id": id, "tool_name": "add", "content": text})
            };
            json!([
                {
                    "role": "assistant", "content": "I add.", "thinking": "Let me add.",
                    "tool_calls": [call("tool-0", &one_read), call("tool-1", &two_read)],
                },
                result("tool-0", "5"),
                result("tool-1", "no such number"),
            ])
        }
    }
}

#[tokio::test]
async fn a_request_says_everything_and_nothing_else() {
    for wire in Wire::ALL {
        let request = asked(wire, everything()).await;
        assert_eq!(request.body, first(wire), "{wire:?}");
    }
}

#[tokio::test]
async fn the_key_stands_in_the_header_of_its_wire_and_nowhere_else() {
    for wire in Wire::ALL {
        let request = asked(wire, everything()).await;
        let bearer = format!("Bearer {KEY}");
        let (name, value) = match wire {
            Wire::Chat | Wire::Responses | Wire::Ollama => ("authorization", bearer.as_str()),
            Wire::Anthropic => ("x-api-key", KEY),
            Wire::Gemini => ("x-goog-api-key", KEY),
        };
        assert_eq!(request.header(name), Some(value), "{wire:?}");
        let with_key = request.headers.iter().filter(|(_, value)| value.contains(KEY));
        assert_eq!(with_key.count(), 1, "{wire:?}");
        assert!(!request.path.contains(KEY), "{wire:?}: {}", request.path);
        assert_eq!(request.header("content-type"), Some("application/json"), "{wire:?}");
        if wire == Wire::Anthropic {
            assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
        }
    }
}

#[tokio::test]
async fn a_turn_goes_back_as_it_came_with_the_answers_of_its_tools() {
    for wire in Wire::ALL {
        let (seen, requests) = dialogue(wire).await;
        assert_eq!(seen.answer.unwrap().turn.text(), "5, and 2.", "{wire:?}");
        assert_eq!(requests.len(), 2, "{wire:?}");
        assert_eq!(requests[0].body, first(wire), "{wire:?}, the first request");
        let mut expected = first(wire);
        let said = second(wire);
        let messages = expected[conversation(wire)].as_array_mut().unwrap();
        messages.extend(said.as_array().unwrap().iter().cloned());
        assert_eq!(requests[1].body, expected, "{wire:?}, the second request");
    }
}

/// Signatures and encrypted thoughts are of use only to who wrote them.
#[tokio::test]
async fn the_turn_of_one_provider_is_rebuilt_for_another() {
    for from in Wire::ALL {
        for to in Wire::ALL.into_iter().filter(|to| *to != from) {
            let turn = {
                let script = Script::thought(&["Let me add."]).and_text(&["I add."]).and_call(
                    "call_1",
                    "add",
                    &["{\"a\":2,\"b\":3}"],
                );
                let server = Server::start([from.says(&script)]).await;
                watch(from.model(&server), everything(), None).await.answer.unwrap().turn
            };
            let call = turn.tool_calls().next().unwrap().clone();
            let text = "5".into();
            let result = ToolOutcome {
                call_id: call.id.clone(),
                name: call.name,
                text,
                is_error: false,
                outcome_unknown: false,
                media: Vec::new(),
                whole: None,
            };
            let mut request = everything();
            let results = vec![result];
            request.messages.extend([Message::Assistant(turn), Message::Tool { results }]);
            let body = asked(to, request).await.body.to_string();
            let case = format!("{from:?} to {to:?}: {body}");
            assert!(body.contains("I add."), "{case}");
            assert!(body.contains("add\""), "{case}");
            for secret in [anthropic::SIGNATURE, gemini::SIGNATURE, "ciph", "Let me"] {
                assert!(!body.contains(secret), "{secret} in {case}");
            }
        }
    }
}

#[tokio::test]
async fn a_schema_is_asked_for_also_beside_tools() {
    for wire in Wire::ALL {
        let with_schema = |request| ModelRequest { output_schema: Some(schema()), ..request };
        let alone = asked(wire, with_schema(hello())).await.body;
        let strict = json!({"name": "Sum", "strict": true, "schema": schema()});
        let (place, expected) = match wire {
            Wire::Chat => {
                ("/response_format", json!({"type": "json_schema", "json_schema": strict}))
            }
            Wire::Responses => {
                let mut format = strict;
                format["type"] = json!("json_schema");
                ("/text/format", format)
            }
            Wire::Anthropic => {
                ("/output_config/format", json!({"type": "json_schema", "schema": schema()}))
            }
            Wire::Gemini => ("/generationConfig/responseJsonSchema", schema()),
            Wire::Ollama => ("/format", schema()),
        };
        assert_eq!(alone.pointer(place), Some(&expected), "{wire:?}: {alone:#}");
        if wire == Wire::Gemini {
            assert_eq!(alone["generationConfig"]["responseMimeType"], "application/json");
        }
        let beside = asked(wire, with_schema(everything())).await.body;
        if wire == Wire::Gemini {
            // As a parameter it would keep the model from calling its tools: it is one of them.
            assert_eq!(beside.pointer(place), None, "{wire:?}: {beside:#}");
            let answer = tool_of(wire, &beside, "final_answer").expect("the tool of the answer");
            assert_eq!(answer["parametersJsonSchema"]["title"], "Sum", "{beside:#}");
            assert_eq!(beside["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
        } else if wire == Wire::Ollama {
            // It cannot be made to call a tool: it is told.
            assert_eq!(beside.pointer(place), None, "{wire:?}: {beside:#}");
            let told = serde_json::to_string(&schema().to_string()).unwrap();
            assert!(beside.to_string().contains(told.trim_matches('"')), "{wire:?}: {beside:#}");
        } else {
            assert_eq!(beside.pointer(place), Some(&expected), "{wire:?}: {beside:#}");
        }
    }
}

/// Returns the tool of this name in a request.
fn tool_of(wire: Wire, body: &Value, name: &str) -> Option<Value> {
    let tools = match wire {
        Wire::Gemini => body.pointer("/tools/0/functionDeclarations")?,
        _ => body.get("tools")?,
    };
    let tools = tools.as_array()?.iter();
    let tools = tools.map(|tool| match wire {
        Wire::Chat | Wire::Ollama => &tool["function"],
        _ => tool,
    });
    tools.into_iter().find(|tool| tool["name"] == name).cloned()
}

#[tokio::test]
async fn a_schema_goes_the_way_that_the_caller_chose_on_each_wire() {
    for wire in Wire::ALL {
        let with = |mode| {
            let options = ModelOptions { output_mode: Some(mode), ..ModelOptions::default() };
            ModelRequest { output_schema: Some(schema()), options, ..hello() }
        };
        let native = asked(wire, with(OutputMode::Native)).await.body.to_string();
        let by_tool = asked(wire, with(OutputMode::Tool)).await.body;
        let told = asked(wire, with(OutputMode::Prompt)).await.body;
        assert!(!native.contains("final_answer"), "{wire:?}: {native}");
        assert_eq!(tool_of(wire, &told, "final_answer"), None, "{wire:?}: {told:#}");
        let written = serde_json::to_string(&schema().to_string()).unwrap();
        assert!(told.to_string().contains(written.trim_matches('"')), "{wire:?}: {told:#}");

        let tool = tool_of(wire, &by_tool, "final_answer").expect("the tool of the answer");
        let parameters = ["parameters", "input_schema", "parametersJsonSchema"];
        let parameters = parameters.iter().find_map(|key| tool.get(key)).expect("its schema");
        assert_eq!(parameters["properties"], schema()["properties"], "{wire:?}: {by_tool:#}");
        let (place, forced) = match wire {
            Wire::Chat => {
                ("/tool_choice", json!({"type": "function", "function": {"name": "final_answer"}}))
            }
            Wire::Responses => {
                ("/tool_choice", json!({"type": "function", "name": "final_answer"}))
            }
            Wire::Anthropic => ("/tool_choice", json!({"type": "tool", "name": "final_answer"})),
            Wire::Gemini => (
                "/toolConfig/functionCallingConfig",
                json!({"mode": "ANY", "allowed_function_names": ["final_answer"]}),
            ),
            Wire::Ollama => continue,
        };
        assert_eq!(by_tool.pointer(place), Some(&forced), "{wire:?}: {by_tool:#}");
        for parameter in ["json_schema", "responseJsonSchema", "output_config"] {
            assert!(!by_tool.to_string().contains(parameter), "{wire:?}: {by_tool:#}");
        }
    }
}

#[tokio::test]
async fn the_call_of_the_answer_tool_is_the_text_of_the_answer() {
    for wire in Wire::ALL {
        let call = Script::text(&["I answer now. "]).and_call(
            "call_1",
            "final_answer",
            &["{\"sum\":", "5}"],
        );
        let server = Server::start([wire.says(&call)]).await;
        let options =
            ModelOptions { output_mode: Some(OutputMode::Tool), ..ModelOptions::default() };
        let request = ModelRequest { output_schema: Some(schema()), options, ..hello() };
        let seen = watch(wire.model(&server), request, None).await;
        let answer = seen.answer.unwrap();
        assert_eq!(answer.turn.text(), "{\"sum\":5}", "{wire:?}");
        assert_eq!(answer.turn.tool_calls().count(), 0, "{wire:?}");
        assert_eq!(answer.stop, StopReason::EndTurn, "{wire:?}");
        assert!(answer.turn.native.is_none(), "{wire:?}: it would have a call without a result");
    }
}

#[tokio::test]
async fn an_answer_beside_other_calls_is_not_the_end() {
    for wire in Wire::ALL {
        let calls = Script::call("call_1", "add", &["{\"a\":2,\"b\":3}"]).and_call(
            "call_2",
            "final_answer",
            &["{\"sum\":4}"],
        );
        let server = Server::start([wire.says(&calls)]).await;
        let options =
            ModelOptions { output_mode: Some(OutputMode::Tool), ..ModelOptions::default() };
        let request = ModelRequest { output_schema: Some(schema()), options, ..everything() };
        let answer = watch(wire.model(&server), request, None).await.answer.unwrap();
        let names: Vec<_> = answer.turn.tool_calls().map(|call| call.name.clone()).collect();
        assert_eq!(names, ["add"], "{wire:?}");
        assert_eq!(answer.stop, StopReason::ToolCalls, "{wire:?}");
    }
}

#[tokio::test]
async fn whether_to_call_a_tool_is_said_in_the_words_of_each_wire() {
    for wire in Wire::ALL {
        let with = |tool_choice| ModelRequest { tool_choice, ..everything() };
        let (place, none, required) = match wire {
            Wire::Chat | Wire::Responses => ("/tool_choice", "none", "required"),
            Wire::Anthropic => ("/tool_choice/type", "none", "any"),
            Wire::Gemini => ("/toolConfig/functionCallingConfig/mode", "NONE", "ANY"),
            Wire::Ollama => continue,
        };
        for (choice, word) in [(ToolChoice::None, none), (ToolChoice::Required, required)] {
            let body = asked(wire, with(choice)).await.body;
            assert_eq!(body.pointer(place), Some(&json!(word)), "{wire:?}: {body:#}");
        }
        let (place, one) = match wire {
            Wire::Chat => {
                ("/tool_choice", json!({"type": "function", "function": {"name": "add"}}))
            }
            Wire::Responses => ("/tool_choice", json!({"type": "function", "name": "add"})),
            Wire::Anthropic => ("/tool_choice", json!({"type": "tool", "name": "add"})),
            Wire::Gemini => (
                "/toolConfig/functionCallingConfig",
                json!({"mode": "ANY", "allowed_function_names": ["add"]}),
            ),
            Wire::Ollama => continue,
        };
        let body = asked(wire, with(ToolChoice::One("add".into()))).await.body;
        assert_eq!(body.pointer(place), Some(&one), "{wire:?}: {body:#}");
    }
}

/// It has no word for it: what it is not to call it is not told of, and it cannot be made to.
#[tokio::test]
async fn ollama_is_not_told_of_tools_that_it_must_not_call() {
    let none = ModelRequest { tool_choice: ToolChoice::None, ..everything() };
    let body = asked(Wire::Ollama, none).await.body;
    assert_eq!(body.get("tools"), None, "{body:#}");
    let server = Server::start([]).await;
    for tool_choice in [ToolChoice::Required, ToolChoice::One("add".into())] {
        let required = ModelRequest { tool_choice, ..everything() };
        let seen = watch(Wire::Ollama.model(&server), required, None).await;
        assert_eq!(seen.lines, ["error BadRequest final"]);
    }
    assert!(server.requests().is_empty());
}

/// Ollama's context size, `num_ctx`, is one of its own parameters.
#[tokio::test]
async fn parameters_of_a_provider_go_where_it_reads_them() {
    for (wire, place) in [
        (Wire::Chat, "/num_ctx"),
        (Wire::Responses, "/num_ctx"),
        (Wire::Anthropic, "/num_ctx"),
        (Wire::Ollama, "/options/num_ctx"),
    ] {
        let mut request = everything();
        request.options.extra.insert("num_ctx".into(), json!(32_768));
        let body = asked(wire, request).await.body;
        assert_eq!(body.pointer(place), Some(&json!(32_768)), "{wire:?}: {body:#}");
    }
}

/// Anthropic wants to be told how long an answer may be; others decide by themselves.
#[tokio::test]
async fn what_is_not_said_is_left_to_the_provider() {
    for wire in Wire::ALL {
        let body = asked(wire, hello()).await.body.to_string();
        for word in ["temperature", "tool_choice", "tools", "reasoning_effort", "system"] {
            // Gemini says that it says nothing.
            let is_null = wire == Wire::Gemini && body.contains("\"systemInstruction\":null");
            assert!(!body.contains(word) || is_null, "{wire:?}: `{word}` in {body}");
        }
        assert_eq!(body.contains("\"max_tokens\":8192"), wire == Wire::Anthropic, "{body}");
    }
}

/// A thought, a text and two calls; their answers; and the last word. Between the two requests the
/// conversation is written and read, as sessions do.
async fn dialogue(wire: Wire) -> (Seen, Vec<Request>) {
    let first = Script::thought(&["Let me ", "add."])
        .and_text(&["I add."])
        .and_call("call_1", "add", &["{\"a\":2,", "\"b\":3}"])
        .and_call("call_2", "add", &["{\"a\":1,\"b\":1}"]);
    let replies = [wire.says(&first), wire.says(&Script::text(&["5, and 2."]))];
    let server = Server::start(replies).await;
    let model = wire.model(&server);
    let mut request = everything();
    let turn = watch(model.clone(), request.clone(), None).await.answer.unwrap().turn;
    let texts = ["5", "no such number"];
    let results = turn.tool_calls().zip(texts).map(|(call, text)| ToolOutcome {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: text.into(),
        is_error: text != "5",
        outcome_unknown: false,
        media: Vec::new(),
        whole: None,
    });
    let results = results.collect();
    request.messages.extend([Message::Assistant(turn), Message::Tool { results }]);
    let written = serde_json::to_string(&request.messages).unwrap();
    request.messages = serde_json::from_str(&written).unwrap();
    let seen = watch(model, request, None).await;
    (seen, server.requests())
}

#[tokio::test]
async fn headers_of_the_options_are_sent_and_the_key_stays() {
    for wire in Wire::ALL {
        let mut request = hello();
        request.options.headers.insert("X-Team".into(), "red".into());
        let got = asked(wire, request.clone()).await;
        assert_eq!(got.header("x-team"), Some("red"), "{wire:?}");
        request.options.headers.insert("Authorization".into(), "Bearer other".into());
        let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
        let refused = wire.model(&server).check(&request).unwrap_err();
        assert_eq!(refused.message, "the header `Authorization` is set by the request itself");
    }
}
