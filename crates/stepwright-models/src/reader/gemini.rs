//! Google's Gemini.

use super::{Judge, Object, Verdict, Wrong, list, said};
use crate::finish::Ending;
use serde_json::Value;

/// The known kinds of parts. Those beside text, calls and data describe the work of the provider's
/// own tools.
const PARTS: [&str; 10] = [
    "text",
    "functionCall",
    "inlineData",
    "fileData",
    "executableCode",
    "codeExecutionResult",
    "functionResponse",
    "toolCall",
    "toolResponse",
    "thoughtSignature",
];

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) struct Gemini;

impl Gemini {
    #[expect(clippy::unused_self, reason = "as those of the other wires")]
    pub(super) fn event(
        &mut self,
        event: &mut Object,
        judge: &mut Judge<'_>,
    ) -> Result<Verdict, Wrong> {
        if let Some(feedback) = event.get("promptFeedback").and_then(Value::as_object)
            && let Some(reason) = said(feedback, "blockReason")
        {
            judge.judged(Ending::Refused, reason, said(feedback, "blockReasonMessage"))?;
        }
        let Some(candidate) = list(event, "candidates").next() else { return Ok(Verdict::Same) };
        let content = candidate.get("content").and_then(Value::as_object);
        for part in content.into_iter().flat_map(|content| list(content, "parts")) {
            let is_known = PARTS.iter().any(|known| part.contains_key(*known));
            // A part of a thought may have nothing else.
            if !is_known && !part.is_empty() && !part.contains_key("thought") {
                let names: Vec<String> = part.keys().map(|name| format!("`{name}`")).collect();
                return Err(format!("a part is of an unknown kind: {}", names.join(", ")).into());
            }
        }
        if let Some(reason) = said(candidate, "finishReason") {
            judge.ending(reason, said(candidate, "finishMessage"))?;
        }
        Ok(Verdict::Same)
    }
}
