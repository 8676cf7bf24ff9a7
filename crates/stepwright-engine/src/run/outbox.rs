//! Events on their way to one reader.

use crate::recorder::push_joining;
use futures_util::future::{BoxFuture, FutureExt as _};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use stepwright_core::event::Event;
use stepwright_core::{AnyStore, RunId, StoreError};

/// How many events may lie unread. Beyond that, a reader of a run that is remembered gets its facts
/// from the journal, and deltas are lost to it.
const UNREAD_MAX: usize = 8_192;

/// How many facts are read from the journal at once.
const PAGE: usize = 1_000;

/// Events on their way to one reader, who may be slow: the run does not wait for it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    unread: Mutex<Unread>,
    /// Where facts are found that did not fit, once that is known.
    journal: OnceLock<(AnyStore, RunId)>,
    /// The number of the first fact that is news to the reader, once that is known.
    beginning: OnceLock<u64>,
}

#[derive(Debug, Default)]
struct Unread {
    events: VecDeque<Event>,
    reader: Option<Waker>,
    closed: bool,
    /// Whether events were left out that are in the journal.
    missed: bool,
}

impl Outbox {
    /// An outbox for a run whose facts are in a journal.
    pub(crate) fn of(store: AnyStore, run: RunId) -> Self {
        let outbox = Self::default();
        outbox.found_in(store, run);
        outbox
    }

    /// Where the facts of the run are found.
    pub(crate) fn found_in(&self, store: AnyStore, run: RunId) {
        let _ = self.journal.set((store, run));
    }

    /// Says which fact is the first that is news to the reader. Whoever says it first is heard.
    pub(crate) fn begins_at(&self, fact: u64) {
        let _ = self.beginning.set(fact);
    }

    /// The number of the first fact that is news to the reader, once that is known.
    pub(crate) fn beginning(&self) -> Option<u64> {
        self.beginning.get().copied()
    }

    /// Facts were left out that are in the journal, or may have been.
    pub(crate) fn miss(&self) {
        self.change(|unread| unread.missed = true);
    }

    pub(crate) fn push(&self, event: Event) {
        self.change(|unread| {
            if unread.events.len() >= UNREAD_MAX && self.journal.get().is_some() {
                unread.events.clear();
                unread.missed = true;
            }
            if !unread.missed {
                push_joining(&mut unread.events, event);
            }
        });
    }

    pub(crate) fn close(&self) {
        self.change(|unread| unread.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Unread)) {
        let reader = {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut unread);
            unread.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes all that is unread, in exchange for an empty queue.
    fn poll_take(&self, cx: &mut Context<'_>, read: &mut VecDeque<Event>) -> Poll<Took> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if !unread.events.is_empty() {
            std::mem::swap(&mut unread.events, read);
            return Poll::Ready(Took::Events);
        }
        if std::mem::take(&mut unread.missed) {
            return Poll::Ready(Took::Missed);
        }
        if unread.closed {
            return Poll::Ready(Took::Closed);
        }
        unread.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

enum Took {
    Events,
    /// There are more in the journal.
    Missed,
    Closed,
}

/// One reader's place in the events of a run.
#[derive(Default)]
pub(crate) struct Tail {
    /// The number of the next fact.
    next: u64,
    /// Whether it begins where the outbox says, or else wherever the first event is.
    anywhere: bool,
    read: VecDeque<Event>,
    loading: Option<Loading>,
    /// Whether the journal may have more than was read of it.
    more: bool,
}

type Loading = BoxFuture<'static, Result<Vec<Event>, StoreError>>;

impl Tail {
    /// A reader who knows all facts before this one.
    pub(crate) fn from(next: u64) -> Self {
        Self { next, ..Self::default() }
    }

    /// A reader who begins where the outbox says, or else wherever the first event is.
    pub(crate) fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// The number of the next fact.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Reads the journal from the next fact on.
    pub(crate) fn load(&mut self, store: &AnyStore, run: &RunId) {
        let (store, run, next) = (store.clone(), run.clone(), self.next);
        self.loading = Some(async move { store.load(&run, next, PAGE).await }.boxed());
    }

    /// The next event that was read from the journal. `Ready(None)` when all that there was has
    /// been read; then `full` says whether there may be more.
    pub(crate) fn poll_loaded(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, StoreError>>> {
        if let Some(loading) = &mut self.loading {
            let facts = ready!(loading.as_mut().poll(cx));
            self.loading = None;
            match facts {
                Ok(facts) => {
                    self.more = facts.len() == PAGE;
                    // What lay unread is in the journal too, or older.
                    self.read = facts.into();
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(self.pop().map(Ok))
    }

    fn pop(&mut self) -> Option<Event> {
        while let Some(event) = self.read.pop_front() {
            if event.is_fact() && event.sequence >= self.next {
                self.next = event.sequence + 1;
                return Some(event);
            }
            // A delta follows the fact that it names; one that comes late is passed over.
            if !event.is_fact() && event.sequence + 1 == self.next {
                return Some(event);
            }
        }
        None
    }

    /// Whether the next event is a fact, and some before it are missing.
    fn gap(&self) -> bool {
        self.read.front().is_some_and(|event| event.is_fact() && event.sequence > self.next)
    }

    /// The next event; nothing when the outbox is closed and all is read.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Arc<Outbox>,
    ) -> Poll<Option<Result<Event, StoreError>>> {
        loop {
            if self.loading.is_some()
                && let Some(event) = ready!(self.poll_loaded(cx))
            {
                return Poll::Ready(Some(event));
            }
            if !self.gap()
                && let Some(event) = self.pop()
            {
                return Poll::Ready(Some(Ok(event)));
            }
            let missed = self.gap()
                || std::mem::take(&mut self.more)
                || match ready!(outbox.poll_take(cx, &mut self.read)) {
                    Took::Closed => return Poll::Ready(None),
                    took => {
                        if std::mem::take(&mut self.anywhere) {
                            let first = self.read.front().map_or(0, |event| event.sequence);
                            self.next = outbox.beginning().unwrap_or(first);
                        }
                        matches!(took, Took::Missed)
                    }
                };
            if missed {
                match outbox.journal.get() {
                    Some((store, run)) => self.load(store, run),
                    // Without a journal nothing is left out; what is there is shown.
                    None => self.next = self.read.front().map_or(self.next, |event| event.sequence),
                }
            }
        }
    }
}
