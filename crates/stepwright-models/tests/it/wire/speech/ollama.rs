//! Ollama: a JSON document a line, calls in one piece and without an identifier.

use super::{Event, MODEL, Piece, Script, Stop};
use serde_json::{Value, json};

pub(super) fn events(script: &Script) -> Vec<Event> {
    let mut events = Vec::new();
    for piece in &script.pieces {
        match piece {
            Piece::Text(fragments) => {
                events.extend(fragments.iter().map(|text| message(&json!({"content": text}))));
            }
            Piece::Thought(fragments) => {
                let thought = |text| message(&json!({"content": "", "thinking": text}));
                events.extend(fragments.iter().map(thought));
            }
            Piece::Call { name, arguments, .. } => {
                let arguments: Value = serde_json::from_str(&arguments.concat()).expect("JSON");
                let function = json!({"name": name, "arguments": arguments});
                let call = json!({"content": "", "tool_calls": [{"function": function}]});
                events.push(message(&call));
            }
        }
    }
    let reason = match script.stop {
        Stop::End | Stop::Calls => "stop",
        Stop::Length => "length",
    };
    events.push(done(reason, script.has_usage));
    events
}

pub(crate) fn message(says: &Value) -> Event {
    let mut line = line();
    line["message"] = says.clone();
    line["message"]["role"] = json!("assistant");
    line["done"] = json!(false);
    Event::data(&line)
}

pub(crate) fn done(reason: &str, has_usage: bool) -> Event {
    let mut line = line();
    line["message"] = json!({"role": "assistant", "content": ""});
    line["done"] = json!(true);
    line["done_reason"] = json!(reason);
    line["total_duration"] = json!(1_000_000);
    if has_usage {
        line["prompt_eval_count"] = json!(100);
        line["eval_count"] = json!(30);
    }
    Event::data(&line)
}

fn line() -> Value {
    json!({"model": MODEL, "created_at": "2026-01-01T00:00:00Z"})
}
