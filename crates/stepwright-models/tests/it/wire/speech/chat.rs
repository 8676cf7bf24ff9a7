//! OpenAI Chat: chunks of one choice, calls by index, `[DONE]`.

use super::{Event, MODEL, Piece, Script, Stop};
use serde_json::{Value, json};

pub(super) fn events(script: &Script) -> Vec<Event> {
    let mut events = vec![delta(&json!({"role": "assistant", "content": ""}))];
    let mut index = 0;
    for piece in &script.pieces {
        match piece {
            Piece::Text(fragments) => {
                events.extend(fragments.iter().map(|text| delta(&json!({"content": text}))));
            }
            Piece::Thought(fragments) => {
                let thought = |text| delta(&json!({"reasoning_content": text}));
                events.extend(fragments.iter().map(thought));
            }
            Piece::Call { id, name, arguments } => {
                events.push(call_start(Some(index), id, name));
                let fragment = |json: &String| call_fragment(Some(index), json);
                events.extend(arguments.iter().map(fragment));
                index += 1;
            }
        }
    }
    let reason = match script.stop {
        Stop::End => "stop",
        Stop::Calls => "tool_calls",
        Stop::Length => "length",
    };
    events.push(finish(reason));
    if script.has_usage {
        events.push(chunk(&json!([]), &usage()));
    }
    events.push(Event::raw("[DONE]"));
    events
}

fn chunk(choices: &Value, usage: &Value) -> Event {
    let mut chunk = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": choices,
    });
    if !usage.is_null() {
        chunk["usage"] = usage.clone();
    }
    Event::data(&chunk)
}

fn choice(delta: &Value, finish_reason: &Value) -> Event {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish_reason});
    chunk(&json!([choice]), &Value::Null)
}

pub(crate) fn delta(delta: &Value) -> Event {
    choice(delta, &Value::Null)
}

pub(crate) fn finish(reason: &str) -> Event {
    choice(&json!({}), &json!(reason))
}

/// Returns the event that begins a call. Without an index, as some gateways do.
pub(crate) fn call_start(index: Option<u64>, id: &str, name: &str) -> Event {
    let function = json!({"name": name, "arguments": ""});
    call_delta(index, json!({"id": id, "type": "function", "function": function}))
}

pub(crate) fn call_fragment(index: Option<u64>, json: &str) -> Event {
    call_delta(index, json!({"function": {"arguments": json}}))
}

fn call_delta(index: Option<u64>, mut call: Value) -> Event {
    if let Some(index) = index {
        call["index"] = json!(index);
    }
    delta(&json!({"tool_calls": [call]}))
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 12},
    })
}
