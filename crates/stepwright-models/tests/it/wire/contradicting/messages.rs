//! Anthropic's Messages.

use super::{
    Becomes::{Cut, Error, Warned, Whole},
    Case, TEXT, sse, with,
};
use serde_json::{Value, json};

pub(crate) fn message(content: &Value, reason: &Value) -> Value {
    json!({"type": "message", "role": "assistant", "content": content, "stop_reason": reason})
}

/// An answer of Anthropic with these events behind its text.
pub(crate) fn messages(events: &[Value]) -> String {
    messages_with(&[], events)
}

/// As [`messages`], with these events before its text.
pub(crate) fn messages_with(before: &[Value], events: &[Value]) -> String {
    let start = json!({"type": "message_start", "message": message(&json!([]), &Value::Null)});
    let block = json!({"type": "text", "text": ""});
    let delta = json!({"type": "text_delta", "text": TEXT});
    let begin = json!({"type": "content_block_start", "index": 0, "content_block": block});
    let text = [
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    sse(&[&[start, begin], before, &text[..], events].concat())
}

pub(crate) fn message_end(reason: &Value) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}})
}

/// The cases of this wire.
pub(crate) fn cases() -> Vec<Case> {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "boom"}});
    let (well, stop) = (message_end(&json!("end_turn")), json!({"type": "message_stop"}));
    let block = |block: Value| {
        [
            json!({"type": "content_block_start", "index": 1, "content_block": block}),
            json!({"type": "content_block_stop", "index": 1}),
        ]
    };
    let failed = json!({
        "type": "web_search_tool_result", "tool_use_id": "t",
        "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
    });
    let grown = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let whole = |events: &[Value]| messages(&[events, &[well.clone(), stop.clone()]].concat());
    let within = |event: Value| messages_with(&[event], &[well.clone(), stop.clone()]);
    let refused = json!({"type": "refusal", "explanation": "boom"});
    let delta = json!({"stop_reason": "end_turn", "stop_details": refused});
    let start = json!({"type": "message_start", "message": message(&json!([]), &Value::Null)});
    let call = block(json!({"type": "tool_use", "id": "t", "name": "add", "input": {}}));
    let input = json!({"type": "input_json_delta", "partial_json": "{\"a\": 1, \"a\": 2}"});
    let fragment = json!({"type": "content_block_delta", "index": 1, "delta": input});
    let [call_start, call_stop] = call.clone();
    vec![
        (
            "`stop_details` of a refusal beside `end_turn`",
            messages(&[json!({"type": "message_delta", "delta": delta}), stop.clone()]),
            Error("boom"),
        ),
        (
            "a second `message_start`",
            messages(&[start, well.clone(), stop.clone()]),
            Error("second message"),
        ),
        (
            "a tool call behind the end",
            messages(&[&[well.clone()][..], &call, std::slice::from_ref(&stop)].concat()),
            Error("after the end"),
        ),
        (
            "arguments of a call that have a key twice",
            messages(&[
                call_start,
                fragment,
                call_stop,
                message_end(&json!("tool_use")),
                stop.clone(),
            ]),
            Error("the key `a` twice"),
        ),
        ("an error behind the end", messages(&[well.clone(), error.clone()]), Error("boom")),
        (
            "an error between the end and the end marker",
            messages(&[well.clone(), error.clone(), stop.clone()]),
            Error("boom"),
        ),
        (
            "an error behind the end marker",
            messages(&[well.clone(), stop.clone(), error.clone()]),
            Error("boom"),
        ),
        (
            "an error beside the end",
            { messages(&[with(&well, &json!({"error": {"message": "boom"}})), stop.clone()]) },
            Error("boom"),
        ),
        (
            "a refusal as second reason",
            { messages(&[well.clone(), message_end(&json!("refusal")), stop.clone()]) },
            Error("`refusal`"),
        ),
        (
            "a limit as second reason",
            { messages(&[well.clone(), message_end(&json!("max_tokens")), stop.clone()]) },
            Cut,
        ),
        (
            "a limit as first of two reasons",
            { messages(&[message_end(&json!("max_tokens")), well.clone(), stop.clone()]) },
            Cut,
        ),
        (
            "a number for a reason",
            messages(&[message_end(&json!(7)), stop.clone()]),
            Error("`stop_reason`"),
        ),
        (
            "no reason",
            messages(&[message_end(&Value::Null), stop.clone()]),
            Warned("no stop reason"),
        ),
        ("no end marker", messages(std::slice::from_ref(&well)), Whole),
        (
            "an error in a delta",
            within(grown(json!({"type": "text_delta", "text": "x", "error": "boom"}))),
            Error("boom"),
        ),
        (
            "`output` in a delta",
            { within(grown(json!({"type": "text_delta", "text": "x", "output": "lost"}))) },
            Error("`output`"),
        ),
        (
            "a new member with a text in a delta",
            { within(grown(json!({"type": "text_delta", "text": "x", "brand_new": "lost"}))) },
            Warned("`brand_new`"),
        ),
        (
            "`text` beside a delta",
            {
                let text = grown(json!({"type": "text_delta", "text": "x"}));
                within(with(&text, &json!({"text": "lost"})))
            },
            Error("`text`"),
        ),
        ("an event of an unknown type", whole(&[json!({"type": "brand_new", "n": 1})]), Whole),
        (
            "an event of an unknown type with `text`",
            { whole(&[json!({"type": "brand_new", "text": "lost"})]) },
            Warned("`brand_new`"),
        ),
        (
            "a block of an unknown type",
            whole(&block(json!({"type": "brand_new", "text": "lost"}))),
            Error("`brand_new`"),
        ),
        (
            "a `message_start` with content",
            {
                let start = message(&json!([{"type": "text", "text": "lost"}]), &Value::Null);
                sse(&[
                    json!({"type": "message_start", "message": start}),
                    well.clone(),
                    stop.clone(),
                ])
            },
            Error("before its blocks"),
        ),
        (
            "a failed tool of the provider at the end",
            whole(&block(failed.clone())),
            Error("unavailable"),
        ),
        (
            "a failed tool of the provider, and more text",
            {
                let text = json!({"type": "text", "text": "So I know nothing."});
                whole(&[block(failed), block(text)].concat())
            },
            Warned("unavailable"),
        ),
    ]
}
