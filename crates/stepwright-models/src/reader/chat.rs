//! OpenAI's Chat Completions, and what the servers that speak it make of them.

use super::arguments::ArgumentsScan;
use super::members::{
    self, CHAT_CALL, CHAT_CHOICE, CHAT_CUSTOM, CHAT_DELTA, CHAT_EVENT, CHAT_FUNCTION, CHAT_PART,
};
use super::{Judge, Object, Verdict, Wrong, list, list_mut, reason, said};
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
    /// The identifier that it was given last.
    id: Option<String>,
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
        Self::check_event(event, judge)?;
        first_only(event, judge)?;
        if list(event, "choices").next().is_none() {
            if let Some(above) = above(event)?
                && let Some(ending @ (Ending::Refused | Ending::Retryable | Ending::Final)) =
                    native_ending(&above)
            {
                judge.judged(ending, &above, None)?;
            }
            if !event.get("usage").is_some_and(Value::is_object) {
                return Ok(Verdict::Dropped);
            }
            event.insert("choices".to_owned(), json!([]));
            return Ok(Verdict::Changed);
        }
        if said(event, "object") == Some("chat.completion") {
            event.insert("object".to_owned(), "chat.completion.chunk".into());
        }
        let above = above(event)?;
        let was_finished = *judge.is_finished;
        for choice in list_mut(event, "choices") {
            self.choice(choice, above.as_deref(), judge)?;
        }
        // The library reads all calls again with each end, and one is enough.
        let is_repeated = was_finished
            && !event.get("usage").is_some_and(Value::is_object)
            && list(event, "choices").all(says_nothing);
        let is_dropped = judge.failure.is_some() || is_repeated;
        Ok(if is_dropped { Verdict::Dropped } else { Verdict::Changed })
    }

    /// Checks what stands beside the choices.
    fn check_event(event: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        // A gateway may say beside each event that all is well.
        let is_note = said(event, "message").is_some_and(|text| {
            let has_code =
                ["code", "status", "success"].iter().any(|name| event.contains_key(*name));
            has_code || ["ok", "success"].contains(&&*text.to_ascii_lowercase())
        });
        if is_note {
            let known = &["choices", "message"];
            return members::check(&members::typed(known), event, judge.notes);
        }
        members::check(&CHAT_EVENT, event, judge.notes)
    }

    /// `above` is what the event says of the end beside its choices.
    fn choice(
        &mut self,
        choice: &mut Object,
        above: Option<&str>,
        judge: &mut Judge<'_>,
    ) -> Result<(), Wrong> {
        members::check(&CHAT_CHOICE, choice, judge.notes)?;
        let mut inner = Vec::new();
        for name in ["delta", "message"] {
            let Some(message) = choice.get(name).and_then(Value::as_object) else { continue };
            members::check(&CHAT_DELTA, message, judge.notes)?;
            for name in ["finish_reason", "native_finish_reason"] {
                inner.extend(reason(message, name)?.map(str::to_owned));
            }
        }
        let reason = Self::reason(choice, judge)?.or_else(|| inner.first().cloned());
        self.gather(choice, reason.is_some())?;
        if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
            self.delta(delta, judge)?;
        }
        filtered(choice, judge)?;
        let others: Vec<&str> = inner.iter().map(String::as_str).chain(above).collect();
        if let Some(reason) = reason {
            self.finish(choice, &reason, &others, judge)?;
        } else {
            // Without an end, only a bad one counts.
            for other in others {
                if let Some(ending @ (Ending::Refused | Ending::Retryable | Ending::Final)) =
                    native_ending(other)
                {
                    judge.judged(ending, other, None)?;
                }
            }
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
        if !says(&message) {
            return Ok(());
        }
        // Some servers tell the message so far beside each piece.
        if says(delta) {
            let piece = said(delta, "content").unwrap_or_default();
            let told = said(&message, "content").unwrap_or(piece);
            let is_so_far = told == piece || self.rest_of(told).is_some_and(|rest| rest == piece);
            let has_calls = |said: &Object| list(said, "tool_calls").next().is_some();
            let has_other_calls = has_calls(&message) && !has_calls(delta) && self.calls.is_empty();
            if !is_so_far || has_other_calls {
                return Err("`message` differs from `delta`".to_owned().into());
            }
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
        let audio = delta.get("audio").and_then(Value::as_object);
        if audio
            .is_some_and(|audio| ["data", "transcript"].iter().any(|n| said(audio, n).is_some()))
        {
            return Err("the answer is audio, which is not supported".to_owned().into());
        }
        self.has_more |= list(delta, "images").next().is_some();
        for call in list_mut(delta, "tool_calls") {
            members::check(&CHAT_CALL, call, judge.notes)?;
            for (name, place) in [("function", &CHAT_FUNCTION), ("custom", &CHAT_CUSTOM)] {
                if let Some(function) = call.get(name).and_then(Value::as_object) {
                    members::check(place, function, judge.notes)?;
                }
            }
            self.fragment(call, judge)?;
        }
        Ok(())
    }

    fn part(&mut self, part: &mut Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        if said(part, "type") == Some("reasoning") {
            reasoning(part)?;
        }
        members::check(&CHAT_PART, part, judge.notes)?;
        if part.get("text").is_some_and(|text| !text.is_string() && !text.is_null()) {
            return Err("`text` of a part of `content` is not a string".to_owned().into());
        }
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

    fn fragment(&mut self, call: &mut Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
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
            None => self.number(id.clone(), is_named)?,
        };
        call.insert("index".to_owned(), number.into());
        let known = self.calls.get(&number);
        // The library takes a new identifier for another call.
        if known.is_none_or(|known| id.is_some() && known.id.is_some() && known.id != id) {
            judge.call()?;
        }
        let known = self.calls.entry(number).or_default();
        known.is_named |= is_named;
        known.id = id.or(known.id.take());
        let said_arguments = said_arguments.unwrap_or_default();
        if !said_arguments.trim().is_empty() {
            judge.open()?;
        }
        let function = call.get_mut("function").and_then(Value::as_object_mut);
        match function.and_then(|function| function.get_mut("arguments")) {
            Some(Value::String(text)) => *text = known.arguments.hand_on(&said_arguments)?,
            _ => known.arguments.push(&said_arguments)?,
        }
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
    fn reason(choice: &Object, judge: &Judge<'_>) -> Result<Option<String>, Wrong> {
        let native = reason(choice, "native_finish_reason")?;
        let native = native.filter(|_| judge.wire == Wire::OpenRouter);
        Ok(reason(choice, "finish_reason")?.or(native).map(str::to_owned))
    }

    fn finish(
        &mut self,
        choice: &mut Object,
        reason: &str,
        others: &[&str],
        judge: &mut Judge<'_>,
    ) -> Result<(), Wrong> {
        let is_first = !*judge.is_finished;
        let message = ["finish_message", "stop_message"].iter().find_map(|name| said(choice, name));
        let is_whole = |ending| matches!(ending, Ending::End | Ending::Calls);
        let ended = crate::finish::ending(judge.wire, reason);
        // A gateway may call whole what the provider behind it has not finished. The worst counts.
        let natives =
            said(choice, "native_finish_reason").into_iter().chain(others.iter().copied());
        // vLLM tells here which text or token has stopped it, or that it was aborted.
        let stopped = said(choice, "stop_reason").filter(|stopped| {
            crate::finish::is_known(stopped) && native_ending(stopped).is_some_and(|e| !is_whole(e))
        });
        let natives: Vec<(&str, Option<Ending>)> =
            natives.chain(stopped).map(|native| (native, native_ending(native))).collect();
        let bad = natives.iter().find(|(_, ending)| ending.is_some_and(|ending| !is_whole(ending)));
        let unknown = || natives.iter().find(|(_, ending)| ending.is_none());
        let behind = bad.or_else(unknown).or(natives.first()).copied();
        let judged = match behind {
            Some((native, Some(ending))) if is_whole(ended) && !is_whole(ending) => {
                judge.judged(ending, native, message)
            }
            Some((native, None)) if is_whole(ended) && native != reason => {
                judge.notes.warn(format!(
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
        if is_first && !self.calls.values().all(|call| call.is_named) {
            return Err("a call names no tool".to_owned().into());
        }
        if is_first && ending != Ending::Length {
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

/// The reason for the end that an event gives beside its choices.
fn above(event: &Object) -> Result<Option<String>, Wrong> {
    for name in ["native_finish_reason", "finish_reason"] {
        if let Some(reason) = reason(event, name)? {
            return Ok(Some(reason.to_owned()));
        }
    }
    Ok(None)
}

/// `true` if a choice has nothing but a reason for the end.
fn says_nothing(choice: &Object) -> bool {
    let Some(Value::Object(delta)) = choice.get("delta") else { return true };
    delta.iter().all(|(name, value)| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || name == "role",
        Value::Array(items) => items.is_empty(),
        _ => false,
    })
}

/// Makes a part of reasoning, as Databricks tells it, one of thinking, which the library reads.
fn reasoning(part: &mut Object) -> Result<(), Wrong> {
    let mut thinking = Vec::new();
    for name in ["summary", "content"] {
        match part.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => thinking.push(json!({"type": "text", "text": text})),
            Some(Value::Array(pieces)) => {
                for piece in pieces {
                    let Some(text) = piece.get("text").and_then(Value::as_str) else {
                        return Err(format!("`{name}` of a part of reasoning has no text").into());
                    };
                    thinking.push(json!({"type": "text", "text": text}));
                }
            }
            Some(_) => return Err(format!("`{name}` of a part of reasoning is no list").into()),
        }
    }
    if let Some(Value::String(text)) = part.remove("text") {
        thinking.push(json!({"type": "text", "text": text}));
    }
    part.insert("type".to_owned(), "thinking".into());
    part.insert("thinking".to_owned(), thinking.into());
    Ok(())
}

/// Leaves only the first choice in an event: the others are not read. A failure of one is that of
/// the answer, because gateways number their choices as they like.
fn first_only(event: &mut Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
    let Some(Value::Array(choices)) = event.get_mut("choices") else { return Ok(()) };
    let is_first = |choice: &Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0;
    if choices.iter().filter(|choice| is_first(choice)).count() > 1 {
        return Err("an event has two choices with one number".to_owned().into());
    }
    for other in choices.extract_if(.., |choice| !is_first(choice)) {
        let Some(other) = other.as_object() else { continue };
        judge.notes.warn("the answer has several choices; only the first is read".to_owned());
        if let Some(reason) = reason(other, "finish_reason")? {
            let ending = crate::finish::ending(judge.wire, reason);
            if matches!(ending, Ending::Refused | Ending::Retryable | Ending::Final) {
                judge.judged(ending, reason, None)?;
            }
        }
    }
    Ok(())
}

/// Judges the results of Azure's filter: it may have taken something out, or may not have run.
fn filtered(choice: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
    for name in ["content_filter_results", "content_filter_result"] {
        let Some(results) = choice.get(name).and_then(Value::as_object) else { continue };
        for (category, result) in results {
            let Some(result) = result.as_object() else { continue };
            if category == "error" && !result.is_empty() {
                let why = said(result, "message").or_else(|| said(result, "code"));
                let why = why.unwrap_or("it failed");
                judge.notes.warn(format!("the answer was not filtered: {why}"));
            } else if result.get("filtered") == Some(&true.into()) {
                judge.judged(Ending::Refused, "content_filter", Some(category))?;
            }
        }
    }
    Ok(())
}
