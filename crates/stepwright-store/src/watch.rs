//! Watchers of a store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use stepwright_core::store::Watched;
use stepwright_core::{BoxFuture, RunId};
use tokio::sync::watch::{Receiver, Sender};

/// The watchers of a store in this process.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    // Nothing is ever sent. A watcher that is woken sees that the sender is gone.
    signals: Option<Sender<()>>,
    facts: HashMap<RunId, Sender<()>>,
    /// `true` while a task looks for changes of other processes.
    tended: bool,
}

impl Table {
    fn is_empty(&self) -> bool {
        self.signals.is_none() && self.facts.is_empty()
    }
}

/// A watcher.
struct Seat {
    watchers: Weak<Watchers>,
    watched: Watched,
    receiver: Option<Receiver<()>>,
}

impl Drop for Seat {
    /// The last watcher removes the entry.
    fn drop(&mut self) {
        drop(self.receiver.take());
        let Some(watchers) = self.watchers.upgrade() else { return };
        let mut table = watchers.table();
        match &self.watched {
            Watched::Signals => {
                table.signals.take_if(|sender| sender.receiver_count() == 0);
            }
            Watched::Facts(run) => {
                if table.facts.get(run).is_some_and(|sender| sender.receiver_count() == 0) {
                    table.facts.remove(run);
                }
            }
        }
    }
}

impl Watchers {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches from this call on. Also returns `true` if the caller must begin to look for changes
    /// of other processes, because no task does: [`Watchers::rest`] ends that.
    pub(crate) fn watch(self: &Arc<Self>, watched: Watched) -> (BoxFuture<'static, ()>, bool) {
        let mut table = self.table();
        let sender = match &watched {
            Watched::Signals => table.signals.get_or_insert_with(|| Sender::new(())),
            Watched::Facts(run) => {
                table.facts.entry(run.clone()).or_insert_with(|| Sender::new(()))
            }
        };
        let receiver = Some(sender.subscribe());
        let begin = !std::mem::replace(&mut table.tended, true);
        drop(table);
        let mut seat = Seat { watchers: Arc::downgrade(self), watched, receiver };
        let woken = Box::pin(async move {
            if let Some(receiver) = &mut seat.receiver {
                let _ = receiver.changed().await;
            }
        });
        (woken, begin)
    }

    /// Wakes the watchers of a subject.
    pub(crate) fn wake(&self, watched: &Watched) {
        let mut table = self.table();
        match watched {
            Watched::Signals => drop(table.signals.take()),
            Watched::Facts(run) => drop(table.facts.remove(run)),
        }
    }

    /// Wakes all watchers.
    pub(crate) fn wake_all(&self) {
        let mut table = self.table();
        table.signals = None;
        table.facts.clear();
    }

    /// Returns `true` if there are watchers.
    pub(crate) fn are_there(&self) -> bool {
        !self.table().is_empty()
    }

    /// Ends looking for changes and returns `true` if there are no watchers.
    pub(crate) fn rest(&self) -> bool {
        let mut table = self.table();
        table.tended = !table.is_empty();
        !table.tended
    }

    /// Looking for changes has ended, with or without watchers: the next watcher begins it again.
    pub(crate) fn give_up(&self) {
        self.table().tended = false;
    }

    /// The runs whose facts are watched.
    #[cfg(feature = "postgres")]
    pub(crate) fn runs(&self) -> Vec<RunId> {
        self.table().facts.keys().cloned().collect()
    }
}
