//! The conversation between a model and its tools.

use crate::asking::{Admitted, Asking, admit, ask};
use crate::calls::call_tools;
use crate::compaction::View;
use crate::conversation::Conversation;
use crate::deferred;
use crate::definition::AgentDefinition;
use crate::failures::{check_stop, is_pause, too_many_turns};
use crate::guarded::{Answer, Guards, holds_text, judges_answer};
use crate::handoff;
use crate::replay::{ReplayLog, TurnError};
use crate::shape::OutputSchema;
use crate::sources::with_tools;
use crate::strict;
use crate::team::lead;
use crate::upkeep::{Measured, after_answer, compact, with_context};
use crate::voice;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, MaybeDone, maybe_done, select};
use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::gate::Reservation;
use stepwright_core::message::{AssistantTurn, Message, Part, ToolCall, ToolOutcome, Usage};
use stepwright_core::model::{Model as _, ModelRequest, ToolChoice};
use stepwright_core::{
    Content, ErrorId, EventKind, Media, StepContext, StepError, StepInput, StepOutput,
};

/// Runs one attempt, or resumes it after a crash.
pub(crate) async fn run(
    agent: &AgentDefinition,
    input: &StepInput,
    cx: &StepContext,
) -> Result<StepOutput, StepError> {
    match converse(agent, input, cx).await {
        Ok(output) => Ok(output),
        Err(TurnError::Failed(error)) => failed(error, Usage::default(), cx).await,
        Err(TurnError::FailedAfterUsage(error, usage)) => failed(error, usage, cx).await,
        Err(TurnError::Recorded(error)) => Err(error),
    }
}

async fn failed(error: StepError, usage: Usage, cx: &StepContext) -> Result<StepOutput, StepError> {
    cx.record(EventKind::RunError { error: error.data.clone(), usage }).await?;
    Err(error)
}

async fn converse(
    agent: &AgentDefinition,
    input: &StepInput,
    cx: &StepContext,
) -> Result<StepOutput, TurnError> {
    let cx = &cx.clone().with_session_state(input.state.clone());
    let (mut log, verdicts) = ReplayLog::of(cx);
    let mut guards = Guards::new(verdicts, cx);
    let begun = log
        .next(
            &["RunStarted"],
            std::future::ready(Ok(EventKind::RunStarted {
                agent: agent.name.clone(),
                model: agent.model.id().into(),
                notice: agent.model.notice().map(Into::into),
                message: input.prompt(),
            })),
        )
        .await?;
    let EventKind::RunStarted { message, .. } = begun else {
        unreachable!("`next` returns one of the requested kinds");
    };
    let message = guards.message(agent, message).await?;
    let first = with_context(equipped(agent, input, cx).await?, input, &mut log, cx).await?;
    let mut agent = first.as_ref();
    let mut is_guarded = !agent.guards.is_empty();
    let mut talk = Conversation::begin(agent, user_message(&message, input));
    let opening = lead::opening(agent, talk.own());
    let mut view = View::new(talk.messages.len());
    let mut measured = Measured::default();
    let mut usage = Usage::default();
    let mut corrected = false;
    let mut turn = 1;
    // The turns before the last message: each message has as many as the first one.
    let mut earlier = 0;
    let mut before = None;
    if let Some(budget) = &agent.budget {
        cx.limit(budget);
    }
    // The agent that goes on after a handoff, with the tools of this run.
    let mut successor: Box<AgentDefinition>;
    // Those that had the conversation before it.
    let mut former: Vec<AgentDefinition> = Vec::new();
    if let Some(opening) = opening {
        // No member is called before the guards that watch have let the message pass.
        let unwatched = guards.take_unwatched();
        guards.watch(agent, unwatched, Vec::new(), turn).boxed().await?;
        let calls: Vec<ToolCall> = opening.tool_calls().cloned().collect();
        let results = call_tools(agent, &talk, &calls, &guards, cx).await?;
        talk.messages.push(Message::Assistant(opening));
        told(agent, &mut talk, results);
    }
    let (content, media) = loop {
        if received(agent, &mut talk, (&mut guards, &mut log), false, cx).await? {
            (earlier, corrected) = (turn - 1, false);
        }
        let news = guards.request(agent, &mut talk, turn).await?;
        if agent.upkeep.compaction.is_some() {
            let request = |view: &View| request(agent, &talk, view);
            let (of, kept) = ((turn, measured), (&mut usage, &mut log));
            // On the heap, as all that few agents need: each agent at work holds this future.
            Box::pin(compact(agent, of, &talk.messages, &mut view, request, kept, cx)).await?;
        }
        if log.is_over() {
            fill_media(&mut talk.messages, cx).await?;
        }
        let mut request = request(agent, &talk, &view);
        let asked_for = agent.upkeep.compaction.is_some().then(|| request.clone());
        // A run that goes on from its journal reserves only what is still to be asked.
        let mut admitted = None;
        if log.is_over() {
            match admit(agent, &mut request, before, cx).await? {
                Admitted::Yes(held) => admitted = Some(held),
                Admitted::Spent(error) => {
                    let end = ended_early(agent, talk.own(), error)?;
                    break guards.last(agent, end, turn).await?;
                }
            }
        } else if log.is_next("RunCompleted") {
            // The budget was spent here, and the agent ended with what it had.
            let end = ended_early(agent, talk.own(), no_answer(agent))?;
            break guards.last(agent, end, turn).await?;
        }
        let reserved = admitted.as_ref().and_then(Reservation::tokens);
        log.note(EventKind::ModelRequestStarted { turn, reserved, purpose: None }).await?;
        let again = log.recorded_retries();
        // A request that a process that died has begun is sent again.
        if log.is_over() && admitted.is_none() {
            fill_media(&mut request.messages, cx).await?;
            match admit(agent, &mut request, before, cx).await? {
                Admitted::Yes(held) => admitted = Some(held),
                Admitted::Spent(error) => return Err(TurnError::Failed(error)),
            }
        }
        let mut lost = Usage::default();
        let unwatched = guards.take_unwatched();
        let watch = guards.watch(agent, unwatched, news, turn);
        let mut watch = maybe_done(watch.boxed());
        let asking = Asking { turn, purpose: None };
        // On the heap: futures that pass it on would hold it several times.
        let asked = ask(agent, asking, request, again, cx, &mut lost).boxed();
        let asked = beside(&mut watch, asked);
        let kinds = ["ModelRequestCompleted", "ModelRequestInterrupted"];
        let fact = match log.next(&kinds, asked).await {
            Err(TurnError::Failed(error)) => {
                return Err(TurnError::FailedAfterUsage(error, lost));
            }
            fact => fact?,
        };
        // Nothing follows from an answer before the guards that watch have let its request pass.
        (&mut watch).await;
        if let Some(Err(error)) = Pin::new(&mut watch).take_output() {
            return Err(TurnError::Failed(error));
        }
        drop(watch);
        // The fact has settled what was reserved.
        drop(admitted);
        let (answer, stop, used) = match fact {
            EventKind::ModelRequestCompleted { answer, stop, usage, .. } => (answer, stop, usage),
            EventKind::ModelRequestInterrupted { partial, .. } => {
                // The message that cut it off comes next.
                talk.messages.extend(cut_off(&partial));
                turn += 1;
                continue;
            }
            _ => unreachable!("`next` returns one of the requested kinds"),
        };
        usage += used;
        before = Some(used);
        if let Some(request) = asked_for {
            measured = Measured::of(&request, used);
        }
        check_stop(agent, &answer, &stop)?;
        let answer = match guards.answer(agent, answer.clone(), turn).await? {
            Answer::Good(answer) => answer,
            Answer::Again { reason, .. } if turn - earlier < agent.limits.turns => {
                let said = without_calls(Arc::unwrap_or_clone(answer));
                talk.messages.extend([Message::Assistant(said), Message::user(&*reason)]);
                turn += 1;
                continue;
            }
            Answer::Again { .. } => return Err(TurnError::Failed(too_many_turns(agent, &[]))),
        };
        let holds = holds_text(agent);

        let calls: Vec<ToolCall> = answer.tool_calls().cloned().collect();
        let (turns, asked_with) = (turn - earlier, talk.messages.len());
        if calls.is_empty() && is_pause(&stop) {
            if turns >= agent.limits.turns {
                return Err(TurnError::Failed(too_many_turns(agent, &calls)));
            }
            talk.messages.push(Message::Assistant(Arc::unwrap_or_clone(answer)));
            turn += 1;
            continue;
        }
        if calls.is_empty()
            && let Some(reminder) =
                lead::reminder(agent, talk.own()).filter(|_| turns < agent.limits.turns)
        {
            talk.messages.extend([Message::Assistant(Arc::unwrap_or_clone(answer)), reminder]);
            turn += 1;
            continue;
        }
        if calls.is_empty() {
            match read_answer(agent, &answer).await {
                Ok((content, media)) => {
                    let end = match guards.output(agent, content, turn).await? {
                        Answer::Good(content) => (content, media),
                        Answer::Again { reason, .. } if turns < agent.limits.turns => {
                            let said = Message::Assistant(Arc::unwrap_or_clone(answer));
                            talk.messages.extend([said, Message::user(&*reason)]);
                            turn += 1;
                            continue;
                        }
                        Answer::Again { .. } => {
                            return Err(TurnError::Failed(too_many_turns(agent, &calls)));
                        }
                    };
                    if holds {
                        show(&end.0.text(), cx);
                    }
                    if !received(agent, &mut talk, (&mut guards, &mut log), true, cx).await? {
                        break end;
                    }
                    // Ahead of the messages, which came after it.
                    let said = Message::Assistant(Arc::unwrap_or_clone(answer));
                    talk.insert(asked_with, said);
                    (earlier, corrected) = (turn, false);
                }
                Err(invalid)
                    if invalid.is_correctable(turn) && !corrected && turns < agent.limits.turns =>
                {
                    corrected = true;
                    // Providers refuse empty messages.
                    if matches!(invalid, InvalidAnswer::Mismatch(_)) {
                        talk.messages.push(Message::Assistant(Arc::unwrap_or_clone(answer)));
                    }
                    talk.messages.push(Message::user(invalid.correction()));
                }
                Err(invalid) => return Err(TurnError::Failed(invalid.into_error(agent))),
            }
            turn += 1;
            continue;
        }
        if turns >= agent.limits.turns {
            // The calls are not executed: no later turn would read their results.
            return Err(TurnError::Failed(too_many_turns(agent, &calls)));
        }
        // Text beside calls is not the answer, which the guardrails of the answer judge.
        if holds && !judges_answer(agent) {
            show(&answer.text(), cx);
        }
        let results = call_tools(agent, &talk, &calls, &guards, cx).await?;
        talk.messages.push(Message::Assistant(Arc::unwrap_or_clone(answer)));
        if let Some(end) = lead::end(agent, &results).await? {
            let end = guards.early(agent, end, turn).await?;
            if judges_answer(agent) {
                show(&end.0.text(), cx);
            }
            told(agent, &mut talk, results);
            if !received(agent, &mut talk, (&mut guards, &mut log), true, cx).await? {
                break end;
            }
            (earlier, corrected) = (turn, false);
            turn += 1;
            continue;
        }
        turn += 1;
        let Some(next) = handoff::after(agent, &results).cloned() else {
            told(agent, &mut talk, results);
            continue;
        };
        if agent.upkeep.is_after_answer() {
            former.push(agent.clone());
        }
        let next = equipped(&next, input, cx).await?;
        successor = Box::new(with_context(next, input, &mut log, cx).await?.into_owned());
        agent = &successor;
        talk.since = talk.messages.len() + 1;
        is_guarded |= !agent.guards.is_empty();
        if let Some(budget) = &agent.budget {
            cx.limit(budget);
        }
        // For the model that reads them, which is that of the other agent.
        told(agent, &mut talk, results);
        Box::pin(guards.taken_over(agent, &mut talk, turn)).await?;
    };

    // As the guardrails let it pass: other models read it too.
    let patches = if former.is_empty() && !agent.upkeep.is_after_answer() {
        Vec::new()
    } else {
        let first = (!is_guarded).then(|| input.message().pretty().into_owned());
        let (asked, answer) = (talk.asked(first), content.pretty());
        let (agents, of) = ((&*former, agent), (turn, input));
        Box::pin(after_answer(agents, of, (&asked, &answer), &mut usage, &mut log, cx)).await?
    };
    let completed = async {
        cx.emit_event(EventKind::RunContentCompleted);
        Ok(EventKind::RunCompleted { content: content.clone(), usage })
    };
    log.next(&["RunCompleted"], completed).await?;
    Ok(StepOutput { content, media, usage, patches, ..StepOutput::default() })
}

/// Shows a text that was held back until guards had judged it.
fn show(text: &str, cx: &StepContext) {
    if !text.is_empty() {
        voice::say(cx, text.to_owned());
    }
}

/// Removes the tool calls from an answer that is not used. Providers refuse calls without results.
fn without_calls(mut answer: AssistantTurn) -> AssistantTurn {
    if answer.tool_calls().next().is_some() {
        answer.parts.retain(|part| !matches!(part, Part::ToolCall(_)));
        answer.native = None;
    }
    answer
}

/// Asks the model beside the guards that watch. A refusal drops the request.
async fn beside(
    watch: &mut MaybeDone<BoxFuture<'_, Result<(), StepError>>>,
    asked: BoxFuture<'_, Result<EventKind, StepError>>,
) -> Result<EventKind, StepError> {
    match select(&mut *watch, asked).await {
        Either::Right((fact, _)) => fact,
        Either::Left(((), asked)) => match Pin::new(watch).output_mut() {
            Some(Err(error)) => Err(error.clone()),
            _ => asked.await,
        },
    }
}

/// Adds the messages that the agent got meanwhile to its conversation, as its guards let them
/// pass: the recorded ones, and then those that wait. Returns `false` if there are none.
async fn received(
    agent: &AgentDefinition,
    talk: &mut Conversation,
    (guards, log): (&mut Guards<'_>, &mut ReplayLog<'_>),
    ends: bool,
    cx: &StepContext,
) -> Result<bool, TurnError> {
    let mut given = log.messages();
    if log.is_over() {
        given.extend(cx.receive(ends).await.map_err(TurnError::Recorded)?);
    }
    if given.is_empty() {
        return Ok(false);
    }
    let first = talk.receive(given.iter().map(|message| &*message.text));
    // On the heap: few agents get messages.
    Box::pin(guards.received(agent, talk, first)).await?;
    Ok(true)
}

/// Adds the results of a turn, and the media in them, for the model of the agent.
fn told(agent: &AgentDefinition, talk: &mut Conversation, results: Vec<ToolOutcome>) {
    let media = results.iter().flat_map(|result| &result.media).cloned().collect();
    talk.messages.push(Message::Tool { results });
    let shown = shown(agent, talk, media);
    talk.messages.extend(shown);
}

/// Reads the bytes of media that only the store has, for the request to the model.
async fn fill_media(messages: &mut [Message], cx: &StepContext) -> Result<(), StepError> {
    for message in messages {
        let parts = match message {
            Message::User { parts } => parts,
            Message::Assistant(turn) => &mut turn.parts,
            Message::Tool { .. } => continue,
        };
        for part in parts {
            if let Part::Media { media } = part {
                cx.fill_media(media).await?;
            }
        }
    }
    Ok(())
}

/// Returns what the model had said when its answer was cut off. Providers refuse empty messages.
fn cut_off(partial: &str) -> Option<Message> {
    let text = partial.trim_end();
    (!text.is_empty()).then(|| Message::Assistant(AssistantTurn::text_only(text)))
}

/// Returns the agent with the tools that are made for this run, and those of its sources.
async fn equipped<'a>(
    agent: &'a AgentDefinition,
    input: &StepInput,
    cx: &StepContext,
) -> Result<Cow<'a, AgentDefinition>, StepError> {
    let equipped = match &agent.made_tools {
        Some(made) => {
            let agent = handoff::equipped(made, agent, input, cx)?;
            Cow::Owned(with_tools(&agent, cx).await?.into_owned())
        }
        None => with_tools(agent, cx).await?,
    };
    Ok(match equipped {
        Cow::Borrowed(agent) => Cow::Borrowed(agent),
        Cow::Owned(mut agent) => {
            agent.deferred = Arc::new(deferred::of(&agent));
            deferred::check(&agent)?;
            Cow::Owned(agent)
        }
    })
}

/// Makes the request of a turn.
fn request(agent: &AgentDefinition, talk: &Conversation, view: &View) -> ModelRequest {
    ModelRequest {
        instructions: agent.instructions.clone(),
        tool_choice: tool_choice(agent, &talk.messages[talk.since..]),
        tools: deferred::offered(agent, &talk.messages),
        strict_tools: strict::names(&agent.tool_options),
        messages: view.of(&talk.messages),
        output_schema: agent.output.as_ref().map(OutputSchema::sent),
        options: agent.options.clone(),
    }
}

/// Returns the output of an agent whose budget is spent: the last text that its model has written.
///
/// # Errors
/// Fails with `error` if there is none, or if the output has a schema that a text does not match.
fn ended_early(
    agent: &AgentDefinition,
    messages: &[Message],
    error: StepError,
) -> Result<(Content, Vec<Media>), TurnError> {
    let texts = messages.iter().rev().filter_map(|message| match message {
        Message::Assistant(turn) => Some(turn.as_text().trim().to_owned()),
        _ => None,
    });
    let mut texts = texts.filter(|text| !text.is_empty());
    match texts.next() {
        Some(text) if agent.output.is_none() => Ok((text.into(), Vec::new())),
        _ => Err(TurnError::Failed(error)),
    }
}

fn no_answer(agent: &AgentDefinition) -> StepError {
    InvalidAnswer::Empty.into_error(agent)
}

/// The reason an answer cannot be used.
enum InvalidAnswer {
    /// The answer is empty. After tool calls the model is asked once more: an empty output would
    /// pass the step's input on as its result.
    Empty,
    /// The answer does not match the output schema. The model may correct it.
    Mismatch(String),
}

impl InvalidAnswer {
    fn is_correctable(&self, turn: u32) -> bool {
        matches!(self, Self::Mismatch(_)) || turn > 1
    }

    fn correction(&self) -> String {
        match self {
            Self::Empty => {
                "Your answer was empty. Answer now with what you found out or did.".to_owned()
            }
            Self::Mismatch(why) => format!(
                "Your answer does not match the required schema: {why}. Answer again with JSON \
                 that matches the schema, and nothing else."
            ),
        }
    }

    fn into_error(self, agent: &AgentDefinition) -> StepError {
        let model = agent.model.id();
        let error = match self {
            Self::Empty => {
                StepError::new(format!("model `{model}` ended its turn without an answer"))
                    .with_id(ErrorId::MODEL_ANSWER_EMPTY)
            }
            Self::Mismatch(why) => StepError::new(format!(
                "the answer of model `{model}` does not match the output schema: {why}"
            ))
            .with_id(ErrorId::MODEL_ANSWER_MISMATCH)
            .with_hint("simplify the output type, or use a model with structured output"),
        };
        error.with_code(ErrorCode::Model)
    }
}

/// Reads an answer that contains no tool calls.
async fn read_answer(
    agent: &AgentDefinition,
    answer: &AssistantTurn,
) -> Result<(Content, Vec<Media>), InvalidAnswer> {
    let text = answer.as_text();
    let media: Vec<Media> = answer
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Media { media } => Some(media.clone()),
            _ => None,
        })
        .collect();
    if let Some(shape) = &agent.output {
        return match shape.read(&text).await {
            Ok(value) => Ok((value.into(), media)),
            Err(why) => Err(InvalidAnswer::Mismatch(why)),
        };
    }
    if text.trim().is_empty() && media.is_empty() {
        return Err(InvalidAnswer::Empty);
    }
    Ok((text.into(), media))
}

/// Returns the message with which the model sees the media of tool results. Wires of several
/// providers have only text in a result. A model that does not take them gets a note.
fn shown(agent: &AgentDefinition, talk: &Conversation, media: Vec<Media>) -> Option<Message> {
    if media.is_empty() {
        return None;
    }
    let kinds: Vec<&str> =
        media.iter().map(|medium| medium.mime.as_deref().unwrap_or("unknown type")).collect();
    let kinds = kinds.join(", ");
    let text = format!("The media of the tool results above, in their order: {kinds}");
    let parts = media.into_iter().map(|media| Part::Media { media });
    let message = Message::User { parts: [Part::Text { text }].into_iter().chain(parts).collect() };
    let mut with = talk.clone();
    with.messages.push(message.clone());
    let view = View::new(with.messages.len());
    Some(match agent.model.check(&request(agent, &with, &view)) {
        Ok(()) => message,
        Err(error) => Message::user(format!(
            "The tool results above have media that you cannot see ({kinds}): {error}"
        )),
    })
}

fn user_message(message: &Content, input: &StepInput) -> Message {
    let text = message.pretty().into_owned();
    let media = input.media();
    // Providers refuse empty texts, but media alone is a message.
    let text = (!text.is_empty() || media.is_empty()).then_some(Part::Text { text });
    let media = media.into_iter().map(|media| Part::Media { media });
    Message::User { parts: text.into_iter().chain(media).collect() }
}

/// Returns the choice of tools for a request. An agent that must call a tool has done so when it
/// has the result of one; then it may answer.
fn tool_choice(agent: &AgentDefinition, messages: &[Message]) -> ToolChoice {
    let has_called = messages.iter().any(|message| matches!(message, Message::Tool { .. }));
    match agent.tool_choice {
        _ if lead::must_answer(agent, messages) => ToolChoice::None,
        ToolChoice::Required | ToolChoice::One(_) if has_called => ToolChoice::Auto,
        ref choice => choice.clone(),
    }
}
