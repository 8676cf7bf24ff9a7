//! Chat Completions.

use super::{
    Becomes::{Cut, Error, Warned, Whole},
    Case, TEXT, sse, with,
};
use serde_json::{Value, json};

pub(crate) fn delta(delta: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

pub(crate) fn half() -> Value {
    delta(&json!({"content": TEXT}))
}

/// The end of a choice, with these members beside its reason.
pub(crate) fn end(reason: &Value, beside: &Value) -> Value {
    let choice = json!({"index": 0, "delta": {}, "finish_reason": reason});
    json!({"choices": [with(&choice, beside)]})
}

pub(crate) fn stop() -> Value {
    end(&json!("stop"), &json!({}))
}

pub(crate) fn done() -> Value {
    json!("data: [DONE]")
}

/// A whole answer with these events between its text and its end.
fn between(events: &[Value]) -> String {
    sse(&[&[half()], events, &[stop(), done()]].concat())
}

/// A whole answer with these events behind its end.
fn behind(events: &[Value]) -> String {
    sse(&[&[half(), stop()], events, &[done()]].concat())
}

/// A whole answer whose end has these members in its choice.
pub(crate) fn ending(beside: &Value) -> String {
    sse(&[half(), end(&json!("stop"), beside), done()])
}

/// The cases of this wire.
pub(crate) fn cases() -> Vec<Case> {
    let boom = json!({"message": "boom", "code": 503});
    let called = |name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
        delta(&json!({"tool_calls": [call]}))
    };
    let big =
        "data: {\"choices\": [{\"index\": 0, \"delta\": {}, \"seed\": 98765432109876543210}]}";
    let reasoned =
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]});
    let other = |index: u64, text: &str, reason: &Value| {
        json!({"choices": [{
            "index": index, "delta": {"content": text}, "finish_reason": reason,
        }]})
    };
    vec![
        ("`errorMessage` in an event", between(&[json!({"errorMessage": "boom"})]), Error("boom")),
        (
            "an exception named as AWS names it",
            between(&[json!({"internalServerException": {"message": "boom"}})]),
            Error("boom"),
        ),
        ("a tool call behind its end", behind(&[called("add", "{}")]), Error("after the end")),
        (
            "arguments of a call that have a key twice",
            sse(&[
                called("add", "{\"path\": \"a\", \"path\": \"b\"}"),
                end(&json!("tool_calls"), &json!({})),
                done(),
            ]),
            Error("the key `path` twice"),
        ),
        ("an integer of more than 64 bits beside the text", between(&[json!(big)]), Whole),
        (
            "a part of reasoning, as Databricks tells it",
            between(&[delta(&json!({"content": [reasoned]}))]),
            Whole,
        ),
        // Behind the end.
        ("an error behind the end", behind(&[json!({"error": boom})]), Error("boom")),
        ("`errors` behind the end", behind(&[json!({"errors": [boom]})]), Error("boom")),
        ("`detail` behind the end", behind(&[json!({"detail": "boom"})]), Error("boom")),
        (
            "an error beside the counts",
            { behind(&[json!({"choices": [], "usage": {"prompt_tokens": 1}, "error": boom})]) },
            Error("boom"),
        ),
        (
            "a failure as second reason",
            behind(&[end(&json!("error"), &json!({}))]),
            Error("`error`"),
        ),
        (
            "a filter as second reason",
            { behind(&[end(&json!("content_filter"), &json!({}))]) },
            Error("`content_filter`"),
        ),
        ("a limit as second reason", behind(&[end(&json!("length"), &json!({}))]), Cut),
        ("a limit as first of two reasons", between(&[end(&json!("length"), &json!({}))]), Cut),
        (
            "a failure as first of two reasons",
            between(&[end(&json!("error"), &json!({}))]),
            Error("`error`"),
        ),
        (
            "an error behind the end marker",
            { sse(&[half(), stop(), done(), json!({"error": boom})]) },
            Error("boom"),
        ),
        (
            "an `event: error` behind the end marker",
            { sse(&[half(), stop(), done(), json!("event: error\ndata: boom")]) },
            Error("boom"),
        ),
        (
            "text behind the end marker",
            { sse(&[half(), stop(), done(), half()]) },
            Error("behind the end"),
        ),
        ("two end markers", sse(&[half(), stop(), done(), done()]), Whole),
        (
            "counts behind the end marker",
            {
                sse(&[
                    half(),
                    stop(),
                    done(),
                    json!({"choices": [], "usage": {"prompt_tokens": 1}}),
                ])
            },
            Whole,
        ),
        (
            "an error that no empty line ends",
            { format!("{}data: {}", sse(&[half(), stop()]), json!({"error": boom})) },
            Error("boom"),
        ),
        (
            "an end marker that no empty line ends",
            format!("{}data: [DONE]", sse(&[half(), stop()])),
            Whole,
        ),
        // Reasons of another type, or in another place.
        (
            "a number for a reason",
            sse(&[half(), end(&json!(500), &json!({})), done()]),
            Error("`finish_reason`"),
        ),
        (
            "`false` for a reason",
            sse(&[half(), end(&json!(false), &json!({})), done()]),
            Error("`finish_reason`"),
        ),
        (
            "an object for a reason",
            { sse(&[half(), end(&json!({"type": "error"}), &json!({})), done()]) },
            Error("`finish_reason`"),
        ),
        (
            "a failure as native reason",
            { ending(&json!({"native_finish_reason": "network_error"})) },
            Error("`network_error`"),
        ),
        (
            "a number for a native reason",
            { ending(&json!({"native_finish_reason": 7})) },
            Error("`native_finish_reason`"),
        ),
        (
            "a failure as native reason beside the choices",
            {
                let end = with(&stop(), &json!({"native_finish_reason": "network_error"}));
                sse(&[half(), end, done()])
            },
            Error("`network_error`"),
        ),
        (
            "a failure as reason beside the choices",
            { sse(&[half(), with(&stop(), &json!({"finish_reason": "error"})), done()]) },
            Error("`error`"),
        ),
        (
            "a failure as reason without choices",
            { behind(&[json!({"choices": [], "finish_reason": "error"})]) },
            Error("`error`"),
        ),
        (
            "a failure as reason in the message",
            { between(&[delta(&json!({"content": "x", "finish_reason": "error"}))]) },
            Error("`error`"),
        ),
        (
            "`stop_reason: abort` of vLLM",
            ending(&json!({"stop_reason": "abort"})),
            Error("`abort`"),
        ),
        ("a stop text in `stop_reason` (vLLM)", ending(&json!({"stop_reason": "###"})), Whole),
        ("a stop token in `stop_reason` (vLLM)", ending(&json!({"stop_reason": 128_009})), Whole),
        ("`matched_stop` (SGLang)", ending(&json!({"matched_stop": 2})), Whole),
        (
            "a filter result with `filtered: true`",
            { ending(&json!({"content_filter_results": {"hate": {"filtered": true}}})) },
            Error("hate"),
        ),
        (
            "a filter result with `filtered: false`",
            {
                ending(
                    &json!({"content_filter_results": {"hate": {"filtered": false, "score": 2}}}),
                )
            },
            Whole,
        ),
        (
            "a filter result with an error (Azure: the answer was not filtered)",
            {
                let why = "The contents are not filtered";
                let error = json!({"code": "content_filter_error", "message": why});
                ending(&json!({"content_filter_result": {"error": error}}))
            },
            Warned("The contents are not filtered"),
        ),
        // Failures under other names.
        ("`errors`", between(&[json!({"errors": [boom]})]), Error("boom")),
        ("`detail`", between(&[json!({"detail": "boom"})]), Error("boom")),
        ("`detail` with a list", between(&[json!({"detail": [{"msg": "boom"}]})]), Error("boom")),
        ("`fault`", between(&[json!({"fault": {"faultstring": "boom"}})]), Error("boom")),
        (
            "a code and a message",
            { between(&[json!({"code": "503", "message": "boom"})]) },
            Error("boom"),
        ),
        (
            "a code of a failure beside the choices",
            { between(&[with(&half(), &json!({"code": 1301, "msg": "boom"}))]) },
            Error("boom"),
        ),
        (
            "`success: false`",
            { between(&[with(&half(), &json!({"success": false, "msg": "boom"}))]) },
            Error("boom"),
        ),
        (
            "`status: failed`",
            between(&[with(&half(), &json!({"status": "failed", "msg": "boom"}))]),
            Error("boom"),
        ),
        (
            "a code of a failure in `base_resp`",
            {
                between(&[with(
                    &half(),
                    &json!({"base_resp": {"status_code": 1004, "status_msg": "boom"}}),
                )])
            },
            Error("boom"),
        ),
        ("`errors` in a choice", ending(&json!({"errors": ["boom"]})), Error("boom")),
        ("`detail` in a choice", ending(&json!({"detail": "boom"})), Error("boom")),
        ("`errors` in a message", between(&[delta(&json!({"errors": ["boom"]}))]), Error("boom")),
        (
            "a code, a message and a status of a success",
            {
                let well = json!({"code": 200, "message": "ok", "success": true, "error": null,
                "errors": [], "detail": "", "status": "success", "base_resp": {"status_code": 0}});
                between(&[with(&delta(&json!({"content": "wer."})), &well)])
            },
            Whole,
        ),
        // Lines that are no events.
        ("a line `error: …`", between(&[json!("error: {\"message\": \"boom\"}")]), Error("boom")),
        (
            "an error on a line without `data:`",
            between(&[json!("{\"error\": {\"message\": \"boom\"}}")]),
            Error("boom"),
        ),
        (
            "a piece on a line without `data:`",
            between(&[json!(delta(&json!({"content": "wer."})).to_string())]),
            Whole,
        ),
        (
            "an error on a line without `data:` behind the end",
            { behind(&[json!("{\"error\": {\"message\": \"boom\"}}")]) },
            Error("boom"),
        ),
        ("a plain line", between(&[json!("Internal Server Error")]), Error("no event")),
        (
            "a plain line about a proxy",
            between(&[json!("upstream connect error or disconnect: boom")]),
            Error("boom"),
        ),
        ("a line `text: …`", between(&[json!("text: lost")]), Error("no event")),
        (
            "another field, a comment",
            between(&[json!("x-trace: 17"), json!("retry: 3000"), json!(": hm")]),
            Whole,
        ),
        // Content that nothing reads.
        ("`text` in a message", between(&[delta(&json!({"text": "lost"}))]), Error("`text`")),
        (
            "`response` in a message",
            between(&[delta(&json!({"response": "lost"}))]),
            Error("`response`"),
        ),
        (
            "an object for a reason",
            between(&[delta(&json!({"output": {"text": "lost"}}))]),
            Error("`output`"),
        ),
        (
            "`video` in a message",
            between(&[delta(&json!({"video": {"url": "lost"}}))]),
            Error("`video`"),
        ),
        (
            "a new member with a text in a message",
            between(&[delta(&json!({"brand_new": "lost"}))]),
            Warned("`brand_new`"),
        ),
        (
            "new members with numbers and flags in a message",
            between(&[delta(&json!({"brand_new": 7, "other": true}))]),
            Whole,
        ),
        (
            "`content` in a choice",
            {
                let mut piece = delta(&json!({}));
                piece["choices"][0]["content"] = json!("lost");
                between(&[piece])
            },
            Error("`content`"),
        ),
        (
            "`output` beside the choices",
            { between(&[with(&half(), &json!({"output": "lost"}))]) },
            Error("`output`"),
        ),
        ("`output` in place of choices", between(&[json!({"output": "lost"})]), Error("`output`")),
        ("`data` in place of choices", between(&[json!({"data": {"x": "lost"}})]), Error("`data`")),
        (
            "notes beside the choices",
            {
                let notes =
                    json!({"system_fingerprint": "x", "citations": ["y"], "timings": {"t": 1}});
                between(&[with(&delta(&json!({"content": ""})), &notes)])
            },
            Whole,
        ),
        (
            "an object for the `text` of a part",
            {
                between(&[delta(
                    &json!({"content": [{"type": "text", "text": {"value": "lost"}}]}),
                )])
            },
            Error("`text`"),
        ),
        (
            "`data` in a part",
            {
                let part = json!({"type": "text", "text": "x", "data": "lost"});
                between(&[delta(&json!({"content": [part]}))])
            },
            Error("`data`"),
        ),
        (
            "the transcript of audio",
            { between(&[delta(&json!({"audio": {"transcript": "lost"}}))]) },
            Error("audio"),
        ),
        (
            "a second choice",
            { between(&[other(1, "lost", &Value::Null)]) },
            Warned("only the first is read"),
        ),
        ("a second choice that fails", between(&[other(1, "", &json!("error"))]), Error("`error`")),
        (
            "`parameters` in place of the arguments of a call",
            {
                let function = json!({"name": "add", "parameters": {"a": 1}});
                let call = json!({"index": 0, "id": "c", "function": function});
                between(&[delta(&json!({"tool_calls": [call]}))])
            },
            Error("`parameters`"),
        ),
        (
            "`input` beside the function of a call",
            {
                let call =
                    json!({"index": 0, "id": "c", "function": {"name": "add"}, "input": {"a": 1}});
                between(&[delta(&json!({"tool_calls": [call]}))])
            },
            Error("`input`"),
        ),
        (
            "another text in `message` than in `delta`",
            {
                let mut piece = delta(&json!({"content": "x"}));
                piece["choices"][0]["message"] = json!({"content": "lost"});
                between(&[piece])
            },
            Error("`message`"),
        ),
        (
            "the message so far beside a piece",
            {
                let mut piece = delta(&json!({"content": "wer."}));
                piece["choices"][0]["message"] = json!({"content": format!("{TEXT}wer.")});
                between(&[piece])
            },
            Whole,
        ),
        ("an `event: exception`", between(&[json!("event: exception\ndata: boom")]), Error("boom")),
        (
            "two choices with one index",
            {
                let choice = |text: &str| json!({"index": 0, "delta": {"content": text}});
                between(&[json!({"choices": [choice("a"), choice("b")]})])
            },
            Error("two choices"),
        ),
    ]
}
