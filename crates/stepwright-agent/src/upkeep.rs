//! The work of an agent on its context: texts for its instructions, compaction and the summary of
//! the session.

use crate::asking::{Admitted, Asking, admit, ask};
use crate::compaction::{Method, View};
use crate::context::ContextSource;
use crate::definition::{AgentDefinition, Upkeep};
use crate::failures::check_stop;
use crate::memories::{AgentMemory, MEMORIES, MemoryBy};
use crate::replay::{ReplayLog, TurnError};
use crate::summary::{SESSION_SUMMARY, Said, SessionSummary, latest};
use std::borrow::Cow;
use stepwright_core::event::{Compressed, RequestPurpose};
use stepwright_core::gate::{Demand, Reservation};
use stepwright_core::message::{Message, Usage};
use stepwright_core::model::{AnyModel, Model as _, ModelRequest};
use stepwright_core::state::Patch;
use stepwright_core::store::MemoryChange;
use stepwright_core::{ErrorId, EventKind, StepContext, StepError, StepInput, StoreError};

/// The bytes of text that are taken for a token.
const BYTES_OF_TOKEN: u64 = 4;

/// Returns the agent with the texts of its sources in its instructions.
pub(crate) async fn with_context<'a>(
    agent: Cow<'a, AgentDefinition>,
    input: &StepInput,
    log: &mut ReplayLog<'_>,
    cx: &StepContext,
) -> Result<Cow<'a, AgentDefinition>, TurnError> {
    let mut texts: Vec<String> = Vec::new();
    if let Some(summary) = &agent.upkeep.summary {
        let text = summary.context(&input.state).unwrap_or_default();
        texts.extend(added(SESSION_SUMMARY, std::future::ready(Ok(Some(text))), log, cx).await?);
    }
    let mut began_with = None;
    if let Some(memory) = agent.upkeep.memory.as_ref().filter(|_| cx.run().user_id.is_some()) {
        let known = remembered(memory, cx);
        let known = added(MEMORIES, known, log, cx).await?;
        began_with = known.as_deref().map(Into::into);
        texts.extend(known);
    }
    for source in &agent.upkeep.contexts {
        let source: &dyn ContextSource = &*source.0;
        texts.extend(added(source.name(), source.gather(input, cx), log, cx).await?);
    }
    if texts.is_empty() {
        return Ok(agent);
    }
    let mut agent = agent.into_owned();
    if let (Some(memory), Some(began_with)) = (&mut agent.upkeep.memory, began_with) {
        memory.began_with = began_with;
    }
    texts.splice(0..0, agent.instructions.take());
    agent.instructions = Some(texts.join("\n\n"));
    Ok(Cow::Owned(agent))
}

/// Returns the memories of the user as they are now, for the instructions.
async fn remembered(memory: &AgentMemory, cx: &StepContext) -> Result<Option<String>, StepError> {
    let Some(memories) = cx.memories() else { return Ok(None) };
    let known = memories.list(memory.known).await.map_err(|error| memories_failed(&error))?;
    Ok(Some(AgentMemory::context(&known)))
}

fn memories_failed(error: &StoreError) -> StepError {
    StepError::new(format!("the memories of the user: {error}")).with_id(error.id())
}

/// Returns the recorded text of a source, or the one that it has now.
async fn added(
    source: &str,
    gathered: impl Future<Output = Result<Option<String>, StepError>>,
    log: &mut ReplayLog<'_>,
    cx: &StepContext,
) -> Result<Option<String>, TurnError> {
    let work = async {
        let text = if cx.is_played() {
            cx.recorded(&format!("context {source}"))
                .and_then(|value| value.as_str().map(ToOwned::to_owned))
        } else {
            gathered.await?
        };
        let text = text.unwrap_or_default().into();
        Ok(EventKind::ContextAdded { source: source.into(), text })
    };
    match log.next(&["ContextAdded"], work).await? {
        EventKind::ContextAdded { text, .. } => Ok((!text.is_empty()).then(|| text.to_string())),
        _ => unreachable!("`next` returns one of the requested kinds"),
    }
}

/// The tokens of the last request: the estimate, and the number that the provider has reported.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    estimate: u64,
    reported: u64,
}

impl Measured {
    pub(crate) fn of(request: &ModelRequest, usage: Usage) -> Self {
        Self { estimate: tokens(request), reported: usage.input_tokens.unwrap_or(0) }
    }

    /// Returns the tokens of a request, by the words that a token had in the last one.
    fn tokens(self, request: &ModelRequest) -> u64 {
        let estimate = tokens(request);
        if self.reported <= self.estimate || self.estimate == 0 {
            return estimate;
        }
        let scaled = u128::from(estimate) * u128::from(self.reported) / u128::from(self.estimate);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

fn tokens(request: &ModelRequest) -> u64 {
    match Demand::of_request("", request) {
        Demand::Request { tokens: (input, _), .. } => input / BYTES_OF_TOKEN,
        _ => 0,
    }
}

/// Compresses a conversation that has become too long. `request` makes the request of a view.
pub(crate) async fn compact(
    agent: &AgentDefinition,
    (turn, measured): (u32, Measured),
    messages: &[Message],
    view: &mut View,
    request: impl Fn(&View) -> ModelRequest,
    (usage, log): (&mut Usage, &mut ReplayLog<'_>),
    cx: &StepContext,
) -> Result<(), TurnError> {
    let Some(compaction) = &agent.upkeep.compaction else { return Ok(()) };
    let before = if log.is_over() {
        let before = measured.tokens(&request(view));
        if before <= compaction.above {
            return Ok(());
        }
        before
    } else if log.is_next("CompressionCompleted")
        || log.is_next_request(RequestPurpose::Compression)
    {
        0
    } else {
        return Ok(());
    };
    let Some(cut) = compaction.cut(messages, view) else {
        // What is left is the message and the latest turns.
        return Ok(());
    };
    let summary = match compaction.method {
        Method::Summary => {
            let asked = compaction.request(&messages[cut.clone()], view);
            let of = (turn, RequestPurpose::Compression);
            match side_request(agent, compaction.model.as_ref(), asked, of, usage, log, cx).await? {
                Some(summary) => Some(summary),
                // The budget is spent: the next request ends the agent.
                None => return Ok(()),
            }
        }
        Method::Drop | Method::ClearToolResults => None,
    };
    let mut compressed = Compressed {
        method: compaction.method.as_str().into(),
        until: u64::try_from(cut.end).unwrap_or(u64::MAX),
        tokens_before: before,
        tokens_after: 0,
        summary: summary.map(Into::into),
    };
    let mut after = view.clone();
    after.apply(&compressed);
    compressed.tokens_after = measured.tokens(&request(&after));
    let fact = EventKind::CompressionCompleted { compressed: Box::new(compressed) };
    let fact = log.next(&["CompressionCompleted"], std::future::ready(Ok(fact))).await?;
    if let EventKind::CompressionCompleted { compressed } = fact {
        view.apply(&compressed);
    }
    Ok(())
}

/// Sends a request that is not a turn, and returns its answer. `None` if a budget is spent.
pub(crate) async fn side_request(
    agent: &AgentDefinition,
    model: Option<&AnyModel>,
    mut request: ModelRequest,
    (turn, purpose): (u32, RequestPurpose),
    usage: &mut Usage,
    log: &mut ReplayLog<'_>,
    cx: &StepContext,
) -> Result<Option<String>, TurnError> {
    let other = model.map(|model| AgentDefinition { model: model.clone(), ..agent.clone() });
    let agent = other.as_ref().unwrap_or(agent);
    let mut admitted = None;
    if log.is_over() {
        match admit(agent, &mut request, None, cx).await? {
            Admitted::Yes(held) => admitted = Some(held),
            Admitted::Spent(_) => return Ok(None),
        }
    }
    let reserved = admitted.as_ref().and_then(Reservation::tokens);
    let started = EventKind::ModelRequestStarted { turn, reserved, purpose: Some(purpose) };
    log.note(started).await?;
    let again = log.recorded_retries();
    if log.is_over() && admitted.is_none() {
        match admit(agent, &mut request, None, cx).await? {
            Admitted::Yes(held) => admitted = Some(held),
            Admitted::Spent(error) => return Err(TurnError::Failed(error)),
        }
    }
    let mut lost = Usage::default();
    let asking = Asking { turn, purpose: Some(purpose) };
    let asked = ask(agent, asking, request, again, cx, &mut lost);
    let fact = match log.next(&["ModelRequestCompleted"], asked).await {
        Err(TurnError::Failed(error)) => {
            return Err(TurnError::FailedAfterUsage(error, lost));
        }
        fact => fact?,
    };
    drop(admitted);
    let EventKind::ModelRequestCompleted { answer, stop, usage: used, .. } = fact else {
        unreachable!("`next` returns one of the requested kinds");
    };
    *usage += used;
    check_stop(agent, &answer, &stop)?;
    let text = answer.as_text().trim().to_owned();
    if text.is_empty() {
        let model = agent.model.id();
        let message = format!("model `{model}` gave an empty answer when asked for a text");
        return Err(TurnError::Failed(
            StepError::new(message).with_id(stepwright_core::ErrorId::MODEL_ANSWER_EMPTY),
        ));
    }
    Ok(Some(text))
}

/// Updates the summaries and memories after an answer: those of the agent that gave it, and of the
/// agents that had the conversation before it. Returns the changes of the session state.
pub(crate) async fn after_answer(
    (former, agent): (&[AgentDefinition], &AgentDefinition),
    (turn, input): (u32, &StepInput),
    said: (&str, &str),
    usage: &mut Usage,
    log: &mut ReplayLog<'_>,
    cx: &StepContext,
) -> Result<Vec<Patch>, TurnError> {
    let agents: Vec<&AgentDefinition> = former.iter().chain([agent]).collect();
    let mut patches = Vec::new();
    for (nth, agent) in agents.iter().enumerate() {
        // Of agents that keep the same, the last one does.
        let later = || agents[nth + 1..].iter().map(|agent| &agent.upkeep);
        if let Some(summary) = &agent.upkeep.summary {
            let is_same = |other: &SessionSummary| other.key == summary.key;
            if !later().any(|other| other.summary.as_ref().is_some_and(is_same)) {
                patches.push(summarise(agent, summary, (turn, input), said, usage, log, cx).await?);
            }
        }
        if let Some(memory) = agent.upkeep.remembers()
            && !later().any(|other| other.remembers().is_some())
        {
            memorise(agent, memory, turn, said, usage, log, cx).await?;
        }
    }
    Ok(patches)
}

impl Upkeep {
    /// Returns `true` if there is work after an answer.
    pub(crate) fn is_after_answer(&self) -> bool {
        self.summary.is_some() || self.remembers().is_some()
    }

    /// Returns the memories that a model is asked for after an answer.
    fn remembers(&self) -> Option<&AgentMemory> {
        self.memory.as_ref().filter(|memory| memory.by == MemoryBy::AfterRun)
    }
}

/// Updates the summary of the session. Returns the change of the session state.
async fn summarise(
    agent: &AgentDefinition,
    summary: &SessionSummary,
    (turn, input): (u32, &StepInput),
    said: (&str, &str),
    usage: &mut Usage,
    log: &mut ReplayLog<'_>,
    cx: &StepContext,
) -> Result<Patch, TurnError> {
    let (stored, mut pending) = summary.stored(&input.state);
    pending.push(Said::of(said));
    let kept = |text: Option<&str>, pending: &[Said]| {
        Patch::set(summary.key.clone(), SessionSummary::value(text, latest(pending)))
    };
    if pending.len() < summary.every as usize {
        return Ok(kept(stored.as_deref(), &pending));
    }
    let request = summary.request(stored.as_deref(), &pending);
    let of = (turn, RequestPurpose::SessionSummary);
    let asked = side_request(agent, summary.model.as_ref(), request, of, usage, log, cx).await?;
    let Some(text) = asked else {
        // The budget is spent: the run counts for the next summary.
        return Ok(kept(stored.as_deref(), &pending));
    };
    let fact = EventKind::SessionSummaryCompleted { summary: text.into() };
    let fact = log.next(&["SessionSummaryCompleted"], std::future::ready(Ok(fact))).await?;
    match fact {
        EventKind::SessionSummaryCompleted { summary } => Ok(kept(Some(&*summary), &[])),
        _ => unreachable!("`next` returns one of the requested kinds"),
    }
}

/// Asks a model after the answer of the agent what should be remembered of the user, and changes
/// the memories. The changes are stored before they are recorded: a run that dies in between makes
/// them again, which changes nothing more.
async fn memorise(
    agent: &AgentDefinition,
    memory: &AgentMemory,
    turn: u32,
    (asked, answer): (&str, &str),
    usage: &mut Usage,
    log: &mut ReplayLog<'_>,
    cx: &StepContext,
) -> Result<(), TurnError> {
    let is_kept = cx.is_played() || cx.memories().is_some();
    if cx.run().user_id.is_none() || !is_kept {
        return Ok(());
    }
    let request = memory.request(asked, answer);
    let of = (turn, RequestPurpose::UserMemories);
    let asked = side_request(agent, memory.model.as_ref(), request, of, usage, log, cx).await?;
    // The budget is spent: nothing of this run is remembered.
    let Some(said) = asked else { return Ok(()) };
    let changes = match memory.read(&said, &cx.idempotency_key_for(MEMORIES)) {
        Ok(changes) => changes,
        Err(why) => {
            // The answer of the agent is good, whatever this model says.
            cx.note(format!("nothing was remembered: the answer is no list of changes: {why}"));
            Vec::new()
        }
    };
    let work = async { stored(changes, cx).await };
    log.next(&["MemoryUpdateCompleted"], work).await.map(drop)
}

async fn stored(changes: Vec<MemoryChange>, cx: &StepContext) -> Result<EventKind, StepError> {
    let memories = cx.memories().filter(|_| !cx.is_played() && !changes.is_empty());
    let Some(memories) = memories else {
        return Ok(EventKind::MemoryUpdateCompleted { changes });
    };
    match memories.update(changes.clone()).await {
        Ok(_) => Ok(EventKind::MemoryUpdateCompleted { changes }),
        Err(error) if error.id() == ErrorId::MEMORIES_FULL => {
            cx.note(format!("nothing was remembered: {error}"));
            Ok(EventKind::MemoryUpdateCompleted { changes: Vec::new() })
        }
        Err(error) => Err(memories_failed(&error)),
    }
}
