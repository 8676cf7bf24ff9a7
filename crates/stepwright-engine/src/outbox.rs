//! Queues of events for readers.

use futures_util::future::{BoxFuture, FutureExt as _};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use stepwright_core::event::Event;
use stepwright_core::{AnyStore, EventKind, RunId, StoreError, Timestamp};

/// The largest number of unread events. Beyond it, a reader of a stored run gets the facts from the
/// journal, and misses deltas.
const UNREAD_MAX: usize = 8_192;

/// The number of unread events from which on pieces of text are joined.
const UNJOINED_MAX: usize = 1_024;

/// The largest size of a joined piece of text, in bytes.
const JOINED_BYTES_MAX: usize = 4_096;

/// The room of a queue when its first event comes: enough for the events of a few steps.
const FIRST_ROOM: usize = 16;

/// The longest time that an event lies unread while the reader's own task drives the run.
const OVERDUE: Duration = Duration::from_millis(1);

/// The number of facts that are read from the journal at a time.
const PAGE: usize = 1_000;

/// A queue of events for one reader. The reader may be slow: the run does not wait for it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    unread: Mutex<Unread>,
    /// The journal with the facts that did not fit, once it is known.
    journal: OnceLock<(AnyStore, RunId)>,
    /// The sequence number of the first fact that is new to the reader, once it is known.
    beginning: OnceLock<u64>,
}

#[derive(Debug, Default)]
struct Unread {
    events: VecDeque<Event>,
    reader: Option<Waker>,
    closed: bool,
    /// `true` while the task of the reader drives the run, so that it cannot read.
    beside: bool,
    /// `true` if events were left out that are in the journal.
    missed: bool,
}

impl Outbox {
    /// Creates an outbox for a run with a journal.
    pub(crate) fn of(store: AnyStore, run: RunId) -> Self {
        let outbox = Self::default();
        outbox.found_in(store, run);
        outbox
    }

    /// Creates an outbox for a run that the task of its reader begins to drive.
    pub(crate) fn beside_reader() -> Self {
        let unread = Unread { beside: true, ..Unread::default() };
        Self { unread: unread.into(), ..Self::default() }
    }

    /// Notes that the run is driven by a task of its own from now on.
    pub(crate) fn leave_reader(&self) {
        self.change(|unread| unread.beside = false);
    }

    /// Returns `true` if the task of the reader drives the run, and has an event to read that is
    /// old at `now`.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        let unread = self.unread();
        let oldest = unread.events.front().filter(|_| unread.beside);
        oldest.is_some_and(|oldest| now.since(oldest.time) >= OVERDUE)
    }

    /// Sets the journal of the run.
    pub(crate) fn found_in(&self, store: AnyStore, run: RunId) {
        let _ = self.journal.set((store, run));
    }

    /// Sets the first fact that is new to the reader. Only the first call takes effect.
    pub(crate) fn begins_at(&self, fact: u64) {
        let _ = self.beginning.set(fact);
    }

    /// Returns the sequence number of the first fact that is new to the reader, once it is known.
    pub(crate) fn beginning(&self) -> Option<u64> {
        self.beginning.get().copied()
    }

    /// Notes that the journal has, or may have, facts that were left out.
    pub(crate) fn miss(&self) {
        self.change(|unread| unread.missed = true);
    }

    /// Takes no more events: its reader has left.
    pub(crate) fn leave(&self) {
        self.change(|unread| {
            unread.events = VecDeque::new();
            unread.missed = true;
        });
    }

    pub(crate) fn push(&self, event: Event) {
        let mut unread = self.unread();
        if unread.events.len() >= UNREAD_MAX && self.journal.get().is_some() {
            unread.events.clear();
            unread.missed = true;
        }
        if !unread.missed {
            if unread.events.capacity() == 0 {
                unread.events.reserve(FIRST_ROOM);
            }
            push_joining(&mut unread.events, event);
        }
        wake_reader(unread);
    }

    pub(crate) fn close(&self) {
        self.change(|unread| unread.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Unread)) {
        let mut unread = self.unread();
        change(&mut unread);
        wake_reader(unread);
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all unread events, in exchange for an empty queue.
    fn poll_take(&self, cx: &mut Context<'_>, read: &mut VecDeque<Event>) -> Poll<Took> {
        let mut unread = self.unread();
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

/// Wakes the reader if it waits, after a change.
fn wake_reader(mut unread: MutexGuard<'_, Unread>) {
    let reader = unread.reader.take();
    drop(unread);
    if let Some(reader) = reader {
        reader.wake();
    }
}

enum Took {
    Events,
    /// More events are in the journal.
    Missed,
    Closed,
}

/// The position of a reader in the events of a run.
#[derive(Default)]
pub(crate) struct Tail {
    /// The sequence number of the next fact.
    next: u64,
    /// `true` if the position is open: it becomes the outbox's beginning, or else the first event.
    anywhere: bool,
    read: VecDeque<Event>,
    loading: Option<Loading>,
    /// `true` if the journal may have more facts than were read.
    more: bool,
}

type Loading = BoxFuture<'static, Result<Vec<Event>, StoreError>>;

impl Tail {
    /// Creates the position of a reader who has all facts before `next`.
    pub(crate) fn from(next: u64) -> Self {
        Self { next, ..Self::default() }
    }

    /// Creates an open position: it becomes the outbox's beginning, or else the first event.
    pub(crate) fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// Returns the sequence number of the next fact.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Begins to read the journal from the next fact on.
    pub(crate) fn load(&mut self, store: &AnyStore, run: &RunId) {
        let (store, run, next) = (store.clone(), run.clone(), self.next);
        self.loading = Some(async move { store.load(&run, next, PAGE).await }.boxed());
    }

    /// Returns the next event that was read from the journal. Returns `Ready(None)` when that page
    /// has been read; the journal may have another page.
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
                    // The journal also has the unread facts that this drops, and unread deltas are
                    // older.
                    self.read = facts.into();
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(self.pop().map(Ok))
    }

    fn pop(&mut self) -> Option<Event> {
        self.skip_late();
        self.take()
    }

    /// Skips deltas that come late, and facts that were read already.
    fn skip_late(&mut self) {
        // A delta follows the fact that it names.
        let is_late = |event: &Event, next: u64| {
            if event.is_fact() { event.sequence < next } else { event.sequence + 1 != next }
        };
        while self.read.front().is_some_and(|event| is_late(event, self.next)) {
            self.read.pop_front();
        }
    }

    /// Returns the next event without taking it, if it was taken from the outbox already.
    pub(crate) fn peek(&mut self) -> Option<&Event> {
        if self.loading.is_some() || self.gap() {
            return None;
        }
        self.skip_late();
        self.read.front()
    }

    /// Takes the event that [`Tail::peek`] has shown. Straight out of the queue: events are large,
    /// and each step of a longer way would copy it.
    pub(crate) fn take(&mut self) -> Option<Event> {
        if let Some(fact) = self.read.front().filter(|event| event.is_fact()) {
            self.next = fact.sequence + 1;
        }
        self.read.pop_front()
    }

    /// Returns `true` if the next event is a fact, and facts before it are missing.
    fn gap(&self) -> bool {
        self.read.front().is_some_and(|event| event.is_fact() && event.sequence > self.next)
    }

    /// Returns the next event, or `None` when the outbox is closed and has been read.
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
                    // Without a journal no fact was left out: go on with the next event.
                    None => self.next = self.read.front().map_or(self.next, |event| event.sequence),
                }
            }
        }
    }
}

/// Adds a delta to a queue. If many events are unread, a piece of text is joined to the one before
/// it.
#[inline]
pub(crate) fn push_joining(queue: &mut VecDeque<Event>, event: Event) {
    if queue.len() >= UNJOINED_MAX && has_joined(queue, &event) {
        return;
    }
    queue.push_back(event);
}

/// Joins a piece of text to the last event of the queue, if that is a piece of the same text.
fn has_joined(queue: &mut VecDeque<Event>, event: &Event) -> bool {
    let Some(last) = queue.back_mut().filter(|last| last.path == event.path) else { return false };
    match (&mut last.kind, &event.kind) {
        (EventKind::RunContent { content }, EventKind::RunContent { content: more })
            if content.len() < JOINED_BYTES_MAX =>
        {
            *content = [&**content, &**more].concat().into();
            true
        }
        (
            EventKind::ToolCallArgumentsDelta { index, arguments, .. },
            EventKind::ToolCallArgumentsDelta { index: nth, arguments: more, .. },
        ) if index == nth && arguments.len() < JOINED_BYTES_MAX => {
            *arguments = [&**arguments, &**more].concat().into();
            true
        }
        _ => false,
    }
}
