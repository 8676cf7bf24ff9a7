//! The resources of one connection that are watched.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The resources of one connection that are watched, with the number of their changes.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<HashMap<String, watch::Sender<u64>>>);

impl Watched {
    fn all(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the change of a resource, which may be a part of one that is watched.
    pub(crate) fn note(&self, uri: &str) {
        for (watched, changes) in &*self.all() {
            if uri.starts_with(watched.as_str()) {
                changes.send_modify(|count| *count += 1);
            }
        }
    }

    pub(crate) fn watch(&self, uri: &str) -> watch::Receiver<u64> {
        let mut all = self.all();
        all.entry(uri.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Forgets a resource if no other caller watches it. Returns `true` then.
    pub(crate) fn leave(&self, uri: &str) -> bool {
        let mut all = self.all();
        let is_last = all.get(uri).is_some_and(|changes| changes.receiver_count() <= 1);
        if is_last {
            all.remove(uri);
        }
        is_last
    }
}
