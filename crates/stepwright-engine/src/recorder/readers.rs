//! Shows recorded events to the readers of a run.

use crate::debug;
use crate::outbox::Outbox;
use std::sync::Arc;
use stepwright_core::Timestamp;
use stepwright_core::event::Event;

/// The readers of a run: none or one in most runs. The log of `debug_mode` reads along.
pub(super) struct Readers {
    outboxes: Vec<Arc<Outbox>>,
    debug: bool,
}

impl Readers {
    pub(super) fn of(outbox: Option<Arc<Outbox>>, debug: bool) -> Self {
        Self { outboxes: outbox.into_iter().collect(), debug }
    }

    /// Returns `true` if there is no reader. The log may still be one.
    pub(super) fn is_empty(&self) -> bool {
        self.outboxes.is_empty()
    }

    /// Returns `true` if events are neither shown nor logged.
    pub(super) fn is_idle(&self) -> bool {
        !self.debug && self.outboxes.is_empty()
    }

    /// Returns `true` if every event is logged.
    pub(super) fn log_all(&self) -> bool {
        self.debug
    }

    /// Returns `true` if a reader cannot read because its task drives the run, and has an event to
    /// read that is old at `now`.
    pub(super) fn are_overdue(&self, now: Timestamp) -> bool {
        self.outboxes.iter().any(|outbox| outbox.is_overdue(now))
    }

    /// Adds a reader, which gets the events from now on.
    pub(super) fn add(&mut self, outbox: Arc<Outbox>) {
        self.outboxes.retain(|outbox| Arc::strong_count(outbox) > 1);
        self.outboxes.push(outbox);
    }

    pub(super) fn show(&self, event: Event) {
        if self.debug {
            debug::log(&event);
        }
        if let Some((last, others)) = self.outboxes.split_last() {
            for outbox in others {
                outbox.push(event.clone());
            }
            last.push(event);
        }
    }

    /// Tells the readers that no more events will come.
    pub(super) fn close(&mut self) {
        for outbox in std::mem::take(&mut self.outboxes) {
            outbox.close();
        }
    }
}
