//! Answers of servers that differ from the wire: read where nothing is lost, an error where
//! something would be.

use super::seen::{Verdicts, ask, hello};
use super::server::{Gate, Reply, Server};
use super::speech::{Event, KEY, Script, Wire, anthropic, chat, gemini, ollama, responses};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stepwright_core::media::{MediaKind, MediaSource};
use stepwright_core::message::Part;
use stepwright_core::model::{Model as _, ModelEvent};

fn choice(choice: &Value) -> Event {
    Event::data(&json!({"choices": [choice]}))
}

#[tokio::test]
async fn signs_of_life_and_notes_of_a_gateway_are_passed_over() {
    let mut verdicts = Verdicts::default();
    let events = [
        Event::raw("{}"),
        Event::raw(r#"{"provider": "x", "latency_ms": 3}"#),
        Event { name: Some("ping".into()), data: "still there".into() },
        Event::raw("ping"),
        Event::data(&json!({"type": "ping", "text": "still there"})),
    ];
    for wire in Wire::ALL {
        for event in &events {
            if wire == Wire::Ollama && !event.data.starts_with('{') {
                continue;
            }
            let mut said = wire.events(&Script::text(&["Yes", "."]));
            for at in (0..=said.len()).rev() {
                said.insert(at, event.clone());
            }
            let seen = ask(wire, wire.speaks(&said)).await;
            let end = if wire == Wire::Anthropic { "done end out=30" } else { "done end" };
            let expected = ["text \"Yes\"", "text \".\"", end];
            verdicts.check(&format!("{wire:?}, {event:?}"), &seen, &expected);
        }
    }
}

#[tokio::test]
async fn a_letter_in_two_pieces_is_one() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let mut events = wire.events(&Script::text(&["crab FIRST", "SECOND!"]));
        for event in &mut events {
            event.data = event
                .data
                .replace("FIRSTSECOND", "\\ud83e\\udd80")
                .replace("FIRST", "\\ud83e")
                .replace("SECOND", "\\udd80");
        }
        let seen = ask(wire, wire.speaks(&events)).await;
        let end = if wire == Wire::Anthropic { "done end out=30" } else { "done end" };
        let expected = ["text \"crab \"", "text \"\u{1F980}!\"", end];
        verdicts.check(&format!("{wire:?}"), &seen, &expected);
    }
}

#[tokio::test]
async fn counts_may_be_written_in_other_ways() {
    let mut verdicts = Verdicts::default();
    let usages = [("100", "30"), ("100.0", "30.0"), ("\"100\"", "\"30\"")];
    for wire in Wire::ALL {
        for (read, written) in usages {
            let mut events = wire.events(&Script::text(&["Yes."]).with_usage());
            for event in &mut events {
                for (name, count) in [
                    ("prompt_tokens", read),
                    ("completion_tokens", written),
                    ("prompt_eval_count", read),
                    ("eval_count", written),
                    ("promptTokenCount", read),
                ] {
                    for number in ["100", "30"] {
                        let (old, new) =
                            (format!("\"{name}\":{number}"), format!("\"{name}\":{count}"));
                        event.data = event.data.replace(&old, &new);
                    }
                }
                if wire == Wire::Responses {
                    let old = "\"input_tokens\":100,";
                    event.data = event.data.replace(old, &format!("\"input_tokens\":{read},"));
                }
            }
            let seen = ask(wire, wire.speaks(&events)).await;
            let usage = seen.answer.as_ref().map(|done| done.usage).unwrap_or_default();
            let counts = (usage.input_tokens, usage.output_tokens);
            let told = format!("{counts:?} {:?}", seen.lines);
            verdicts.that(&format!("{wire:?}, {read}"), counts == (Some(100), Some(30)), &told);
        }
    }
}

#[tokio::test]
async fn a_stream_may_be_called_otherwise() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for kind in ["text/plain", "text/plain; charset=utf-8", "application/octet-stream", ""] {
            let reply = wire.says(&Script::text(&["Yes."])).header("content-type", kind);
            let end = if wire == Wire::Anthropic { "done end out=30" } else { "done end" };
            let seen = ask(wire, reply).await;
            verdicts.check(&format!("{wire:?}, {kind:?}"), &seen, &["text \"Yes.\"", end]);
        }
    }
}

#[tokio::test]
async fn done_without_a_finish_reason_ends_a_whole_answer_and_says_so() {
    let mut verdicts = Verdicts::default();
    let without = |script: &Script| {
        let mut events = Wire::Chat.events(script);
        events.retain(|event| {
            !event.data.contains("\"stop\"") && !event.data.contains("\"tool_calls\"}")
        });
        events.retain(|event| !event.data.contains("\"finish_reason\":\"tool_calls\""));
        events
    };
    let call = |arguments: &str| Script::call("call_1", "add", &[arguments]);
    let cases: [(&str, Vec<Event>, &[&str]); 4] = [
        ("a text", without(&Script::text(&["All of it."])), &["text \"All of it.\"", "done end"]),
        (
            "a call",
            without(&call("{\"a\":2}")),
            &["call 0 add", "args 0 {\"a\":2}", "ready 0 add#call_1 {\"a\":2}", "done calls"],
        ),
        (
            "half a call",
            without(&call("{\"a\":")),
            &["call 0 add", "args 0 {\"a\":", "error Truncated retryable"],
        ),
        ("nothing", vec![Event::raw("[DONE]")], &["error Truncated retryable"]),
    ];
    for (name, events, expected) in cases {
        let seen = ask(Wire::Chat, Wire::Chat.speaks(&events)).await;
        verdicts.check(name, &seen, expected);
        if let Ok(done) = seen.answer {
            let warning = done.warning.unwrap_or_default();
            verdicts.that(name, warning.contains("gave no finish reason"), &warning);
        }
    }
    // An empty reason is none.
    let events = [chat::delta(&json!({"content": "All."})), chat::finish(""), Event::raw("[DONE]")];
    let seen = ask(Wire::Chat, Wire::Chat.speaks(&events)).await;
    verdicts.check("empty", &seen, &["text \"All.\"", "done end"]);
    let seen = ask(Wire::Chat, Wire::Chat.says(&Script::text(&["Yes."]))).await;
    verdicts.that("as it should be", seen.answer.unwrap().warning.is_none(), "a warning");
}

/// The server says that the model has finished, and keeps the connection. The time that passes is
/// that of the test: it goes on only once the end has come.
#[tokio::test]
async fn a_finished_answer_does_not_wait_for_the_end_of_its_stream() {
    for wire in [Wire::Chat, Wire::Anthropic] {
        let mut events = wire.events(&Script::text(&["Yes."]));
        events.pop();
        let all: Vec<u8> = events.iter().flat_map(|event| wire.bytes(event)).collect();
        let gate = Gate::new();
        let server = Server::start([wire.ok().write(all).wait(&gate).hold()]).await;
        let mut stream = wire.model(&server).stream(hello());
        let mut done = None;
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                ModelEvent::TextDelta(_) => tokio::time::pause(),
                ModelEvent::Done(completion) => done = Some(completion),
                _ => {}
            }
        }
        tokio::time::resume();
        assert_eq!(done.expect("an answer").turn.text(), "Yes.", "{wire:?}");
    }
}

#[tokio::test]
async fn thoughts_in_front_of_the_text_are_thoughts() {
    let mut verdicts = Verdicts::default();
    let text = "<think>7 or 8? 7.</think>\n{\"score\": 7}";
    for wire in Wire::ALL {
        for size in [1, 3, 1000] {
            let pieces: Vec<String> = text
                .as_bytes()
                .chunks(size)
                .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
                .collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let seen = ask(wire, wire.says(&Script::text(&pieces))).await;
            let case = format!("{wire:?}, {size}");
            let Ok(done) = &seen.answer else {
                verdicts.that(&case, false, &seen.lines.join(", "));
                continue;
            };
            let expected = [
                Part::Reasoning { text: "7 or 8? 7.".into() },
                Part::Text { text: "{\"score\": 7}".into() },
            ];
            verdicts.that(&case, done.turn.parts == expected, &format!("{:?}", done.turn.parts));
            let has_tag = seen.lines.iter().any(|line| line.contains("think>"));
            verdicts.that(&case, !has_tag, &seen.lines.join(", "));
            if wire != Wire::Ollama {
                let replayed = done.turn.native.is_some();
                verdicts.that(&case, !replayed, "the tags are told to the model again");
            }
        }
    }
}

/// Text in a place where the wire has none is read, whatever the place.
#[tokio::test]
async fn a_text_in_another_place_is_read_or_an_error() {
    let mut verdicts = Verdicts::default();
    let end = || [chat::finish("stop"), Event::raw("[DONE]")];
    let message = |content: &str| json!({"role": "assistant", "content": content});
    let yes: &[&str] = &["text \"Yes\"", "text \".\"", "done end"];
    let malformed: &[&str] = &["text \"Yes\"", "error Malformed retryable"];
    let cases: Vec<(&str, Vec<Event>, &[&str])> = vec![
        (
            "messages",
            vec![
                choice(&json!({"message": message("Yes")})),
                choice(&json!({"message": message(".")})),
            ],
            yes,
        ),
        ("texts", vec![choice(&json!({"text": "Yes"})), choice(&json!({"text": "."}))], yes),
        (
            "messages so far beside each piece",
            vec![
                choice(&json!({"delta": {"content": "Yes"}, "message": message("Yes")})),
                choice(&json!({"delta": {"content": "."}, "message": message("Yes.")})),
            ],
            yes,
        ),
        (
            "the message once more at the end",
            vec![
                chat::delta(&json!({"content": "Yes"})),
                choice(&json!({"message": message("Yes."), "finish_reason": "stop"})),
            ],
            yes,
        ),
        (
            "another message at the end",
            vec![
                chat::delta(&json!({"content": "Yes"})),
                choice(&json!({"message": message("No."), "finish_reason": "stop"})),
            ],
            malformed,
        ),
        (
            "parts",
            vec![
                chat::delta(&json!({"content": [{"type": "text", "text": "Yes"}]})),
                chat::delta(&json!({"content": [{"type": "output_text", "text": "."}]})),
            ],
            yes,
        ),
        (
            "a part of an unknown type",
            vec![
                chat::delta(&json!({"content": "Yes"})),
                chat::delta(&json!({"content": [{"type": "hologram", "data": "…"}]})),
            ],
            malformed,
        ),
        (
            "a sound",
            vec![
                chat::delta(&json!({"content": "Yes"})),
                chat::delta(&json!({"audio": {"id": "a", "data": "UklGRg=="}})),
            ],
            malformed,
        ),
    ];
    for (name, mut events, expected) in cases {
        events.extend(end());
        verdicts.check(name, &ask(Wire::Chat, Wire::Chat.speaks(&events)).await, expected);
    }

    let unknown = [
        (Wire::Anthropic, anthropic::block_start(1, &json!({"type": "hologram"}))),
        (Wire::Gemini, gemini::part(&json!({"hologram": {}}))),
        (
            Wire::Responses,
            Event::typed(&json!({
                "type": "response.output_item.done", "output_index": 1,
                "item": {"type": "hologram", "id": "h"},
            })),
        ),
    ];
    for (wire, event) in unknown {
        let mut events = wire.events(&Script::text(&["Yes"]));
        let at = events.iter().position(|event| event.data.contains("Yes")).unwrap() + 1;
        events.insert(at, event);
        let seen = ask(wire, wire.speaks(&events)).await;
        verdicts.check(&format!("{wire:?}, unknown"), &seen, malformed);
    }
}

#[tokio::test]
async fn a_call_in_the_words_of_before_tools_is_a_call() {
    let fragment = |call: Value| chat::delta(&json!({ "function_call": call }));
    let events = [
        fragment(json!({"name": "add", "arguments": ""})),
        fragment(json!({"arguments": "{\"a\""})),
        fragment(json!({"arguments": ":2}"})),
        chat::finish("function_call"),
        Event::raw("[DONE]"),
    ];
    let seen = ask(Wire::Chat, Wire::Chat.speaks(&events)).await;
    assert_eq!(
        seen.lines,
        ["call 0 add", "args 0 {\"a\"", "args 0 :2}", "ready 0 add#new {\"a\":2}", "done calls",]
    );
}

const DOT: &str = "iVBORw0KGgo=";

#[tokio::test]
async fn an_image_in_an_answer_is_kept() {
    let mut verdicts = Verdicts::default();
    let made = json!({
        "type": "image_generation_call", "id": "ig_1", "status": "completed", "result": DOT,
        "output_format": "webp",
    });
    let item = |kind: &str| {
        let kind = format!("response.output_item.{kind}");
        Event::typed(&json!({"type": kind, "output_index": 0, "item": made}))
    };
    let end = responses::end(super::speech::Stop::End, false, &json!([made]));
    let url = format!("data:image/webp;base64,{DOT}");
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    let data = json!({"inlineData": {"mimeType": "image/webp", "data": DOT}});
    let sound = json!({"inlineData": {"mimeType": "audio/wav", "data": DOT}});
    let cases = [
        ("a stream", Wire::Responses, vec![item("added"), item("done"), end.clone()]),
        ("the end alone", Wire::Responses, vec![end]),
        (
            "images",
            Wire::Chat,
            vec![chat::delta(&json!({"images": [image]})), chat::finish("stop")],
        ),
        ("data", Wire::Gemini, vec![gemini::part(&data), gemini::finish("STOP", false)]),
        ("a sound", Wire::Gemini, vec![gemini::part(&sound), gemini::finish("STOP", false)]),
    ];
    for (name, wire, events) in cases {
        let seen = ask(wire, wire.speaks(&events)).await;
        let case = format!("{wire:?}, {name}");
        let parts = seen.answer.map(|done| done.turn.parts).unwrap_or_default();
        let [Part::Media { media }] = &parts[..] else {
            verdicts.that(&case, false, &format!("{:?} {parts:?}", seen.lines));
            continue;
        };
        let (kind, mime) = match name {
            "a sound" => (MediaKind::Audio, "audio/wav"),
            _ => (MediaKind::Image, "image/webp"),
        };
        let is_right = (media.kind, media.mime.as_deref()) == (kind, Some(mime))
            && matches!(&media.source, MediaSource::Bytes { .. });
        verdicts.that(&case, is_right, &format!("{media:?}"));
    }
}

#[tokio::test]
async fn a_commentary_is_no_part_of_the_answer() {
    let message = |at: usize, phase: &str, text: &str| {
        let item = json!({
            "type": "message", "id": format!("msg_{at}"), "status": "completed", "phase": phase,
            "role": "assistant", "content": [{"type": "output_text", "text": text}],
        });
        let mut begun = item.clone();
        begun["content"] = json!([]);
        let event = |kind: &str, item: &Value| {
            let kind = format!("response.output_item.{kind}");
            Event::typed(&json!({"type": kind, "output_index": at, "item": item}))
        };
        let place = json!({"output_index": at, "content_index": 0});
        let delta = responses::event("output_text.delta", &place, &json!({"delta": text}));
        (vec![event("added", &begun), delta, event("done", &item)], item)
    };
    let (mut events, first) = message(0, "commentary", "I look it up.");
    let (more, second) = message(1, "final_answer", "It is 7.");
    events.extend(more);
    events.push(responses::end(super::speech::Stop::End, false, &json!([first, second])));
    let seen = ask(Wire::Responses, Wire::Responses.speaks(&events)).await;
    assert_eq!(seen.lines, ["thought \"I look it up.\"", "text \"It is 7.\"", "done end"]);
    assert_eq!(seen.answer.unwrap().turn.text(), "It is 7.");

    // All at once, at the end.
    let end = responses::end(super::speech::Stop::End, false, &json!([first, second]));
    let seen = ask(Wire::Responses, Wire::Responses.speaks(&[end])).await;
    assert_eq!(seen.answer.unwrap().turn.text(), "It is 7.");
}

#[tokio::test]
async fn arguments_are_not_nested_without_end() {
    let mut verdicts = Verdicts::default();
    let deep = "[".repeat(60_000);
    for wire in Wire::FRAGMENTED {
        for arguments in [vec![deep.as_str()], vec!["{\"a\":", deep.as_str()]] {
            let script = Script::call("call_1", "add", &arguments);
            let seen = ask(wire, wire.says(&script)).await;
            let last = seen.lines.last().cloned().unwrap_or_default();
            verdicts.that(&format!("{wire:?}"), last == "error Malformed retryable", &last);
        }
    }
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for wire in [Wire::Gemini, Wire::Ollama] {
        let event = match wire {
            Wire::Gemini => gemini::part(&json!({"text": "DEEP"})),
            _ => ollama::message(&json!({"content": "DEEP"})),
        };
        let event = Event::raw(&event.data.replace("\"DEEP\"", &deep));
        let seen = ask(wire, wire.speaks(&[event])).await;
        let told = seen.error().message.clone();
        verdicts.that(&format!("{wire:?}"), told.contains("nested deeper than 100"), &told);
    }
}

/// A proxy may put what it was sent into an answer, and a model repeats what it was told.
#[tokio::test]
async fn no_answer_shows_the_key() {
    use base64::Engine as _;
    let mut verdicts = Verdicts::default();
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("user:{KEY}"));
    let text = format!("The key is {KEY}, or {encoded}.");
    let arguments = format!("{{\"a\":\"{KEY}\"}}");
    for wire in Wire::ALL {
        for size in [1, 5, 1000] {
            let chunks = |text: &str| -> Vec<String> {
                let letters: Vec<char> = text.chars().collect();
                letters.chunks(size).map(|piece| piece.iter().collect()).collect()
            };
            let (texts, thoughts) = (chunks(&text), chunks(&text));
            let said: Vec<&str> = texts.iter().map(String::as_str).collect();
            let thought: Vec<&str> = thoughts.iter().map(String::as_str).collect();
            let script =
                Script::thought(&thought).and_text(&said).and_call("call_1", "add", &[&arguments]);
            let seen = ask(wire, wire.says(&script)).await;
            let case = format!("{wire:?}, {size}");
            let told = format!("{:?} {:?}", seen.lines, seen.answer);
            verdicts.that(&case, seen.answer.is_ok(), &told);
            let joined: String = seen
                .lines
                .iter()
                .map(|line| {
                    let quoted = line.split_once(" \"").map_or("", |(_, text)| text);
                    quoted.trim_end_matches('"').to_owned()
                })
                .collect();
            for secret in [KEY, &encoded[8..encoded.len() - 4]] {
                verdicts.that(&case, !told.contains(secret), &told);
                verdicts.that(&case, !joined.contains(secret), &joined);
            }
            let is_shown = seen.answer.is_ok_and(|done| {
                let text = done.turn.text();
                text.starts_with("The key is [key], or ") && text.ends_with('.')
            });
            verdicts.that(&case, is_shown, &told);
        }
    }
}

#[tokio::test]
async fn no_error_shows_a_part_of_the_key_or_its_base64() {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("user:{KEY}"));
    let said = format!("Wrong key {}****, from Basic {encoded}", &KEY[..14]);
    for wire in Wire::ALL {
        let body = json!({"error": {"message": said, "code": 401}});
        let told = ask(wire, Reply::json(401, &body)).await.error().message.clone();
        assert!(!told.contains(&KEY[..8]) && !told.contains(&encoded[8..20]), "{wire:?}: {told}");
    }
}
