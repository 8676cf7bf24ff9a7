//! Anthropic Messages: blocks that start, grow and stop.

use super::{Event, MODEL, Piece, Script, Stop};
use serde_json::{Value, json};

/// The signature under every thought.
pub(crate) const SIGNATURE: &str = "EqQBCgIYAhIM";

pub(super) fn events(script: &Script) -> Vec<Event> {
    let mut events = vec![message_start(script.has_usage)];
    for (index, piece) in script.pieces.iter().enumerate() {
        match piece {
            Piece::Text(fragments) => {
                events.push(block_start(index, &json!({"type": "text", "text": ""})));
                let text = |text| block_delta(index, &json!({"type": "text_delta", "text": text}));
                events.extend(fragments.iter().map(text));
            }
            Piece::Thought(fragments) => {
                let block = json!({"type": "thinking", "thinking": "", "signature": ""});
                events.push(block_start(index, &block));
                let thought =
                    |text| block_delta(index, &json!({"type": "thinking_delta", "thinking": text}));
                events.extend(fragments.iter().map(thought));
                let signature = json!({"type": "signature_delta", "signature": SIGNATURE});
                events.push(block_delta(index, &signature));
            }
            Piece::Call { id, name, arguments } => {
                events.push(call_start(index, id, name));
                events.extend(arguments.iter().map(|json| call_fragment(index, json)));
            }
        }
        events.push(block_stop(index));
    }
    let reason = match script.stop {
        Stop::End => "end_turn",
        Stop::Calls => "tool_use",
        Stop::Length => "max_tokens",
    };
    events.push(message_delta(reason));
    events.push(Event::typed(&json!({"type": "message_stop"})));
    events
}

pub(crate) fn message_start(has_usage: bool) -> Event {
    let mut message = json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
    });
    if has_usage {
        // Read without a cache, out of it, and into it: 100 together.
        message["usage"] = json!({
            "input_tokens": 50,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 10,
            "output_tokens": 1,
        });
    }
    Event::typed(&json!({"type": "message_start", "message": message}))
}

pub(crate) fn block_start(index: usize, block: &Value) -> Event {
    Event::typed(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

pub(crate) fn block_delta(index: usize, delta: &Value) -> Event {
    Event::typed(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

pub(crate) fn block_stop(index: usize) -> Event {
    Event::typed(&json!({"type": "content_block_stop", "index": index}))
}

pub(crate) fn call_start(index: usize, id: &str, name: &str) -> Event {
    block_start(index, &json!({"type": "tool_use", "id": id, "name": name, "input": {}}))
}

pub(crate) fn call_fragment(index: usize, json: &str) -> Event {
    block_delta(index, &json!({"type": "input_json_delta", "partial_json": json}))
}

pub(crate) fn message_delta(reason: &str) -> Event {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    let usage = json!({"output_tokens": 30});
    Event::typed(&json!({"type": "message_delta", "delta": delta, "usage": usage}))
}
