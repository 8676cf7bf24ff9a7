//! Values that the processes of a store share beside its runs, such as the state of a schedule.

use std::sync::Arc;

/// A value that the processes of a store share.
///
/// ```
/// use stepwright_core::store::SharedValue;
/// fn is_of(value: &SharedValue, kind: &str) -> bool {
///     &*value.kind == kind
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedValue {
    /// The kind of the value, such as `schedule`.
    pub kind: Arc<str>,
    /// The key, which no other value of the kind has.
    pub key: Arc<str>,
    /// The value: JSON.
    pub value: Arc<str>,
    /// The mark of the last change.
    pub version: i64,
}

/// The kinds of shared values that are about a run: deliveries of notifications, links that answer
/// a request, and entries of runs that wait for an event. Each is a JSON object with the id of the
/// run as `run`, and is erased with the run.
pub const KINDS_OF_RUNS: [&str; 4] = ["delivery", "dead_delivery", "link", "wait"];

/// A change of a shared value, which takes effect only if no other process has changed it since it
/// was read. See [`Leases::change_value`](super::Leases::change_value).
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::Memory;
/// use stepwright_core::store::{Leases as _, SharedValue, ValueChange};
/// let store = Memory::default();
/// let set = |value: &str, seen: Option<i64>, version: i64| {
///     let (kind, key, value) = ("schedule".into(), "daily".into(), Some(value.into()));
///     let change = ValueChange { kind, key, value, seen, version };
///     store.change_value(change).now_or_never().unwrap()
/// };
/// assert!(set("1", None, 17)?);
/// assert!(!set("2", None, 18)?, "there is one already");
/// assert!(set("2", Some(17), 19)?);
/// assert!(!set("3", Some(17), 20)?, "another process has changed it");
/// let stored = store.shared_value("schedule", "daily").now_or_never().unwrap()?;
/// let SharedValue { value, version, .. } = stored.unwrap();
/// assert_eq!((&*value, version), ("2", 19));
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueChange {
    /// The kind of the value.
    pub kind: Arc<str>,
    /// The key.
    pub key: Arc<str>,
    /// The new value: JSON. `None` deletes it.
    pub value: Option<Arc<str>>,
    /// The mark that the value had when it was read. `None` if there was none.
    pub seen: Option<i64>,
    /// The mark of this change: a random number, so that a store that lost the answer of its
    /// database can tell if the change took effect.
    pub version: i64,
}
