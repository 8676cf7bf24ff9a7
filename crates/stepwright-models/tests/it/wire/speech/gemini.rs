//! Gemini: whole candidates, calls in one piece, no sign at the end.

use super::{Event, MODEL, Piece, Script, Stop};
use serde_json::{Value, json};

/// The signature under every call that follows a thought.
pub(crate) const SIGNATURE: &str = "CiQB0e2Kb3b5";

pub(super) fn events(script: &Script) -> Vec<Event> {
    let mut events = Vec::new();
    let mut has_thought = false;
    for piece in &script.pieces {
        match piece {
            Piece::Text(fragments) => {
                events.extend(fragments.iter().map(|text| part(&json!({"text": text}))));
            }
            Piece::Thought(fragments) => {
                has_thought = true;
                let thought = |text| part(&json!({"text": text, "thought": true}));
                events.extend(fragments.iter().map(thought));
            }
            Piece::Call { id, name, arguments } => {
                let args: Value = serde_json::from_str(&arguments.concat()).expect("JSON");
                let mut call = json!({"functionCall": {"id": id, "name": name, "args": args}});
                if has_thought {
                    call["thoughtSignature"] = json!(SIGNATURE);
                }
                events.push(part(&call));
            }
        }
    }
    let reason = match script.stop {
        Stop::End | Stop::Calls => "STOP",
        Stop::Length => "MAX_TOKENS",
    };
    events.push(finish(reason, script.has_usage));
    events
}

pub(crate) fn part(part: &Value) -> Event {
    let content = json!({"role": "model", "parts": [part]});
    chunk(&json!({"index": 0, "content": content}), false)
}

pub(crate) fn finish(reason: &str, has_usage: bool) -> Event {
    let content = json!({"role": "model", "parts": [{"text": ""}]});
    chunk(&json!({"index": 0, "content": content, "finishReason": reason}), has_usage)
}

fn chunk(candidate: &Value, has_usage: bool) -> Event {
    let mut chunk = json!({
        "candidates": [candidate],
        "modelVersion": MODEL,
        "responseId": "gemini-1",
    });
    if has_usage {
        // Thoughts are not among the candidates' tokens.
        chunk["usageMetadata"] = json!({
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 18,
            "thoughtsTokenCount": 12,
            "totalTokenCount": 130,
        });
    }
    Event::data(&chunk)
}
