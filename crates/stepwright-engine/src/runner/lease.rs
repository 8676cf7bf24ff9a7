//! The times after which drivers are looked for, and taken for dead.

use std::time::Duration;

/// The interval at which a driver writes its heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// The lease of a driver on another machine: after this time without a heartbeat, its runs are
/// claimed.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
