//! Ollama's own lines.

use super::arguments::check_values;
use super::members::{self, OLLAMA_CALL, OLLAMA_FUNCTION, OLLAMA_LINE, OLLAMA_MESSAGE};
use super::{Judge, Object, Verdict, Wrong, list, reason};
use crate::finish::Ending;
use serde_json::Value;

/// Finds out whether an answer may begin with a tag, such as `<think>`. The library looks for the
/// end of that, so the text of such an answer goes through it.
#[derive(Debug, Default)]
pub(super) struct Tags {
    begins_with_one: Option<bool>,
}

impl Tags {
    /// `true` if the text of this event may have a tag.
    pub(super) fn may_be_in(&mut self, event: &Value) -> bool {
        if self.begins_with_one.is_none() {
            let text = event.pointer("/message/content").and_then(Value::as_str);
            let text = text.unwrap_or_default().trim_start();
            self.begins_with_one = (!text.is_empty()).then(|| text.starts_with('<'));
        }
        self.begins_with_one == Some(true)
    }
}

pub(super) fn event(event: &mut Object, judge: &mut Judge<'_>) -> Result<Verdict, Wrong> {
    members::check(&OLLAMA_LINE, event, judge.notes)?;
    if let Some(message) = event.get("message").and_then(Value::as_object) {
        members::check(&OLLAMA_MESSAGE, message, judge.notes)?;
        for call in list(message, "tool_calls") {
            judge.call()?;
            members::check(&OLLAMA_CALL, call, judge.notes)?;
            if let Some(function) = call.get("function").and_then(Value::as_object) {
                members::check(&OLLAMA_FUNCTION, function, judge.notes)?;
                function.get("arguments").map_or(Ok(()), check_values)?;
            }
        }
    }
    let why = reason(event, "done_reason")?.map(str::to_owned);
    match event.get("done") {
        Some(Value::Bool(true)) => {}
        None | Some(Value::Bool(false) | Value::Null) if why.is_none() => {
            let is_line = event.contains_key("message") || event.contains_key("done");
            return Ok(if is_line { Verdict::Same } else { Verdict::Dropped });
        }
        // A reason is an end.
        None | Some(Value::Bool(false) | Value::Null) => {}
        Some(other) => return Err(format!("`done` is neither true nor false: {other}").into()),
    }
    let ending = if let Some(why) = why {
        judge.ending(&why, None)?
    } else {
        let provider = judge.speaker.provider;
        judge.notes.warn(format!("`{provider}` ended the answer and gave no reason for its end"));
        Ending::End
    };
    (*judge.is_finished, *judge.is_over) = (true, true);
    let reason = if ending == Ending::Length { "length" } else { "stop" };
    event.insert("done".to_owned(), true.into());
    event.insert("done_reason".to_owned(), reason.into());
    Ok(Verdict::Changed)
}
