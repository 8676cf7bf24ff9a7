//! The runs that this worker drives.
//!
//! Each has a task of its own. A call from Restate ends when its connection breaks, and a run whose
//! future is dropped would be cancelled: so the call waits for the task, and the next call of the
//! run waits for the same one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::RunId;
use stepwright_core::dispatch::{Drive, Driven, Wake};
use tokio::sync::{Notify, Semaphore, watch};

type Outcome = watch::Receiver<Option<Driven>>;

pub(crate) struct Drives {
    drive: Arc<dyn Drive>,
    slots: Semaphore,
    under_way: Mutex<HashMap<RunId, Outcome>>,
    left: Notify,
}

impl Drives {
    pub(crate) fn new(drive: Arc<dyn Drive>, most: usize) -> Self {
        let slots = Semaphore::new(most.max(1));
        Self { drive, slots, under_way: Mutex::default(), left: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Outcome>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives a run, or waits for the drive that is under way. `None` if that panicked, or if the
    /// run was not driven because this worker is about to end.
    pub(crate) async fn join(self: &Arc<Self>, wake: &Wake) -> Option<Driven> {
        let mut outcome = self.begun(wake);
        let driven = outcome.wait_for(Option::is_some).await.ok()?;
        driven.clone()
    }

    fn begun(self: &Arc<Self>, wake: &Wake) -> Outcome {
        match self.lock().entry(wake.run.clone()) {
            Entry::Occupied(under_way) => under_way.get().clone(),
            Entry::Vacant(vacant) => {
                let (sender, outcome) = watch::channel(None);
                vacant.insert(outcome.clone());
                let place = Place { drives: self.clone(), run: wake.run.clone() };
                let (drives, wake) = (self.clone(), wake.clone());
                tokio::spawn(async move {
                    // Closed: this worker drives no other runs.
                    let Ok(slot) = drives.slots.acquire().await else { return };
                    let driven = drives.drive.drive(&wake).await;
                    drop(slot);
                    // The next call of the run begins a new drive.
                    drop(place);
                    let _ = sender.send(Some(driven));
                });
                outcome
            }
        }
    }

    /// Drives no other runs from now on.
    pub(crate) fn close(&self) {
        self.slots.close();
    }

    /// Waits until no run is driven.
    pub(crate) async fn end(&self) {
        loop {
            let left = self.left.notified();
            if self.lock().is_empty() {
                return;
            }
            left.await;
        }
    }
}

/// The place of a run. It is free again also after a panic.
struct Place {
    drives: Arc<Drives>,
    run: RunId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.drives.lock().remove(&self.run);
        self.drives.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use stepwright_core::BoxFuture;
    use stepwright_core::dispatch::{Cause, Served};

    /// A run that ends when it may.
    #[derive(Default)]
    struct Slow {
        begun: AtomicUsize,
        has_begun: Notify,
        may_end: Notify,
    }

    impl Drive for Slow {
        fn serves(&self) -> Vec<Served> {
            Vec::new()
        }

        fn drive<'a>(&'a self, _: &'a Wake) -> BoxFuture<'a, Driven> {
            Box::pin(async {
                self.begun.fetch_add(1, Ordering::Relaxed);
                self.has_begun.notify_one();
                self.may_end.notified().await;
                Driven::Done
            })
        }
    }

    #[tokio::test]
    async fn a_call_that_breaks_off_ends_no_run_and_the_next_one_joins_it() {
        let slow = Arc::new(Slow::default());
        let drives = Arc::new(Drives::new(slow.clone(), 1));
        let (workflow, run, digest) = ("w".parse().unwrap(), "r".parse().unwrap(), "4be1".into());
        let wake = Wake { workflow, run, digest, at: None, cause: Cause::Begun };
        tokio::select! {
            _ = drives.join(&wake) => panic!("it has not ended"),
            () = slow.has_begun.notified() => {}
        }
        let again = drives.join(&wake);
        tokio::pin!(again);
        tokio::select! {
            biased;
            _ = &mut again => panic!("it has not ended"),
            () = std::future::ready(()) => {}
        }
        slow.may_end.notify_one();
        assert_eq!(again.await, Some(Driven::Done));
        drives.end().await;
        assert_eq!(slow.begun.load(Ordering::Relaxed), 1);
    }
}
