//! OpenAI's Responses.

use super::arguments::ArgumentsScan;
use super::{Judge, Object, Verdict, Wrong, list, said};
use crate::finish::Ending;
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

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// The places of the messages that have begun.
    messages: HashSet<u64>,
    calls: HashMap<u64, Call>,
    has_calls: bool,
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

/// The numbers of the item and of the part whose text an event adds to. Parts of a summary have odd
/// ones.
pub(super) fn place_of_text(event: &Value) -> Option<(u64, u64)> {
    let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or(0);
    let part = match event.get("type").and_then(Value::as_str)? {
        "response.output_text.delta"
        | "response.refusal.delta"
        | "response.reasoning_text.delta" => number("content_index").checked_mul(2)?,
        "response.reasoning_summary_text.delta" => {
            number("summary_index").checked_mul(2)?.checked_add(1)?
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
            "response.output_item.added" => {
                if let Some(item) = event.get("item").and_then(Value::as_object) {
                    self.item(at, item, judge)?;
                }
            }
            "response.output_item.done" => {
                self.flush(at, judge);
                if let Some(item) = event.get("item").and_then(Value::as_object) {
                    self.item(at, item, judge)?;
                    Self::done(item, judge)?;
                }
            }
            "response.refusal.delta" => judge.notes.is_refusal = true,
            "response.function_call_arguments.delta" => return self.fragment(event),
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => {
                self.end(event, &kind, judge)?;
            }
            _ => {}
        }
        Ok(Verdict::Same)
    }

    fn fragment(&mut self, event: &mut Object) -> Result<Verdict, Wrong> {
        let at = event.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        let call = self.calls.entry(at).or_default();
        let delta = said(event, "delta").unwrap_or_default();
        call.arguments.push(delta)?;
        let length = call.arguments.len();
        if length <= JOINED_BYTES {
            return Ok(Verdict::Same);
        }
        call.waiting.push_str(delta);
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

    /// An item that begins here, or has begun before.
    fn item(&mut self, at: Option<u64>, item: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let kind = said(item, "type").unwrap_or_default();
        if CLIENT_EXECUTED.contains(&kind) {
            return Err(format!("it asks for `{kind}`, which no tool here answers").into());
        }
        // Each of the provider's own tools has a kind of its own, and those end so.
        let is_hosted = ["_call", "_output"].iter().any(|end| kind.ends_with(end));
        if !is_hosted && !ITEMS.contains(&kind) {
            return Err(format!("an item has the unknown type `{kind}`").into());
        }
        self.has_calls |= kind == "function_call";
        let place = at.unwrap_or(self.messages.len() as u64);
        if kind == "message" && self.messages.insert(place) {
            judge.notes.commentary.push(said(item, "phase") == Some("commentary"));
        }
        Ok(())
    }

    /// An item that is complete.
    fn done(item: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        for part in list(item, "content").filter(|_| said(item, "type") == Some("message")) {
            match said(part, "type") {
                Some("output_text" | "text") => {}
                Some("refusal") => judge.notes.is_refusal = true,
                kind => {
                    let kind = kind.unwrap_or_default();
                    return Err(format!("a part of a message has the unknown type `{kind}`").into());
                }
            }
        }
        if said(item, "type") == Some("function_call") {
            let mut arguments = ArgumentsScan::default();
            arguments.push(said(item, "arguments").unwrap_or_default())?;
            arguments.end()?;
        }
        Ok(())
    }

    fn end(&mut self, event: &Object, kind: &str, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let empty = Object::new();
        let response = event.get("response").and_then(Value::as_object).unwrap_or(&empty);
        let items: Vec<&Object> = list(response, "output").collect();
        for (at, item) in items.iter().enumerate() {
            let at = Some(at as u64);
            self.flush(at, judge);
            self.item(at, item, judge)?;
            Self::done(item, judge)?;
        }
        let open: Vec<u64> = self.calls.keys().copied().collect();
        for at in open {
            self.flush(Some(at), judge);
        }
        let status = match kind {
            "response.completed" => said(response, "status").unwrap_or("completed"),
            "response.incomplete" => "incomplete",
            "response.failed" => "failed",
            _ => "cancelled",
        };
        let details = response.get("incomplete_details").and_then(Value::as_object);
        let why = details.and_then(|details| said(details, "reason"));
        let ending = match why.filter(|_| status == "incomplete") {
            Some(why) => judge.ending(&format!("incomplete: {why}"), None)?,
            None => judge.ending(status, None)?,
        };
        debug_assert!(matches!(ending, Ending::End | Ending::Length));
        Ok(())
    }
}
