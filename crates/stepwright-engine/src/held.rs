//! Reasons why a run is left to another driver, which dispatchers learn from errors.

use crate::runner::lease::HEARTBEAT;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::dispatch::{Driven, awaited};
use stepwright_core::{Error, ErrorKind, RunOutput, Timestamp};

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

/// The wait of a run for a worker of other queues than those of its driver.
#[derive(Clone, Debug)]
pub(crate) struct HandedOver {
    pub(crate) queues: Vec<Arc<str>>,
    /// The time at which any worker must drive it.
    pub(crate) until: Option<Timestamp>,
}

impl HandedOver {
    /// Makes the error of a run that its driver has handed over.
    pub(crate) fn error(self, output: RunOutput) -> Error {
        let what = format!("run `{}` {self}", output.run_id);
        Error::new(ErrorKind::Store, what).with_source(self).with_output(output)
    }

    /// Returns the result for the dispatcher, if this is the reason of an error.
    pub(crate) fn driven(error: &Error) -> Option<Driven> {
        let waits = std::error::Error::source(error)?.downcast_ref::<Self>()?.clone();
        Some(Driven::WaitsForQueue { queues: waits.queues, until: waits.until })
    }
}

impl fmt::Display for HandedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&awaited(&self.queues))
    }
}

impl std::error::Error for HandedOver {}
