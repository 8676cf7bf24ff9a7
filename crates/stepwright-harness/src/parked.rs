//! Coding agents whose runs are paused with a question.

use crate::live::Live;
use crate::runtime::runtime;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_process::Kept;

/// The time for which a coding agent is kept while its run is paused with a question of it.
/// Afterwards, and in another process, the conversation is loaded again.
pub const PARKED_KEPT: Duration = Duration::from_mins(30);

type Parked = HashMap<String, Entry>;

/// An agent that waits.
struct Entry {
    number: u64,
    live: Live,
    _kept: Kept,
}

static PARKED: LazyLock<Mutex<(u64, Parked)>> = LazyLock::new(Mutex::default);

fn parked() -> MutexGuard<'static, (u64, Parked)> {
    PARKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps an agent under the key of its step.
pub(crate) fn park(key: String, live: Live) {
    let number = {
        let mut all = parked();
        all.0 += 1;
        let number = all.0;
        let kept = live.process.kept();
        all.1.insert(key.clone(), Entry { number, live, _kept: kept });
        number
    };
    runtime().spawn(async move {
        tokio::time::sleep(PARKED_KEPT).await;
        let mut all = parked();
        if all.1.get(&key).is_some_and(|entry| entry.number == number) {
            all.1.remove(&key);
        }
    });
}

/// Returns the agent that a paused run left, if this process has it.
pub(crate) fn unpark(key: &str) -> Option<Live> {
    parked().1.remove(key).map(|entry| entry.live)
}

/// Ends the agents that are kept, as the end of this process does.
pub(crate) fn forget() {
    let kept = std::mem::take(&mut parked().1);
    drop(kept);
}
