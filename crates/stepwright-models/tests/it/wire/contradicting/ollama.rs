//! Ollama's lines.

use super::{
    Becomes::{Error, Warned, Whole},
    Case, TEXT, with,
};
use serde_json::{Value, json};

/// The cases of this wire.
pub(crate) fn cases() -> Vec<Case> {
    let line = |says: Value| json!({"model": "m", "message": says, "done": false});
    let half = line(json!({"role": "assistant", "content": TEXT}));
    let end =
        json!({"model": "m", "message": {"content": ""}, "done": true, "done_reason": "stop"});
    let lines =
        |lines: &[Value]| lines.iter().fold(String::new(), |body, line| format!("{body}{line}\n"));
    let ends = |beside: Value| lines(&[half.clone(), with(&end, &beside)]);
    let before = |said: Value| lines(&[half.clone(), line(said), end.clone()]);
    let call = json!({"function": {"name": "add", "arguments": {"a": 1}}});
    let called = line(json!({"content": "", "tool_calls": [call]}));
    let twice = "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"add\",\
                 \"arguments\":{\"a\":1,\"a\":2}}}]},\"done\":false}\n";
    vec![
        (
            "a status code behind the end",
            lines(&[half.clone(), end.clone(), json!({"StatusCode": 500, "Status": "boom"})]),
            Error("boom"),
        ),
        (
            "a tool call behind the end",
            lines(&[half.clone(), end.clone(), called]),
            Error("after the end"),
        ),
        (
            "arguments of a call that have a key twice",
            format!("{twice}{}", lines(std::slice::from_ref(&end))),
            Error("the key `a` twice"),
        ),
        (
            "an error behind the end",
            lines(&[half.clone(), end.clone(), json!({"error": "boom"})]),
            Error("boom"),
        ),
        ("an error beside the end", ends(json!({"error": "boom"})), Error("boom")),
        ("a number for a reason", ends(json!({"done_reason": 7})), Error("`done_reason`")),
        ("`false` for a reason", ends(json!({"done_reason": false})), Error("`done_reason`")),
        ("an empty reason", ends(json!({"done_reason": ""})), Warned("no reason")),
        ("a text for `done`", ends(json!({"done": "yes"})), Error("`done`")),
        (
            "a reason without `done`",
            lines(&[half.clone(), json!({"done_reason": "load"})]),
            Error("`load`"),
        ),
        (
            "text behind the end",
            lines(&[half.clone(), end.clone(), half.clone()]),
            Error("behind the end"),
        ),
        (
            "`images` in a message",
            before(json!({"content": "x", "images": ["AAAA"]})),
            Error("`images`"),
        ),
        ("`text` in a message", before(json!({"content": "x", "text": "lost"})), Error("`text`")),
        (
            "a new member with a text in a message",
            before(json!({"content": "x", "brand_new": ["lost"]})),
            Warned("`brand_new`"),
        ),
        (
            "`response` beside the message",
            lines(&[with(&half, &json!({"response": "lost"})), end.clone()]),
            Error("`response`"),
        ),
        (
            "a last line without its end",
            lines(&[half.clone(), end.clone()]).trim_end().to_owned(),
            Whole,
        ),
    ]
}
