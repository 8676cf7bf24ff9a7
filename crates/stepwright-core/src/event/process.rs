//! Processes that steps start.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A group of processes that a step started. The fields distinguish it from later groups with the
/// same number. `stepwright_engine::processes` creates it.
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
    /// The machine, its boot, and its process namespace, within which the numbers are valid.
    pub machine: Arc<str>,
    /// The id of the group, which is the id of its first process.
    pub group: u32,
    /// The start time of the first process, in clock ticks since boot.
    pub began: u64,
    /// The process that started the group, by its id and start time.
    pub parent: Arc<str>,
}

impl ProcessGroup {
    /// The name of the environment variable that marks the processes of a group. It identifies them
    /// after the first process of the group has ended.
    pub const MARK: &str = "STEPWRIGHT_PROCESS_GROUP";

    /// Returns the value of [`ProcessGroup::MARK`], which is unique within one boot of a machine.
    pub fn mark(&self) -> String {
        format!("{}/{}", self.group, self.began)
    }
}
