//! The real world: the system's clock, and Tokio's timers.

use crate::process::PerProcess;
use futures_util::future::BoxFuture;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stepwright_core::world::Clock;
use stepwright_core::{Timestamp, World};

/// The clock of the machine, made steady.
///
/// The clock of the machine can stand before 1970, and be set while a process runs. Durations are
/// measured by the monotonic clock, which neither happens to: this clock goes with it, and so is
/// ahead of the machine's after that was set back. Where the machine's goes ahead (it is set
/// forward, or the machine has slept), this one follows.
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
        // In this order: if time passes in between, the clock is not taken to have gone ahead.
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

/// What chance begins with in this process.
struct Salt(u64);

impl Default for Salt {
    fn default() -> Self {
        // The keys of the state are the parent's after a fork; the process and the time are not.
        let here = (std::process::id(), wall_ms());
        Self(RandomState::new().hash_one(here))
    }
}

/// The clock of the machine, in milliseconds since 1970 began. Negative before.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

/// The time for which the clock of the machine is not looked at again, in milliseconds. A look
/// costs as much as a fact, and a machine whose clock was set forward is followed soon enough.
const LOOK_EVERY_MS: i64 = 50;

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A clock that never runs backwards and never runs slower than the monotonic clock.
struct Steady {
    /// The milliseconds that the monotonic clock is behind.
    behind: AtomicI64,
    /// The milliseconds that the monotonic clock showed when the other one was last looked at.
    looked: AtomicI64,
}

impl Steady {
    /// The monotonic clock begins at zero when the other one shows `wall`.
    fn beginning_at(wall: i64) -> Self {
        Self { behind: wall.max(0).into(), looked: 0.into() }
    }

    /// Returns `true` if the clock of the machine should be looked at, where the monotonic one
    /// shows `gone`.
    fn looks(&self, gone: Duration) -> bool {
        ms(gone).saturating_sub(self.looked.load(Ordering::Relaxed)) >= LOOK_EVERY_MS
    }

    /// The time, where the monotonic clock shows `gone`.
    fn at(&self, gone: Duration) -> Timestamp {
        let time = self.behind.load(Ordering::Relaxed).saturating_add(ms(gone));
        Timestamp(u64::try_from(time).unwrap_or_default())
    }

    /// The time, where the clock of the machine shows `wall` and the monotonic one `gone`.
    fn now(&self, wall: i64, gone: Duration) -> Timestamp {
        self.looked.store(ms(gone), Ordering::Relaxed);
        self.behind.fetch_max(wall.saturating_sub(ms(gone)), Ordering::Relaxed);
        self.at(gone)
    }
}

/// The real world, the same for all workflows of the process: the system's clock, Tokio's timers,
/// and chance that is seeded anew in each process.
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
        // It goes with the machine's again when that has come so far.
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
