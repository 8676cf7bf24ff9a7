//! Everything that goes wrong, and what the caller is told: never a wrong answer, always one error.

use super::seen::{Verdicts, ask, failure, hello, lines_on, watch};
use super::server::{Gate, Reply, Server};
use super::speech::{Event, KEY, Script, Wire, anthropic, chat, gemini, ollama, responses};
use serde_json::{Value, json};
use stepwright_core::model::{AnyModel, ModelErrorKind};

/// Returns the body of a refusal, in the provider's own form.
fn complaint(wire: Wire, status: u16, message: &str) -> Value {
    match wire {
        Wire::Chat | Wire::Responses => {
            json!({"error": {"message": message, "type": "some_error", "code": null}})
        }
        Wire::Anthropic => {
            let kind = match status {
                401 => "authentication_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                529 => "overloaded_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            };
            json!({"type": "error", "error": {"type": kind, "message": message}})
        }
        Wire::Gemini => json!({"error": {"code": status, "message": message, "status": "SOME"}}),
        Wire::Ollama => json!({"error": message}),
    }
}

#[tokio::test]
async fn every_status_becomes_its_kind() {
    let mut verdicts = Verdicts::default();
    let statuses = [
        // They are not followed: the key would go along to another server.
        (302, "error BadRequest final"),
        (307, "error BadRequest final"),
        (400, "error BadRequest final"),
        (401, "error Auth final"),
        (403, "error Auth final"),
        (404, "error BadRequest final"),
        (408, "error Timeout retryable"),
        (413, "error BadRequest final"),
        (422, "error BadRequest final"),
        (429, "error RateLimited retryable"),
        (500, "error Overloaded retryable"),
        (502, "error Overloaded retryable"),
        (503, "error Overloaded retryable"),
        (504, "error Overloaded retryable"),
        (529, "error Overloaded retryable"),
    ];
    for wire in Wire::ALL {
        for (status, expected) in statuses {
            let case = format!("{wire:?}, {status}");
            let message = "no such luck";
            let seen = ask(wire, Reply::json(status, &complaint(wire, status, message))).await;
            verdicts.check(&case, &seen, &[expected]);
            let error = seen.error().to_string();
            verdicts.that(&case, error.contains(message), &format!("{error} lost what was said"));
            let has_status = error.contains(&status.to_string());
            verdicts.that(&case, has_status, &format!("`{error}` does not say the status"));
        }
    }
}

#[tokio::test]
async fn a_status_counts_whatever_stands_in_the_body() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let html = "<html><body>502 Bad Gateway</body></html>";
        let bodies = [
            ("HTML", Reply::new(503, "text/html").write(html)),
            ("nothing", Reply::new(503, "text/plain")),
            ("half of it", Reply::new(503, "application/json").write("{\"error\": ").fin()),
            ("bytes", Reply::new(503, "application/octet-stream").write(vec![0xff, 0xfe, 0])),
        ];
        for (case, reply) in bodies {
            let seen = ask(wire, reply).await;
            verdicts.check(&format!("{wire:?}, {case}"), &seen, &["error Overloaded retryable"]);
        }
    }
}

#[tokio::test]
async fn the_provider_says_when_to_try_again() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for (status, kind) in [(429, "RateLimited"), (503, "Overloaded")] {
            let body = complaint(wire, status, "slow down");
            let reply = Reply::json(status, &body).header("retry-after", "7");
            let expected = format!("error {kind} retryable after 7s");
            verdicts.check(&format!("{wire:?}, {status}"), &ask(wire, reply).await, &[expected]);
        }
        let body = complaint(wire, 429, "slow down");
        let reply = Reply::json(429, &body).header("retry-after", "soon");
        let expected = ["error RateLimited retryable"];
        verdicts.check(&format!("{wire:?}, not a number"), &ask(wire, reply).await, &expected);
    }
}

/// Gemini refuses a wrong key with the status of a bad request.
#[tokio::test]
async fn a_wrong_key_is_told_in_several_ways() {
    let invalid = json!({"error": {
        "code": 400, "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}],
    }});
    let seen = ask(Wire::Gemini, Reply::json(400, &invalid)).await;
    assert_eq!(seen.lines, ["error Auth final"]);
}

/// Nothing is left to spend: to try again does not help.
#[tokio::test]
async fn an_empty_account_is_not_a_passing_fault() {
    let body = json!({"error": {
        "message": "You exceeded your current quota", "type": "insufficient_quota",
        "code": "insufficient_quota",
    }});
    for wire in [Wire::Chat, Wire::Responses] {
        let seen = ask(wire, Reply::json(429, &body)).await;
        assert_eq!(seen.lines, ["error RateLimited final"], "{wire:?}");
    }
}

/// Returns the errors that a provider sends after it has said yes.
fn errors_within() -> Vec<(&'static str, Wire, Event, &'static str)> {
    let anthropic = |kind: &str| {
        let error = json!({"type": kind, "message": "sorry"});
        Event::typed(&json!({"type": "error", "error": error}))
    };
    let failed = |code: &str| {
        let error = json!({"code": code, "message": "sorry"});
        responses::lifecycle("failed", &json!({"id": "resp_1", "status": "failed", "error": error}))
    };
    let gemini = |code: u16| {
        Event::data(&json!({"error": {"code": code, "message": "sorry", "status": "UNAVAILABLE"}}))
    };
    let chat = |error: Value| Event::data(&json!({ "error": error }));
    let error = |code: &str| {
        Event::typed(&json!({"type": "error", "code": code, "message": "sorry", "param": null}))
    };
    vec![
        (
            "server error",
            Wire::Chat,
            chat(json!({"message": "sorry", "type": "server_error", "code": 500})),
            "error Overloaded retryable",
        ),
        (
            "rate limit",
            Wire::Chat,
            chat(json!({"message": "sorry", "type": "rate_limit_error", "code": 429})),
            "error RateLimited retryable",
        ),
        ("failed", Wire::Responses, failed("server_error"), "error Overloaded retryable"),
        ("limit", Wire::Responses, failed("rate_limit_exceeded"), "error RateLimited retryable"),
        ("error", Wire::Responses, error("server_error"), "error Overloaded retryable"),
        (
            "overloaded",
            Wire::Anthropic,
            anthropic("overloaded_error"),
            "error Overloaded retryable",
        ),
        ("api error", Wire::Anthropic, anthropic("api_error"), "error Overloaded retryable"),
        ("limit", Wire::Anthropic, anthropic("rate_limit_error"), "error RateLimited retryable"),
        ("bad", Wire::Anthropic, anthropic("invalid_request_error"), "error BadRequest final"),
        ("unavailable", Wire::Gemini, gemini(503), "error Overloaded retryable"),
        ("limit", Wire::Gemini, gemini(429), "error RateLimited retryable"),
        (
            "error",
            Wire::Ollama,
            Event::data(&json!({"error": "model runner has unexpectedly stopped"})),
            "error Provider final",
        ),
    ]
}

#[tokio::test]
async fn an_error_in_the_middle_of_an_answer_is_the_end_of_it() {
    let mut verdicts = Verdicts::default();
    for (name, wire, event, expected) in errors_within() {
        let case = format!("{wire:?}, {name}");
        // First thing in the answer.
        let seen = ask(wire, wire.speaks([&event])).await;
        verdicts.check(&case, &seen, &[expected]);
        verdicts.that(
            &case,
            seen.error().message.contains("sorry") || wire == Wire::Ollama,
            "mute",
        );
        // After some text, and with the rest of the answer behind it.
        let mut events = wire.events(&Script::text(&["Half an "]));
        let said = events.iter().rposition(|event| event.data.contains("Half an ")).unwrap();
        let said = if wire == Wire::Responses { 4 } else { said };
        events.insert(said + 1, event);
        let seen = ask(wire, wire.speaks(&events)).await;
        verdicts.check(&format!("{case}, after text"), &seen, &["text \"Half an \"", expected]);
        // However it comes.
        let all: Vec<u8> = events.iter().flat_map(|event| wire.bytes(event)).collect();
        let seen = ask(wire, wire.ok().write(all)).await;
        verdicts.check(&format!("{case}, at once"), &seen, &["text \"Half an \"", expected]);
    }
}

/// Where an answer is cut: after how many of its events, what has been told by then.
fn cuts(wire: Wire) -> Vec<(&'static str, Vec<Event>, Vec<&'static str>)> {
    let last = |events: &[Event], what: &str| {
        events.iter().position(|event| event.data.contains(what)).expect("said") + 1
    };
    let mut text = wire.events(&Script::text(&["Half an ", "answer."]));
    text.truncate(last(&text, "Half an "));
    let mut cases = vec![
        ("before anything", Vec::new(), vec![]),
        ("in the text", text, vec!["text \"Half an \""]),
    ];
    if Wire::FRAGMENTED.contains(&wire) {
        let mut call = wire.events(&Script::call("call_1", "add", &["{\"a\": 2", ", \"b\": 3}"]));
        // The escaped text in the event is the beginning of the first fragment alone.
        call.truncate(last(&call, "{\\\"a\\\": 2"));
        cases.push(("in the arguments", call, vec!["call 0 add", "args 0 {\"a\": 2"]));
    } else {
        let mut call = wire.events(&Script::call("call_1", "add", &["{\"a\":2}"]));
        call.truncate(last(&call, "add"));
        let told = vec!["call 0 add", "args 0 {\"a\":2}", "ready 0 add#call_1 {\"a\":2}"];
        cases.push(("after the call", call, told));
    }
    cases
}

/// An end that HTTP finds in order, and the model had not finished.
#[tokio::test]
async fn an_answer_that_just_ends_is_truncated() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for (name, events, told) in cuts(wire) {
            let mut expected: Vec<String> = told.into_iter().map(str::to_owned).collect();
            expected.push("error Truncated retryable".into());
            let expected = lines_on(wire, &expected);
            let seen = ask(wire, wire.speaks(&events)).await;
            verdicts.check(&format!("{wire:?}, {name}"), &seen, &expected);
        }
    }
}

/// An end that is none: the connection is closed in the middle, or gone.
#[tokio::test]
async fn a_lost_connection_is_an_error_of_the_transport() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for (name, events, told) in cuts(wire) {
            for (how, end) in
                [("closed", Reply::fin as fn(Reply) -> Reply), ("reset", Reply::reset)]
            {
                let mut expected: Vec<String> = told.iter().map(|&line| line.to_owned()).collect();
                expected.push("error Transport retryable".into());
                let expected = lines_on(wire, &expected);
                // The connection is lost only once the client has what came before.
                let gate = Gate::new();
                let mut reply = wire.speaks(&events);
                if !told.is_empty() {
                    reply = reply.wait(&gate);
                }
                let server = Server::start([end(reply)]).await;
                let seen = watch(wire.model(&server), hello(), Some(gate)).await;
                verdicts.check(&format!("{wire:?}, {how} {name}"), &seen, &expected);
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_of_the_transport() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        // The port was free a moment ago, and is again.
        let model = {
            let server = Server::start([]).await;
            wire.model(&server)
        };
        // Wait until the server is really gone: its task ends with it.
        tokio::task::yield_now().await;
        let seen = watch(model, hello(), None).await;
        verdicts.check(&format!("{wire:?}"), &seen, &["error Transport retryable"]);
    }
}

#[tokio::test]
async fn what_is_no_answer_at_all_is_no_empty_answer() {
    use ModelErrorKind::{Malformed, Provider, Truncated};
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let html = "<!doctype html><title>Sign in</title>";
        let bodies = [
            ("HTML", Reply::new(200, "text/html").write(html)),
            ("HTML that says it is a stream", wire.ok().write(html)),
            ("an empty body", wire.ok()),
            ("a plain text", Reply::new(200, "text/plain").write("OK")),
            ("an empty JSON object", Reply::json(200, &json!({}))),
            ("no content", Reply::new(204, wire.content_type())),
        ];
        for (name, reply) in bodies {
            let case = format!("{wire:?}, {name}");
            let seen = ask(wire, reply).await;
            verdicts.that(&case, seen.lines.len() == 1, &seen.lines.join(", "));
            let Err(error) = &seen.answer else {
                verdicts.that(&case, false, "an answer without an error");
                continue;
            };
            let is_told = matches!(error.kind, Malformed | Truncated)
                // A success without anything in it is no success of any known kind.
                || (error.kind, error.status) == (Provider, Some(204));
            verdicts.that(&case, is_told, &failure(error));
        }
    }
}

/// The whole answer at once, although a stream was asked for.
#[tokio::test]
async fn an_answer_that_is_not_streamed_is_read() {
    let mut verdicts = Verdicts::default();
    let chat = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "some-model",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "Yes."},
            "finish_reason": "stop",
        }],
    });
    let (_, item) = responses::item_events(0, &super::speech::Piece::Text(vec!["Yes.".into()]));
    let responses = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "some-model",
        "output": [item],
    });
    let anthropic = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "some-model",
        "content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 30},
    });
    let gemini = json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP",
        }],
    });
    let ollama = json!({
        "model": "some-model", "message": {"role": "assistant", "content": "Yes."}, "done": true,
        "done_reason": "stop",
    });
    for (wire, body) in Wire::ALL.into_iter().zip([chat, responses, anthropic, gemini, ollama]) {
        let seen = ask(wire, Reply::json(200, &body)).await;
        let is_right = match &seen.answer {
            Ok(done) => done.turn.text() == "Yes.",
            Err(_) => false,
        };
        verdicts.that(&format!("{wire:?}"), is_right, &seen.lines.join(", "));
        // Some say that it is a stream all the same.
        let said = wire.ok().write(body.to_string());
        let seen = ask(wire, said).await;
        let is_right = seen.answer.as_ref().is_ok_and(|done| done.turn.text() == "Yes.");
        verdicts.that(&format!("{wire:?}, said to be one"), is_right, &seen.lines.join(", "));
    }
}

#[tokio::test]
async fn an_event_that_is_no_json_is_an_error() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for garbage in ["{\"id\": ", "{not json}", "}{"] {
            let mut events = wire.events(&Script::text(&["Half an ", "answer."]));
            let at = events.iter().position(|event| event.data.contains("Half an ")).unwrap() + 1;
            events.insert(at, Event::raw(garbage));
            let seen = ask(wire, wire.speaks(&events)).await;
            let expected = ["text \"Half an \"", "error Malformed retryable"];
            verdicts.check(&format!("{wire:?}, {garbage}"), &seen, &expected);
        }
    }
}

/// Events that are JSON of the wrong shape in the very place of what matters: whatever is made of
/// them, the text behind them must not pass for the whole answer.
fn misshapen() -> Vec<(&'static str, Wire, Event)> {
    let at = json!({"item_id": "msg_0", "output_index": 0, "content_index": 0});
    let part = |part: Value| gemini::part(&part);
    vec![
        ("a text that is a number", Wire::Chat, chat::delta(&json!({"content": 7}))),
        ("choices that are an object", Wire::Chat, Event::data(&json!({"choices": {"a": 1}}))),
        ("a choice that is a text", Wire::Chat, Event::data(&json!({"choices": ["x"]}))),
        ("calls that are a text", Wire::Chat, chat::delta(&json!({"tool_calls": "add"}))),
        ("a delta that is a list", Wire::Chat, Event::data(&json!({"choices": [{"delta": [1]}]}))),
        ("a text beside all choices", Wire::Chat, Event::data(&json!({"text": "x"}))),
        ("a list", Wire::Chat, Event::raw("[1, 2]")),
        (
            "a text that is a number",
            Wire::Responses,
            responses::event("output_text.delta", &at, &json!({"delta": 7})),
        ),
        ("no type", Wire::Responses, Event::data(&json!({"delta": "x"}))),
        ("a list", Wire::Responses, Event::raw("[1, 2]")),
        (
            "a text that is a number",
            Wire::Anthropic,
            anthropic::block_delta(0, &json!({"type": "text_delta", "text": 7})),
        ),
        (
            "a delta for a block that is none",
            Wire::Anthropic,
            Event::typed(&json!({"type": "content_block_delta", "delta": {"type": "text_delta"}})),
        ),
        ("no type", Wire::Anthropic, Event::data(&json!({"delta": {"text": "x"}}))),
        ("a list", Wire::Anthropic, Event::raw("[1, 2]")),
        ("a text that is a number", Wire::Gemini, part(json!({"text": 7}))),
        ("candidates that are an object", Wire::Gemini, Event::data(&json!({"candidates": {}}))),
        ("parts that are a text", Wire::Gemini, {
            Event::data(&json!({"candidates": [{"content": {"parts": "x"}}]}))
        }),
        ("parts beside all candidates", Wire::Gemini, Event::data(&json!({"parts": [{}]}))),
        ("a list", Wire::Gemini, Event::raw("[1, 2]")),
        ("a text that is a number", Wire::Ollama, ollama::message(&json!({"content": 7}))),
        ("a message that is a text", Wire::Ollama, Event::data(&json!({"message": "x"}))),
        ("calls that are a text", Wire::Ollama, {
            ollama::message(&json!({"content": "", "tool_calls": "add"}))
        }),
        ("a text beside the message", Wire::Ollama, Event::data(&json!({"response": "x"}))),
        ("a list", Wire::Ollama, Event::raw("[1, 2]")),
    ]
}

#[tokio::test]
async fn an_event_of_the_wrong_shape_is_an_error() {
    let mut verdicts = Verdicts::default();
    for (name, wire, event) in misshapen() {
        let mut events = wire.events(&Script::text(&["Half an ", "answer."]));
        let at = events.iter().position(|event| event.data.contains("Half an ")).unwrap() + 1;
        events.insert(at, event);
        let seen = ask(wire, wire.speaks(&events)).await;
        let expected = ["text \"Half an \"", "error Malformed retryable"];
        verdicts.check(&format!("{wire:?}, {name}"), &seen, &expected);
    }
}

/// New kinds of events come every year; what they are for is not known, and the text goes on.
#[tokio::test]
async fn an_event_of_a_kind_that_is_not_known_yet_is_passed_over() {
    let mut verdicts = Verdicts::default();
    let anthropic = Event::typed(&json!({"type": "weather_report", "sunny": true}));
    let responses = Event::typed(&json!({"type": "response.weather", "sunny": true}));
    for (wire, event) in [(Wire::Anthropic, anthropic), (Wire::Responses, responses)] {
        let mut events = wire.events(&Script::text(&["Yes."]));
        events.insert(1, event);
        let seen = ask(wire, wire.speaks(&events)).await;
        let end = if wire == Wire::Anthropic { "done end out=30" } else { "done end" };
        verdicts.check(&format!("{wire:?}"), &seen, &["text \"Yes.\"", end]);
    }
}

#[tokio::test]
async fn a_finish_reason_without_done_is_an_end() {
    let mut events = Wire::Chat.events(&Script::text(&["Yes."]));
    events.pop();
    let seen = ask(Wire::Chat, Wire::Chat.speaks(&events)).await;
    assert_eq!(seen.lines, ["text \"Yes.\"", "done end"]);
    // Anthropic has such a sign as well.
    let mut events = Wire::Anthropic.events(&Script::text(&["Yes."]));
    events.pop();
    let seen = ask(Wire::Anthropic, Wire::Anthropic.speaks(&events)).await;
    assert_eq!(seen.lines, ["text \"Yes.\"", "done end out=30"]);
}

/// Providers repeat what they were sent, and proxies even more.
#[tokio::test]
async fn no_error_shows_the_key() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let echo = format!("Incorrect API key provided: {KEY}. Header: Bearer {KEY}");
        let body = complaint(wire, 401, &echo);
        let html = format!("<p>{KEY}</p>");
        // Where the message is cut, which is somewhere here, half a key may stand.
        let cut = (360..400).map(|length| format!("{}{KEY}", "x".repeat(length)));
        let cut: Vec<Reply> = cut.map(|m| Reply::json(400, &complaint(wire, 400, &m))).collect();
        let mut within = wire.events(&Script::text(&["Half an "]));
        within.insert(1, Event::data(&complaint(wire, 500, &echo)));
        let replies = [
            ("401", Reply::json(401, &body)),
            ("400", Reply::json(400, &body)),
            ("500", Reply::new(500, "text/plain").write(echo.clone())),
            ("HTML", Reply::new(200, "text/html").write(html.clone())),
            ("a header", Reply::json(429, &body).header("retry-after", KEY)),
            ("a content type", Reply::new(200, KEY).write(html)),
            ("no JSON", wire.speaks(&[Event::raw(&format!("{{{KEY}"))])),
            ("within", wire.speaks(&within)),
        ];
        let replies = replies.into_iter().chain(cut.into_iter().map(|reply| ("cut", reply)));
        for (name, reply) in replies {
            let case = format!("{wire:?}, {name}");
            let seen = ask(wire, reply).await;
            let Err(error) = &seen.answer else {
                verdicts.that(&case, false, "no error");
                continue;
            };
            let told = format!("{error} {error:?}");
            // Nor a piece of it: the first letters are the same in all keys of a provider.
            verdicts.that(&case, !told.contains(&KEY[..12]), &told);
            verdicts.that(&case, !error.message.is_empty(), "it says nothing");
        }
        let server = Server::start([]).await;
        let model: AnyModel = wire.model(&server);
        verdicts.that(&format!("{wire:?}"), !format!("{model:?}").contains(KEY), "the model tells");
    }
}

/// A message that goes on for ever is not kept for ever.
#[tokio::test]
async fn a_long_complaint_is_cut() {
    for wire in Wire::ALL {
        let body = complaint(wire, 500, &"very sorry ".repeat(100_000));
        let seen = ask(wire, Reply::json(500, &body)).await;
        assert_eq!(seen.lines, ["error Overloaded retryable"], "{wire:?}");
        let length = seen.error().message.len();
        assert!(length < 10_000, "{wire:?}: a message of {length} bytes");
    }
}
