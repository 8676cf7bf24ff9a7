//! Slots: how many holders a key may have at once, over all processes that share a store.
//!
//! A holder is a run, or a request to a model. Its entry keeps its place in the queue. An entry
//! counts as long as its run goes on: while a driver with a valid lease has the run, and while the
//! run is paused. An entry without a run counts as long as the lease of its driver.

use crate::status::RunStatus;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request for a slot of a key. See [`Leases::enter`](super::Leases::enter).
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::store::{Entered, Leases as _, SlotClaim};
/// use stepwright_core::{Memory, Timestamp};
/// let store = Memory::default();
/// let claim = |holder: &str| SlotClaim {
///     scope: "mail:acme".into(),
///     holder: holder.into(),
///     driver: "driver-1".into(),
///     max: 1,
///     at: Timestamp(0),
///     stale: Timestamp(0),
///     dead: Vec::new(),
/// };
/// let enter = |holder| store.enter(claim(holder)).now_or_never().unwrap();
/// assert_eq!(enter("r-1")?, Entered::Held);
/// assert!(matches!(enter("r-2")?, Entered::Behind { .. }));
/// store.leave("mail:acme", "r-1").now_or_never().unwrap()?;
/// assert_eq!(enter("r-2")?, Entered::Held);
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SlotClaim {
    /// The name of the limit with its key.
    pub scope: Arc<str>,
    /// The id of the run, or another unique name.
    pub holder: Arc<str>,
    /// The driver of the holder.
    pub driver: Arc<str>,
    /// The number of holders at the same time.
    pub max: u32,
    /// The current time.
    pub at: Timestamp,
    /// The latest time at which a driver that is taken for dead was seen.
    pub stale: Timestamp,
    /// Drivers that are known to be dead.
    pub dead: Vec<Arc<str>>,
}

/// The answer to a [`SlotClaim`].
///
/// ```
/// use stepwright_core::store::Entered;
/// fn waits(entered: &Entered) -> bool {
///     matches!(entered, Entered::Behind { .. })
/// }
/// assert!(!waits(&Entered::Held));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The holder has a slot.
    Held,
    /// All slots are taken. The holder keeps its place behind these.
    Behind {
        /// The entries that come before, the oldest first: those with a slot, then those that wait.
        before: Vec<SlotHolder>,
    },
}

/// An entry before another one.
///
/// ```
/// use stepwright_core::store::SlotHolder;
/// fn names(before: &[SlotHolder]) -> Vec<&str> {
///     before.iter().filter(|other| other.held).map(|other| &*other.holder).collect()
/// }
/// assert!(names(&[]).is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotHolder {
    /// The id of the run, or another unique name.
    pub holder: Arc<str>,
    /// The driver, whose lease has not ended.
    pub driver: Option<Arc<str>>,
    /// `true` if it has a slot, and `false` if it waits for one.
    pub held: bool,
}

/// A claim to be the only holder of a key within a time. See
/// [`Leases::first`](super::Leases::first).
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::store::{FirstClaim, Leases as _};
/// use stepwright_core::{Memory, Timestamp};
/// let store = Memory::default();
/// let first = |holder: &str, at: u64| {
///     let claim = FirstClaim {
///         scope: "mail:order-7".into(),
///         holder: holder.into(),
///         driver: "driver-1".into(),
///         at: Timestamp(at),
///         until: Timestamp(at + 1_000),
///         stale: Timestamp(0),
///         dead: Vec::new(),
///     };
///     store.first(claim).now_or_never().unwrap()
/// };
/// assert_eq!(first("r-1", 0)?, None);
/// assert_eq!(first("r-2", 999)?.as_deref(), Some("r-1"));
/// assert_eq!(first("r-3", 1_000)?, None);
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FirstClaim {
    /// The name of the limit with its key.
    pub scope: Arc<str>,
    /// The id of the run.
    pub holder: Arc<str>,
    /// The driver of the holder.
    pub driver: Arc<str>,
    /// The current time.
    pub at: Timestamp,
    /// The time from which another holder may come.
    pub until: Timestamp,
    /// See [`SlotClaim::stale`].
    pub stale: Timestamp,
    /// See [`SlotClaim::dead`].
    pub dead: Vec<Arc<str>>,
}

/// A slot, or a key of which one run may begin, with its holder. See
/// [`Leases::slots_of`](super::Leases::slots_of).
///
/// ```
/// use stepwright_core::store::HeldSlot;
/// fn is_key(slot: &HeldSlot) -> bool {
///     slot.until.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSlot {
    /// The name of the limit with its key.
    pub scope: Arc<str>,
    /// The id of the run. Empty if the run was deleted.
    pub holder: Arc<str>,
    /// The time at which the entry was made.
    pub at: Timestamp,
    /// The time of [`FirstClaim::until`]. `None` for a slot.
    pub until: Option<Timestamp>,
}

/// A run that waits for a slot.
///
/// ```
/// use stepwright_core::store::Queued;
/// fn line(queued: &Queued) -> String {
///     format!("{} waits in {}", queued.holder, queued.scope)
/// }
/// let queued = Queued { holder: "r-2".into(), scope: "mail:acme".into(), ahead: 1 };
/// assert_eq!(line(&queued), "r-2 waits in mail:acme");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The id of the run.
    pub holder: Arc<str>,
    /// The name of the limit with its key.
    pub scope: Arc<str>,
    /// The number of entries of the scope before it that wait too.
    pub ahead: u64,
}

/// An entry as a store has it, with the state of its run and the last sign of its driver.
///
/// ```
/// use stepwright_core::store::{Entered, SlotClaim, SlotEntry};
/// use stepwright_core::{RunStatus, Timestamp};
/// let paused = SlotEntry {
///     place: 1,
///     holder: "r-1".into(),
///     driver: "driver-1".into(),
///     held: true,
///     run: Some((RunStatus::Paused, None)),
///     seen_at: Timestamp(0),
/// };
/// let claim = SlotClaim {
///     scope: "mail:acme".into(),
///     holder: "r-2".into(),
///     driver: "driver-2".into(),
///     max: 1,
///     at: Timestamp(60_000),
///     stale: Timestamp(50_000),
///     dead: Vec::new(),
/// };
/// // A paused run keeps its slot, also without a driver.
/// assert!(matches!(claim.judge(&[paused]).answer, Entered::Behind { .. }));
/// ```
#[derive(Clone, Debug)]
pub struct SlotEntry {
    /// The place in the queue.
    pub place: i64,
    /// See [`SlotHolder::holder`].
    pub holder: Arc<str>,
    /// The driver that made the entry.
    pub driver: Arc<str>,
    /// See [`SlotHolder::held`].
    pub held: bool,
    /// The status and the driver of the run, if there is such a run.
    pub run: Option<(RunStatus, Option<Arc<str>>)>,
    /// The time at which the driver was last seen: that of the run if there is a run. A driver that
    /// was never seen counts as seen when the entry was made.
    pub seen_at: Timestamp,
}

/// The state of an entry.
enum Life {
    Goes,
    /// Its process is gone, but its run can be resumed.
    Left,
    /// It does not count any more.
    Over,
}

impl SlotEntry {
    fn life(&self, stale: Timestamp, dead: &[Arc<str>]) -> Life {
        let lives = |driver: &Arc<str>| !dead.contains(driver) && self.seen_at >= stale;
        match &self.run {
            Some((status, _)) if status.is_terminal() => Life::Over,
            Some((RunStatus::Paused, _)) => Life::Goes,
            Some((_, Some(driver))) if lives(driver) => Life::Goes,
            Some(_) => Life::Left,
            None if lives(&self.driver) => Life::Goes,
            None => Life::Over,
        }
    }

    /// Returns the driver that counts.
    fn current(&self) -> Option<Arc<str>> {
        match &self.run {
            Some((_, driver)) => driver.clone(),
            None => Some(self.driver.clone()),
        }
    }
}

/// The changes of the entries of a scope that follow from a claim. For stores.
///
/// ```
/// use stepwright_core::Timestamp;
/// use stepwright_core::store::{Entered, SlotChanges, SlotClaim};
/// fn first(claim: &SlotClaim) -> bool {
///     let SlotChanges { answer, own, .. } = claim.judge(&[]);
///     answer == Entered::Held && own.is_none()
/// }
/// # let claim = SlotClaim {
/// #     scope: "s".into(), holder: "r".into(), driver: "d".into(), max: 1,
/// #     at: Timestamp(0), stale: Timestamp(0), dead: Vec::new(),
/// # };
/// assert!(first(&claim));
/// ```
#[derive(Debug)]
pub struct SlotChanges {
    /// The places of entries that are removed.
    pub remove: Vec<i64>,
    /// The places of entries that lose their slot: their processes are gone.
    pub lose: Vec<i64>,
    /// The place of the claim's own entry. `None` if it has none yet.
    pub own: Option<i64>,
    /// The answer.
    pub answer: Entered,
}

impl SlotClaim {
    /// Judges a claim by the entries of its scope, in the order of their places. For stores, which
    /// call it in the transaction that makes the changes.
    pub fn judge(&self, entries: &[SlotEntry]) -> SlotChanges {
        let (mut remove, mut lose, mut before) = (Vec::new(), Vec::new(), Vec::new());
        let own = entries.iter().find(|entry| entry.holder == self.holder);
        for entry in entries.iter().filter(|entry| entry.holder != self.holder) {
            match entry.life(self.stale, &self.dead) {
                Life::Over => remove.push(entry.place),
                Life::Left => {
                    if entry.held {
                        lose.push(entry.place);
                    }
                }
                // Of those that wait, only those that came before.
                Life::Goes if !entry.held && own.is_some_and(|own| own.place < entry.place) => {}
                Life::Goes => before.push(SlotHolder {
                    holder: entry.holder.clone(),
                    driver: entry.current(),
                    held: entry.held,
                }),
            }
        }
        let max = usize::try_from(self.max.max(1)).unwrap_or(usize::MAX);
        let is_held = own.is_some_and(|own| own.held) || before.len() < max;
        before.sort_by_key(|other| !other.held);
        let answer = if is_held { Entered::Held } else { Entered::Behind { before } };
        SlotChanges { remove, lose, own: own.map(|own| own.place), answer }
    }
}

impl FirstClaim {
    /// Returns the entry that came first, and the places of entries that do not count any more. For
    /// stores.
    ///
    /// When a run is deleted, a store keeps its entry without the name: the holder is empty then.
    /// Such an entry counts for its time, also against a claim of the same run.
    pub fn judge(&self, entries: &[SlotEntry]) -> (Option<Arc<str>>, Vec<i64>) {
        let (mut first, mut remove) = (None, Vec::new());
        for entry in entries {
            // A run that began counts, whatever its end, and also after it was deleted.
            let is_deleted = entry.holder.is_empty();
            let no_run = entry.run.is_none() && !is_deleted;
            if no_run && matches!(entry.life(self.stale, &self.dead), Life::Over) {
                remove.push(entry.place);
            } else if first.is_none() {
                first = Some(entry.holder.clone());
            }
        }
        (first, remove)
    }
}
