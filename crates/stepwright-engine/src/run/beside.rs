//! Reading along with a run that was to be taken up here, and that somebody else drives.

use super::{Events, Outbox};
use crate::drive::load_all;
use crate::workflow::Workflow;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use stepwright_core::{AnyStore, Error, RunId};

/// Hands the events of a run that somebody else drives to a reader, if there is one.
pub(super) struct Beside<'a> {
    workflow: &'a Workflow,
    store: &'a AnyStore,
    run: &'a RunId,
    outbox: Option<Arc<Outbox>>,
    events: Option<Events>,
}

impl<'a> Beside<'a> {
    /// `from` is the number of the first fact that is news, if that is known.
    pub(super) fn new(
        workflow: &'a Workflow,
        store: &'a AnyStore,
        run: &'a RunId,
        outbox: Option<Arc<Outbox>>,
        from: Option<u64>,
    ) -> Self {
        if let Some(outbox) = &outbox {
            outbox.found_in(store.clone(), run.clone());
            if let Some(from) = from {
                outbox.begins_at(from);
            }
        }
        Self { workflow, store, run, outbox, events: None }
    }

    /// Waits for something, and hands on what happens meanwhile.
    pub(super) async fn wait<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let wait = pin!(wait);
        match select(wait, pin!(self.read())).await {
            Either::Left((waited, _)) => waited,
            // What is wrong with the journal is told by whoever needs it.
            Either::Right((_, wait)) => wait.await,
        }
    }

    /// Hands on what happens, until the run ends.
    async fn read(&mut self) -> Result<(), Error> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                let from = match outbox.beginning() {
                    Some(from) => from,
                    None => load_all(self.store, self.run).await?.len() as u64,
                };
                outbox.begins_at(from);
                let (workflow, store) = (self.workflow.clone(), self.store.clone());
                none.insert(Events::new(workflow, store, self.run.clone(), from))
            }
        };
        while let Some(event) = events.next().await {
            outbox.push(event?);
        }
        Ok(())
    }

    /// The run has been left: what was not handed on is in the journal.
    pub(super) fn left(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.miss();
        }
    }
}
