//! Requests of an agent to its model: through the gate, with their retries, as facts.

use crate::definition::AgentDefinition;
use crate::failures::model_failed;
use crate::guarded::holds_text;
use crate::pacing::{enter, hold_off, through};
use crate::played;
use crate::replay::TurnError;
use crate::voice;
use futures_util::future::{Either, pending, select};
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::event::RequestPurpose;
use stepwright_core::gate::{Admission, Demand, Permit, Reservation};
use stepwright_core::message::{Message, Usage};
use stepwright_core::model::{
    Model as _, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ToolChoice,
};
use stepwright_core::permission::Effect;
use stepwright_core::redact::redact;
use stepwright_core::{BoxFuture, EventKind, StepContext, StepError, Timestamp};
use stepwright_models::{note_quota, retrying_stream};

/// A request of a turn, or of the work of an agent on its context.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) turn: u32,
    /// The purpose of a request that is not a turn: its text is not shown, and no message cuts it
    /// off.
    pub(crate) purpose: Option<RequestPurpose>,
}

/// The answer of the gate to a request.
pub(crate) enum Admitted {
    Yes(Reservation),
    /// A budget is spent, and the agent should end with what it has.
    Spent(StepError),
}

/// Passes the gate with a request: its model must be permitted, and budgets must hold it. If the
/// budgets make it the last request of the agent, it gets no tools.
pub(crate) async fn admit(
    agent: &AgentDefinition,
    request: &mut ModelRequest,
    before: Option<Usage>,
    cx: &StepContext,
) -> Result<Admitted, TurnError> {
    // Each of a chain, because each may get the request.
    for model in agent.model.ids() {
        match cx.permit(&Effect::model(model)).await.map_err(TurnError::Recorded)? {
            Permit::Granted => {}
            Permit::Refused(error) => return Err(TurnError::Failed(error)),
        }
    }
    let models = agent.model.ids();
    let demand = Demand::of_request(agent.model.id(), request).among(models).after(before);
    Ok(match cx.reserve(&demand).await? {
        Admission::Granted(held) => Admitted::Yes(held),
        Admission::Last(held) => {
            if !request.tools.is_empty() {
                request.tool_choice = ToolChoice::None;
                request.messages.push(Message::user(LAST_TURN));
            }
            Admitted::Yes(held)
        }
        Admission::Spent(error) => Admitted::Spent(error),
    })
}

/// The message with which an agent is asked to finish.
const LAST_TURN: &str = "Your budget is nearly spent, and this is your last turn. Answer now with \
                         what you have found out or done.";

/// Requests an answer from the model, emits its deltas and returns the completed-request event.
/// `retries` and `due` come from a journal that a crash cut off: the retries already made, and the
/// earliest time of the next one. On failure, `lost` is the usage of the last request.
pub(crate) async fn ask(
    agent: &AgentDefinition,
    asking: Asking,
    request: ModelRequest,
    (retries, due): (u32, Option<Timestamp>),
    cx: &StepContext,
    lost: &mut Usage,
) -> Result<EventKind, StepError> {
    let Asking { turn, purpose } = asking;
    if let Some(played) = played::turn(agent, (turn, purpose), &request, cx, lost).await {
        return played;
    }
    if cx.run().debug {
        let text = request.messages.last().map(Message::text).unwrap_or_default();
        let instructions = agent.instructions.as_deref().unwrap_or_default();
        tracing::debug!(
            target: "stepwright", agent = &*agent.name, step = %cx.path(), turn,
            messages = request.messages.len(), tools = agent.specs.len(),
            instructions = &*redact(instructions), prompt = &*redact(&text), "asking the model"
        );
    }
    let (recording, model) = (cx.clone(), agent.model.id().to_owned());
    // Of a chain, each model has limits of its own.
    let ids = agent.model.ids().len();
    let requests = Arc::new(AtomicU32::new(retries + 1));
    let sent = requests.clone();
    let on_retry = move |error: &ModelError, attempt: u32, delay: Duration| {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        if ids == 1 {
            hold_off(&model, error, &recording);
        }
        sent.store(retries + attempt + 1, Ordering::Relaxed);
        let (attempt, usage) = (retries + attempt, *error.usage);
        let error = model_failed(&model, error, 1, recording.attempt()).data;
        let fact = EventKind::ModelRequestRetrying { turn, attempt, error, delay_ms, usage };
        let cx = recording.clone();
        let recorded = async move { cx.record(fact).await };
        recorded
            .map_err(|lost| ModelError::new(ModelErrorKind::Provider, lost.data.message))
            .boxed()
    };
    let mut interrupted: BoxFuture<'_, ()> = match purpose {
        None => cx.interrupted(),
        Some(_) => pending().boxed(),
    };
    let mut said = String::new();
    let admitted = async {
        if let Some(due) = due {
            cx.world().sleep(due.since(cx.world().now())).await;
        }
        enter(agent, &request, cx).await
    };
    let slot = match select(pin!(admitted), &mut interrupted).await {
        Either::Left((slot, _)) => slot?,
        Either::Right(_) => return Ok(interruption(turn, said)),
    };
    let (retry, idle) = (agent.retry.after(retries), agent.limits.idle);
    let asked = if ids == 1 { agent.model.clone() } else { through(&agent.model, cx) };
    let mut stream = retrying_stream(&asked, request, retry, idle, cx.world(), on_retry);
    let mut called: BTreeMap<usize, Arc<str>> = BTreeMap::new();
    let holds = holds_text(agent);
    loop {
        let event = match select(stream.next(), &mut interrupted).await {
            Either::Left((Some(event), _)) => event,
            Either::Left((None, _)) => {
                unreachable!("a guarded stream ends with an answer or an error")
            }
            Either::Right(_) => return Ok(interruption(turn, said)),
        };
        let event = event.map_err(|error| {
            *lost = *error.usage;
            if ids == 1 {
                hold_off(agent.model.id(), &error, cx);
            }
            let requests = requests.load(Ordering::Relaxed);
            model_failed(agent.model.id(), &error, requests, cx.attempt())
        });
        match event? {
            // The text is for the agent alone.
            ModelEvent::TextDelta(_) | ModelEvent::ReasoningDelta(_) if purpose.is_some() => {}
            ModelEvent::TextDelta(text) => {
                said.push_str(&text);
                if holds {
                    cx.keep_alive();
                } else {
                    voice::say(cx, text);
                }
            }
            ModelEvent::ReasoningDelta(text) => {
                cx.emit_event(EventKind::ReasoningContentDelta { reasoning_content: text.into() });
            }
            ModelEvent::Done(completion) => {
                let who = completion.model.as_deref().unwrap_or(agent.model.id());
                let cost = cx.cost(who, &completion.usage);
                if let Some(quota) = &completion.quota {
                    note_quota(who, quota, cx.world(), cx.shared_requests().as_ref());
                }
                slot.leave().await;
                return Ok(EventKind::ModelRequestCompleted {
                    cost: Some(cost),
                    purpose,
                    turn,
                    answer: Arc::new(completion.turn),
                    stop: completion.stop,
                    usage: completion.usage,
                    warning: completion.warning.map(Into::into),
                    model: completion.model.map(Into::into),
                    hosted_tools: completion.hosted_tools.into_iter().map(Into::into).collect(),
                });
            }
            ModelEvent::Restarted(error) => {
                said.clear();
                called.clear();
                let attempt = requests.fetch_add(1, Ordering::Relaxed);
                let usage = *error.usage;
                let error = model_failed(agent.model.id(), &error, 1, cx.attempt()).data;
                let delay_ms = 0;
                let fact =
                    EventKind::ModelRequestRetrying { turn, attempt, error, delay_ms, usage };
                cx.record(fact).await?;
            }
            ModelEvent::ToolCallStart { index, name } => {
                called.insert(index, name.into());
            }
            ModelEvent::ToolArgumentsDelta { index, json } => {
                let tool = called.get(&index).cloned().unwrap_or_default();
                let (index, arguments) = (u32::try_from(index).unwrap_or(u32::MAX), json.into());
                cx.emit_event(EventKind::ToolCallArgumentsDelta { index, tool, arguments });
            }
            // The completed answer contains the calls.
            _ => {}
        }
    }
}

/// Makes the fact of an answer that a message cut off.
fn interruption(turn: u32, said: String) -> EventKind {
    EventKind::ModelRequestInterrupted { turn, partial: said.into() }
}
