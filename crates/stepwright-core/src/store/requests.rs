//! Requests to models: how many there may be at once and within a time, over all processes that
//! share a store.
//!
//! A request that waits keeps its place in the queue. An entry counts as long as the lease of its
//! driver. What a dead driver has sent still counts for the window in which it was sent.

use crate::world::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A request to a model that wants to be sent. See
/// [`Leases::begin_request`](super::Leases::begin_request).
///
/// ```
/// # use futures_util::FutureExt as _;
/// use std::time::Duration;
/// use stepwright_core::store::{Leases as _, RequestClaim, RequestTurn};
/// use stepwright_core::{Memory, Timestamp};
/// let store = Memory::default();
/// let begin = |holder: &str, at: u64| {
///     let claim = RequestClaim {
///         scope: "model:in-house:small".into(),
///         holder: holder.into(),
///         driver: "driver-1".into(),
///         concurrency: None,
///         requests: Some(1),
///         tokens_at_most: None,
///         window: Duration::from_secs(60),
///         tokens: 100,
///         at: Timestamp(at),
///         stale: Timestamp(0),
///         dead: Vec::new(),
///     };
///     store.begin_request(claim).now_or_never().unwrap()
/// };
/// assert_eq!(begin("request-1", 0)?, RequestTurn::Now);
/// assert_eq!(begin("request-2", 9)?, RequestTurn::Later { until: Timestamp(60_000) });
/// assert_eq!(begin("request-2", 60_000)?, RequestTurn::Now);
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestClaim {
    /// The name of the limit, such as `model:openai:*`.
    pub scope: Arc<str>,
    /// The unique name of the request.
    pub holder: Arc<str>,
    /// The driver of its run.
    pub driver: Arc<str>,
    /// The number of requests at the same time.
    pub concurrency: Option<u32>,
    /// The number of requests within the window.
    pub requests: Option<u32>,
    /// The number of tokens within the window.
    pub tokens_at_most: Option<u64>,
    /// The length of the window.
    pub window: Duration,
    /// The tokens that count for this request.
    pub tokens: u64,
    /// The current time.
    pub at: Timestamp,
    /// The latest time at which a driver that is taken for dead was seen.
    pub stale: Timestamp,
    /// Drivers that are known to be dead.
    pub dead: Vec<Arc<str>>,
}

/// The answer to a [`RequestClaim`].
///
/// ```
/// use stepwright_core::store::RequestTurn;
/// fn waits(turn: &RequestTurn) -> bool {
///     *turn != RequestTurn::Now
/// }
/// assert!(!waits(&RequestTurn::Now));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTurn {
    /// The request may be sent, and counts from now on.
    Now,
    /// Others are under way or come first. The request keeps its place.
    Behind {
        /// The drivers of the others.
        drivers: Vec<Arc<str>>,
    },
    /// The window is full, or the provider wants no request. The request keeps its place.
    Later {
        /// The first moment at which the answer may be another one.
        until: Timestamp,
    },
}

/// The state of a [`RequestEntry`].
///
/// ```
/// use stepwright_core::store::RequestState;
/// assert_eq!(RequestState::from_number(RequestState::Sent as i64), Some(RequestState::Sent));
/// assert_eq!(RequestState::from_number(7), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for its turn.
    Waiting = 0,
    /// It was sent, and its answer has not ended.
    UnderWay = 1,
    /// Its answer has ended. It counts for the window.
    Sent = 2,
    /// It is no request: no request is sent before this moment.
    Closed = 3,
}

impl RequestState {
    /// Returns the state of this number. For stores.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Waiting, Self::UnderWay, Self::Sent, Self::Closed]
            .into_iter()
            .find(|state| *state as i64 == number)
    }
}

/// An entry of a scope that is not [`RequestState::Sent`], as a store has it.
///
/// ```
/// use stepwright_core::Timestamp;
/// use stepwright_core::store::{RequestEntry, RequestState};
/// fn is_under_way(entry: &RequestEntry) -> bool {
///     entry.state == RequestState::UnderWay
/// }
/// let (at, seen_at) = (Timestamp(7), Timestamp(7));
/// let (holder, driver) = ("request-1".into(), "driver-1".into());
/// let state = RequestState::Waiting;
/// let entry = RequestEntry { place: 1, holder, driver, state, at, tokens: 9, seen_at };
/// assert!(!is_under_way(&entry));
/// ```
#[derive(Clone, Debug)]
pub struct RequestEntry {
    /// The place in the queue.
    pub place: i64,
    /// See [`RequestClaim::holder`].
    pub holder: Arc<str>,
    /// See [`RequestClaim::driver`].
    pub driver: Arc<str>,
    /// Its state.
    pub state: RequestState,
    /// The time at which it was sent. The time at which the entry was made, of one that waits; the
    /// moment before which no request is sent, of [`RequestState::Closed`].
    pub at: Timestamp,
    /// The tokens that count for it.
    pub tokens: u64,
    /// The time at which the driver was last seen, or else at which the entry was made.
    pub seen_at: Timestamp,
}

/// The requests of a scope that are [`RequestState::Sent`], within the window.
///
/// ```
/// use stepwright_core::store::RequestsSent;
/// assert_eq!(RequestsSent::default().oldest, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestsSent {
    /// The number of requests.
    pub requests: u64,
    /// The tokens that counted for them.
    pub tokens: u64,
    /// The time at which the first of them was sent.
    pub oldest: Option<Timestamp>,
}

/// The changes of a scope that follow from a claim. For stores.
///
/// ```
/// # use std::time::Duration;
/// use stepwright_core::store::{RequestChanges, RequestClaim, RequestTurn, RequestsSent};
/// # use stepwright_core::Timestamp;
/// fn is_sent(claim: &RequestClaim) -> bool {
///     let RequestChanges { turn, own, .. } = claim.judge(&[], RequestsSent::default());
///     turn == RequestTurn::Now && own.is_none()
/// }
/// # let claim = RequestClaim {
/// #     scope: "s".into(), holder: "r".into(), driver: "d".into(), concurrency: Some(1),
/// #     requests: None, tokens_at_most: None, window: Duration::ZERO, tokens: 0,
/// #     at: Timestamp(0), stale: Timestamp(0), dead: Vec::new(),
/// # };
/// assert!(is_sent(&claim));
/// ```
#[derive(Debug)]
pub struct RequestChanges {
    /// The places of entries that are removed.
    pub remove: Vec<i64>,
    /// The places of entries that become [`RequestState::Sent`]: their drivers are dead.
    pub sent: Vec<i64>,
    /// The place and the state of the claim's own entry. `None` if it has none yet.
    pub own: Option<(i64, RequestState)>,
    /// The answer.
    pub turn: RequestTurn,
}

/// The requests that count before another one.
#[derive(Default)]
struct Counted {
    under_way: u64,
    waiting: u64,
    drivers: Vec<Arc<str>>,
    /// Those of the window, with those that wait and will be sent before.
    requests: u64,
    tokens: u64,
    /// The time at which the first one of the window was sent.
    oldest: Option<Timestamp>,
    closed_until: Option<Timestamp>,
}

impl RequestClaim {
    /// Judges a claim by the entries of its scope that are not sent, in the order of their places,
    /// and by those that are. For stores, which call it in the transaction that makes the changes.
    pub fn judge(&self, entries: &[RequestEntry], sent: RequestsSent) -> RequestChanges {
        let own = entries.iter().find(|entry| entry.holder == self.holder);
        let (mut remove, mut ended) = (Vec::new(), Vec::new());
        let mut counted = Counted {
            requests: sent.requests,
            tokens: sent.tokens,
            oldest: sent.oldest,
            ..Counted::default()
        };
        for entry in entries.iter().filter(|entry| entry.holder != self.holder) {
            let lives = !self.dead.contains(&entry.driver) && entry.seen_at >= self.stale;
            match entry.state {
                RequestState::Closed if entry.at > self.at => {
                    counted.closed_until = counted.closed_until.max(Some(entry.at));
                }
                RequestState::Closed => remove.push(entry.place),
                RequestState::Waiting if !lives => remove.push(entry.place),
                // Of those that wait, only those that came before.
                RequestState::Waiting if own.is_some_and(|own| own.place < entry.place) => {}
                RequestState::Waiting => {
                    counted.waiting += 1;
                    counted.add(entry);
                }
                RequestState::UnderWay => {
                    let is_recent = self.is_in_window(entry.at);
                    match (lives, is_recent) {
                        (false, true) => ended.push(entry.place),
                        (false, false) => remove.push(entry.place),
                        (true, _) => {
                            counted.under_way += 1;
                            counted.drivers.push(entry.driver.clone());
                        }
                    }
                    if is_recent {
                        counted.add(entry);
                        counted.oldest = counted.oldest.into_iter().chain([entry.at]).min();
                    }
                }
                RequestState::Sent => {}
            }
        }
        let is_begun = own.is_some_and(|own| own.state == RequestState::UnderWay);
        let turn = if is_begun { RequestTurn::Now } else { self.turn(counted) };
        let own = own.map(|own| (own.place, own.state));
        RequestChanges { remove, sent: ended, own, turn }
    }

    /// Returns `true` if a request that was sent at this time counts for the window.
    pub fn is_in_window(&self, sent: Timestamp) -> bool {
        sent.plus(self.window) > self.at
    }

    /// Returns `true` if requests count for longer than they are under way.
    pub fn has_window(&self) -> bool {
        self.requests.is_some() || self.tokens_at_most.is_some()
    }

    fn turn(&self, counted: Counted) -> RequestTurn {
        if let Some(until) = counted.closed_until {
            return RequestTurn::Later { until };
        }
        let others = counted.under_way + counted.waiting;
        let is_full = self.concurrency.is_some_and(|most| others >= u64::from(most.max(1)));
        let is_over = self.requests.is_some_and(|most| counted.requests >= u64::from(most.max(1)))
            // A request that alone is larger than the limit goes when no other was sent.
            || self.tokens_at_most.is_some_and(|most| {
                counted.requests > 0 && counted.tokens.saturating_add(self.tokens) > most
            });
        match counted.oldest {
            Some(oldest) if is_over => RequestTurn::Later { until: oldest.plus(self.window) },
            _ if is_full || is_over => RequestTurn::Behind { drivers: counted.drivers },
            _ => RequestTurn::Now,
        }
    }
}

impl Counted {
    fn add(&mut self, entry: &RequestEntry) {
        self.requests += 1;
        self.tokens = self.tokens.saturating_add(entry.tokens);
        if entry.state == RequestState::Waiting {
            self.drivers.push(entry.driver.clone());
        }
    }
}
