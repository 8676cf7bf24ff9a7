//! Ollama's own lines.

use super::{Judge, Object, Verdict, Wrong, said};
use crate::finish::Ending;
use serde_json::Value;

pub(super) fn event(event: &mut Object, judge: &mut Judge<'_>) -> Result<Verdict, Wrong> {
    if event.get("done").and_then(Value::as_bool) != Some(true) {
        let is_line = event.contains_key("message") || event.contains_key("done");
        return Ok(if is_line { Verdict::Same } else { Verdict::Dropped });
    }
    let ending = if let Some(reason) = said(event, "done_reason") {
        judge.ending(reason, None)?
    } else {
        let provider = judge.speaker.provider;
        judge.notes.warning =
            Some(format!("`{provider}` ended the answer and gave no reason for its end"));
        Ending::End
    };
    let reason = if ending == Ending::Length { "length" } else { "stop" };
    event.insert("done_reason".to_owned(), reason.into());
    Ok(Verdict::Changed)
}
