//! Shows recorded events to the readers of a run.

use crate::debug;
use crate::outbox::Outbox;
use std::sync::Arc;
use stepwright_core::event::Event;
use stepwright_core::observe::Observer;
use stepwright_core::{RunId, Timestamp};

/// The readers of a run: none or one in most runs. The log of `debug_mode` and an observer read
/// along.
pub(super) struct Readers {
    outboxes: Vec<Arc<Outbox>>,
    /// `true` once no more events will come.
    closed: bool,
    debug: bool,
    observed: Option<Observed>,
}

impl Drop for Readers {
    /// A recorder that goes without an end, such as that of a run that is left to another driver,
    /// shows nothing more.
    fn drop(&mut self) {
        self.close();
    }
}

/// The observer of a run, from the beginning of its work here to the end.
pub(super) struct Observed(Arc<dyn Observer>, RunId);

impl Observed {
    pub(super) fn begin(observer: Arc<dyn Observer>, run: &RunId, past: &[Event]) -> Self {
        observer.begins(run, past);
        Self(observer, run.clone())
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.0.leaves(&self.1);
    }
}

impl Readers {
    pub(super) fn of(outbox: Option<Arc<Outbox>>, debug: bool, observed: Option<Observed>) -> Self {
        Self { outboxes: outbox.into_iter().collect(), closed: false, debug, observed }
    }

    /// Returns `true` if there is no reader and no observer. The log may still read along.
    pub(super) fn is_empty(&self) -> bool {
        self.outboxes.is_empty() && self.observed.is_none()
    }

    /// Returns `true` if events are neither shown nor logged.
    pub(super) fn is_idle(&self) -> bool {
        !self.debug && self.is_empty()
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

    /// Adds a reader, which gets the events from now on. Returns `false` if none will come.
    pub(super) fn add(&mut self, outbox: &Arc<Outbox>) -> bool {
        if !self.closed {
            self.outboxes.retain(|outbox| Arc::strong_count(outbox) > 1);
            self.outboxes.push(outbox.clone());
        }
        !self.closed
    }

    pub(super) fn show(&self, event: Event) {
        if self.debug {
            debug::log(&event);
        }
        if let Some(observed) = &self.observed {
            observed.0.event(&event);
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
        self.closed = true;
        for outbox in std::mem::take(&mut self.outboxes) {
            outbox.close();
        }
    }
}
