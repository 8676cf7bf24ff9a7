//! The lease that another driver has on a run.

use crate::runner::lease::HEARTBEAT;
use std::fmt;
use std::time::Duration;
use stepwright_core::Error;

/// The lease that another driver has on a run.
#[derive(Debug)]
pub(crate) struct Held {
    /// The rest of it, unless the driver renews it.
    lease: Duration,
}

impl Held {
    /// Creates the reason of a run that waits for a slot.
    pub(crate) fn queued() -> Self {
        Self { lease: Duration::ZERO }
    }

    /// Creates the reason of a run that another driver has for so long.
    pub(crate) fn by(lease: Duration) -> Self {
        Self { lease }
    }

    /// Returns the time to wait before the next claim, if this is the reason of an error.
    pub(crate) fn retry_after(error: &Error) -> Option<Duration> {
        let held = std::error::Error::source(error)?.downcast_ref::<Self>()?;
        // The lease must have ended then, and a driver that lives has renewed it.
        Some(held.lease.max(HEARTBEAT) + Duration::from_millis(1))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its lease ends in {} s unless it is renewed", self.lease.as_secs())
    }
}

impl std::error::Error for Held {}
