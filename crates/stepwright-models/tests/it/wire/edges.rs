//! Answers at the edge of what their wires allow.

use super::contradicting::read;
use super::speech::{Script, Wire};
use serde_json::{Value, json};

fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>().concat()
}

#[test]
fn half_a_character_at_the_end_is_warned_about() {
    for wire in Wire::ALL {
        let mut events = wire.events(&Script::text(&["crab ", "FIRST"]));
        for event in &mut events {
            // Where the wire repeats its text, the whole one ends so, too.
            event.data = event.data.replace("FIRST", "\\ud83e");
        }
        let body: Vec<u8> = events.iter().flat_map(|event| wire.bytes(event)).collect();
        let body = String::from_utf8(body).unwrap();
        let answer = read(wire.provider(), wire.content_type(), &body).unwrap();
        assert_eq!(answer.turn.text(), "crab ", "{wire:?}");
        let warning = answer.warning.unwrap_or_default();
        assert!(warning.contains("in the middle of a character"), "{wire:?}: {warning}");
    }
}

#[test]
fn a_tool_of_the_provider_is_named_once_wherever_it_stands_in_the_list() {
    let message = json!({"type": "message", "id": "m1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "see", "annotations": []}]});
    let magic = |id: &str| json!({"type": "magic_call", "id": id});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": magic("i")});
    let ends = |output: Value| {
        let response = json!({"id": "r1", "status": "completed", "output": output,
            "usage": {"input_tokens": 3, "output_tokens": 4}});
        json!({"type": "response.completed", "response": response})
    };
    let text = json!({"type": "response.output_text.delta", "item_id": "m1", "output_index": 1,
        "content_index": 0, "delta": "see"});
    for (output, times) in [
        (json!([message, magic("i")]), 1),
        (json!([magic("i"), message]), 1),
        (json!([magic("i"), magic("j"), message]), 2),
    ] {
        let body = sse(&[done.clone(), text.clone(), ends(output.clone())]);
        let answer = read("openai", "text/event-stream", &body).unwrap();
        assert_eq!(answer.hosted_tools.len(), times, "{output}: {:?}", answer.hosted_tools);
    }
}

#[test]
fn the_counts_of_an_end_without_a_reason_are_kept() {
    let start = json!({"type": "message", "id": "m", "role": "assistant", "content": [],
        "usage": {"input_tokens": 3, "output_tokens": 1}});
    let body = sse(&[
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": null},
            "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ]);
    let answer = read("anthropic", "text/event-stream", &body).unwrap();
    assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens), (Some(3), Some(5)));
}
