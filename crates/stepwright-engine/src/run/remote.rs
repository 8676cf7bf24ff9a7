//! Follows a run that another driver has.

use crate::journal::load_all;
use crate::outbox::Outbox;
use crate::runs::{Events, Runs};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use stepwright_core::{Error, RunId};

/// Passes the events of a run that another driver has to a reader, if there is one.
pub(super) struct RemoteFollower<'a> {
    runs: &'a Runs,
    run: &'a RunId,
    outbox: Option<Arc<Outbox>>,
    events: Option<Events>,
}

impl<'a> RemoteFollower<'a> {
    /// `from` is the sequence number of the first fact that is new to the reader, if it is known.
    pub(super) fn new(
        runs: &'a Runs,
        run: &'a RunId,
        outbox: Option<Arc<Outbox>>,
        from: Option<u64>,
    ) -> Self {
        if let Some(outbox) = &outbox {
            outbox.found_in(runs.store().clone(), run.clone());
            if let Some(from) = from {
                outbox.begins_at(from);
            }
        }
        Self { runs, run, outbox, events: None }
    }

    /// Waits for `wait`, and passes on events meanwhile.
    pub(super) async fn wait<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let wait = pin!(wait);
        match select(wait, pin!(self.read())).await {
            Either::Left((waited, _)) => waited,
            // An error of the journal is reported by the code that needs the journal.
            Either::Right((_, wait)) => wait.await,
        }
    }

    /// Passes on events until the run ends.
    async fn read(&mut self) -> Result<(), Error> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                let from = match outbox.beginning() {
                    Some(from) => from,
                    None => load_all(self.runs.store(), self.run).await?.len() as u64,
                };
                outbox.begins_at(from);
                none.insert(Events::new(self.runs.clone(), self.run.clone(), from))
            }
        };
        while let Some(event) = events.next().await {
            outbox.push(event?);
        }
        Ok(())
    }

    /// Tells the reader to read the rest from the journal, because the run has been left.
    pub(super) fn left(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.miss();
        }
    }
}
