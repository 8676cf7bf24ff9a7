//! The time of facts.

use std::sync::atomic::{AtomicU64, Ordering};
use stepwright_core::{Timestamp, World};

/// The clock of a recorder. Facts that directly follow each other share one reading.
pub(super) struct FactClock {
    world: World,
    /// The cached time of the last fact, in milliseconds; 0 if it is invalid.
    noted_at: AtomicU64,
}

impl FactClock {
    pub(super) fn new(world: World, now: Option<Timestamp>) -> Self {
        Self { world, noted_at: now.unwrap_or_default().0.into() }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Invalidates the cached time.
    pub(super) fn time_passes(&self) {
        self.noted_at.store(0, Ordering::Relaxed);
    }

    /// Returns the time of the next fact.
    pub(super) fn now(&self) -> Timestamp {
        match self.noted_at.load(Ordering::Relaxed) {
            0 => {
                let now = self.world.now();
                self.noted_at.store(now.0, Ordering::Relaxed);
                now
            }
            noted_at => Timestamp(noted_at),
        }
    }
}
