//! OpenAI's Responses.

use super::arguments::ArgumentsScan;
use super::members::{
    self, RESPONSES_CALL, RESPONSES_MESSAGE, RESPONSES_PART, RESPONSES_RESPONSE, typed,
};
use super::{Judge, Object, Verdict, Wrong, list, reason, said};
use crate::faults::{error_in, is_blank};
use crate::finish::Ending;
use crate::long::{Statement, Streamed};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Arguments of fewer bytes go on with each of their fragments. The library copies all that has
/// come with each of them, so those of longer ones are joined: the copies together stay a multiple
/// of the arguments.
const JOINED_BYTES: usize = 64 * 1024;

/// Items that the client has to answer, and nothing here can.
const CLIENT_EXECUTED: [&str; 5] =
    ["computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request"];

/// Items that are read, or that say what the provider's own tools have done.
const ITEMS: [&str; 5] = ["message", "reasoning", "function_call", "mcp_list_tools", "compaction"];

/// Kinds of events, or the beginnings of their names.
const EVENTS: [&str; 18] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.",
    "response.content_part.",
    "response.output_text.",
    "response.refusal.",
    "response.reasoning",
    "response.function_call_arguments.",
    "response.file_search_call.",
    "response.web_search_call.",
    "response.image_generation_call.",
    "response.code_interpreter_call",
    "response.custom_tool_call_input.",
    "response.mcp_",
    "response.compaction",
    "rate_limits",
    "keepalive",
];

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) struct Responses {
    is_begun: bool,
    /// The places of the messages that have begun.
    messages: HashSet<u64>,
    calls: HashMap<u64, Call>,
    /// The places of the calls that have begun.
    begun: HashSet<u64>,
    /// The kinds and states of the items that are done: some servers do not repeat the items at the
    /// end.
    settling: Vec<Object>,
}

#[derive(Debug, Default)]
struct Call {
    arguments: ArgumentsScan,
    /// Fragments that have not gone on.
    waiting: String,
}

/// A whole answer as the last event of a stream.
pub(super) fn from_document(document: Value) -> Value {
    let is_answer = ["output", "status"].iter().any(|name| document.get(*name).is_some());
    let kind = match document.get("status").and_then(Value::as_str) {
        Some("incomplete") => "response.incomplete",
        _ => "response.completed",
    };
    if is_answer { json!({"type": kind, "response": document}) } else { document }
}

/// The numbers of the item and of the part whose text an event adds to. The number of a part of a
/// message is a multiple of three; those of reasoning and of its summary follow it.
pub(super) fn place_of_text(event: &Value) -> Option<(u64, u64)> {
    let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or(0);
    let part = match event.get("type").and_then(Value::as_str)? {
        "response.output_text.delta" | "response.refusal.delta" => {
            number("content_index").checked_mul(3)?
        }
        "response.reasoning_text.delta" => {
            number("content_index").checked_mul(3)?.checked_add(1)?
        }
        "response.reasoning_summary_text.delta" => {
            number("summary_index").checked_mul(3)?.checked_add(2)?
        }
        _ => return None,
    };
    Some((number("output_index"), part))
}

impl Responses {
    pub(super) fn event(
        &mut self,
        event: &mut Object,
        judge: &mut Judge<'_>,
    ) -> Result<Verdict, Wrong> {
        let Some(kind) = said(event, "type").map(str::to_owned) else {
            return Ok(Verdict::Dropped);
        };
        let at = event.get("output_index").and_then(Value::as_u64);
        match kind.as_str() {
            "response.created" if std::mem::replace(&mut self.is_begun, true) => {
                return Err("a second response begins in it".to_owned().into());
            }
            "response.output_item.added" => {
                if let Some(item) = event.get("item").and_then(Value::as_object) {
                    self.item(at, item, None, judge)?;
                }
            }
            "response.output_item.done" => {
                self.flush(at, judge);
                if let Some(item) = event.get("item").and_then(Value::as_object) {
                    self.item(at, item, None, judge)?;
                    Self::done(item, judge)?;
                    if let Some(at) = at {
                        same_item(at, item, judge.streamed)?;
                        self.same_call(at, item)?;
                    }
                    self.settling.push(state_of(item));
                }
            }
            "response.output_text.delta" => {
                members::check(&typed(&["delta"]), event, judge.notes)?;
            }
            "response.output_text.done" => {
                members::check(&typed(&["text"]), event, judge.notes)?;
                if let (Some(at), Some(text)) = (at, said(event, "text")) {
                    same_part(at, text, judge.streamed)?;
                }
            }
            "response.content_part.done" => {
                let part = event.get("part").and_then(Value::as_object);
                let is_text = |part: &&Object| said(part, "type") == Some("output_text");
                let text = part.filter(is_text).and_then(|part| said(part, "text"));
                if let (Some(at), Some(text)) = (at, text) {
                    same_part(at, text, judge.streamed)?;
                }
            }
            "response.function_call_arguments.done" => {
                if let Some(at) = at {
                    self.same_call(at, event)?;
                }
            }
            "response.refusal.delta" => judge.notes.is_refusal = true,
            "response.function_call_arguments.delta" => return self.fragment(event),
            kind if kind.contains("audio") => {
                return Err("the answer is audio, which is not supported".to_owned().into());
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => {
                self.end(event, &kind, judge)?;
                *judge.is_over = true;
            }
            kind if EVENTS.iter().any(|known| kind.starts_with(known)) => {}
            kind => members::skip(kind, event, judge.notes),
        }
        Ok(Verdict::Same)
    }

    fn fragment(&mut self, event: &mut Object) -> Result<Verdict, Wrong> {
        let at = event.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        let call = self.calls.entry(at).or_default();
        let delta = said(event, "delta").unwrap_or_default();
        let given = call.arguments.hand_on(delta)?;
        let length = call.arguments.len();
        if length <= JOINED_BYTES {
            if given == delta {
                return Ok(Verdict::Same);
            }
            event.insert("delta".to_owned(), given.into());
            return Ok(Verdict::Changed);
        }
        call.waiting.push_str(&given);
        if call.waiting.len() < length / 16 {
            return Ok(Verdict::Dropped);
        }
        event.insert("delta".to_owned(), std::mem::take(&mut call.waiting).into());
        Ok(Verdict::Changed)
    }

    /// Hands on the fragments that wait, before the item they belong to is done.
    fn flush(&mut self, at: Option<u64>, judge: &mut Judge<'_>) {
        let at = at.unwrap_or(0);
        let Some(call) = self.calls.get_mut(&at) else { return };
        let delta = std::mem::take(&mut call.waiting);
        if !delta.is_empty() {
            let kind = "response.function_call_arguments.delta";
            judge.before.push(json!({"type": kind, "output_index": at, "delta": delta}));
        }
    }

    /// An item that begins here, or has begun before. In the list at the end of an answer it is the
    /// `nth` of its type, from 1: its place there may be another one than it had before.
    fn item(
        &mut self,
        at: Option<u64>,
        item: &Object,
        nth: Option<usize>,
        judge: &mut Judge<'_>,
    ) -> Result<(), Wrong> {
        let kind = said(item, "type").unwrap_or_default();
        if CLIENT_EXECUTED.contains(&kind) {
            return Err(format!("it asks for `{kind}`, which no tool here answers").into());
        }
        // Each of the provider's own tools has a kind of its own, and those end so.
        let is_hosted = ["_call", "_output"].iter().any(|end| kind.ends_with(end));
        if !is_hosted && !ITEMS.contains(&kind) {
            return Err(format!("an item has the unknown type `{kind}`").into());
        }
        if is_hosted && kind != "function_call" && kind.ends_with("_call") {
            let tool = kind.trim_end_matches("_call");
            let number = at.unwrap_or(self.begun.len() as u64);
            let begins = self.begun.insert(number);
            let noted = || judge.notes.hosted_tools.iter().filter(|used| *used == tool).count();
            if nth.map_or(begins, |nth| nth > noted()) {
                judge.notes.used(tool);
            }
        }
        if kind == "function_call" {
            let number = at.unwrap_or(self.begun.len() as u64);
            if self.begun.insert(number) {
                judge.call()?;
            }
        }
        let place = at.unwrap_or(self.messages.len() as u64);
        if kind == "message" && self.messages.insert(place) {
            judge.notes.commentary.push(said(item, "phase") == Some("commentary"));
        }
        Ok(())
    }

    /// An item that is complete.
    fn done(item: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let is_message = said(item, "type") == Some("message");
        if is_message {
            members::check(&RESPONSES_MESSAGE, item, judge.notes)?;
        }
        let parts = || list(item, "content").filter(|_| is_message);
        let mut places = parts().chain(is_message.then_some(item));
        if let Some(error) = places.find_map(error_in) {
            return Err(judge.speaker.in_band(&error.to_string()).into());
        }
        for part in parts() {
            match said(part, "type") {
                Some("output_text" | "text") => {}
                Some("refusal") => judge.notes.is_refusal = true,
                kind => {
                    let kind = kind.unwrap_or_default();
                    return Err(format!("a part of a message has the unknown type `{kind}`").into());
                }
            }
            members::check(&RESPONSES_PART, part, judge.notes)?;
        }
        if said(item, "type") == Some("function_call") {
            members::check(&RESPONSES_CALL, item, judge.notes)?;
            let mut arguments = ArgumentsScan::default();
            arguments.push(said(item, "arguments").unwrap_or_default())?;
            arguments.end()?;
        }
        Ok(())
    }

    /// Checks that a call has the arguments that have come in pieces.
    fn same_call(&self, at: u64, item: &Object) -> Result<(), Wrong> {
        let Some(streamed) = self.calls.get(&at).map(|call| call.arguments.text()) else {
            return Ok(());
        };
        let told = said(item, "arguments").unwrap_or(streamed);
        let kind = said(item, "type").unwrap_or_default();
        let is_call = kind == "function_call" || kind.starts_with("response.function_call");
        let is_same =
            || match (stepwright_core::json::parse(streamed), stepwright_core::json::parse(told)) {
                (Ok(streamed), Ok(told)) => streamed == told,
                _ => false,
            };
        if !is_call || streamed.is_empty() || streamed.trim() == told.trim() || is_same() {
            return Ok(());
        }
        Err("a call has other arguments at its end than were said before".to_owned().into())
    }

    /// Checks the state of the items of an answer that is called whole.
    fn settled(items: &[&Object], judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let mut failed = None;
        for item in items {
            let kind = said(item, "type").unwrap_or_default();
            let status = reason(item, "status")?;
            let is_bad = !matches!(status, None | Some("completed"));
            match kind {
                "message" | "function_call" | "custom_tool_call" if is_bad => {
                    let status = status.unwrap_or_default();
                    judge.judged(
                        Ending::Retryable,
                        status,
                        Some(&format!("so says a `{kind}`")),
                    )?;
                }
                "message" => failed = None,
                "reasoning" | "function_call" | "custom_tool_call" => {}
                _ => {
                    let error = item.get("error").filter(|error| !is_blank(error));
                    let is_failed = matches!(status, Some("failed" | "incomplete" | "cancelled"));
                    if !is_failed && error.is_none() {
                        continue;
                    }
                    let why = error.map(|error| match error {
                        Value::String(text) => text.clone(),
                        error => error.to_string(),
                    });
                    let what = format!("{kind}` with the status `{}", status.unwrap_or("none"));
                    if kind == "image_generation_call" {
                        return Err(judge.failed_tool(&what, why.as_deref()));
                    }
                    let why = why.or(status.map(str::to_owned)).unwrap_or_default();
                    judge.notes.warn(format!("the provider's tool `{kind}` failed: {why}"));
                    failed = Some((what, why));
                }
            }
        }
        match failed {
            Some((what, why)) => Err(judge.failed_tool(&what, Some(&why))),
            None => Ok(()),
        }
    }

    fn end(&mut self, event: &Object, kind: &str, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let empty = Object::new();
        let response = event.get("response").and_then(Value::as_object).unwrap_or(&empty);
        let items: Vec<&Object> = list(response, "output").collect();
        let mut of_type: HashMap<&str, usize> = HashMap::new();
        for (at, item) in items.iter().enumerate() {
            let at = Some(at as u64);
            let nth = of_type.entry(said(item, "type").unwrap_or_default()).or_default();
            *nth += 1;
            self.flush(at, judge);
            self.item(at, item, Some(*nth), judge)?;
            Self::done(item, judge)?;
        }
        let open: Vec<u64> = self.calls.keys().copied().collect();
        for at in open {
            self.flush(Some(at), judge);
        }
        members::check(&RESPONSES_RESPONSE, response, judge.notes)?;
        if items.is_empty()
            && judge.streamed.messages().next().is_none()
            && said(response, "output_text").is_some()
        {
            return Err("the response has `output_text` and no output".to_owned().into());
        }
        let told = reason(response, "status")?;
        let status = match kind {
            "response.completed" => told.unwrap_or("completed"),
            "response.incomplete" => "incomplete",
            "response.failed" => "failed",
            _ => "cancelled",
        };
        let why = match response.get("incomplete_details") {
            None | Some(Value::Null) => None,
            Some(Value::Object(details)) => {
                // An empty object says nothing.
                let unnamed = (!details.values().all(is_blank)).then_some("unknown");
                reason(details, "reason")?.or(unnamed)
            }
            Some(Value::String(why)) => Some(why.as_str()),
            Some(other) => {
                return Err(format!("`incomplete_details` is not an object: {other}").into());
            }
        };
        // A response that is called completed may say that it is not.
        let is_whole = status == "completed";
        let ending = match why.filter(|_| status == "incomplete" || is_whole) {
            Some(why) => judge.ending(&format!("incomplete: {why}"), None)?,
            None => judge.ending(status, None)?,
        };
        if ending == Ending::End {
            let settling = std::mem::take(&mut self.settling);
            let done: Vec<&Object> = settling.iter().collect();
            Self::settled(if items.is_empty() { &done } else { &items }, judge)?;
            same_texts(&items, judge.streamed)?;
            for (at, item) in items.iter().enumerate() {
                self.same_call(at as u64, item)?;
            }
        }
        debug_assert!(matches!(ending, Ending::End | Ending::Length));
        Ok(())
    }
}

/// The kind and the state of an item, without its content.
fn state_of(item: &Object) -> Object {
    let names = ["type", "status", "error"];
    let members =
        names.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone())));
    members.collect()
}

/// Checks that a part of an item has the text that has come in pieces.
fn same_part(at: u64, text: &str, streamed: &Streamed) -> Result<(), Wrong> {
    let mut of_item = streamed.messages().filter(|(item, _)| *item == at).peekable();
    let is_right = of_item.peek().is_none() || of_item.any(|(_, said)| said.is(&[text]));
    if is_right { Ok(()) } else { Err(other_text()) }
}

/// The texts of a message.
fn texts_of(item: &Object) -> Vec<&str> {
    let parts = list(item, "content");
    parts.filter_map(|part| said(part, "text").or_else(|| said(part, "refusal"))).collect()
}

/// Checks that a message has the text that has come in pieces.
fn same_item(at: u64, item: &Object, streamed: &Streamed) -> Result<(), Wrong> {
    if said(item, "type") != Some("message") {
        return Ok(());
    }
    let texts = texts_of(item);
    let mut of_item = streamed.messages().filter(|(item, _)| *item == at).peekable();
    let is_right = of_item.peek().is_none()
        || texts.is_empty()
        || of_item.all(|(_, said)| texts.iter().any(|text| said.is(&[text])) || said.is(&texts));
    if is_right { Ok(()) } else { Err(other_text()) }
}

/// Checks that the messages of an answer have the texts that have come in pieces. Servers do not
/// agree on the numbers of items, so the texts are compared without them.
fn same_texts(items: &[&Object], streamed: &Streamed) -> Result<(), Wrong> {
    let messages = items.iter().filter(|item| said(item, "type") == Some("message"));
    let texts: Vec<&str> = messages.flat_map(|item| texts_of(item)).collect();
    let is_told =
        |said: &Statement<'_>| texts.iter().any(|text| said.is(&[text])) || said.is(&texts);
    if texts.is_empty() || streamed.messages().all(|(_, said)| is_told(&said)) {
        return Ok(());
    }
    Err(other_text())
}

fn other_text() -> Wrong {
    Wrong::Shape("the text at the end is not what was said before".to_owned())
}
