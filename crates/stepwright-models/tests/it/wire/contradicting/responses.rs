//! OpenAI's Responses.

use super::{
    Becomes::{Cut, Error, Warned, Whole},
    Case, TEXT, sse, with,
};
use serde_json::{Value, json};

pub(crate) fn item(text: &str, beside: &Value) -> Value {
    let part = json!({"type": "output_text", "text": text, "annotations": []});
    let item = json!({
        "type": "message", "id": "i0", "role": "assistant", "status": "completed",
        "content": [part],
    });
    with(&item, beside)
}

/// The response at the end, with this output.
pub(crate) fn response(output: &[Value], beside: &Value) -> Value {
    let response =
        json!({"id": "r", "object": "response", "status": "completed", "output": output});
    json!({"type": "response.completed", "response": with(&response, beside)})
}

/// A streamed text, and these events behind it.
pub(crate) fn responses(events: &[Value]) -> String {
    let at = |kind: &str, says: Value| {
        let at = json!({"type": kind, "item_id": "i0", "output_index": 0, "content_index": 0});
        with(&at, &says)
    };
    let begun = item("", &json!({"status": "in_progress", "content": []}));
    let text = [
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        at("response.output_text.delta", json!({"delta": TEXT})),
        at("response.output_text.done", json!({"text": TEXT})),
        at("response.output_item.done", json!({"item": item(TEXT, &json!({}))})),
    ];
    sse(&[&text[..], events].concat())
}

/// The cases of this wire.
pub(crate) fn cases() -> Vec<Case> {
    let none = json!({});
    let whole = item(TEXT, &none);
    let ends = |output: &[Value], beside: Value| responses(&[response(output, &beside)]);
    let tool = |kind: &str, beside: Value| with(&json!({"type": kind, "id": "z"}), &beside);
    let failed = |kind: &str| tool(kind, json!({"status": "failed"}));
    let created = json!({"type": "response.created", "response": {"id": "r"}});
    let call = json!({
        "type": "function_call", "id": "f", "call_id": "call_1", "name": "add",
        "arguments": "{\"a\": 1, \"a\": 2}", "status": "completed",
    });
    vec![
        (
            "a second `response.created`",
            responses(&[created.clone(), created, response(std::slice::from_ref(&whole), &none)]),
            Error("second response"),
        ),
        (
            "arguments of a call that have a key twice",
            ends(&[whole.clone(), call], none.clone()),
            Error("the key `a` twice"),
        ),
        (
            "an error behind the end",
            {
                responses(&[
                    response(std::slice::from_ref(&whole), &none),
                    json!({"type": "error", "message": "boom"}),
                ])
            },
            Error("boom"),
        ),
        (
            "an error in the response",
            {
                ends(
                    std::slice::from_ref(&whole),
                    json!({"error": {"code": "server_error", "message": "boom"}}),
                )
            },
            Error("boom"),
        ),
        (
            "`incomplete_details` in a completed response",
            {
                ends(
                    std::slice::from_ref(&whole),
                    json!({"incomplete_details": {"reason": "brand_new"}}),
                )
            },
            Error("`incomplete: brand_new`"),
        ),
        (
            "`incomplete_details` about a limit in a completed response",
            {
                ends(
                    std::slice::from_ref(&whole),
                    json!({"incomplete_details": {"reason": "max_output_tokens"}}),
                )
            },
            Cut,
        ),
        (
            "a text for `incomplete_details`",
            { ends(std::slice::from_ref(&whole), json!({"incomplete_details": "content_filter"})) },
            Error("`incomplete: content_filter`"),
        ),
        (
            "a number for `incomplete_details`",
            { ends(std::slice::from_ref(&whole), json!({"incomplete_details": 7})) },
            Error("`incomplete_details`"),
        ),
        (
            "a number for a status",
            ends(std::slice::from_ref(&whole), json!({"status": 7})),
            Error("`status`"),
        ),
        ("no status", ends(std::slice::from_ref(&whole), json!({"status": null})), Whole),
        (
            "an item with `status: incomplete`",
            ends(&[item(TEXT, &json!({"status": "incomplete"}))], json!({})),
            Error("`incomplete`"),
        ),
        (
            "an incomplete item that the end does not repeat",
            {
                let item = item(TEXT, &json!({"status": "incomplete"}));
                let done = json!({"type": "response.output_item.done", "output_index": 0});
                responses(&[with(&done, &json!({"item": item})), response(&[], &none)])
            },
            Error("`incomplete`"),
        ),
        (
            "another text at the end of a part",
            {
                let done = json!({"type": "response.output_text.done", "output_index": 0});
                responses(&[with(&done, &json!({"text": "Entirely different"}))])
            },
            Error("not what was said before"),
        ),
        (
            "other arguments at the end of a call",
            {
                let at = json!({"output_index": 1, "item_id": "f"});
                let call = |arguments: &str| {
                    json!({"type": "function_call", "id": "f", "call_id": "c", "name": "add",
                        "status": "completed", "arguments": arguments})
                };
                let event = |kind: &str, says: &Value| {
                    let event = with(&at, &json!({"type": format!("response.{kind}")}));
                    with(&event, says)
                };
                responses(&[
                    event("output_item.added", &json!({"item": call("")})),
                    event("function_call_arguments.delta", &json!({"delta": "{\"a\":1}"})),
                    event("output_item.done", &json!({"item": call("{\"a\":2}")})),
                ])
            },
            Error("other arguments"),
        ),
        (
            "an item with an unknown status",
            ends(&[item(TEXT, &json!({"status": "brand_new"}))], json!({})),
            Error("`brand_new`"),
        ),
        (
            "an item without a status",
            ends(&[item(TEXT, &json!({"status": null}))], json!({})),
            Whole,
        ),
        (
            "another text at the end than before",
            ends(&[item("Entirely different", &none)], json!({})),
            Error("not what was said before"),
        ),
        ("no output at the end", ends(&[], json!({})), Whole),
        (
            "a failed `image_generation_call`",
            ends(&[failed("image_generation_call"), whole.clone()], json!({})),
            Error("image_generation_call"),
        ),
        (
            "a failed `web_search_call` at the end",
            ends(&[whole.clone(), failed("web_search_call")], json!({})),
            Error("web_search_call"),
        ),
        (
            "a failed `web_search_call`, and a message behind it",
            { ends(&[failed("web_search_call"), whole.clone()], json!({})) },
            Warned("web_search_call"),
        ),
        (
            "a failed `code_interpreter_call` at the end",
            { ends(&[whole.clone(), failed("code_interpreter_call")], json!({})) },
            Error("code_interpreter_call"),
        ),
        (
            "an error of an `mcp_call` at the end",
            {
                ends(
                    &[
                        whole.clone(),
                        tool("mcp_call", json!({"status": "completed", "error": "boom"})),
                    ],
                    json!({}),
                )
            },
            Error("boom"),
        ),
        (
            "a completed `web_search_call`",
            ends(
                &[tool("web_search_call", json!({"status": "completed"})), whole.clone()],
                json!({}),
            ),
            Whole,
        ),
        (
            "`text` in an item",
            ends(&[item(TEXT, &json!({"text": "lost"}))], json!({})),
            Error("`text`"),
        ),
        (
            "a new member of an item",
            ends(&[item(TEXT, &json!({"brand_new": ["lost"]}))], json!({})),
            Warned("`brand_new`"),
        ),
        (
            "`content` beside the output",
            ends(std::slice::from_ref(&whole), json!({"content": "lost"})),
            Error("`content`"),
        ),
        (
            "an event of an unknown type with `delta`",
            {
                responses(&[
                    json!({"type": "response.brand_new.delta", "delta": "lost"}),
                    response(std::slice::from_ref(&whole), &none),
                ])
            },
            Warned("`response.brand_new.delta`"),
        ),
        (
            "audio",
            {
                responses(&[
                    json!({"type": "response.audio.delta", "delta": "AA"}),
                    response(std::slice::from_ref(&whole), &none),
                ])
            },
            Error("audio"),
        ),
        (
            "`text` beside a piece",
            {
                let piece = json!({
                    "type": "response.output_text.delta", "output_index": 0, "content_index": 0,
                    "delta": "x", "text": "lost",
                });
                responses(&[piece, response(std::slice::from_ref(&whole), &none)])
            },
            Error("`text`"),
        ),
        (
            "`output_text` in place of an output",
            { sse(&[response(&[], &json!({"output_text": "lost"}))]) },
            Error("`output_text`"),
        ),
    ]
}
