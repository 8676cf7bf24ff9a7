//! Processes that a step has started.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A group of processes that a step has started, with all that tells it from a later group of the
/// same number. `stepwright_engine::processes` makes them.
///
/// ```
/// use stepwright_core::event::ProcessGroup;
/// let group = ProcessGroup {
///     machine: "harbour/0f3c9a52-6f6e-4b59-8d1e-0c2a5b7d9e11/4026531836".into(),
///     group: 4711,
///     began: 90_311,
///     parent: "311/90210".into(),
/// };
/// assert_eq!(group.mark(), "4711/90311");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    /// The machine, its boot, and its numbering of processes: numbers mean nothing elsewhere.
    pub machine: Arc<str>,
    /// The number of the group, which is the number of its first process.
    pub group: u32,
    /// The time at which the first process began, in clock ticks since the machine did.
    pub began: u64,
    /// The process that started it, by its number and the time at which it began.
    pub parent: Arc<str>,
}

impl ProcessGroup {
    /// The name of the environment variable that marks the processes of a group. They are
    /// recognised by it when the first process of the group has ended.
    pub const MARK: &str = "STEPWRIGHT_PROCESS_GROUP";

    /// The value of [`ProcessGroup::MARK`]: no two groups have the same one in one boot of a
    /// machine.
    pub fn mark(&self) -> String {
        format!("{}/{}", self.group, self.began)
    }
}
