//! Google's Gemini.

use super::{
    Becomes::{Cut, Error, Warned, Whole},
    Case, TEXT, sse, with,
};
use serde_json::{Value, json};

pub(crate) fn candidate(parts: &Value, beside: &Value) -> Value {
    let candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    json!({"candidates": [with(&candidate, beside)]})
}

/// The cases of this wire.
pub(crate) fn cases() -> Vec<Case> {
    let half = candidate(&json!([{"text": TEXT}]), &json!({}));
    let stop = |beside: &Value| {
        with(
            &candidate(&json!([{"text": ""}]), &json!({"finishReason": "STOP"}))["candidates"][0],
            beside,
        )
    };
    let stops = |beside: &Value| json!({"candidates": [stop(beside)]});
    let none = json!({});
    let ends = |events: &[Value]| sse(&[std::slice::from_ref(&half), events].concat());
    let block = json!({"promptFeedback": {"blockReason": "OTHER"}});
    let parts = |part: Value| ends(&[candidate(&json!([part]), &none), stops(&none)]);
    let call = |args: Value| json!({"functionCall": {"name": "add", "args": args}});
    let twice = candidate(&json!([call(json!({"a": 1, "b": 2}))]), &none).to_string();
    let twice = json!(format!("data: {}", twice.replace("\"b\"", "\"a\"")));
    let big = candidate(&json!([call(json!({"a": 7}))]), &none).to_string();
    let rounded = json!(format!("data: {}", big.replace('7', "9007199254740993.0")));
    let infinite = json!(format!("data: {}", big.replace('7', "1e400")));
    let vanishing = json!(format!("data: {}", big.replace('7', "1e-400")));
    let big = json!(format!("data: {}", big.replace('7', "98765432109876543210")));
    vec![
        (
            "a tool call behind the end",
            ends(&[stops(&none), candidate(&json!([call(json!({}))]), &none)]),
            Error("after the end"),
        ),
        (
            "arguments of a call that have a key twice",
            ends(&[twice, stops(&none)]),
            Error("the key `a` twice"),
        ),
        (
            "an integer of more than 64 bits in the arguments of a call",
            ends(&[big, stops(&none)]),
            Error("does not fit into 64 bits"),
        ),
        (
            "a number that a double rounds in the arguments of a call",
            ends(&[rounded, stops(&none)]),
            Error("would be rounded"),
        ),
        (
            "a number that is infinite in the arguments of a call",
            ends(&[infinite, stops(&none)]),
            Error("1e400 is too large"),
        ),
        (
            "a number that becomes zero in the arguments of a call",
            ends(&[vanishing, stops(&none)]),
            Error("would become 0"),
        ),
        (
            "an error behind the end",
            { ends(&[stops(&none), json!({"error": {"code": 503, "message": "boom"}})]) },
            Error("boom"),
        ),
        ("a blocked prompt behind the end", ends(&[stops(&none), block.clone()]), Error("`OTHER`")),
        ("a blocked prompt before the end", ends(&[block, stops(&none)]), Error("`OTHER`")),
        (
            "a number for a `blockReason`",
            { ends(&[stops(&none), json!({"promptFeedback": {"blockReason": 4}})]) },
            Error("`blockReason`"),
        ),
        (
            "`SAFETY` as second reason",
            { ends(&[stops(&none), candidate(&json!([]), &json!({"finishReason": "SAFETY"}))]) },
            Error("`SAFETY`"),
        ),
        (
            "a limit as second reason",
            {
                ends(&[stops(&none), candidate(&json!([]), &json!({"finishReason": "MAX_TOKENS"}))])
            },
            Cut,
        ),
        (
            "a number for a reason",
            ends(&[stops(&json!({"finishReason": 3}))]),
            Error("`finishReason`"),
        ),
        (
            "a `finishMessage` about a failure",
            { ends(&[stops(&json!({"finishMessage": "Malformed function call: print(x)"}))]) },
            Error("Malformed function call"),
        ),
        (
            "another `finishMessage`",
            ends(&[stops(&json!({"finishMessage": "It was late."}))]),
            Warned("It was late."),
        ),
        (
            "the `finishMessage` of every call",
            { ends(&[stops(&json!({"finishMessage": "Model generated function call(s)."}))]) },
            Whole,
        ),
        (
            "a safety rating with `blocked: true`",
            { ends(&[stops(&json!({"safetyRatings": [{"category": "HARM", "blocked": true}]}))]) },
            Error("`HARM`"),
        ),
        (
            "a second candidate",
            {
                let content = json!({"parts": [{"text": "lost"}]});
                let other = json!({"index": 1, "content": content, "finishReason": "STOP"});
                ends(&[json!({"candidates": [stop(&none), other]})])
            },
            Warned("only the first is read"),
        ),
        (
            "a second candidate that ends, and a first that does not",
            {
                let other = json!({"index": 1, "content": {"parts": []}, "finishReason": "STOP"});
                ends(&[json!({"candidates": [other]})])
            },
            Error("ended before it was finished"),
        ),
        (
            "two candidates with one index",
            { ends(&[json!({"candidates": [stop(&none), stop(&none)]})]) },
            Error("two candidates"),
        ),
        (
            "`text` in a candidate",
            { ends(&[candidate(&json!([]), &json!({"text": "lost"})), stops(&none)]) },
            Error("`text`"),
        ),
        (
            "`text` beside the parts",
            {
                let mut piece = candidate(&json!([]), &none);
                piece["candidates"][0]["content"]["text"] = json!("lost");
                ends(&[piece, stops(&none)])
            },
            Error("`text`"),
        ),
        (
            "`text` beside the candidates",
            { ends(&[with(&stops(&none), &json!({"text": "lost"}))]) },
            Error("`text`"),
        ),
        ("a part of an unknown kind", parts(json!({"brandNew": {"x": 1}})), Error("`brandNew`")),
        (
            "`inline_data` in a part",
            parts(json!({"text": "x", "inline_data": {"data": "x"}})),
            Error("`inline_data`"),
        ),
        (
            "`partialArgs` of a call",
            parts(json!({"functionCall": {"name": "add", "partialArgs": [{"x": 1}]}})),
            Error("`partialArgs`"),
        ),
        (
            "a new member of a part",
            parts(json!({"text": "x", "brandNew": {"x": 1}})),
            Warned("`brandNew`"),
        ),
        (
            "notes in a candidate",
            ends(&[stops(&json!({"groundingMetadata": {"x": ["y"]}, "avgLogprobs": -1.0}))]),
            Whole,
        ),
    ]
}
