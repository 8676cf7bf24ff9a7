//! Drivers of other processes that have fallen silent.
//!
//! A supervisor asks the store again and again when each driver was last seen. A driver is silent
//! if the answer has stayed the same for a while by the clock of this process alone, so the clocks
//! of machines may differ.

use super::lease::SILENCE;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::Timestamp;
use stepwright_core::store::SeenDriver;

/// The longest pause between two looks. After a longer one this process was frozen, or the store
/// was away, and the drivers may not have been able to report either.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The drivers of background runs, as this process has seen them.
#[derive(Debug, Default)]
pub(super) struct Observed {
    drivers: HashMap<Arc<str>, Observation>,
    looked_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Observation {
    /// The last heartbeat, by the clock of the driver.
    seen_at: Timestamp,
    /// The time at which this process first read that heartbeat.
    since: Timestamp,
}

impl Observation {
    fn is_silent(&self, now: Timestamp) -> bool {
        now.since(self.since) >= SILENCE
    }
}

impl Observed {
    /// Takes what the store says at `now`, and returns the drivers that are not silent.
    pub(super) fn look(&mut self, found: Vec<SeenDriver>, now: Timestamp) -> Vec<Arc<str>> {
        let last = self.looked_at.replace(now);
        let is_late = last.is_none_or(|last| now.since(last) > PAUSE_MAX);
        let mut before = std::mem::take(&mut self.drivers);
        for SeenDriver { driver, seen_at } in found {
            let known = before.remove(&driver).filter(|known| known.seen_at == seen_at && !is_late);
            let since = known.map_or(now, |known| known.since);
            self.drivers.insert(driver, Observation { seen_at, since });
        }
        let alive = self.drivers.iter().filter(|(_, observation)| !observation.is_silent(now));
        alive.map(|(driver, _)| driver.clone()).collect()
    }

    /// Returns `true` if a driver is silent at `now`, and was last seen at `seen_at`, or later by
    /// the time this process looked.
    pub(super) fn is_silent(&self, driver: &str, seen_at: Timestamp, now: Timestamp) -> bool {
        self.drivers
            .get(driver)
            .is_some_and(|observation| observation.seen_at >= seen_at && observation.is_silent(now))
    }

    /// Returns the time until the next driver is silent, unless it is heard before.
    pub(super) fn next_end(&self, now: Timestamp) -> Option<Duration> {
        let alive = self.drivers.values().filter(|observation| !observation.is_silent(now));
        alive.map(|observation| observation.since.plus(SILENCE).since(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::HEARTBEAT;

    fn at(seen_at: u64) -> Vec<SeenDriver> {
        vec![SeenDriver { driver: "one".into(), seen_at: Timestamp(seen_at) }]
    }

    /// Looks once a second from `from` on, and returns the first time at which the driver is
    /// silent.
    fn silent_from(observed: &mut Observed, seen_at: u64, from: u64) -> u64 {
        let mut now = from;
        while !observed.look(at(seen_at), Timestamp(now)).is_empty() {
            let next = observed.next_end(Timestamp(now)).unwrap().min(HEARTBEAT);
            now += u64::try_from(next.as_millis()).unwrap();
        }
        assert!(observed.is_silent("one", Timestamp(seen_at), Timestamp(now)));
        now - from
    }

    #[test]
    fn a_driver_is_silent_if_it_was_not_heard_for_a_while_whatever_its_clock_says() {
        for clock in [0, 5_000, u64::MAX] {
            let mut observed = Observed::default();
            assert_eq!(silent_from(&mut observed, clock, 1_000), 3_500);
            // It is heard again, by any clock.
            let now = Timestamp(5_000);
            assert_eq!(observed.look(at(clock / 2 + 1), now).len(), 1);
            assert!(!observed.is_silent("one", Timestamp(clock / 2 + 1), now));
        }
    }

    #[test]
    fn after_a_pause_of_the_observer_everything_is_observed_anew() {
        let mut observed = Observed::default();
        assert_eq!(observed.look(at(7), Timestamp(1_000)).len(), 1);
        assert_eq!(observed.look(at(7), Timestamp(3_000)).len(), 1);
        // The observer was frozen, or the store was away for it.
        assert_eq!(observed.look(at(7), Timestamp(60_000)).len(), 1);
        assert!(!observed.is_silent("one", Timestamp(7), Timestamp(60_000)));
        assert_eq!(silent_from(&mut observed, 7, 61_000), 2_500);
    }

    #[test]
    fn a_driver_that_was_heard_since_the_last_look_is_not_silent() {
        let mut observed = Observed::default();
        silent_from(&mut observed, 7, 1_000);
        assert!(!observed.is_silent("one", Timestamp(8), Timestamp(9_000)));
        assert!(!observed.is_silent("another", Timestamp(7), Timestamp(9_000)));
        // It drives nothing any more.
        assert!(observed.look(Vec::new(), Timestamp(5_000)).is_empty());
        assert!(!observed.is_silent("one", Timestamp(7), Timestamp(9_000)));
    }
}
