//! Finds the failure that an event of an answer tells, wherever it stands.
//!
//! Providers agree neither on the name of an error nor on its place: `error` beside the choices or
//! in one of them, `errors`, `detail`, a `code` with a message, `success: false`. The library that
//! reads the wires knows one form, and would take an answer with another for a whole one.

use crate::catalogue::Wire;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// Members that hold an error wherever they stand, in lower case and without separators.
const ERRORS: [&str; 14] = [
    "error",
    "errors",
    "err",
    "errmsg",
    "errcode",
    "exception",
    "fault",
    "failure",
    "errormessage",
    "errormsg",
    "errorcode",
    "errordetails",
    "errorinfo",
    "errortype",
];

/// Codes of an outcome, in lower case and without separators.
const CODES: [&str; 3] = ["code", "statuscode", "httpstatus"];

/// Members that hold an error beside a text, and may stand for something else deeper inside.
const DETAILS: [&str; 2] = ["detail", "details"];

/// Members that hold the outcome of a request, as some gateways put it around each event.
const OUTCOMES: [&str; 2] = ["base_resp", "base_response"];

/// Codes in words that say that all is well.
const GOOD: [&str; 6] = ["ok", "success", "succeeded", "successful", "completed", "done"];

/// States in words that say that it is not.
const BAD: [&str; 6] = ["error", "errored", "exception", "fail", "failed", "failure"];

/// Returns the error in an event of an answer, in the form in which
/// [`in_band`](crate::failure::Speaker::in_band) reads it.
pub(crate) fn find_error(event: &Object, wire: Wire) -> Option<Value> {
    let is_typed = matches!(wire, Wire::OpenAi | Wire::Xai | Wire::Anthropic);
    let kind = word(event, "type").or_else(|| word(event, "event"));
    let is_error_kind = kind.as_deref().is_some_and(|kind| BAD.contains(&kind));
    if is_error_kind || word(event, "object").as_deref() == Some("error") {
        // Its own members may say more than those of the event.
        return Some(named(event, true).unwrap_or_else(|| event.clone().into()));
    }
    if let Some(error) = named(event, true).or_else(|| outcome(event, is_typed)) {
        return Some(error);
    }
    // An item of Responses may tell the error of a tool that the provider ran.
    let part = |name: &str| event.get(name).and_then(Value::as_object);
    let mut parts: Vec<(&Object, bool)> = match wire {
        Wire::OpenAi | Wire::Xai => {
            part("response").into_iter().map(|part| (part, false)).collect()
        }
        Wire::Anthropic => ["message", "delta", "content_block"]
            .into_iter()
            .filter_map(part)
            .filter(|part| !is_result(part))
            .map(|part| (part, false))
            .collect(),
        _ => parts_of(event).map(|part| (part, false)).collect(),
    };
    for list in ["choices", "candidates"] {
        for choice in objects(event, list) {
            parts.push((choice, true));
            for part in parts_of(choice) {
                parts.push((part, true));
                parts.extend(objects(part, "parts").map(|part| (part, false)));
                parts.extend(objects(part, "content").map(|part| (part, false)));
            }
        }
    }
    // The blocks of a whole message.
    let blocks = objects(event, "content").filter(|block| !is_result(block));
    parts.extend(blocks.map(|block| (block, false)));
    parts.into_iter().find_map(|(part, has_details)| {
        named(part, has_details).or_else(|| has_details.then(|| outcome(part, true)).flatten())
    })
}

/// Returns the error that `object` itself tells, in the same form.
pub(crate) fn error_in(object: &Object) -> Option<Value> {
    named(object, true)
}

/// `true` for the result of a tool of the provider, which may be that it failed.
fn is_result(block: &Object) -> bool {
    word(block, "type").is_some_and(|kind| kind.ends_with("_result"))
}

fn objects<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a Object> {
    let list = object.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object)
}

/// The member of `object` that is an error.
fn named(object: &Object, has_details: bool) -> Option<Value> {
    let is_named = |name: &str, value: &Value| {
        let plain = plain(name);
        // AWS names its errors so, each after its kind.
        let is_exception = plain.ends_with("exception") && !value.is_number();
        is_exception || ERRORS.contains(&&*plain) || (has_details && DETAILS.contains(&&*plain))
    };
    let mut members = object.iter().filter(|(name, value)| is_named(name, value));
    let (_, error) = members.find(|(_, error)| !is_blank(error))?;
    Some(match error {
        // One of several is enough.
        Value::Array(list) => json!({ "error": list.iter().find(|error| !is_blank(error)) }),
        Value::String(text) => json!({ "error": text }),
        Value::Object(_) => json!({ "error": error }),
        // It says only that there is one.
        _ => Value::Object(object.clone()),
    })
}

/// The failure that an object tells about itself: a code with a message, a state, or no success.
fn outcome(object: &Object, is_typed: bool) -> Option<Value> {
    for name in OUTCOMES {
        if let Some(outcome) = object.get(name).and_then(Value::as_object)
            && let Some(code) = outcome.get("status_code")
            && !is_blank(code)
        {
            return Some(json!({ "error": outcome }));
        }
    }
    let has_text = ["message", "msg", "status_msg"]
        .iter()
        .any(|name| object.get(*name).and_then(Value::as_str).is_some_and(|text| !text.is_empty()));
    let is_failed = object.iter().any(|(name, value)| match &*plain(name) {
        "success" | "ok" => *value == false,
        "status" => is_bad(value, false),
        name => !is_typed && CODES.contains(&name) && is_bad(value, has_text),
    });
    is_failed.then(|| Value::Object(object.clone()))
}

/// `true` if a code or a state is that of a failure. A `code` beside a message is one unless it
/// says that all is well.
fn is_bad(code: &Value, has_text: bool) -> bool {
    let number = match code {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => return false,
    };
    match (number, code.as_str()) {
        (Some(number), _) => {
            number >= 400.0 || (has_text && !(200.0..300.0).contains(&number) && number != 0.0)
        }
        (None, Some(word)) => {
            let word = word.trim().to_ascii_lowercase();
            BAD.contains(&&*word) || (has_text && !word.is_empty() && !GOOD.contains(&&*word))
        }
        (None, None) => false,
    }
}

/// The objects in an object, without what a filter says: Azure tells there that its filter failed,
/// which is no failure of the answer.
fn parts_of(object: &Object) -> impl Iterator<Item = &Object> {
    let members = object.iter().filter(|(name, _)| !name.contains("filter"));
    members.filter_map(|(_, member)| member.as_object())
}

/// `name` in lower case and without separators: servers write one name in several ways.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-'));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn word(object: &Object, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_ascii_lowercase)
}

/// `true` if a value says nothing. Servers say with `null`, `""` or `0` that there is no error.
pub(crate) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty() || text.trim() == "0",
        Value::Array(items) => items.iter().all(is_blank),
        Value::Object(members) => members.values().all(is_blank),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wire: Wire, event: &str) -> Option<String> {
        let event: Value = serde_json::from_str(event).unwrap();
        find_error(event.as_object().unwrap(), wire).map(|error| error.to_string())
    }

    #[test]
    fn an_error_is_found_wherever_it_stands() {
        let chat = Wire::OpenAiChat;
        let cases = [
            (chat, r#"{"error": {"message": "m"}, "choices": [{"finish_reason": "error"}]}"#),
            (chat, r#"{"error": "m"}"#),
            (chat, r#"{"errors": [{"message": "m"}]}"#),
            (chat, r#"{"errors": ["m"], "choices": []}"#),
            (chat, r#"{"errorMessage": "m", "choices": []}"#),
            (chat, r#"{"error-message": "m"}"#),
            (chat, r#"{"internalServerException": {"message": "m"}}"#),
            (chat, r#"{"choices": [{"delta": {"ThrottlingException": {"message": "m"}}}]}"#),
            (Wire::Anthropic, r#"{"type": "x", "modelStreamErrorException": {"message": "m"}}"#),
            (Wire::Ollama, r#"{"StatusCode": 500, "Status": "m"}"#),
            (chat, r#"{"detail": "m", "choices": []}"#),
            (chat, r#"{"detail": [{"loc": [], "msg": "m", "type": "x"}]}"#),
            (chat, r#"{"fault": {"faultstring": "m", "detail": {}}}"#),
            (chat, r#"{"code": "503", "message": "m", "choices": []}"#),
            (chat, r#"{"code": "server_busy", "msg": "m", "choices": []}"#),
            (chat, r#"{"code": 1001, "msg": "m"}"#),
            (chat, r#"{"success": false, "message": "m", "choices": []}"#),
            (chat, r#"{"status": "failed", "message": "m", "choices": []}"#),
            (chat, r#"{"base_resp": {"status_code": 1004, "status_msg": "m"}, "choices": []}"#),
            (chat, r#"{"choices": [{"error": {"code": 502, "message": "m"}}]}"#),
            (chat, r#"{"choices": [{"detail": "m"}]}"#),
            (chat, r#"{"choices": [{"delta": {"error": "m"}}]}"#),
            (chat, r#"{"choices": [{"delta": {"errors": ["m"]}}]}"#),
            (chat, r#"{"choices": [{"message": {"error": "m"}}]}"#),
            (chat, r#"{"choices": [], "x_groq": {"error": "m"}}"#),
            (chat, r#"{"object": "error", "message": "m"}"#),
            (chat, r#"{"type": "error", "message": "m"}"#),
            (
                Wire::OpenAi,
                r#"{"type": "response.completed", "response": {"error": {"message": "m"}}}"#,
            ),
            (Wire::Anthropic, r#"{"type": "error", "error": {"message": "m"}}"#),
            (Wire::Anthropic, r#"{"type": "content_block_delta", "delta": {"error": "m"}}"#),
            (Wire::Gemini, r#"{"candidates": [{"error": "m"}]}"#),
            (Wire::Ollama, r#"{"error": "m", "done": true}"#),
            (Wire::Ollama, r#"{"message": {"error": "m"}}"#),
        ];
        for (wire, event) in cases {
            let error = found(wire, event).unwrap_or_else(|| panic!("none in {event}"));
            assert!(error.contains("\"m\""), "{event}: {error}");
        }
    }

    #[test]
    fn what_says_that_there_is_none_is_no_error() {
        let chat = Wire::OpenAiChat;
        let none = [
            (chat, r#"{"error": null, "choices": [{"error": "", "delta": {"error": {}}}]}"#),
            (chat, r#"{"errors": [], "detail": "", "error_code": 0, "choices": []}"#),
            (chat, r#"{"error": {"code": 0, "message": ""}, "choices": []}"#),
            (chat, r#"{"code": 200, "message": "ok", "success": true, "choices": []}"#),
            (chat, r#"{"code": "success", "msg": "fine", "status": "success", "choices": []}"#),
            (chat, r#"{"code": "0", "message": "done", "choices": []}"#),
            (chat, r#"{"base_resp": {"status_code": 0, "status_msg": ""}, "choices": []}"#),
            (chat, r#"{"choices": [{"content_filter_results": {"error": {"code": "x"}}}]}"#),
            (chat, r#"{"errorMessage": "", "throttlingException": null, "choices": []}"#),
            (Wire::Ollama, r#"{"StatusCode": 200, "Status": "ok"}"#),
            (chat, r#"{"usage": {"detail": {"prompt": 1}}, "choices": []}"#),
            (Wire::OpenAi, r#"{"type": "x", "item": {"type": "mcp_call", "error": "m"}}"#),
            (Wire::OpenAi, r#"{"type": "x", "code": "print(1)"}"#),
        ];
        for (wire, event) in none {
            assert_eq!(found(wire, event), None, "{event}");
        }
    }
}
