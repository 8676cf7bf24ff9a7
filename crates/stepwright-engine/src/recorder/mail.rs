//! Messages to the agents of a run: read from its inbox, and given at the safe points of agents.

use super::Recorder;
use crate::stop::Stop;
use rustc_hash::FxHashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::event::Event;
use stepwright_core::sent::{SendMode, SentMessage};
use stepwright_core::store::{Signal, SignalKind};
use stepwright_core::{AnyStore, ErrorId, EventKind, StepError, StepPath, StoreError};
use tokio::sync::Notify;

/// The messages of a run.
#[derive(Default)]
pub(super) struct Mail {
    state: Mutex<State>,
    /// Notified when the inbox may have a new message.
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// The agents that got messages, by the ids of these. A message of an attempt that failed is
    /// given again to the same step, whose conversation begins anew.
    given: FxHashMap<Arc<str>, Given>,
    /// The messages that were read and not given, in the order of their arrival.
    waiting: Vec<SentMessage>,
    /// The number of times that a message may have arrived, and the number of those after which the
    /// inbox was read.
    arrivals: (u64, u64),
    /// `true` once the messages that earlier runs of the session left were taken over.
    has_taken_over: bool,
}

enum Given {
    At(StepPath),
    /// In an attempt that failed.
    Again(StepPath),
}

impl State {
    fn apply(&mut self, path: &StepPath, kind: &EventKind) {
        match kind {
            EventKind::MessageReceived { message } => {
                self.given.insert(message.id.clone(), Given::At(path.clone()));
            }
            EventKind::DeciderRecorded { fact } => self.apply(path, fact),
            EventKind::StepRetrying { .. } => {
                for given in self.given.values_mut() {
                    if let Given::At(at) = given
                        && path.contains(at)
                    {
                        *given = Given::Again(at.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds the messages of an inbox that were not given.
    fn read(&mut self, inbox: Vec<Signal>) {
        self.waiting.clear();
        for signal in inbox {
            let SignalKind::Message(mut message) = signal.kind else { continue };
            match self.given.get(&message.id) {
                None => {}
                Some(Given::At(_)) => continue,
                Some(Given::Again(at)) => message.to = Some(at.clone()),
            }
            self.waiting.push(message);
        }
    }

    /// Takes the messages for an agent at a safe point. From now on they are given.
    fn take(&mut self, at: &StepPath, ends: bool) -> Vec<SentMessage> {
        let is_now = |message: &SentMessage| message.mode != SendMode::FollowUp;
        let taken = |message: &mut SentMessage| is_now(message) && message.is_for(at);
        let mut messages: Vec<SentMessage> = self.waiting.extract_if(.., taken).collect();
        if messages.is_empty() && ends {
            // One by one, so that each has an answer.
            let next = self.waiting.iter().position(|message| message.is_for(at));
            messages.extend(next.map(|next| self.waiting.remove(next)));
        }
        for message in &messages {
            self.given.insert(message.id.clone(), Given::At(at.clone()));
        }
        messages
    }

    fn interrupts(&self, at: &StepPath) -> bool {
        self.waiting.iter().any(|message| message.mode == SendMode::Interrupt && message.is_for(at))
    }
}

impl Mail {
    /// Collects the messages that a run has given. `past` are the facts that count.
    pub(super) fn of(past: &[Event]) -> Self {
        let mut state = State::default();
        for event in past {
            state.apply(&event.path, &event.kind);
        }
        Self { state: Mutex::new(state), arrived: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an attempt of a step failed.
    pub(super) fn retries(&self, step: &StepPath, retrying: &EventKind) {
        self.state().apply(step, retrying);
    }
}

impl Recorder {
    /// Notes that the inbox of the run may have a new message.
    pub(crate) fn mail_arrived(&self) {
        self.mail.state().arrivals.0 += 1;
        self.mail.arrived.notify_waiters();
    }

    /// Gives an agent the messages that wait for it, and records that it got them.
    pub(crate) async fn received(
        &self,
        at: &StepPath,
        ends: bool,
        of_decider: bool,
    ) -> Result<Vec<SentMessage>, StepError> {
        let given = self.give(at, ends, of_decider).await;
        given.map_err(|_| {
            StepError::terminal("the journal of the run is lost").with_id(ErrorId::STEP_STOPPED)
        })
    }

    async fn give(
        &self,
        at: &StepPath,
        ends: bool,
        of_decider: bool,
    ) -> Result<Vec<SentMessage>, Stop> {
        let Some(store) = self.store() else { return Ok(Vec::new()) };
        let lost = |error| Stop::Lost(Arc::new(error));
        self.read_mail(store).await.map_err(lost)?;
        // No await between the two: a message that was taken is recorded.
        let messages = self.mail.state().take(at, ends);
        for message in &messages {
            let mut fact = EventKind::MessageReceived { message: Box::new(message.clone()) };
            if of_decider {
                fact = EventKind::DeciderRecorded { fact: Box::new(fact) };
            }
            self.time_passes();
            self.record(at, fact)?;
        }
        if !messages.is_empty() {
            self.settle().await?;
        }
        Ok(messages)
    }

    async fn read_mail(&self, store: &AnyStore) -> Result<(), StoreError> {
        if !self.mail.state().has_taken_over {
            let (run, session) = (&self.run.run_id, &self.run.session_id);
            for left in store.unread(session).await? {
                store.forward(&left.run, &left.id, Some(run)).await?;
            }
            self.mail.state().has_taken_over = true;
        }
        // Counted before it is read, so that nothing that comes meanwhile is missed.
        let arrived = self.mail.state().arrivals.0;
        let inbox = store.inbox(&self.run.run_id).await?;
        let mut state = self.mail.state();
        state.read(inbox);
        state.arrivals.1 = state.arrivals.1.max(arrived);
        if state.waiting.iter().any(|message| message.mode == SendMode::Interrupt) {
            // It may be for another agent than the one that has read it.
            self.mail.arrived.notify_waiters();
        }
        Ok(())
    }

    /// Waits for a message that cuts off the answer of the model of the agent at this path.
    pub(crate) async fn until_interrupted(&self, at: &StepPath) {
        let Some(store) = self.store() else { return std::future::pending().await };
        loop {
            let mut arrived = pin!(self.mail.arrived.notified());
            arrived.as_mut().enable();
            let (came, read) = self.mail.state().arrivals;
            if came > read && self.read_mail(store).await.is_err() {
                // The next fact reports a store that fails.
                return std::future::pending().await;
            }
            if self.mail.state().interrupts(at) {
                return;
            }
            arrived.await;
        }
    }
}
