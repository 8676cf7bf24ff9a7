//! An answer in events and the same answer as one document: both are read alike.

use super::contradicting::{TEXT, chat, gemini, messages, read, responses, sse, with};
use super::ending::documented;
use super::speech::Wire;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The place of some members in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum At {
    /// Beside everything else.
    Event,
    /// In the choice, the candidate or the item.
    Choice,
    /// In the message, the block or the part with the text.
    Message,
}

/// An answer that ends with `reason` and has these members: as a stream and as a document.
fn answers(wire: Wire, reason: &Value, at: At, members: &Value) -> (String, String) {
    let none = json!({});
    let here = |place: At| if at == place { members } else { &none };
    match wire {
        Wire::Chat => {
            let message = with(&json!({"content": TEXT}), here(At::Message));
            let end = with(&chat::end(reason, here(At::Choice)), here(At::Event));
            let choice = json!({"index": 0, "message": message, "finish_reason": reason});
            let document = json!({"choices": [with(&choice, here(At::Choice))]});
            let stream = sse(&[chat::delta(&message), end, chat::done()]);
            (stream, with(&document, here(At::Event)).to_string())
        }
        Wire::Anthropic => {
            let block = with(&json!({"type": "text", "text": TEXT}), here(At::Message));
            let begin = with(&json!({"type": "text", "text": ""}), here(At::Message));
            let delta = json!({"stop_reason": reason});
            let end = json!({"type": "message_delta", "delta": with(&delta, here(At::Choice))});
            let start = messages::message(&json!([]), &Value::Null);
            let stream = sse(&[
                json!({"type": "message_start", "message": start}),
                json!({"type": "content_block_start", "index": 0, "content_block": begin}),
                json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": TEXT}}),
                json!({"type": "content_block_stop", "index": 0}),
                with(&end, here(At::Event)),
                json!({"type": "message_stop"}),
            ]);
            let document = with(&messages::message(&json!([block]), reason), here(At::Choice));
            (stream, with(&document, here(At::Event)).to_string())
        }
        Wire::Gemini => {
            let part = with(&json!({"text": TEXT}), here(At::Message));
            let end = with(&json!({"finishReason": reason}), here(At::Choice));
            let stream = [
                gemini::candidate(&json!([part]), &none),
                with(&gemini::candidate(&json!([]), &end), here(At::Event)),
            ];
            let document = with(&gemini::candidate(&json!([part]), &end), here(At::Event));
            (sse(&stream), json!([document]).to_string())
        }
        Wire::Ollama => {
            let message = with(&json!({"role": "assistant", "content": TEXT}), here(At::Message));
            let end = json!({"message": {"content": ""}, "done": true, "done_reason": reason});
            let document = json!({"message": message, "done": true, "done_reason": reason});
            let stream = format!(
                "{}\n{}\n",
                json!({"message": message, "done": false}),
                with(&end, here(At::Event)),
            );
            (stream, with(&document, here(At::Event)).to_string())
        }
        Wire::Responses => {
            let item = with(&responses::item(TEXT, &none), here(At::Choice));
            let mut item = item;
            let part = with(&item["content"][0], here(At::Message));
            item["content"] = json!([part]);
            let mut beside = here(At::Event).clone();
            if let Some(reason) = reason.as_str() {
                let (status, why) = reason.split_once(": ").unwrap_or((reason, ""));
                beside["status"] = json!(status);
                if !why.is_empty() {
                    beside["incomplete_details"] = json!({"reason": why});
                }
            } else {
                beside["status"] = reason.clone();
            }
            let mut end = responses::response(&[item], &beside);
            if beside["status"] == "incomplete" {
                end["type"] = json!("response.incomplete");
            }
            (responses::responses(&[end.clone()]), end["response"].to_string())
        }
    }
}

/// Returns the result of reading an answer, in words.
fn outcome(wire: Wire, kind: &str, body: &str) -> String {
    let provider = wire.provider();
    match read(provider, kind, body) {
        Ok(done) => format!("{:?} {:?} {:?}", done.stop, done.turn.text(), done.warning),
        Err(error) => format!("{:?} {} {}", error.kind, error.retryable, error.message),
    }
}

/// The name of the reason for a good end.
fn good(wire: Wire) -> &'static str {
    match wire {
        Wire::Chat | Wire::Ollama => "stop",
        Wire::Responses => "completed",
        Wire::Anthropic => "end_turn",
        Wire::Gemini => "STOP",
    }
}

/// Returns what both make of an answer.
fn agreed(wire: Wire, reason: &Value, at: At, members: &Value, wrong: &mut Vec<String>) -> String {
    let (stream, document) = answers(wire, reason, at, members);
    let kind = if wire == Wire::Ollama { "application/x-ndjson" } else { "text/event-stream" };
    let streamed = outcome(wire, kind, &stream);
    let whole = outcome(wire, "application/json", &document);
    if streamed != whole {
        wrong.push(format!(
            "{wire:?}, {reason}, {at:?} {members}\n  streamed: {streamed}\n  whole:    {whole}"
        ));
    }
    streamed
}

#[test]
fn a_document_ends_as_a_stream_does() {
    let mut wrong = Vec::new();
    for wire in Wire::ALL {
        let mut reasons: BTreeSet<&str> = BTreeSet::from([""]);
        reasons.extend(documented(wire).iter().flat_map(|(_, reasons)| reasons.iter().copied()));
        let odd = [json!(7), json!(false), json!({"type": "error"}), json!(["error"])];
        for reason in reasons.into_iter().map(Value::from).chain(odd) {
            agreed(wire, &reason, At::Event, &json!({}), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn members_of_a_document_are_judged_as_those_of_a_stream() {
    let members = [
        json!({"error": {"message": "boom", "code": 503}}),
        json!({"error": "boom"}),
        json!({"errors": [{"message": "boom"}]}),
        json!({"fault": {"faultstring": "boom"}}),
        json!({"error_message": "boom"}),
        json!({"error": null, "errors": [], "fault": {}, "error_code": 0}),
        json!({"output": "lost"}),
        json!({"generated_text": "lost"}),
        json!({"parts": [{"text": "lost"}]}),
        json!({"brand_new": "what is this"}),
        json!({"brand_new": {"text": "what is this"}}),
        json!({"brand_new": 7, "is_new": true}),
    ];
    let mut wrong = Vec::new();
    for wire in Wire::ALL {
        let good = json!(good(wire));
        for at in [At::Event, At::Choice, At::Message] {
            // They have no such place.
            if [Wire::Ollama, Wire::Anthropic].contains(&wire) && at == At::Choice {
                continue;
            }
            for (number, members) in members.iter().enumerate() {
                let outcome = agreed(wire, &good, at, members, &mut wrong);
                let is_error = outcome.contains("boom");
                if number < 5 && !is_error {
                    wrong.push(format!("{wire:?}, {at:?} {members}: {outcome}"));
                }
                if (6..9).contains(&number) && outcome.starts_with("EndTurn") {
                    wrong.push(format!("{wire:?}, {at:?} {members}: {outcome}"));
                }
                if [5, 11].contains(&number) && !outcome.ends_with("None") {
                    wrong.push(format!("{wire:?}, {at:?} {members}: {outcome}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
