//! The facts of an attempt: those from before a crash, and then new ones.

use std::collections::VecDeque;
use std::time::Duration;
use stepwright_core::message::Usage;
use stepwright_core::{Event, EventKind, StepContext, StepError, Timestamp};

/// Why the work of an agent ends early.
pub(crate) enum Stop {
    /// The agent has failed, and that is to be recorded.
    Failed(StepError),
    /// So has it, after a request that consumed this and gave no answer.
    Spent(StepError, Usage),
    /// Nothing more may be recorded: the failure is in the journal already, or the journal is lost.
    Over(StepError),
}

impl From<StepError> for Stop {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// What the agent has done and does, fact by fact.
///
/// There is one code path: each fact is asked for in order, and is either recalled, and then
/// nothing is done, or it is made and recorded.
pub(crate) struct Facts<'a> {
    cx: &'a StepContext,
    past: VecDeque<Event>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(cx: &'a StepContext) -> Self {
        let past = cx.past().into_iter().filter(|event| event.kind.is_of_executor());
        Self { cx, past: past.collect() }
    }

    /// The next fact, which is one of these kinds: from the past, or else what `work` gives.
    pub(crate) async fn next(
        &mut self,
        kinds: &[&str],
        work: impl Future<Output = Result<EventKind, StepError>>,
    ) -> Result<EventKind, Stop> {
        match self.past.pop_front().map(|event| event.kind) {
            Some(EventKind::RunError { error, .. }) => Err(Stop::Over(StepError { data: error })),
            Some(fact) if kinds.contains(&fact.name()) => Ok(fact),
            Some(other) => {
                let message = format!(
                    "the journal has `{}` where the agent comes to `{}`",
                    other.name(),
                    kinds.join("` or `"),
                );
                let hint = "the agent has changed since this step began; start a new run";
                // Whatever is recorded behind it would make the journal no better.
                Err(Stop::Over(StepError::terminal(message).with_hint(hint)))
            }
            None => {
                let fact = work.await?;
                self.cx.record(fact.clone()).await.map_err(Stop::Over)?;
                Ok(fact)
            }
        }
    }

    /// A fact that holds nothing which the agent needs to know.
    pub(crate) async fn note(&mut self, fact: EventKind) -> Result<(), Stop> {
        let kind = fact.name();
        self.next(&[kind], std::future::ready(Ok(fact))).await.map(drop)
    }

    /// How often the model was asked again before a crash, and when it may be asked once more.
    pub(crate) fn asked_again(&mut self) -> (u32, Option<Timestamp>) {
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
