//! Replays the recorded facts of an attempt, then records new ones.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::RequestPurpose;
use stepwright_core::guardrail::GuardVerdict;
use stepwright_core::message::Usage;
use stepwright_core::sent::SentMessage;
use stepwright_core::{ErrorId, Event, EventKind, StepContext, StepError, Timestamp};

/// The reason an agent's turn ends early.
pub(crate) enum TurnError {
    /// The agent failed; the failure still has to be recorded.
    Failed(StepError),
    /// The agent failed after a request that consumed tokens and returned no answer.
    FailedAfterUsage(StepError, Usage),
    /// No more facts may be recorded: the failure is already in the journal, or the journal is
    /// lost.
    Recorded(StepError),
}

impl From<StepError> for TurnError {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// The recorded verdicts of an attempt, by key. They are found by their keys and not by their
/// order, because guards that watch judge beside the work.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(pub(crate) HashMap<Arc<str>, GuardVerdict>);

impl Verdicts {
    /// Takes the verdicts out of the facts of an attempt.
    pub(crate) fn taken(past: Vec<Event>) -> (Self, Vec<Event>) {
        let mut verdicts = HashMap::new();
        let mut others = Vec::new();
        for event in past {
            match event.kind {
                EventKind::GuardrailJudged { judged } => {
                    verdicts.insert(judged.key, judged.verdict);
                }
                _ => others.push(event),
            }
        }
        (Self(verdicts), others)
    }

    /// Returns `true` if there is a verdict about another content at the place of `key`: an answer
    /// that was taken back when the run was retried.
    pub(crate) fn has_another(&self, key: &str) -> bool {
        let place = |key: &str| key.rsplit_once(':').map(|(place, _)| place.to_owned());
        self.0.keys().any(|known| &**known != key && place(known) == place(key))
    }
}

/// The agent's facts in order: first the recorded ones, then new ones.
///
/// There is one code path for both: each fact is requested in order and is either replayed without
/// doing the work again, or produced and recorded.
pub(crate) struct ReplayLog<'a> {
    cx: &'a StepContext,
    past: VecDeque<Event>,
}

impl<'a> ReplayLog<'a> {
    pub(crate) fn of(cx: &'a StepContext) -> (Self, Verdicts) {
        let past = cx.past().into_iter().filter(|event| event.kind.is_of_executor());
        let (verdicts, past) = Verdicts::taken(past.collect());
        (Self { cx, past: past.into() }, verdicts)
    }

    /// Returns the next fact, which must be of one of `kinds`: the recorded one, or the result of
    /// `work`, which is then recorded.
    pub(crate) async fn next(
        &mut self,
        kinds: &[&str],
        work: impl Future<Output = Result<EventKind, StepError>>,
    ) -> Result<EventKind, TurnError> {
        match self.past.pop_front().map(|event| event.kind) {
            Some(EventKind::RunError { error, .. }) => {
                Err(TurnError::Recorded(StepError { data: error }))
            }
            Some(fact) if kinds.contains(&fact.name()) => Ok(fact),
            Some(other) => {
                let message = format!(
                    "the journal has `{}` where the agent expects `{}`",
                    other.name(),
                    kinds.join("` or `"),
                );
                let hint = "the agent has changed since this step began; start a new run";
                // More facts after the mismatch would make the journal worse.
                let error = StepError::terminal(message).with_id(ErrorId::AGENT_CHANGED);
                Err(TurnError::Recorded(error.with_hint(hint)))
            }
            None => {
                let fact = work.await?;
                self.cx.record(fact.clone()).await.map_err(TurnError::Recorded)?;
                Ok(fact)
            }
        }
    }

    /// Returns `true` if there are no more recorded facts.
    pub(crate) fn is_over(&self) -> bool {
        self.past.is_empty()
    }

    /// Returns `true` if the next recorded fact is of this kind.
    pub(crate) fn is_next(&self, kind: &str) -> bool {
        self.past.front().is_some_and(|event| event.kind.name() == kind)
    }

    /// Returns `true` if the next recorded fact begins a request for this purpose.
    pub(crate) fn is_next_request(&self, wanted: RequestPurpose) -> bool {
        let next = self.past.front().map(|event| &event.kind);
        let Some(EventKind::ModelRequestStarted { purpose, .. }) = next else { return false };
        *purpose == Some(wanted)
    }

    /// Returns the recorded messages that come next.
    pub(crate) fn messages(&mut self) -> Vec<SentMessage> {
        let mut messages = Vec::new();
        while let Some(Event { kind: EventKind::MessageReceived { message }, .. }) =
            self.past.front()
        {
            messages.push((**message).clone());
            self.past.pop_front();
        }
        messages
    }

    /// Records a fact whose content the agent does not need.
    pub(crate) async fn note(&mut self, fact: EventKind) -> Result<(), TurnError> {
        let kind = fact.name();
        self.next(&[kind], std::future::ready(Ok(fact))).await.map(drop)
    }

    /// Returns the number of recorded retries of the model request, and the earliest time of the
    /// next.
    pub(crate) fn recorded_retries(&mut self) -> (u32, Option<Timestamp>) {
        let (mut times, mut due) = (0, None);
        while let Some(Event {
            kind: EventKind::ModelRequestRetrying { delay_ms, .. }, time, ..
        }) = self.past.front()
        {
            times += 1;
            due = Some(time.plus(Duration::from_millis(*delay_ms)));
            self.past.pop_front();
        }
        (times, due)
    }
}
