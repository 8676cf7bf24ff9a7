//! The chain hashes of the last facts of runs that this process appends to.

use crate::sums::Chain;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::RunId;

/// The largest number of runs whose last chain hash is known. Then all are forgotten.
const HEADS_MAX: usize = 1_024;

/// The last chain hash of each run, and the number of the fact that comes next.
///
/// An append needs the hash of the fact before it. If the server finds another one there, it
/// appends nothing and answers with the right one: so what is known here saves a round trip, and
/// nothing depends on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads(Arc<Mutex<HashMap<RunId, (u64, Chain)>>>);

impl Heads {
    fn table(&self) -> MutexGuard<'_, HashMap<RunId, (u64, Chain)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the chain hash of the fact before fact `next`.
    pub(super) fn before(&self, run: &RunId, next: u64) -> Option<Chain> {
        self.table().get(run).filter(|(known, _)| *known == next).map(|(_, chain)| *chain)
    }

    pub(super) fn learn(&self, run: &RunId, next: u64, chain: Chain) {
        let mut table = self.table();
        if table.len() >= HEADS_MAX && !table.contains_key(run) {
            table.clear();
        }
        table.insert(run.clone(), (next, chain));
    }

    pub(super) fn forget(&self, run: &RunId) {
        self.table().remove(run);
    }
}
