//! The failures of a turn: answers that are not completed, and models that fail.

use crate::definition::AgentDefinition;
use crate::replay::TurnError;
use stepwright_core::error::ErrorCode;
use stepwright_core::message::{AssistantTurn, ToolCall};
use stepwright_core::model::{Model as _, ModelError, ModelErrorKind, StopReason};
use stepwright_core::{ErrorId, StepError};

/// Returns `true` if the provider paused the turn and wants the same request again, with what the
/// model has said so far. Providers that run tools themselves do this when a turn takes long.
pub(crate) fn is_pause(stop: &StopReason) -> bool {
    matches!(stop, StopReason::Other(reason) if reason == "pause_turn")
}

/// Returns an error for an answer that was cut short, refused or otherwise not completed. Its tool
/// calls are not executed.
pub(crate) fn check_stop(
    agent: &AgentDefinition,
    answer: &AssistantTurn,
    stop: &StopReason,
) -> Result<(), TurnError> {
    let model = agent.model.id();
    let error = match stop {
        StopReason::EndTurn => return Ok(()),
        StopReason::ToolCalls if answer.tool_calls().next().is_some() => return Ok(()),
        StopReason::ToolCalls => {
            StepError::new(format!("model `{model}` stopped to call a tool but called none"))
                .with_id(ErrorId::MODEL_UNFINISHED)
                .with_hint("give the step retries, or use another model")
        }
        _ if is_pause(stop) => return Ok(()),
        StopReason::Length => {
            let chars = answer.text().chars().count();
            let message = format!(
                "model `{model}` reached the longest answer allowed, after {chars} characters"
            );
            StepError::terminal(message)
                .with_id(ErrorId::MODEL_ANSWER_TOO_LONG)
                .with_hint("raise `max_output_tokens`, or ask for a shorter answer")
        }
        StopReason::Refused => {
            let text = answer.text();
            let said = if text.is_empty() { String::new() } else { format!(": {text}") };
            StepError::terminal(format!("model `{model}` refused to answer{said}"))
                .with_id(ErrorId::MODEL_REFUSED)
                .with_hint("change what it is asked, or choose another model")
        }
        StopReason::Other(reason) => {
            StepError::new(format!("model `{model}` did not finish its answer: `{reason}`"))
                .with_id(ErrorId::MODEL_UNFINISHED)
                .with_hint("give the step retries, or use another model")
        }
        other => StepError::new(format!("model `{model}` did not finish its answer: {other:?}"))
            .with_id(ErrorId::MODEL_UNFINISHED),
    };
    Err(TurnError::Failed(error.with_code(ErrorCode::Model)))
}

/// Builds the error of an agent that still wants to call tools when its turns are spent.
pub(crate) fn too_many_turns(agent: &AgentDefinition, calls: &[ToolCall]) -> StepError {
    let names: Vec<String> = calls.iter().map(|call| format!("`{}`", call.name)).collect();
    let wants = match names.as_slice() {
        [] => "go on".to_owned(),
        names => format!("call {}", names.join(", ")),
    };
    let (name, limit) = (&agent.name, agent.limits.turns);
    StepError::terminal(format!(
        "agent `{name}` reached its limit of {limit} turns and still wants to {wants}"
    ))
    .with_code(ErrorCode::Limit)
    .with_id(ErrorId::AGENT_TURNS_EXHAUSTED)
    .with_hint("raise `max_turns`, or tell the agent in its instructions when to stop")
}

/// Builds the step error for a failed model, after this many requests in this attempt.
pub(crate) fn model_failed(
    model: &str,
    error: &ModelError,
    requests: u32,
    attempt: u32,
) -> StepError {
    let asked = if requests > 1 { format!(" (asked {requests} times)") } else { String::new() };
    let mut failed =
        StepError::new(format!("model `{model}`: {error}{asked}")).with_code(ErrorCode::Model);
    failed.data.retryable = error.retryable;
    failed.data.id = Some(error.kind.id());
    if let Some(wait) = error.retry_after {
        failed = failed.with_retry_after(wait);
    }
    if let Some(hint) = &error.hint {
        return failed.with_hint(hint.clone());
    }
    // A step in its second attempt already has retries.
    let hint = match error.kind {
        ModelErrorKind::Auth => "check the key of the provider, and what it may do",
        ModelErrorKind::Timeout if attempt > 1 => "raise `idle_timeout`, or use another model",
        ModelErrorKind::Timeout => "raise `idle_timeout`, or give the step retries",
        ModelErrorKind::Refused => "change what it is asked, or choose another model",
        _ if !error.retryable => return failed,
        ModelErrorKind::RateLimited | ModelErrorKind::Overloaded if attempt > 1 => {
            "let the step wait longer between its retries, or use another model"
        }
        _ if attempt > 1 => "use another model",
        ModelErrorKind::RateLimited | ModelErrorKind::Overloaded => {
            "give the step retries, or use another model"
        }
        _ => "give the step retries",
    };
    failed.with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ModelErrorKind::{Malformed, Overloaded, Timeout};

    #[test]
    fn a_hint_does_not_ask_for_what_is_there() {
        let hint = |kind, attempt| {
            let failed = model_failed("m", &ModelError::new(kind, "no"), 3, attempt);
            assert_eq!(failed.data.message, "model `m`: no (asked 3 times)");
            failed.data.hint.unwrap_or_default()
        };
        for kind in [Overloaded, Timeout, Malformed] {
            assert!(hint(kind, 1).contains("give the step retries"), "{kind:?}");
            // A step in its second attempt already has retries.
            assert!(!hint(kind, 2).contains("give the step retries"), "{kind:?}");
        }
        assert!(hint(ModelErrorKind::Auth, 1).starts_with("check the key"));
    }
}
