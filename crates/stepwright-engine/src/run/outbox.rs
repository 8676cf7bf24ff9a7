//! Events on their way to one reader.

use crate::recorder::push_joining;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use stepwright_core::event::Event;

/// Events on their way to one reader, who may be slow: the run does not wait for it. Pieces of text
/// are joined when many lie unread; facts are as many as the run has.
#[derive(Debug)]
pub(crate) struct Outbox {
    all: bool,
    unread: Mutex<Unread>,
}

#[derive(Debug, Default)]
struct Unread {
    events: VecDeque<Event>,
    reader: Option<Waker>,
    closed: bool,
}

impl Outbox {
    /// An outbox for all events, or only for how the run begins, what there is to read, and how it
    /// ends.
    pub(crate) fn new(all: bool) -> Self {
        Self { all, unread: Mutex::default() }
    }

    pub(crate) fn push(&self, event: Event) {
        if !self.all && !event.kind.is_content() {
            return;
        }
        let reader = {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            push_joining(&mut unread.events, event);
            unread.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub(crate) fn close(&self) {
        let reader = {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            unread.closed = true;
            unread.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes all that is unread, in exchange for an empty queue. `false` when nothing more comes.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, read: &mut VecDeque<Event>) -> Poll<bool> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if !unread.events.is_empty() {
            std::mem::swap(&mut unread.events, read);
            return Poll::Ready(true);
        }
        if unread.closed {
            return Poll::Ready(false);
        }
        unread.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}
