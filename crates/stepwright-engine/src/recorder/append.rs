//! Appends the recorded facts to the journal, one batch at a time.

use super::Recorder;
use crate::stop::Stop;
use futures_util::future::{BoxFuture, FutureExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use stepwright_core::event::Event;
use stepwright_core::journal::Append;
use stepwright_core::observe::BeforeAppend;
use stepwright_core::{AnyStore, StoreError};

/// The journal of a run with a store.
pub(super) struct Journal {
    pub(super) store: AnyStore,
    /// Stores something ahead of the facts.
    before: Option<Arc<dyn BeforeAppend>>,
    /// The append under way. Any task that waits for it drives it: if that task is dropped, the
    /// next one goes on.
    appending: tokio::sync::Mutex<Option<Appending>>,
}

impl Journal {
    pub(super) fn of(store: AnyStore, before: Option<Arc<dyn BeforeAppend>>) -> Self {
        Self { store, before, appending: None.into() }
    }
}

struct Appending {
    work: BoxFuture<'static, Result<(), StoreError>>,
    batch: VecDeque<Event>,
    next: u64,
}

impl Recorder {
    /// Waits until all facts recorded so far are in the journal, and shown to readers.
    pub(crate) async fn settle(&self) -> Result<(), Stop> {
        match &self.journal {
            // Boxed, so that a step at work does not keep space for this.
            Some(journal) => {
                let _working = self.pending.work();
                let answer = Box::pin(self.append_all(journal)).await;
                self.time_passes();
                answer
            }
            None => Ok(()),
        }
    }

    async fn append_all(&self, journal: &Journal) -> Result<(), Stop> {
        let target = self.state().fold.next_sequence();
        loop {
            {
                let state = self.state();
                if let Some(lost) = &state.lost {
                    return Err(Stop::Lost(lost.clone()));
                }
                if state.durable >= target {
                    return Ok(());
                }
            }
            let mut appending = journal.appending.lock().await;
            if appending.is_none() {
                *appending = self.begin(journal);
            }
            let Some(work) = appending.as_mut() else { continue };
            let answer = (&mut work.work).await;
            let done = appending.take().expect("it is under way");
            self.finish(done, answer);
        }
    }

    /// Returns `true` if the store does not know the run, because the first append failed.
    pub(crate) async fn was_never_begun(&self) -> bool {
        let Some(journal) = &self.journal else { return false };
        let failed = {
            let state = self.state();
            state.durable == 0
                && matches!(state.lost.as_deref(), Some(StoreError::Unavailable { .. }))
        };
        failed && matches!(journal.store.run(&self.run.run_id).await, Ok(None))
    }

    /// Begins an append of the queue, unless it is empty.
    fn begin(&self, journal: &Journal) -> Option<Appending> {
        let mut state = self.state();
        let facts: Vec<Event> =
            state.queue.iter().filter(|event| event.is_fact()).cloned().collect();
        let last = facts.last()?;
        let next = last.sequence + 1;
        let close = if last.kind.is_terminal() { state.close.take() } else { None };
        state.appending = true;
        let batch = std::mem::take(&mut state.queue);
        let store = journal.store.clone();
        let before = journal.before.as_ref();
        let before =
            before.and_then(|outbox| outbox.before_append(&store, &self.run.workflow_id, &facts));
        let append = Append {
            run: self.run.run_id.clone(),
            facts,
            close: close.map(|close| *close),
            driver: state.driver.clone(),
        };
        let work = async move {
            if let Some(before) = before {
                before.await?;
            }
            store.append(append).await
        };
        let work = work.boxed();
        Some(Appending { work, batch, next })
    }

    fn finish(&self, done: Appending, answer: Result<(), StoreError>) {
        let mut state = self.state();
        state.appending = false;
        match answer {
            Ok(()) => {
                state.durable = done.next;
                for event in done.batch {
                    state.readers.show(event);
                }
                // Deltas before the next fact need not wait for an append.
                let facts = state.queue.iter().position(Event::is_fact);
                let free = facts.unwrap_or(state.queue.len());
                let queued: Vec<Event> = state.queue.drain(..free).collect();
                for delta in queued {
                    state.readers.show(delta);
                }
            }
            Err(error) => self.lose(&mut state, Arc::new(error)),
        }
    }

    /// Returns the store, if the run has one.
    pub(crate) fn store(&self) -> Option<&AnyStore> {
        self.journal.as_ref().map(|journal| &journal.store)
    }
}
