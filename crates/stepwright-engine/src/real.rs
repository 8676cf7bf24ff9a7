//! The real world: the system clock and Tokio's timers.

use crate::process::PerProcess;
use futures_util::future::BoxFuture;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stepwright_core::world::Clock;
use stepwright_core::{Timestamp, World};

/// The system clock, made monotonic.
///
/// The system clock can show a time before 1970, and can be set while a process runs. The monotonic
/// clock measures durations correctly in both cases. So this clock advances with the monotonic one,
/// and is ahead of the system clock after that was set back. When the system clock is ahead,
/// because it was set forward or the machine slept, this clock follows it.
struct SystemClock {
    began: Instant,
    steady: Steady,
}

impl SystemClock {
    fn new() -> Self {
        Self { began: Instant::now(), steady: Steady::beginning_at(wall_ms()) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let gone = self.began.elapsed();
        if !self.steady.looks(gone) {
            return self.steady.at(gone);
        }
        // The order matters: time that passes between the two readings must not look like a system
        // clock that is ahead.
        let wall = wall_ms();
        self.steady.now(wall, self.began.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn wall(&self) -> Timestamp {
        Timestamp(u64::try_from(wall_ms()).unwrap_or_default())
    }

    fn process(&self) -> u64 {
        static SALT: PerProcess<Salt> = PerProcess::new();
        SALT.here().0
    }
}

/// The seed of this process.
struct Salt(u64);

impl Default for Salt {
    fn default() -> Self {
        // After a fork, `RandomState` has the keys of the parent. The process id and the time
        // differ.
        let here = (std::process::id(), wall_ms());
        Self(RandomState::new().hash_one(here))
    }
}

/// Returns the system time in milliseconds since 1970; negative before.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

/// The interval between two readings of the system clock, in milliseconds. A reading costs as much
/// as a fact, and a clock that was set forward can be followed a little later.
const LOOK_EVERY_MS: i64 = 50;

fn ms(duration: Duration) -> i64 {
    // Not by `as_millis`, whose division of 128 bits takes longer than the reading itself.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1_000).saturating_add(duration.subsec_millis().into())
}

/// A clock that never runs backwards, and never slower than the monotonic clock.
struct Steady {
    /// The milliseconds that the monotonic clock is behind.
    behind: AtomicI64,
    /// The monotonic clock, in milliseconds, at the last reading of the system clock.
    looked: AtomicI64,
}

impl Steady {
    /// Starts the monotonic clock at zero when the system clock shows `wall`.
    fn beginning_at(wall: i64) -> Self {
        Self { behind: wall.max(0).into(), looked: 0.into() }
    }

    /// Returns `true` if the system clock is due to be read, when the monotonic clock shows `gone`.
    fn looks(&self, gone: Duration) -> bool {
        ms(gone).saturating_sub(self.looked.load(Ordering::Relaxed)) >= LOOK_EVERY_MS
    }

    /// Returns the time when the monotonic clock shows `gone`.
    fn at(&self, gone: Duration) -> Timestamp {
        let time = self.behind.load(Ordering::Relaxed).saturating_add(ms(gone));
        Timestamp(u64::try_from(time).unwrap_or_default())
    }

    /// Returns the time when the system clock shows `wall` and the monotonic clock `gone`.
    fn now(&self, wall: i64, gone: Duration) -> Timestamp {
        self.looked.store(ms(gone), Ordering::Relaxed);
        self.behind.fetch_max(wall.saturating_sub(ms(gone)), Ordering::Relaxed);
        self.at(gone)
    }
}

/// Returns the real world, which all workflows of the process share: the system clock, Tokio's
/// timers, and randomness with a new seed in each process.
///
/// ```
/// let world = stepwright_engine::real_world();
/// let (before, after) = (world.now(), world.now());
/// assert!(before <= after);
/// ```
///
/// ```
/// use stepwright_core::StepContext;
/// // An executor on its own, with a real clock.
/// let cx = StepContext::detached_in("shorten", stepwright_engine::real_world());
/// assert!(cx.world().now().seconds() > 1_700_000_000);
/// ```
pub fn real_world() -> World {
    static REAL: LazyLock<World> = LazyLock::new(|| {
        let seed = RandomState::new().hash_one((std::process::id(), wall_ms()));
        World::new(SystemClock::new(), seed)
    });
    REAL.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn time_goes_on_where_the_clock_stands_before_1970() {
        let clock = Steady::beginning_at(-10 * HOUR);
        let at = |ms: u64| {
            let wall = -10 * HOUR + i64::try_from(ms).unwrap();
            clock.now(wall, Duration::from_millis(ms))
        };
        let began = at(5);
        assert_eq!(at(1_005).since(began), Duration::from_secs(1));
        assert_eq!(at(1_005), began.plus(Duration::from_secs(1)));
    }

    #[test]
    fn time_goes_on_where_the_clock_is_set_back() {
        let start = 1_780_000_000_000;
        let clock = Steady::beginning_at(start);
        let began = clock.now(start + 100, Duration::from_millis(100));
        let after = clock.now(start - HOUR + 1_100, Duration::from_millis(1_100));
        assert_eq!(after.since(began), Duration::from_secs(1));
        // The system clock catches up, and the two go together again.
        let late = clock.now(start + HOUR, Duration::from_millis(1_200));
        assert_eq!(late, Timestamp(1_780_003_600_000));
    }

    #[test]
    fn the_clock_of_the_machine_is_looked_at_now_and_then() {
        let clock = Steady::beginning_at(1_000);
        assert!(!clock.looks(Duration::from_millis(49)));
        assert_eq!(clock.at(Duration::from_millis(49)), Timestamp(1_049));
        assert!(clock.looks(Duration::from_millis(50)));
        assert_eq!(clock.now(2_000, Duration::from_millis(60)), Timestamp(2_000));
        assert!(!clock.looks(Duration::from_millis(109)));
        assert_eq!(clock.at(Duration::from_millis(109)), Timestamp(2_049));
    }

    #[test]
    fn time_follows_where_the_clock_goes_ahead() {
        let clock = Steady::beginning_at(0);
        let ahead = clock.now(1_780_000_000_000, Duration::from_millis(7));
        assert_eq!(ahead, Timestamp(1_780_000_000_000));
    }
}
