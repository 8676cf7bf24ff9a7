//! The attributes of spans, made of the values in events.

use crate::attributes as name;
use crate::span::{Span, SpanStatus};
use serde_json::{Value, json};
use stepwright_core::ErrorData;
use stepwright_core::message::{Arguments, AssistantTurn, Part, StopReason, Usage};

pub(super) fn fail(span: &mut Span, error: Option<&ErrorData>) {
    if let Some(error) = error {
        span.set(name::ERROR_TYPE, error_type(error));
        span.status = SpanStatus::Error(error.message.clone());
    }
}

pub(super) fn error_type(error: &ErrorData) -> String {
    match error.id {
        Some(id) => id.to_string(),
        None => error.code.to_string(),
    }
}

pub(super) fn set_model(span: &mut Span, id: &str) {
    let (provider, model) = name::provider_and_model(id);
    if let Some(provider) = provider {
        span.set(name::PROVIDER, provider);
    }
    span.set(name::REQUEST_MODEL, model);
}

pub(super) fn set_usage(span: &mut Span, usage: &Usage) {
    let numbers = [
        (name::INPUT_TOKENS, usage.input_tokens),
        (name::OUTPUT_TOKENS, usage.output_tokens),
        (name::CACHE_READ_TOKENS, usage.cache_read_tokens),
        (name::CACHE_WRITE_TOKENS, usage.cache_write_tokens),
        (name::REASONING_TOKENS, usage.reasoning_tokens),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            span.set(name, number);
        }
    }
}

/// The word of the conventions for the reason why a model stopped.
pub(super) fn reason(stop: &StopReason) -> &str {
    match stop {
        StopReason::EndTurn => "stop",
        StopReason::ToolCalls => "tool_call",
        StopReason::Length => "length",
        StopReason::Refused => "content_filter",
        StopReason::Other(word) => word,
        _ => "other",
    }
}

pub(super) fn arguments(arguments: &Arguments) -> Value {
    match arguments {
        Arguments::Json(value) => Value::String(value.to_string()),
        Arguments::Invalid(text) => Value::String(text.clone()),
    }
}

/// A message in the form of the conventions, as the text that attributes hold.
pub(super) fn said(role: &str, text: &str) -> Value {
    let parts = json!([{ "type": "text", "content": text }]);
    Value::String(json!([{ "role": role, "parts": parts }]).to_string())
}

pub(super) fn answered(answer: &AssistantTurn) -> Value {
    let parts = answer.parts.iter().map(|part| match part {
        Part::Text { text } => json!({ "type": "text", "content": text }),
        Part::Reasoning { text } => json!({ "type": "reasoning", "content": text }),
        Part::ToolCall(call) => {
            let given = match &call.arguments {
                Arguments::Json(value) => (**value).clone(),
                Arguments::Invalid(text) => json!(text),
            };
            json!({ "type": "tool_call", "id": call.id, "name": call.name, "arguments": given })
        }
        _ => json!({ "type": "media" }),
    });
    let parts: Vec<Value> = parts.collect();
    Value::String(json!([{ "role": "assistant", "parts": parts }]).to_string())
}
