//! OpenAI Responses: typed events, items by output index, the whole response at the end.

use super::{Event, MODEL, Piece, Script, Stop};
use serde_json::{Value, json};

pub(super) fn events(script: &Script) -> Vec<Event> {
    let mut events = vec![
        lifecycle("created", &response("in_progress", &json!([]))),
        lifecycle("in_progress", &response("in_progress", &json!([]))),
    ];
    let mut output = Vec::new();
    for (index, piece) in script.pieces.iter().enumerate() {
        let (mut said, item) = item_events(index, piece);
        events.append(&mut said);
        output.push(item);
    }
    events.push(end(script.stop, script.has_usage, &json!(output)));
    events
}

/// The events of one item, and the item as it is when it is done.
pub(crate) fn item_events(index: usize, piece: &Piece) -> (Vec<Event>, Value) {
    let mut events = Vec::new();
    let item = match piece {
        Piece::Text(fragments) => {
            let id = format!("msg_{index}");
            let text = fragments.concat();
            let message = |status: &str, content: Value| {
                json!({
                    "type": "message", "id": &id, "status": status, "role": "assistant",
                    "content": content,
                })
            };
            let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
            let at = json!({"item_id": &id, "output_index": index, "content_index": 0});
            events.push(item_event("added", index, &message("in_progress", json!([]))));
            events.push(event("content_part.added", &at, &json!({"part": part("")})));
            for text in fragments {
                events.push(event("output_text.delta", &at, &json!({"delta": text})));
            }
            events.push(event("output_text.done", &at, &json!({"text": &text})));
            events.push(event("content_part.done", &at, &json!({"part": part(&text)})));
            message("completed", json!([part(&text)]))
        }
        Piece::Thought(fragments) => {
            let id = format!("rs_{index}");
            let text = fragments.concat();
            let part = |text: &str| json!({"type": "summary_text", "text": text});
            let at = json!({"item_id": &id, "output_index": index, "summary_index": 0});
            let empty = json!({"type": "reasoning", "id": &id, "summary": []});
            events.push(item_event("added", index, &empty));
            events.push(event("reasoning_summary_part.added", &at, &json!({"part": part("")})));
            for text in fragments {
                events.push(event("reasoning_summary_text.delta", &at, &json!({"delta": text})));
            }
            events.push(event("reasoning_summary_text.done", &at, &json!({"text": &text})));
            let done = json!({"part": part(&text)});
            events.push(event("reasoning_summary_part.done", &at, &done));
            let summary = json!([part(&text)]);
            json!({"type": "reasoning", "id": &id, "summary": summary, "encrypted_content": "ciph"})
        }
        Piece::Call { id: call_id, name, arguments } => {
            let id = format!("fc_{index}");
            let all = arguments.concat();
            let call = |status: &str, arguments: &str| {
                json!({
                    "type": "function_call", "id": &id, "status": status, "call_id": call_id,
                    "name": name, "arguments": arguments,
                })
            };
            let at = json!({"item_id": &id, "output_index": index});
            events.push(item_event("added", index, &call("in_progress", "")));
            for json in arguments {
                let fragment = json!({"delta": json});
                events.push(event("function_call_arguments.delta", &at, &fragment));
            }
            let done = json!({"arguments": &all});
            events.push(event("function_call_arguments.done", &at, &done));
            call("completed", &all)
        }
    };
    events.push(item_event("done", index, &item));
    (events, item)
}

/// The last event.
pub(crate) fn end(stop: Stop, has_usage: bool, output: &Value) -> Event {
    let (kind, status) = match stop {
        Stop::End | Stop::Calls => ("completed", "completed"),
        Stop::Length => ("incomplete", "incomplete"),
    };
    let mut response = response(status, output);
    if stop == Stop::Length {
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    if has_usage {
        response["usage"] = json!({
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 40},
            "output_tokens": 30,
            "output_tokens_details": {"reasoning_tokens": 12},
            "total_tokens": 130,
        });
    }
    lifecycle(kind, &response)
}

fn response(status: &str, output: &Value) -> Value {
    json!({
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "model": MODEL,
        "output": output,
        "usage": null,
    })
}

pub(crate) fn lifecycle(kind: &str, response: &Value) -> Event {
    Event::typed(&json!({"type": format!("response.{kind}"), "response": response}))
}

fn item_event(kind: &str, index: usize, item: &Value) -> Event {
    let kind = format!("response.output_item.{kind}");
    Event::typed(&json!({"type": kind, "output_index": index, "item": item}))
}

/// An event of an item: where it belongs, and what it says.
pub(crate) fn event(kind: &str, at: &Value, says: &Value) -> Event {
    let mut event = json!({"type": format!("response.{kind}")});
    for (key, value) in at.as_object().into_iter().chain(says.as_object()).flatten() {
        event[key] = value.clone();
    }
    Event::typed(&event)
}
