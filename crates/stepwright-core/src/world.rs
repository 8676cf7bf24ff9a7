//! The only source of time, ids and randomness.

use crate::BoxFuture;
use crate::id::{RunId, SessionId};
use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01 in UTC.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::Timestamp;
/// let begun = Timestamp(1_780_000_000_000);
/// let ended = begun.plus(Duration::from_millis(2_500));
/// assert_eq!(ended.since(begun), Duration::from_millis(2_500));
/// assert_eq!(ended.seconds(), 1_780_000_002);
/// assert_eq!(begun.since(ended), Duration::ZERO);
/// assert_eq!(ended.to_string(), "2026-05-28 20:26:42.500 UTC");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns the time `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns the duration since `earlier`, or zero if that is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns the moment as RFC 3339 writes it, in UTC.
    ///
    /// ```
    /// use stepwright_core::Timestamp;
    /// assert_eq!(Timestamp(1_780_000_002_500).to_rfc3339(), "2026-05-28T20:26:42.500Z");
    /// ```
    pub fn to_rfc3339(self) -> String {
        self.to_string().replacen(' ', "T", 1).replace(" UTC", "Z")
    }

    /// Returns whole seconds since 1970-01-01, as Agno writes times.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Shows the date and the time of day in UTC, with milliseconds unless they are zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds() / 86_400, self.seconds() % 86_400);
        // Count years from March, so that the leap day comes last. Day 0 is 1 March of year 0.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        match self.0 % 1_000 {
            0 => f.write_str(" UTC"),
            milliseconds => write!(f, ".{milliseconds:03} UTC"),
        }
    }
}

/// A clock. The engine implements the real one, and this module has a virtual one.
///
/// ```
/// use stepwright_core::{BoxFuture, Timestamp, World, world::Clock};
/// /// Stands still.
/// struct Noon;
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp { Timestamp(43_200_000) }
///     fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
///         Box::pin(std::future::pending())
///     }
/// }
/// assert_eq!(World::new(Noon, 7).now().seconds(), 43_200);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time. It never goes backwards and never stops while the process lives,
    /// because durations are measured with it.
    fn now(&self) -> Timestamp;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Completes after `duration`, to end other work that takes longer. On a clock where waits end
    /// early, this one must not.
    fn deadline(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep(duration)
    }

    /// Returns the current time on the clock of the machine, which other processes see.
    /// [`Clock::now`] may be ahead of it if that clock was set back.
    fn wall(&self) -> Timestamp {
        self.now()
    }

    /// Returns a number that differs between a process and its forks. Without it, both would
    /// continue the same random sequence.
    fn process(&self) -> u64 {
        0
    }
}

/// The only source of time, ids and randomness. Cheap to clone. Clones share one random sequence.
///
/// A seeded world is deterministic: the same seed gives the same ids and the same jitter.
///
/// ```
/// use stepwright_core::World;
/// assert_eq!(World::seeded(42).run_id(), World::seeded(42).run_id());
/// ```
#[derive(Clone)]
pub struct World {
    clock: Arc<dyn Clock>,
    chance: Arc<AtomicU64>,
}

impl World {
    /// Creates a world with this clock, and with random numbers from `seed`.
    pub fn new(clock: impl Clock, seed: u64) -> Self {
        Self { clock: Arc::new(clock), chance: Arc::new(AtomicU64::new(seed)) }
    }

    /// Creates a world that `seed` determines completely. Its time advances only when all tasks
    /// wait. Use it with [`VirtualClock::run`].
    pub fn seeded(seed: u64) -> Self {
        Self::new(VirtualClock::default(), seed)
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the current time as other processes see it, for comparisons with their clocks. See
    /// [`Clock::wall`].
    pub fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Completes after `duration`.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }

    /// Completes after `duration`, to end other work that takes longer. See [`Clock::deadline`].
    pub fn deadline(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.deadline(duration)
    }

    /// Returns the output of `work`, or drops it and returns `None` if it takes longer than
    /// `limit`.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        match select(pin!(work), self.deadline(limit)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Returns 64 random bits (SplitMix64: evenly distributed, but not for secrets).
    pub fn chance(&self) -> u64 {
        self.chance_in(self.clock.process())
    }

    fn chance_in(&self, process: u64) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.chance.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z ^= process;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns the number that is mixed into random numbers in this process. See
    /// [`Clock::process`].
    pub fn process(&self) -> u64 {
        self.clock.process()
    }

    /// Creates an id for a run. It is a version 7 UUID, so ids sort by time.
    pub fn run_id(&self) -> RunId {
        self.run_id_in(self.process(), self.now())
    }

    /// Creates an id for a run, for a caller that already has [`World::process`] and the time. This
    /// saves a system call and a read of the clock.
    pub fn run_id_in(&self, process: u64, now: Timestamp) -> RunId {
        self.with_uuid(process, now, RunId::made)
    }

    /// Creates an id for a session.
    pub fn session_id(&self) -> SessionId {
        self.session_id_in(self.process(), self.now())
    }

    /// Creates an id for a session, like [`World::run_id_in`] for a run.
    pub fn session_id_in(&self, process: u64, now: Timestamp) -> SessionId {
        self.with_uuid(process, now, SessionId::made)
    }

    fn with_uuid<T>(&self, process: u64, now: Timestamp, make: impl FnOnce(&str) -> T) -> T {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.chance_in(process).to_be_bytes());
        random[8..].copy_from_slice(&self.chance_in(process).to_be_bytes()[..2]);
        let uuid = uuid::Builder::from_unix_timestamp_millis(now.0, &random).into_uuid();
        make(uuid.hyphenated().encode_lower(&mut [0; 36]))
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// A clock that stands still until all tasks wait, and then jumps to the next alarm.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::{World, world::VirtualClock};
/// let clock = VirtualClock::default();
/// let world = World::new(clock.clone(), 7);
/// let begun = world.now();
/// clock.run(world.sleep(Duration::from_secs(3_600)));
/// assert_eq!(world.now().since(begun), Duration::from_secs(3_600));
/// ```
#[derive(Clone, Default)]
pub struct VirtualClock(Arc<Mutex<Alarms>>);

struct Alarms {
    now: Timestamp,
    next: u64,
    waiting: BTreeMap<(Timestamp, u64), Waker>,
}

impl Default for Alarms {
    fn default() -> Self {
        // A day in 2026, so that ids and dates look real.
        Self { now: Timestamp(1_780_000_000_000), next: 0, waiting: BTreeMap::new() }
    }
}

impl VirtualClock {
    fn alarms(&self) -> std::sync::MutexGuard<'_, Alarms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Advances to the next alarm. Returns `false` if there is none.
    pub fn advance(&self) -> bool {
        let mut alarms = self.alarms();
        let Some(((at, _), waker)) = alarms.waiting.pop_first() else { return false };
        alarms.now = alarms.now.max(at);
        drop(alarms);
        waker.wake();
        true
    }

    /// Drives `work` to its end on this thread, and advances the time whenever it waits. It must
    /// not wait for anything outside this world.
    ///
    /// # Panics
    /// Panics if the work waits for an event that never comes: a deadlock, or the outside world.
    pub fn run<F: Future>(&self, work: F) -> F::Output {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Release);
            }
        }
        let flag = Arc::new(Flag(true.into()));
        let waker = Waker::from(flag.clone());
        let mut cx = Context::from_waker(&waker);
        let mut work = pin!(work);
        loop {
            if flag.0.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(done) = work.as_mut().poll(&mut cx) {
                    return done;
                }
            } else {
                assert!(self.advance(), "the work waits for something that will never come");
            }
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.alarms().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut alarms = self.alarms();
        alarms.next += 1;
        let key = (alarms.now.plus(duration), alarms.next);
        Box::pin(Alarm { clock: self.clone(), key })
    }
}

/// A virtual clock on which every wait ends at once: the time advances by its length. Deadlines
/// never pass. For executors that run without a driver of the clock.
#[derive(Debug)]
pub(crate) struct ImpatientClock(AtomicU64);

impl Default for ImpatientClock {
    fn default() -> Self {
        Self(Alarms::default().now.0.into())
    }
}

impl Clock for ImpatientClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let gone = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(gone, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn deadline(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

struct Alarm {
    clock: VirtualClock,
    key: (Timestamp, u64),
}

impl Future for Alarm {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarms = self.clock.alarms();
        if alarms.now >= self.key.0 {
            return Poll::Ready(());
        }
        alarms.waiting.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clock.alarms().waiting.remove(&self.key);
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("now", &self.now()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_when_everybody_waits() {
        let clock = VirtualClock::default();
        let world = World::new(clock.clone(), 7);
        let before = world.now();
        let slept = clock.run(async {
            world.sleep(Duration::from_hours(1)).await;
            world.timeout(Duration::from_secs(5), std::future::pending::<()>()).await
        });
        assert_eq!(slept, None);
        assert_eq!(world.now().since(before), Duration::from_secs(3605));
    }

    /// A clock in the process with this number.
    struct In(u64);

    impl Clock for In {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
        fn process(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn processes_with_one_seed_make_names_of_their_own() {
        let (parent, child) = (World::new(In(1), 7), World::new(In(2), 7));
        for _ in 0..100 {
            assert_ne!(parent.run_id(), child.run_id());
            assert_ne!(parent.chance(), child.chance());
        }
    }
}
