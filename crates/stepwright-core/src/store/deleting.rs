//! Deleting single runs.

use crate::id::RunId;
use crate::status::RunStatus;
use serde::{Deserialize, Serialize};

/// A request to delete a run: see [`RunStore::delete_run`](super::RunStore::delete_run).
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::store::{DeleteRun, RunStore as _};
/// use stepwright_core::{Memory, RunId};
/// let delete = DeleteRun::ended(RunId::new("r-7")?);
/// let deleted = Memory::default().delete_run(delete).now_or_never().unwrap().unwrap();
/// assert_eq!(deleted, None, "there is no such run");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeleteRun {
    /// The run.
    pub run: RunId,
    /// `true` to delete a run that waits for a person or a moment, too.
    pub waiting: bool,
    /// `true` to change nothing, and to return what would be deleted.
    pub dry_run: bool,
}

impl DeleteRun {
    /// Creates a request to delete a run that has ended.
    pub fn ended(run: RunId) -> Self {
        Self { run, waiting: false, dry_run: false }
    }

    /// Returns `true` if a run with this status may be deleted. A run under way never is.
    pub fn allows(&self, status: RunStatus) -> bool {
        status.is_terminal() || (self.waiting && status == RunStatus::Paused)
    }
}

/// The amount that was deleted of a run.
///
/// ```
/// use stepwright_core::store::DeletedRun;
/// let mut all = DeletedRun { facts: 12, signals: 1, bytes: 4_096, shared: 0 };
/// all += DeletedRun { facts: 3, ..DeletedRun::default() };
/// assert_eq!((all.facts, all.bytes), (15, 4_096));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedRun {
    /// The facts of its journal.
    pub facts: u64,
    /// The signals in its inbox.
    pub signals: u64,
    /// The size of its facts as they were stored, in bytes. Large bodies that other facts share
    /// are not counted.
    pub bytes: u64,
    /// The facts of its journal that stay, because forks of the run share them. They are deleted
    /// with the last fork.
    #[serde(default)]
    pub shared: u64,
}

impl std::ops::AddAssign for DeletedRun {
    fn add_assign(&mut self, more: Self) {
        self.facts += more.facts;
        self.signals += more.signals;
        self.bytes += more.bytes;
        self.shared += more.shared;
    }
}

/// The size of a store before and after it was compacted: see
/// [`RunStore::compact`](super::RunStore::compact).
///
/// ```
/// use stepwright_core::store::Compacted;
/// let compacted = Compacted { before: 8_192, after: 4_096 };
/// assert_eq!(compacted.freed(), 4_096);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// The size before, in bytes.
    pub before: u64,
    /// The size after, in bytes.
    pub after: u64,
}

impl Compacted {
    /// Returns the number of bytes that the store has given back.
    pub fn freed(&self) -> u64 {
        self.before.saturating_sub(self.after)
    }
}
