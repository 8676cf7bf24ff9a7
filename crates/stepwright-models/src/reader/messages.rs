//! Anthropic's Messages.

use super::arguments::ArgumentsScan;
use super::{Judge, Object, Verdict, Wrong, list, said};
use crate::finish::Ending;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Blocks that are read, or that say what the provider has done. Those of its own tools end in
/// `_tool_use` and `_tool_result`.
const BLOCKS: [&str; 7] = [
    "text",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "container_upload",
    "fallback",
    "compaction",
];

const DELTAS: [&str; 6] = [
    "text_delta",
    "thinking_delta",
    "signature_delta",
    "input_json_delta",
    "citations_delta",
    "compaction_delta",
];

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) struct Messages {
    inputs: HashMap<u64, ArgumentsScan>,
    has_calls: bool,
    has_blocks: bool,
}

impl Messages {
    pub(super) fn event(
        &mut self,
        event: &mut Object,
        judge: &mut Judge<'_>,
    ) -> Result<Verdict, Wrong> {
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let part = |name: &str| event.get(name).and_then(Value::as_object);
        match said(event, "type") {
            None => return Ok(Verdict::Dropped),
            Some("content_block_start") => {
                if let Some(block) = part("content_block") {
                    self.block(block)?;
                    self.inputs.insert(index, ArgumentsScan::default());
                }
            }
            Some("content_block_delta") => {
                let Some(delta) = part("delta") else { return Ok(Verdict::Same) };
                let kind = said(delta, "type").unwrap_or_default();
                if !DELTAS.contains(&kind) {
                    return Err(format!("a delta has the unknown type `{kind}`").into());
                }
                self.has_blocks = true;
                if let Some(json) = said(delta, "partial_json") {
                    self.inputs.entry(index).or_default().push(json)?;
                }
            }
            Some("content_block_stop") => {
                if let Some(input) = self.inputs.remove(&index) {
                    input.end()?;
                }
            }
            Some("message_delta") => {
                if let Some(delta) = part("delta") {
                    self.end(delta, judge)?;
                }
            }
            Some("message_stop") if !*judge.is_finished && self.has_blocks => {
                judge.notes.warning = Some(format!(
                    "`{}` ended the answer and gave no stop reason",
                    judge.speaker.provider
                ));
                let reason = if self.has_calls { "tool_use" } else { "end_turn" };
                let delta = json!({"stop_reason": reason, "stop_sequence": null});
                judge.before.push(json!({"type": "message_delta", "delta": delta}));
            }
            // A whole answer in one event.
            Some("message") => {
                for block in list(event, "content") {
                    self.block(block)?;
                }
                self.end(event, judge)?;
            }
            _ => {}
        }
        Ok(Verdict::Same)
    }

    fn block(&mut self, block: &Object) -> Result<(), Wrong> {
        let kind = said(block, "type").unwrap_or_default();
        let is_hosted = ["_tool_use", "_tool_result"].iter().any(|end| kind.ends_with(end));
        if !is_hosted && !BLOCKS.contains(&kind) {
            return Err(format!("a block has the unknown type `{kind}`").into());
        }
        self.has_blocks = true;
        self.has_calls |= kind == "tool_use";
        Ok(())
    }

    fn end(&mut self, end: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let Some(reason) = said(end, "stop_reason") else { return Ok(()) };
        let details = end.get("stop_details").and_then(Value::as_object);
        let why = details.and_then(|details| said(details, "explanation"));
        let ending = judge.ending(reason, why)?;
        if ending == Ending::Calls && !self.has_calls {
            return Err("it stopped to call tools, and called none".to_owned().into());
        }
        Ok(())
    }
}
