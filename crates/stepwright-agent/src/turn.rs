//! The conversation between a model and its tools.

use crate::builder::Definition;
use crate::calls::carry_out;
use crate::past::{Facts, Stop};
use futures_util::{StreamExt as _, stream};
use stepwright_core::error::ErrorCode;
use stepwright_core::message::{AssistantTurn, Message, Part, ToolCall, ToolOutcome, Usage};
use stepwright_core::model::{
    Model as _, ModelError, ModelErrorKind, ModelEvent, ModelRequest, StopReason, ToolChoice,
};
use stepwright_core::{Content, EventKind, StepContext, StepError, StepInput, StepOutput};
use stepwright_models::guarded_stream;

/// Carries out one attempt, or the rest of it after a crash.
pub(crate) async fn run(
    agent: &Definition,
    input: &StepInput,
    cx: &StepContext,
) -> Result<StepOutput, StepError> {
    match converse(agent, input, cx).await {
        Ok(output) => Ok(output),
        Err(Stop::Failed(error)) => {
            cx.record(EventKind::RunError { error: error.data.clone() }).await?;
            Err(error)
        }
        Err(Stop::Over(error)) => Err(error),
    }
}

async fn converse(
    agent: &Definition,
    input: &StepInput,
    cx: &StepContext,
) -> Result<StepOutput, Stop> {
    let mut facts = Facts::of(cx);
    let message = input.message();
    let mut messages = vec![user_message(&message, input)];
    let mut usage = Usage::default();
    facts
        .note(EventKind::RunStarted {
            agent: agent.name.clone(),
            model: agent.model.id().into(),
            notice: agent.model.notice().map(Into::into),
            message,
        })
        .await?;

    let mut turn = 1;
    let answer = loop {
        facts.note(EventKind::ModelRequestStarted { turn }).await?;
        let fact =
            facts.next(&["ModelRequestCompleted"], ask(agent, turn, messages.clone(), cx)).await?;
        let EventKind::ModelRequestCompleted { answer, stop, usage: used, .. } = fact else {
            unreachable!("`next` gives the kind that is asked for");
        };
        usage += used;
        check_stop(agent, &answer, &stop)?;

        let calls: Vec<ToolCall> = answer.tool_calls().cloned().collect();
        if calls.is_empty() {
            break answer;
        }
        if turn >= agent.limits.turns {
            // Not carried out: nobody would read what the tools answer.
            return Err(Stop::Failed(too_many_turns(agent, &calls)));
        }
        messages.push(Message::Assistant(*answer));
        let results = call_tools(agent, &calls, &mut facts, cx).await?;
        messages.push(Message::Tool { results });
        turn += 1;
    };

    let text = answer.text();
    let media = answer.parts.into_iter().filter_map(|part| match part {
        Part::Media { media } => Some(media),
        _ => None,
    });
    let media: Vec<_> = media.collect();
    // After its tools have done their work, a model may have nothing to add.
    if text.trim().is_empty() && media.is_empty() && turn == 1 {
        let message = format!("model `{}` ended its turn without an answer", agent.model.id());
        return Err(Stop::Failed(StepError::new(message).with_code(ErrorCode::Model)));
    }
    let content = Content::from(text);
    let completed = async {
        cx.emit_event(EventKind::RunContentCompleted);
        Ok(EventKind::RunCompleted { content: content.clone(), usage })
    };
    facts.next(&["RunCompleted"], completed).await?;
    Ok(StepOutput { content, media, usage, ..StepOutput::default() })
}

fn user_message(message: &Content, input: &StepInput) -> Message {
    let text = message.pretty().into_owned();
    let media = input.media();
    // Providers refuse empty texts, but a medium alone is a message.
    let text = (!text.is_empty() || media.is_empty()).then_some(Part::Text { text });
    let media = media.into_iter().map(|media| Part::Media { media });
    Message::User { parts: text.into_iter().chain(media).collect() }
}

/// Asks the model, shows what it says, and gives the fact of its answer.
async fn ask(
    agent: &Definition,
    turn: u32,
    messages: Vec<Message>,
    cx: &StepContext,
) -> Result<EventKind, StepError> {
    if cx.run().debug {
        let prompt = messages.last().map(Message::text).unwrap_or_default();
        tracing::debug!(
            agent = &*agent.name, step = %cx.path(), turn, instructions = agent.instructions,
            prompt, "asking the model"
        );
    }
    let request = ModelRequest {
        instructions: agent.instructions.clone(),
        messages,
        tools: agent.specs.clone(),
        tool_choice: ToolChoice::Auto,
        output_schema: None,
        options: agent.options.clone(),
    };
    let mut stream = guarded_stream(agent.model.stream(request), agent.limits.idle, cx.world());
    while let Some(event) = stream.next().await {
        match event.map_err(|error| model_failed(agent, &error))? {
            ModelEvent::TextDelta(text) => {
                cx.emit_event(EventKind::RunContent { content: text.into() });
            }
            ModelEvent::ReasoningDelta(text) => {
                cx.emit_event(EventKind::ReasoningContentDelta { reasoning_content: text.into() });
            }
            ModelEvent::Done(completion) => {
                if cx.run().debug {
                    let answer = completion.turn.text();
                    tracing::debug!(
                        agent = &*agent.name, step = %cx.path(), turn, answer,
                        "the model has answered"
                    );
                }
                return Ok(EventKind::ModelRequestCompleted {
                    turn,
                    answer: Box::new(completion.turn),
                    stop: completion.stop,
                    usage: completion.usage,
                });
            }
            // Calls are complete in the answer itself.
            _ => {}
        }
    }
    unreachable!("a guarded stream ends with an answer or an error")
}

/// Calls the tools, several at once, and records what they answer in the order of the calls.
async fn call_tools(
    agent: &Definition,
    calls: &[ToolCall],
    facts: &mut Facts<'_>,
    cx: &StepContext,
) -> Result<Vec<ToolOutcome>, Stop> {
    const ANSWERED: [&str; 2] = ["ToolCallCompleted", "ToolCallError"];
    for call in calls {
        facts.note(EventKind::ToolCallStarted { tool: Box::new(call.clone()) }).await?;
    }
    // What was answered before a crash is not called again.
    let open = calls.iter().enumerate().skip(facts.recalled(&ANSWERED));
    let open: Vec<_> = open.map(|(nth, call)| carry_out(agent, nth, call, cx)).collect();
    let mut answers = stream::iter(open).buffered(agent.limits.tool_concurrency);
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        let answer = async {
            let answer = answers.next().await.expect("one answer for each open call")?;
            if cx.run().debug {
                tracing::debug!(
                    agent = &*agent.name, step = %cx.path(), tool = call.name,
                    failed = answer.is_error, answer = answer.text, "a tool has answered"
                );
            }
            let tool = Box::new(answer);
            Ok(if tool.is_error {
                EventKind::ToolCallError { tool }
            } else {
                EventKind::ToolCallCompleted { tool }
            })
        };
        match facts.next(&ANSWERED, answer).await? {
            EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool } => {
                results.push(*tool);
            }
            _ => unreachable!("`next` gives a kind that is asked for"),
        }
    }
    Ok(results)
}

/// An answer that is cut short or refused is no answer.
fn check_stop(agent: &Definition, answer: &AssistantTurn, stop: &StopReason) -> Result<(), Stop> {
    let model = agent.model.id();
    let error = match stop {
        StopReason::Length => {
            let chars = answer.text().chars().count();
            let message = format!(
                "model `{model}` reached the longest answer allowed, after {chars} characters"
            );
            StepError::terminal(message)
                .with_hint("raise `max_output_tokens`, or ask for a shorter answer")
        }
        StopReason::Refused => {
            let text = answer.text();
            let said = if text.is_empty() { String::new() } else { format!(": {text}") };
            StepError::terminal(format!("model `{model}` would not answer{said}"))
                .with_hint("change what it is asked, or choose another model")
        }
        _ => return Ok(()),
    };
    Err(Stop::Failed(error.with_code(ErrorCode::Model)))
}

fn too_many_turns(agent: &Definition, calls: &[ToolCall]) -> StepError {
    let names: Vec<String> = calls.iter().map(|call| format!("`{}`", call.name)).collect();
    StepError::terminal(format!(
        "agent `{}` reached its limit of {} turns and still wants to call {}",
        agent.name,
        agent.limits.turns,
        names.join(", "),
    ))
    .with_code(ErrorCode::Limit)
    .with_hint("raise `max_turns`, or tell the agent in its instructions when to stop")
}

fn model_failed(agent: &Definition, error: &ModelError) -> StepError {
    let mut failed = StepError::new(format!("model `{}`: {error}", agent.model.id()))
        .with_code(ErrorCode::Model);
    failed.data.retryable = error.retryable;
    if let Some(wait) = error.retry_after {
        failed = failed.with_retry_after(wait);
    }
    let hint = match error.kind {
        ModelErrorKind::RateLimited | ModelErrorKind::Overloaded => {
            "give the step retries, or use another model"
        }
        ModelErrorKind::Auth => "check the key of the provider, and what it may do",
        ModelErrorKind::Timeout => "raise `idle_timeout`, or give the step retries",
        ModelErrorKind::Transport | ModelErrorKind::Truncated | ModelErrorKind::Malformed => {
            "give the step retries"
        }
        ModelErrorKind::Refused => "change what it is asked, or choose another model",
        _ => return failed,
    };
    failed.with_hint(hint)
}
