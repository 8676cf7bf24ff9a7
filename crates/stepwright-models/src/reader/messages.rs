//! Anthropic's Messages.

use super::arguments::{ArgumentsScan, check_values};
use super::members::{self, MESSAGES_BLOCK, MESSAGES_DELTA, MESSAGES_END, typed};
use super::{Judge, Object, Verdict, Wrong, list, reason, said};
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
    is_begun: bool,
    has_calls: bool,
    has_blocks: bool,
    /// A tool of the provider that has failed, if no text has come since.
    failed_tool: Option<String>,
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
            Some("message_start") => {
                members::check(&typed(&["message"]), event, judge.notes)?;
                if std::mem::replace(&mut self.is_begun, true) {
                    return Err("a second message begins in it".to_owned().into());
                }
                if let Some(message) = part("message") {
                    Self::start(message, judge)?;
                }
            }
            Some("content_block_start") => {
                members::check(&typed(&[]), event, judge.notes)?;
                if let Some(block) = part("content_block") {
                    self.block(block, judge)?;
                    self.inputs.insert(index, ArgumentsScan::default());
                }
            }
            Some("content_block_delta") => {
                members::check(&typed(&["delta"]), event, judge.notes)?;
                let Some(delta) = part("delta") else { return Ok(Verdict::Same) };
                let kind = said(delta, "type").unwrap_or_default();
                if !DELTAS.contains(&kind) {
                    return Err(format!("a delta has the unknown type `{kind}`").into());
                }
                members::check(&MESSAGES_DELTA, delta, judge.notes)?;
                self.has_blocks = true;
                if kind == "text_delta" {
                    self.failed_tool = None;
                }
                if let Some(json) = said(delta, "partial_json") {
                    judge.open()?;
                    let given = self.inputs.entry(index).or_default().hand_on(json)?;
                    if given != json {
                        event["delta"]["partial_json"] = given.into();
                        return Ok(Verdict::Changed);
                    }
                }
            }
            Some("content_block_stop") => {
                if let Some(input) = self.inputs.remove(&index) {
                    input.end()?;
                }
            }
            Some("message_delta") => {
                members::check(&typed(&["delta"]), event, judge.notes)?;
                if let Some(delta) = part("delta") {
                    members::check(&MESSAGES_END, delta, judge.notes)?;
                    self.end(delta, judge)?;
                    // An empty reason is none.
                    if reason(delta, "stop_reason")?.is_none() {
                        event["delta"]["stop_reason"] = Value::Null;
                        return Ok(Verdict::Changed);
                    }
                }
            }
            Some("message_stop") => {
                self.stop(judge)?;
                if !*judge.is_finished && self.has_blocks {
                    let delta = json!({"stop_reason": self.unsaid(judge), "stop_sequence": null});
                    let mut end = json!({"type": "message_delta", "delta": delta});
                    // The wire library takes the counts from the event that ends the answer.
                    if let Some(tokens) = judge.notes.usage.output_tokens {
                        end["usage"] = json!({"output_tokens": tokens});
                    }
                    judge.before.push(end);
                }
                (*judge.is_finished, *judge.is_over) = (true, true);
            }
            // A whole answer in one event.
            Some("message") => {
                members::check(&typed(&["content"]), event, judge.notes)?;
                for block in list(event, "content") {
                    self.block(block, judge)?;
                    if let Some(input) = block.get("input") {
                        check_values(input)?;
                    }
                }
                self.end(event, judge)?;
                self.stop(judge)?;
                let is_unsaid = !*judge.is_finished && self.has_blocks;
                (*judge.is_finished, *judge.is_over) = (true, true);
                if is_unsaid {
                    let reason = self.unsaid(judge);
                    event.insert("stop_reason".to_owned(), reason.into());
                    return Ok(Verdict::Changed);
                }
            }
            Some("ping") => {}
            Some(kind) => {
                let kind = kind.to_owned();
                members::skip(&kind, event, judge.notes);
            }
        }
        Ok(Verdict::Same)
    }

    /// The message that begins. Its content comes in events of its own.
    fn start(message: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        if list(message, "content").next().is_some() {
            return Err("the message has content before its blocks begin".to_owned().into());
        }
        let details = message.get("stop_details").and_then(Value::as_object);
        if let Some(kind) = details.and_then(|details| said(details, "type"))
            && crate::finish::ending(judge.wire, kind) == Ending::Refused
        {
            judge.ending(kind, details.and_then(|details| said(details, "explanation")))?;
        }
        if let Some(said) = reason(message, "stop_reason")?
            && !matches!(crate::finish::ending(judge.wire, said), Ending::End | Ending::Calls)
        {
            judge.ending(said, None)?;
        }
        Ok(())
    }

    /// The answer is over.
    fn stop(&mut self, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let Some(tool) = self.failed_tool.take() else { return Ok(()) };
        Err(judge.failed_tool(&tool, None))
    }

    /// The reason for the end of an answer that gives none.
    fn unsaid(&self, judge: &mut Judge<'_>) -> &'static str {
        let provider = judge.speaker.provider;
        judge.notes.warn(format!("`{provider}` ended the answer and gave no stop reason"));
        if self.has_calls { "tool_use" } else { "end_turn" }
    }

    fn block(&mut self, block: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let kind = said(block, "type").unwrap_or_default();
        let is_hosted = ["_tool_use", "_tool_result"].iter().any(|end| kind.ends_with(end));
        if !is_hosted && !BLOCKS.contains(&kind) {
            return Err(format!("a block has the unknown type `{kind}`").into());
        }
        if ["text", "thinking", "tool_use"].contains(&kind) {
            members::check(&MESSAGES_BLOCK, block, judge.notes)?;
        }
        if kind == "text" && said(block, "text").is_some() {
            self.failed_tool = None;
        }
        let content = block.get("content").and_then(Value::as_object);
        if let Some(error) = content.and_then(|content| said(content, "error_code")) {
            let tool = kind.trim_end_matches("_result");
            judge.notes.warn(format!("the provider's tool `{tool}` failed: {error}"));
            self.failed_tool = Some(format!("{tool}` failed with `{error}"));
        }
        if ["server_tool_use", "mcp_tool_use"].contains(&kind) {
            judge.notes.used(said(block, "name").unwrap_or(kind));
        }
        self.has_blocks = true;
        if kind == "tool_use" {
            self.has_calls = true;
            judge.call()?;
        }
        Ok(())
    }

    fn end(&mut self, end: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let details = end.get("stop_details").and_then(Value::as_object);
        let why = details.and_then(|details| said(details, "explanation"));
        // The details may say what the reason does not. The worst counts.
        let kind = details.and_then(|details| said(details, "type"));
        let refused =
            kind.filter(|kind| crate::finish::ending(judge.wire, kind) == Ending::Refused);
        if let Some(kind) = refused {
            judge.ending(kind, why)?;
        }
        let Some(reason) = reason(end, "stop_reason")? else { return Ok(()) };
        let ending = judge.ending(reason, why)?;
        if ending == Ending::Calls && !self.has_calls {
            return Err("it stopped to call tools, and called none".to_owned().into());
        }
        Ok(())
    }
}
