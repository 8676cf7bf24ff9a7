//! The search for runs that need a driver.

use crate::id::WorkflowId;
use crate::store::{RunRow, Signal, StoreError};
use crate::world::Timestamp;
use std::sync::Arc;

/// A request for runs that need a driver: see [`Leases::waiting`](super::Leases::waiting).
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::store::{Leases as _, WaitingFilter};
/// use stepwright_core::{Memory, Timestamp};
/// let filter = WaitingFilter::new("news".parse()?, Timestamp(7), 100);
/// let found = Memory::default().waiting(filter).now_or_never().unwrap()?;
/// assert!(found.runs.is_empty() && found.next.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WaitingFilter {
    /// The workflow.
    pub workflow: WorkflowId,
    /// A paused run is due if its wake time is not later than this.
    pub now: Timestamp,
    /// Drivers that are alive. The runs that they have under way are left out.
    pub alive: Vec<Arc<str>>,
    /// The place behind which the page begins: [`Waiting::next`] of the page before, or 0.
    pub after: u64,
    /// The largest number of runs.
    pub limit: usize,
}

impl WaitingFilter {
    /// Asks for the first page of the runs of a workflow, where no driver is known to be alive.
    pub fn new(workflow: WorkflowId, now: Timestamp, limit: usize) -> Self {
        Self { workflow, now, alive: Vec::new(), after: 0, limit }
    }
}

/// A page of runs that need a driver.
///
/// ```
/// use stepwright_core::store::Waiting;
/// fn is_last(page: &Waiting) -> bool {
///     page.next.is_none()
/// }
/// assert!(is_last(&Waiting::default()));
/// ```
#[derive(Debug, Default)]
pub struct Waiting {
    /// The runs, the oldest first.
    pub runs: Vec<RunRow>,
    /// The rows that cannot be read. They hide none of the others.
    pub damaged: Vec<StoreError>,
    /// The place behind which the next page begins, if there may be one.
    pub next: Option<u64>,
}

/// The signals for the runs of a driver: see [`Leases::heartbeat`](super::Leases::heartbeat).
///
/// ```
/// use stepwright_core::store::Heard;
/// fn is_quiet(heard: &Heard) -> bool {
///     heard.signals.is_empty()
/// }
/// assert!(is_quiet(&Heard::default()));
/// ```
#[derive(Debug, Default)]
pub struct Heard {
    /// The signals that no fact was recorded for yet.
    pub signals: Vec<Signal>,
    /// The signals that cannot be read. They hide none of the others.
    pub damaged: Vec<StoreError>,
}

/// A driver that has background runs under way: see [`Leases::drivers`](super::Leases::drivers).
///
/// ```
/// use stepwright_core::{Timestamp, store::SeenDriver};
/// let seen = SeenDriver { driver: "host:4711".into(), seen_at: Timestamp(7) };
/// assert_eq!(seen.seen_at, Timestamp(7));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDriver {
    /// The driver.
    pub driver: Arc<str>,
    /// The time of its last heartbeat, by its own clock. A driver without a heartbeat counts as
    /// seen when the newest of its runs began.
    pub seen_at: Timestamp,
}
