//! Whether a piece of an answer has the shape that its wire gives it.
//!
//! The library that reads the wires takes what it knows out of a piece and leaves the rest. A text
//! that is a number, or calls that are no list, would be left out without a word, and the answer
//! would look whole. So each piece is held to its shape before it is read. What a wire does not
//! name may be there: wires grow.

use crate::catalogue::Wire;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The highest number of a block in an answer of Anthropic's. The library that reads it makes room
/// for all blocks up to this one, however few there are.
const BLOCK_INDEX_MAX: u64 = 10_000;

/// Reads along with an answer, and says what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader {
    wire: Wire,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// What the event of now has said so far.
    data: String,
    calls: Calls,
}

impl Reader {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, line: Vec::new(), data: String::new(), calls: Calls::default() }
    }

    /// Reads on; gives what is wrong with an event that has ended here, if anything.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<String> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Nobody ends lines so, and what stands between two of them would not be looked at.
            let lone = |pair: &[u8]| pair[0] == b'\r' && pair[1] != b'\n';
            let cut = self.line.last() == Some(&b'\r') && piece.first() != Some(&b'\n');
            if cut || (piece.contains(&b'\r') && piece.windows(2).any(lone)) {
                return Some("its lines end in CR alone".to_owned());
            }
            let is_whole = piece.ends_with(b"\n");
            if is_whole && self.line.is_empty() {
                // Most lines come whole: they are read where they are.
                if let Some(mistake) = self.end_of_line(piece) {
                    return Some(mistake);
                }
                continue;
            }
            self.line.extend_from_slice(piece);
            if is_whole {
                let line = std::mem::take(&mut self.line);
                if let Some(mistake) = self.end_of_line(&line) {
                    return Some(mistake);
                }
            }
        }
        None
    }

    /// The answer has ended; gives what is wrong with a line that ends with it.
    pub(crate) fn end(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        // An event that is not ended by an empty line is none.
        if self.wire == Wire::Ollama { self.end_of_line(&line) } else { None }
    }

    fn end_of_line(&mut self, line: &[u8]) -> Option<String> {
        let Ok(line) = std::str::from_utf8(line) else {
            return Some("a piece is no text".to_owned());
        };
        let line = line.trim_end();
        if self.wire == Wire::Ollama {
            return mistake(self.wire, line, &mut self.calls);
        }
        if let Some(data) = line.strip_prefix("data:") {
            self.data.push_str(data);
            self.data.push('\n');
            return None;
        }
        if !line.is_empty() {
            return None;
        }
        let found = mistake(self.wire, &self.data, &mut self.calls);
        self.data.clear();
        found
    }
}

/// The calls that Chat has begun. It may name them late, or never; it may number them, or not.
#[derive(Debug, Default)]
struct Calls {
    /// The numbers of calls, and whether each has named its tool.
    named: BTreeMap<u64, bool>,
    /// What the last call without a number has said so far.
    unnumbered: String,
}

impl Calls {
    fn fragment(&mut self, call: &Map<String, Value>) -> Checked<()> {
        let function = part(call, "function")?;
        let name = function.map_or(Ok(None), |function| text(function, "name"))?;
        let is_named = name.is_some_and(|name| !name.is_empty());
        let json = function.and_then(|function| function.get("arguments")?.as_str());
        if let Some(index) = call.get("index").and_then(Value::as_u64) {
            *self.named.entry(index).or_default() |= is_named;
            return Ok(());
        }
        let is_start = text(call, "id")?.is_some_and(|id| !id.is_empty()) || is_named;
        if is_start {
            if !is_named {
                return Err("a call names no tool".to_owned());
            }
            self.unnumbered.clear();
        } else if self.unnumbered.trim().is_empty()
            || serde_json::from_str::<Value>(&self.unnumbered).is_ok()
        {
            // It would be taken for the beginning of another call, without a name.
            return Err("a fragment of a call does not say of which".to_owned());
        }
        self.unnumbered.push_str(json.unwrap_or_default());
        Ok(())
    }

    /// The answer is complete.
    fn end(&self) -> Checked<()> {
        if self.named.values().all(|named| *named) {
            Ok(())
        } else {
            Err("a call names no tool".to_owned())
        }
    }
}

/// What is wrong with a piece, if anything.
fn mistake(wire: Wire, data: &str, calls: &mut Calls) -> Option<String> {
    let data = data.trim();
    if data.is_empty() || data == "[DONE]" {
        return None;
    }
    if is_plain_text(wire, data) {
        return None;
    }
    let value: Value = match serde_json::from_str(data) {
        Ok(value) => value,
        Err(error) => return Some(format!("a piece is no JSON: {error}")),
    };
    let checked = match wire {
        Wire::OpenAi | Wire::Xai => responses(&value),
        Wire::Anthropic => messages(&value),
        Wire::Gemini => gemini(&value),
        Wire::Ollama => ollama(&value),
        Wire::OpenAiChat
        | Wire::Azure
        | Wire::DeepSeek
        | Wire::Groq
        | Wire::Mistral
        | Wire::OpenRouter => chat(&value, calls),
    };
    checked.err()
}

/// Whether this is a piece of text and nothing else, in the shape that nearly all pieces of an
/// answer have: what is right is seen here at a fraction of the price of looking at everything.
fn is_plain_text(wire: Wire, data: &str) -> bool {
    match wire {
        Wire::OpenAi | Wire::Xai => {
            serde_json::from_str::<plain::Responses>(data).is_ok_and(|event| event.is_plain())
        }
        Wire::Anthropic => {
            serde_json::from_str::<plain::Messages>(data).is_ok_and(|event| event.is_plain())
        }
        Wire::Gemini | Wire::Ollama => false,
        _ => serde_json::from_str::<plain::Chat>(data).is_ok_and(|piece| piece.is_plain()),
    }
}

/// Pieces of text as the wires have them. What is not named here makes a piece one that is looked
/// at more closely, or is of no importance wherever it stands.
mod plain {
    use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Visitor};
    use std::fmt;

    /// Any text; which one is of no importance.
    pub(super) struct Text;

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct AnyText;
            impl Visitor<'_> for AnyText {
                type Value = Text;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a text")
                }
                fn visit_str<E: Error>(self, _: &str) -> Result<Text, E> {
                    Ok(Text)
                }
            }
            from.deserialize_str(AnyText)
        }
    }

    #[derive(serde::Deserialize)]
    pub(super) struct Chat {
        choices: [Choice; 1],
        error: Option<IgnoredAny>,
    }

    #[derive(serde::Deserialize)]
    struct Choice {
        delta: Delta,
        message: Option<IgnoredAny>,
        finish_reason: Option<IgnoredAny>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Delta {
        #[serde(rename = "role")]
        _role: Option<Text>,
        #[serde(rename = "content")]
        _content: Text,
        refusal: Option<IgnoredAny>,
    }

    impl Chat {
        pub(super) fn is_plain(&self) -> bool {
            let [choice] = &self.choices;
            self.error.is_none()
                && choice.message.is_none()
                && choice.finish_reason.is_none()
                && choice.delta.refusal.is_none()
        }
    }

    #[derive(serde::Deserialize)]
    pub(super) struct Responses<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        #[serde(rename = "delta")]
        _delta: Text,
        error: Option<IgnoredAny>,
    }

    impl Responses<'_> {
        pub(super) fn is_plain(&self) -> bool {
            self.error.is_none() && self.kind == "response.output_text.delta"
        }
    }

    #[derive(serde::Deserialize)]
    pub(super) struct Messages<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        index: u64,
        #[serde(borrow)]
        delta: Block<'a>,
    }

    #[derive(serde::Deserialize)]
    struct Block<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        #[serde(rename = "text")]
        _text: Text,
    }

    impl Messages<'_> {
        pub(super) fn is_plain(&self) -> bool {
            self.kind == "content_block_delta"
                && self.delta.kind == "text_delta"
                && self.index <= super::BLOCK_INDEX_MAX
        }
    }
}

type Checked<T> = Result<T, String>;

fn chat(value: &Value, calls: &mut Calls) -> Checked<()> {
    let piece = object(value, "a piece")?;
    if has(piece, "error") {
        return Ok(());
    }
    let known = ["choices", "usage", "type", "event", "object", "id", "model"];
    if !known.iter().any(|name| has(piece, name)) {
        return Err("a piece has nothing that a piece has".to_owned());
    }
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
                Some(_) => return Err("`content` is no text".to_owned()),
            }
            text(said, "refusal")?;
            text(said, "reasoning_content")?;
            for call in list(said, "tool_calls")? {
                let call = object(call, "a call")?;
                text(call, "id")?;
                calls.fragment(call)?;
                let Some(function) = part(call, "function")? else { continue };
                match function.get("arguments") {
                    // Some servers give them parsed.
                    None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {}
                    Some(_) => return Err("`arguments` are no text".to_owned()),
                }
            }
        }
        if text(choice, "finish_reason")?.is_some() {
            calls.end()?;
        }
    }
    Ok(())
}

fn responses(value: &Value) -> Checked<()> {
    let event = object(value, "an event")?;
    if has(event, "error") {
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

fn messages(value: &Value) -> Checked<()> {
    let event = object(value, "an event")?;
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
            let delta = part(event, "delta")?.ok_or("the delta is missing")?;
            text(delta, "stop_reason")?;
        }
        _ => {}
    }
    Ok(())
}

fn gemini(value: &Value) -> Checked<()> {
    let piece = object(value, "a piece")?;
    if has(piece, "error") {
        return Ok(());
    }
    let known = ["candidates", "promptFeedback", "usageMetadata", "responseId", "modelVersion"];
    if !known.iter().any(|name| has(piece, name)) {
        return Err("a piece has nothing that a piece has".to_owned());
    }
    for candidate in list(piece, "candidates")? {
        let candidate = object(candidate, "a candidate")?;
        text(candidate, "finishReason")?;
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

fn ollama(value: &Value) -> Checked<()> {
    let line = object(value, "a line")?;
    if has(line, "error") {
        return Ok(());
    }
    if !["message", "done"].iter().any(|name| has(line, name)) {
        return Err("a line has nothing that a line has".to_owned());
    }
    let Some(message) = part(line, "message")? else { return Ok(()) };
    text(message, "content")?;
    text(message, "thinking")?;
    for call in list(message, "tool_calls")? {
        let call = object(call, "a call")?;
        let function = part(call, "function")?.ok_or("a function is missing")?;
        named(function)?;
        match function.get("arguments") {
            None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {}
            Some(_) => return Err("`arguments` are no object".to_owned()),
        }
    }
    Ok(())
}

/// Whether an answer is a refusal, which providers of OpenAI's kind announce only beside its text.
pub(crate) fn is_refusal(answer: &Value) -> bool {
    let items = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned();
    let chat = items(answer, "choices").unwrap_or_default().iter().any(|choice| {
        let refusal = choice.pointer("/message/refusal").and_then(Value::as_str);
        refusal.is_some_and(|text| !text.is_empty())
    });
    let output = items(answer, "output").unwrap_or_default();
    chat || output.iter().any(|item| {
        let parts = items(item, "content").unwrap_or_default();
        parts.iter().any(|part| part.get("type").is_some_and(|kind| kind == "refusal"))
    })
}

fn has(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null())
}

fn object<'a>(value: &'a Value, what: &str) -> Checked<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what} is no object"))
}

fn part<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<Option<&'a Map<String, Value>>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(part)) => Ok(Some(part)),
        Some(_) => Err(format!("`{name}` is no object")),
    }
}

fn list<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<&'a [Value]> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(format!("`{name}` is no list")),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Checked<Option<&'a str>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is no text")),
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
        mistake(wire, data, &mut Calls::default())
    }

    #[test]
    fn what_would_be_left_out_without_a_word_is_a_mistake() {
        let cases = [
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": 7}}]}"#,
                "`content` is no text",
            ),
            (Wire::OpenAiChat, r#"{"choices": "no"}"#, "`choices` is no list"),
            // A text is right, and something beside it is not.
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": "x", "tool_calls": {}}}]}"#,
                "`tool_calls` is no list",
            ),
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": "x"}, "message": 7}]}"#,
                "`message` is no object",
            ),
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"content": "x"}, "finish_reason": 7}]}"#,
                "`finish_reason` is no text",
            ),
            (
                Wire::Anthropic,
                r#"{"type": "content_block_delta", "index": 10001,
                    "delta": {"type": "text_delta", "text": "x"}}"#,
                "a block has a number beyond 10000",
            ),
            (Wire::OpenAiChat, r#"{"choices": [{"delta": "no"}]}"#, "`delta` is no object"),
            (
                Wire::OpenAiChat,
                r#"{"choices": [{"delta": {"tool_calls": {"index": 0}}}]}"#,
                "`tool_calls` is no list",
            ),
            (Wire::OpenAiChat, r#"{"foo": 1}"#, "a piece has nothing that a piece has"),
            (Wire::OpenAiChat, "[1]", "a piece is no object"),
            (Wire::OpenAi, r#"{"type": "response.output_text.delta"}"#, "`delta` is missing"),
            (
                Wire::OpenAi,
                r#"{"type": "response.function_call_arguments.delta", "delta": {}}"#,
                "`delta` is no text",
            ),
            (Wire::OpenAi, r#"{"delta": "x"}"#, "`type` is missing"),
            (
                Wire::Anthropic,
                r#"{"type": "content_block_delta", "delta": {"type": "text_delta"}}"#,
                "`text` is missing",
            ),
            (Wire::Anthropic, r#"{"type": "content_block_delta"}"#, "the delta is missing"),
            (
                Wire::Gemini,
                r#"{"candidates": [{"content": {"parts": [{"text": 7}]}}]}"#,
                "`text` is no text",
            ),
            (Wire::Gemini, r#"{"candidates": {}}"#, "`candidates` is no list"),
        ];
        for (wire, data, expected) in cases {
            assert_eq!(one(wire, data).as_deref(), Some(expected), "{data}");
        }
        assert!(one(Wire::Gemini, "{").unwrap().starts_with("a piece is no JSON"));
    }

    #[test]
    fn events_are_read_wherever_they_are_cut() {
        let good = "event: x\r\ndata: {\"choices\":\r\ndata: []}\r\n\r\n: a comment\n\n";
        let bad = "data: {\"choices\": 7}\n\n";
        let text = format!("{good}{good}{bad}{good}");
        for size in 1..text.len() {
            let mut reader = Reader::new(Wire::OpenAiChat);
            let mistake = text.as_bytes().chunks(size).find_map(|piece| reader.read(piece));
            assert_eq!(mistake.as_deref(), Some("`choices` is no list"), "in {size} bytes");
        }
    }

    #[test]
    fn what_wires_send_is_none() {
        let cases = [
            (Wire::OpenAiChat, "[DONE]"),
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
