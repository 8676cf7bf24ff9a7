//! Ollama's own lines.

use super::{Judge, Object, Verdict, Wrong, said};
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
