//! OpenAI's Chat Completions, and what the servers that speak it make of them.

use super::arguments::ArgumentsScan;
use super::{Judge, Object, Verdict, Wrong, list, list_mut, said};
use crate::catalogue::Wire;
use crate::finish::{Ending, native_ending};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher as _};

/// The types of content parts that are read. `reference` tells sources, which are no text.
const PARTS: [&str; 5] = ["text", "refusal", "thinking", "image_url", "reference"];

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// The text so far, by its length and a hash of it.
    said_bytes: usize,
    said: DefaultHasher,
    /// `true` if something else was said: an image.
    has_more: bool,
    calls: BTreeMap<u64, Call>,
    /// The numbers of calls that came with an identifier and without a number.
    numbers: HashMap<String, u64>,
    /// The call that the last fragment without a number belongs to.
    unnumbered: Option<u64>,
}

#[derive(Debug, Default)]
struct Call {
    is_named: bool,
    arguments: ArgumentsScan,
}

/// A whole answer as a piece of a stream.
pub(super) fn from_document(mut document: Value) -> Value {
    if let Some(document) = document.as_object_mut() {
        document.insert("object".to_owned(), "chat.completion.chunk".into());
    }
    document
}

impl Chat {
    /// Takes notice of a piece of text.
    pub(super) fn say(&mut self, text: &str) {
        self.said_bytes += text.len();
        self.said.write(text.as_bytes());
    }

    /// The piece that ends an answer whose server ends it without one, if the answer is whole.
    pub(super) fn unannounced_end(&self) -> Option<Value> {
        let has_calls = !self.calls.is_empty();
        let is_whole = self.calls.values().all(|call| call.is_named && call.arguments.is_whole());
        if !is_whole || (self.said_bytes == 0 && !self.has_more && !has_calls) {
            return None;
        }
        let reason = if has_calls { "tool_calls" } else { "stop" };
        let choice = json!({"index": 0, "delta": {}, "finish_reason": reason});
        Some(json!({"object": "chat.completion.chunk", "choices": [choice]}))
    }

    pub(super) fn event(
        &mut self,
        event: &mut Object,
        judge: &mut Judge<'_>,
    ) -> Result<Verdict, Wrong> {
        if list(event, "choices").next().is_none() {
            if !event.get("usage").is_some_and(Value::is_object) {
                return Ok(Verdict::Dropped);
            }
            event.insert("choices".to_owned(), json!([]));
            return Ok(Verdict::Changed);
        }
        if said(event, "object") == Some("chat.completion") {
            event.insert("object".to_owned(), "chat.completion.chunk".into());
        }
        for choice in list_mut(event, "choices") {
            // Of several candidates the first is the answer.
            if choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0 {
                self.choice(choice, judge)?;
            }
        }
        Ok(if judge.failure.is_some() { Verdict::Dropped } else { Verdict::Changed })
    }

    fn choice(&mut self, choice: &mut Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let reason = Self::reason(choice, judge);
        self.gather(choice, reason.is_some())?;
        if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
            self.delta(delta, judge)?;
        }
        if let Some(reason) = reason {
            self.finish(choice, &reason, judge)?;
        }
        Ok(())
    }

    /// Puts what stands in `text` and `message` where it is looked for: into `delta`.
    fn gather(&mut self, choice: &mut Object, is_last: bool) -> Result<(), Wrong> {
        let text = choice.remove("text").filter(|text| text.as_str() != Some(""));
        let message = choice.remove("message");
        let delta = choice.entry("delta").or_insert_with(|| json!({}));
        if delta.is_null() {
            *delta = json!({});
        }
        let Some(delta) = delta.as_object_mut() else { return Ok(()) };
        let says = |said: &Object| {
            let names = ["content", "refusal", "reasoning_content", "reasoning", "tool_calls"];
            let mut names = names.iter().chain(&["function_call", "images", "audio"]);
            names.any(|name| match said.get(*name) {
                None | Some(Value::Null) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Array(list)) => !list.is_empty(),
                Some(_) => true,
            })
        };
        if let Some(Value::String(text)) = text {
            match said(delta, "content") {
                None => {
                    delta.insert("content".to_owned(), text.into());
                }
                Some(content) if content == text => {}
                Some(_) => return Err("`text` differs from `delta`".to_owned().into()),
            }
        }
        let Some(Value::Object(mut message)) = message else { return Ok(()) };
        // Some servers tell the message so far beside each piece.
        if says(delta) || !says(&message) {
            return Ok(());
        }
        if is_last && self.said_bytes > 0 {
            // The last piece tells the whole message once more.
            let content = message.remove("content").unwrap_or_default();
            let rest = match content.as_str() {
                None | Some("") => "",
                Some(content) => self.rest_of(content).ok_or_else(|| {
                    "the message at the end is not what was said before".to_owned()
                })?,
            };
            message.insert("content".to_owned(), rest.into());
        }
        if is_last && !self.calls.is_empty() {
            let told = list(&message, "tool_calls").count();
            if told != 0 && told != self.calls.len() {
                let mistake = "the message at the end has other calls than were said before";
                return Err(mistake.to_owned().into());
            }
            message.remove("tool_calls");
        }
        *delta = message;
        Ok(())
    }

    /// Returns the rest of a text that repeats everything said so far.
    fn rest_of<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (before, rest) = text.split_at_checked(self.said_bytes)?;
        let mut same = DefaultHasher::new();
        same.write(before.as_bytes());
        (same.finish() == self.said.finish()).then_some(rest)
    }

    fn delta(&mut self, delta: &mut Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        // What calls were before they were tools. There is one of them.
        if let Some(Value::Object(function)) = delta.remove("function_call")
            && list(delta, "tool_calls").next().is_none()
        {
            let call = json!({"index": 0, "type": "function", "function": function});
            delta.insert("tool_calls".to_owned(), json!([call]));
        }
        match delta.get_mut("content") {
            Some(Value::String(text)) => self.say(text),
            Some(Value::Array(parts)) => {
                for part in parts.iter_mut().filter_map(Value::as_object_mut) {
                    self.part(part, judge)?;
                }
            }
            Some(Value::Object(part)) => self.part(part, judge)?,
            _ => {}
        }
        if said(delta, "refusal").is_some() {
            judge.notes.is_refusal = true;
        }
        if delta.get("audio").and_then(|audio| audio.get("data")).is_some_and(|data| data != "") {
            return Err("the answer is audio, which is not supported".to_owned().into());
        }
        self.has_more |= list(delta, "images").next().is_some();
        for call in list_mut(delta, "tool_calls") {
            self.fragment(call)?;
        }
        Ok(())
    }

    fn part(&mut self, part: &mut Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let kind = said(part, "type").unwrap_or("text");
        if kind == "output_text" {
            part.insert("type".to_owned(), "text".into());
        } else if !PARTS.contains(&kind) {
            return Err(format!("a part of `content` has the unknown type `{kind}`").into());
        }
        judge.notes.is_refusal |= said(part, "refusal").is_some();
        self.has_more |= part.contains_key("image_url");
        if let Some(text) = said(part, "text") {
            self.said_bytes += text.len();
            self.said.write(text.as_bytes());
        }
        Ok(())
    }

    fn fragment(&mut self, call: &mut Object) -> Result<(), Wrong> {
        let function = ["function", "custom"].iter().find_map(|kind| call.get(*kind)?.as_object());
        let is_named = function.is_some_and(|function| said(function, "name").is_some());
        let said_arguments = function.and_then(|function| {
            Some(match function.get("arguments").or_else(|| function.get("input"))? {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                value => value.to_string(),
            })
        });
        let id = match call.get("id") {
            Some(Value::String(id)) if !id.is_empty() && id != "null" => Some(id.clone()),
            _ => None,
        };
        let number = match call.get("index").and_then(Value::as_u64) {
            Some(number) => number,
            None => self.number(id, is_named)?,
        };
        call.insert("index".to_owned(), number.into());
        let call = self.calls.entry(number).or_default();
        call.is_named |= is_named;
        call.arguments.push(said_arguments.as_deref().unwrap_or_default())?;
        Ok(())
    }

    /// The number of the call that a fragment without one belongs to.
    fn number(&mut self, id: Option<String>, is_named: bool) -> Result<u64, Wrong> {
        if let Some(known) = id.as_ref().and_then(|id| self.numbers.get(id)) {
            self.unnumbered = Some(*known);
            return Ok(*known);
        }
        if id.is_some() || is_named {
            if !is_named {
                return Err("a call names no tool".to_owned().into());
            }
            let number = self.calls.keys().next_back().map_or(0, |last| last.wrapping_add(1));
            self.numbers.extend(id.map(|id| (id, number)));
            self.unnumbered = Some(number);
            return Ok(number);
        }
        let open = self.unnumbered.filter(|number| {
            let call = self.calls.get(number);
            call.is_some_and(|call| !call.arguments.is_blank() && !call.arguments.is_closed())
        });
        // It would be taken for the beginning of another call, without a name.
        open.ok_or_else(|| "a fragment of a call does not say of which".to_owned().into())
    }

    /// The reason for which the answer ends here, as the server says it.
    fn reason(choice: &Object, judge: &Judge<'_>) -> Option<String> {
        let reason = said(choice, "finish_reason");
        let native = || said(choice, "native_finish_reason");
        let reason = reason.or_else(|| (judge.wire == Wire::OpenRouter).then(native).flatten());
        reason.map(str::to_owned)
    }

    fn finish(
        &mut self,
        choice: &mut Object,
        reason: &str,
        judge: &mut Judge<'_>,
    ) -> Result<(), Wrong> {
        let native = said(choice, "native_finish_reason").map(str::to_owned);
        let message = ["finish_message", "error_message", "stop_message"]
            .iter()
            .find_map(|name| said(choice, name));
        let is_whole = |ending| matches!(ending, Ending::End | Ending::Calls);
        let ended = crate::finish::ending(judge.wire, reason);
        // A gateway may call whole what the provider behind it has not finished.
        let behind = native.as_deref().map(|native| (native, native_ending(native)));
        let judged = match behind {
            Some((native, Some(ending))) if is_whole(ended) && !is_whole(ending) => {
                judge.judged(ending, native, message)
            }
            Some((native, None)) if is_whole(ended) && native != reason => {
                judge.notes.warning = Some(format!(
                    "`{}` ended the answer with `{reason}`; the provider behind it said `{native}`",
                    judge.speaker.provider
                ));
                judge.judged(ended, reason, message)
            }
            Some((native, Some(ending))) if native == reason => {
                judge.judged(ending, reason, message)
            }
            _ => judge.judged(ended, reason, message),
        };
        let ending = match judged {
            Ok(ending) => ending,
            // Its counts come behind it.
            Err(Wrong::Failed(error)) => {
                (*judge.failure, *judge.is_finished) = (Some(*error), true);
                return Ok(());
            }
            Err(wrong) => return Err(wrong),
        };
        if !self.calls.values().all(|call| call.is_named) {
            return Err("a call names no tool".to_owned().into());
        }
        if ending != Ending::Length {
            for call in self.calls.values() {
                call.arguments.end()?;
            }
        }
        if ending == Ending::Calls && self.calls.is_empty() {
            return Err("it stopped to call tools, and called none".to_owned().into());
        }
        let reason = match ending {
            Ending::Length => "length",
            Ending::Calls => "tool_calls",
            _ => "stop",
        };
        choice.insert("finish_reason".to_owned(), reason.into());
        Ok(())
    }
}
