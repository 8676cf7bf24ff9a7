//! Checks that each piece of an answer has the shape that its wire defines.
//!
//! The library that reads the wires takes what it knows out of a piece and leaves the rest. A text
//! that is a number, or calls that are no list, would be left out without a word, and the answer
//! would look whole. So each piece is held to its shape before it is read. What a wire does not
//! name may be there: wires grow.

use crate::catalogue::Wire;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The highest number of a block in an answer of Anthropic's. The library that reads it makes room
/// for all blocks up to this one, however few there are.
const BLOCK_INDEX_MAX: u64 = 10_000;

/// Returns the first mistake in the shape of an event.
pub(crate) fn mistake(wire: Wire, event: &Map<String, Value>) -> Option<String> {
    let checked = match wire {
        Wire::OpenAi | Wire::Xai => responses(event),
        Wire::Anthropic => messages(event),
        Wire::Gemini => gemini(event),
        Wire::Ollama => ollama(event),
        Wire::OpenAiChat
        | Wire::Azure
        | Wire::DeepSeek
        | Wire::Groq
        | Wire::Mistral
        | Wire::OpenRouter
        | Wire::Gateway(_) => chat(event),
    };
    checked.err()
}

/// Names of members that say something. Gateways send signs of life and notes of their own among
/// the events; an event that has none of these and nothing that its wire knows is passed over.
const SAYING: [&str; 16] = [
    "answer",
    "choices",
    "completion",
    "content",
    "delta",
    "function_call",
    "generated_text",
    "item",
    "message",
    "messages",
    "output",
    "output_text",
    "parts",
    "response",
    "text",
    "tool_calls",
];

/// `true` if an event has something that the events of its wire have. If not, it may say nothing.
fn is_known(event: &Map<String, Value>, known: &[&str]) -> Checked<bool> {
    if known.iter().any(|name| has(event, name)) {
        return Ok(true);
    }
    match SAYING.iter().find(|name| has(event, name)) {
        Some(name) => Err(format!("an event has `{name}` and nothing that its wire has")),
        None => Ok(false),
    }
}

/// The text of an event that is a piece of text and nothing else, in the shape that nearly all
/// events of an answer have: what is right is seen here at a fraction of the price of looking at
/// everything.
pub(crate) fn plain_text(wire: Wire, data: &str) -> Option<PlainText<'_>> {
    match wire {
        Wire::OpenAi | Wire::Xai => {
            serde_json::from_str(data).ok().and_then(plain::Responses::into_text)
        }
        Wire::Anthropic => serde_json::from_str(data).ok().and_then(plain::Messages::into_text),
        Wire::Gemini | Wire::Ollama => None,
        _ => serde_json::from_str(data).ok().and_then(plain::Chat::into_text),
    }
}

/// A piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PlainText<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) place: PlainPlace,
}

/// The place of a piece of text in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainPlace {
    /// A text that comes in pieces alone. The library learns nothing from a piece but its text if
    /// the piece before it has the same form: a hash of everything else that the library reads.
    Form(u64),
    /// A text of a Responses answer, which comes once more as a whole.
    Item { item: u64, part: u64 },
}

/// Pieces of text as the wires have them. An event with anything that is not named here is looked
/// at more closely.
mod plain {
    use super::{PlainPlace, PlainText};
    use serde::de::IgnoredAny;
    use std::borrow::Cow;
    use std::hash::{DefaultHasher, Hash, Hasher as _};

    fn form(members: impl Hash) -> PlainPlace {
        let mut form = DefaultHasher::new();
        members.hash(&mut form);
        PlainPlace::Form(form.finish())
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Chat<'a> {
        #[serde(borrow)]
        choices: [Choice<'a>; 1],
        error: Option<IgnoredAny>,
        usage: Option<IgnoredAny>,
        x_groq: Option<IgnoredAny>,
        id: Option<&'a str>,
        object: Option<&'a str>,
        #[serde(rename = "created")]
        _created: Option<IgnoredAny>,
        model: Option<&'a str>,
        provider: Option<&'a str>,
        #[serde(rename = "obfuscation")]
        _obfuscation: Option<IgnoredAny>,
        // The padding of Mistral.
        #[serde(rename = "p")]
        _p: Option<IgnoredAny>,
        service_tier: Option<&'a str>,
        system_fingerprint: Option<&'a str>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Choice<'a> {
        #[serde(borrow)]
        delta: Delta<'a>,
        index: Option<u64>,
        finish_reason: Option<IgnoredAny>,
        native_finish_reason: Option<IgnoredAny>,
        logprobs: Option<IgnoredAny>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Delta<'a> {
        role: Option<&'a str>,
        #[serde(borrow)]
        content: Cow<'a, str>,
        refusal: Option<IgnoredAny>,
        reasoning: Option<IgnoredAny>,
        reasoning_content: Option<IgnoredAny>,
        tool_calls: Option<IgnoredAny>,
        function_call: Option<IgnoredAny>,
    }

    impl<'a> Chat<'a> {
        pub(super) fn into_text(self) -> Option<PlainText<'a>> {
            let [choice] = self.choices;
            let delta = choice.delta;
            let is_plain = self.error.is_none()
                && self.usage.is_none()
                && self.x_groq.is_none()
                && self.object.is_none_or(|object| object == "chat.completion.chunk")
                && choice.index.unwrap_or(0) == 0
                && choice.finish_reason.is_none()
                && choice.native_finish_reason.is_none()
                && choice.logprobs.is_none()
                && delta.refusal.is_none()
                && delta.reasoning.is_none()
                && delta.reasoning_content.is_none()
                && delta.tool_calls.is_none()
                && delta.function_call.is_none();
            let beside = (self.id, self.object, self.model, self.provider);
            let beside = (beside, self.service_tier, self.system_fingerprint);
            let place = form((beside, choice.index, delta.role));
            is_plain.then_some(PlainText { text: delta.content, place })
        }
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Responses<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        #[serde(borrow)]
        delta: Cow<'a, str>,
        output_index: Option<u64>,
        content_index: Option<u64>,
        error: Option<IgnoredAny>,
        #[serde(rename = "item_id")]
        _item_id: Option<IgnoredAny>,
        #[serde(rename = "sequence_number")]
        _sequence_number: Option<IgnoredAny>,
        #[serde(rename = "logprobs")]
        _logprobs: Option<IgnoredAny>,
        #[serde(rename = "obfuscation")]
        _obfuscation: Option<IgnoredAny>,
    }

    impl<'a> Responses<'a> {
        pub(super) fn into_text(self) -> Option<PlainText<'a>> {
            let is_plain = self.error.is_none() && self.kind == "response.output_text.delta";
            let (item, part) = (self.output_index, self.content_index);
            let (item, part) = (item.unwrap_or(0), part.unwrap_or(0).checked_mul(3)?);
            let place = PlainPlace::Item { item, part };
            is_plain.then_some(PlainText { text: self.delta, place })
        }
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Messages<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        index: u64,
        error: Option<IgnoredAny>,
        #[serde(borrow)]
        delta: Block<'a>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Block<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        #[serde(borrow)]
        text: Cow<'a, str>,
    }

    impl<'a> Messages<'a> {
        pub(super) fn into_text(self) -> Option<PlainText<'a>> {
            let is_plain = self.error.is_none()
                && self.kind == "content_block_delta"
                && self.delta.kind == "text_delta"
                && self.index <= super::BLOCK_INDEX_MAX;
            is_plain.then_some(PlainText { text: self.delta.text, place: form(self.index) })
        }
    }
}

type Checked<T> = Result<T, String>;

fn chat(piece: &Map<String, Value>) -> Checked<()> {
    is_known(piece, &["choices"])?;
    for choice in list(piece, "choices")? {
        let choice = object(choice, "a choice")?;
        for name in ["delta", "message"] {
            let Some(said) = part(choice, name)? else { continue };
            match said.get("content") {
                None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {}
                Some(Value::Array(parts)) => {
                    for part in parts {
                        object(part, "a part of `content`")?;
                    }
                }
                Some(_) => return Err("`content` is not a string".to_owned()),
            }
            text(said, "refusal")?;
            text(said, "reasoning_content")?;
            for call in list(said, "tool_calls")? {
                let call = object(call, "a call")?;
                let Some(function) = part(call, "function")? else { continue };
                match function.get("arguments") {
                    // Some servers give them parsed.
                    None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {}
                    Some(_) => return Err("`arguments` are not a string".to_owned()),
                }
            }
        }
        text(choice, "text")?;
    }
    Ok(())
}

fn responses(event: &Map<String, Value>) -> Checked<()> {
    if !is_known(event, &["type"])? {
        return Ok(());
    }
    let kind = kind(event)?;
    let read = ["response.output_text", "response.refusal", "response.function_call_arguments"];
    let mut read =
        read.iter().chain(&["response.reasoning_text", "response.reasoning_summary_text"]);
    if read.any(|read| kind.strip_prefix(read) == Some(".delta")) {
        needed(event, "delta")?;
    }
    if kind.starts_with("response.output_item.") {
        let item = part(event, "item")?.ok_or("an item is missing")?;
        if needed(item, "type")? == "function_call" && kind == "response.output_item.done" {
            named(item)?;
        }
        text(item, "arguments")?;
        list(item, "content")?;
    }
    let ends = ["response.created", "response.completed", "response.incomplete", "response.failed"];
    if ends.contains(&kind) {
        let response = part(event, "response")?.ok_or("the response is missing")?;
        list(response, "output")?;
    }
    Ok(())
}

fn messages(event: &Map<String, Value>) -> Checked<()> {
    if !is_known(event, &["type"])? {
        return Ok(());
    }
    if event.get("index").and_then(Value::as_u64).is_some_and(|index| index > BLOCK_INDEX_MAX) {
        return Err(format!("a block has a number beyond {BLOCK_INDEX_MAX}"));
    }
    match kind(event)? {
        "message_start" => {
            part(event, "message")?.ok_or("the message is missing")?;
        }
        "content_block_start" => {
            let block = part(event, "content_block")?.ok_or("the block is missing")?;
            if needed(block, "type")? == "tool_use" {
                named(block)?;
            }
        }
        "content_block_delta" => {
            let delta = part(event, "delta")?.ok_or("the delta is missing")?;
            let field = match needed(delta, "type")? {
                "text_delta" => "text",
                "thinking_delta" => "thinking",
                "signature_delta" => "signature",
                "input_json_delta" => "partial_json",
                _ => return Ok(()),
            };
            needed(delta, field)?;
        }
        "message_delta" => {
            part(event, "delta")?.ok_or("the delta is missing")?;
        }
        _ => {}
    }
    Ok(())
}

fn gemini(piece: &Map<String, Value>) -> Checked<()> {
    let known = ["candidates", "promptFeedback", "usageMetadata", "responseId", "modelVersion"];
    is_known(piece, &known)?;
    for candidate in list(piece, "candidates")? {
        let candidate = object(candidate, "a candidate")?;
        let Some(content) = part(candidate, "content")? else { continue };
        for piece in list(content, "parts")? {
            let piece = object(piece, "a part")?;
            text(piece, "text")?;
            if let Some(call) = part(piece, "functionCall")? {
                named(call)?;
                part(call, "args")?;
            }
        }
    }
    Ok(())
}

fn ollama(line: &Map<String, Value>) -> Checked<()> {
    is_known(line, &["message", "done"])?;
    let Some(message) = part(line, "message")? else { return Ok(()) };
    text(message, "content")?;
    text(message, "thinking")?;
    for call in list(message, "tool_calls")? {
        let call = object(call, "a call")?;
        let function = part(call, "function")?.ok_or("a function is missing")?;
        named(function)?;
        match function.get("arguments") {
            None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {}
            Some(_) => return Err("`arguments` are not an object".to_owned()),
        }
    }
    Ok(())
}

fn has(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null())
}

fn object<'a>(value: &'a Value, what: &str) -> Checked<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what} is not an object"))
}

fn part<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<Option<&'a Map<String, Value>>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(part)) => Ok(Some(part)),
        Some(_) => Err(format!("`{name}` is not an object")),
    }
}

fn list<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<&'a [Value]> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(format!("`{name}` is not a list")),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<Option<&'a str>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is not a string")),
    }
}

fn needed<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<&'a str> {
    text(object, name)?.ok_or_else(|| format!("`{name}` is missing"))
}

/// A call that names no tool cannot be answered, and would be left out.
fn named(call: &Map<String, Value>) -> Checked<()> {
    match needed(call, "name")? {
        "" => Err("a call names no tool".to_owned()),
        _ => Ok(()),
    }
}

fn kind(event: &Map<String, Value>) -> Checked<&str> {
    needed(event, "type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(wire: Wire, data: &str) -> Option<String> {
        let event: Value = serde_json::from_str(data).unwrap();
        mistake(wire, event.as_object().unwrap())
    }

    #[test]
    fn what_would_be_left_out_without_a_word_is_a_mistake() {
        let cases = [
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": 7}}]}"#,
                "`content` is not a string",
            ),
            (Wire::OpenAiChat, r#"{"choices": "no"}"#, "`choices` is not a list"),
            // A text is right, and something beside it is not.
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": "x", "tool_calls": {}}}]}"#,
                "`tool_calls` is not a list",
            ),
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": "x"}, "message": 7}]}"#,
                "`message` is not an object",
            ),
            (
                Wire::Anthropic,
                r#"{"type": "content_block_delta", "index": 10001,
                    "delta": {"type": "text_delta", "text": "x"}}"#,
                "a block has a number beyond 10000",
            ),
            (Wire::OpenAiChat, r#"{"choices": [{"delta": "no"}]}"#, "`delta` is not an object"),
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"tool_calls": {"index": 0}}}]}"#,
                "`tool_calls` is not a list",
            ),
            (
                Wire::OpenAiChat,
                r#"{"text": "x"}"#,
                "an event has `text` and nothing that its wire has",
            ),
            (Wire::OpenAi, r#"{"type": "response.output_text.delta"}"#, "`delta` is missing"),
            (
                Wire::OpenAi,
                r#"{"type": "response.function_call_arguments.delta", "delta": {}}"#,
                "`delta` is not a string",
            ),
            (
                Wire::OpenAi,
                r#"{"delta": "x"}"#,
                "an event has `delta` and nothing that its wire has",
            ),
            (
                Wire::Anthropic,
                r#"{"type": "content_block_delta", "delta": {"type": "text_delta"}}"#,
                "`text` is missing",
            ),
            (Wire::Anthropic, r#"{"type": "content_block_delta"}"#, "the delta is missing"),
            (
                Wire::Gemini,
                r#"{"candidates": [{"content": {"parts": [{"text": 7}]}}]}"#,
                "`text` is not a string",
            ),
            (Wire::Gemini, r#"{"candidates": {}}"#, "`candidates` is not a list"),
        ];
        for (wire, data, expected) in cases {
            assert_eq!(one(wire, data).as_deref(), Some(expected), "{data}");
        }
    }

    #[test]
    fn what_wires_send_is_none() {
        let cases = [
            (Wire::OpenAiChat, r#"{"provider": "x", "latency_ms": 3}"#),
            (Wire::OpenAiChat, r#"{"choices": [], "usage": {"prompt_tokens": 1}}"#),
            (Wire::OpenAiChat, r#"{"choices": [{"delta": {"content": null}, "new": 1}]}"#),
            (Wire::OpenAiChat, r#"{"choices": [{"delta": {"content": [{"type": "text"}]}}]}"#),
            (Wire::OpenAiChat, r#"{"error": {"message": "busy"}}"#),
            (Wire::OpenAi, r#"{"type": "response.something.new", "delta": 7}"#),
            (Wire::OpenAi, r#"{"type": "response.output_text.delta", "delta": "x"}"#),
            (Wire::Anthropic, r#"{"type": "ping"}"#),
            (Wire::Anthropic, r#"{"type": "error", "error": {"type": "overloaded_error"}}"#),
            (
                Wire::Anthropic,
                r#"{"type": "content_block_delta", "delta": {"type": "citations_delta"}}"#,
            ),
            (Wire::Gemini, r#"{"usageMetadata": {"promptTokenCount": 1}}"#),
            (Wire::Gemini, r#"{"candidates": [{"content": {"parts": [{"newPart": {}}]}}]}"#),
        ];
        for (wire, data) in cases {
            assert_eq!(one(wire, data), None, "{data}");
        }
    }
}
