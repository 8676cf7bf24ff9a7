//! The times after which drivers are looked for, and taken for dead.

use std::time::Duration;

/// The interval at which a driver writes its heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// The time without a new heartbeat after which a supervisor that has watched a driver takes it
/// for dead, and its runs are claimed.
pub(crate) const SILENCE: Duration = Duration::from_millis(3_500);

/// The lease of a driver on another machine for a process that has not watched it: after this time
/// since its last heartbeat, its runs are claimed.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// Several heartbeats must be missed. A supervisor reads the last one within an interval, and finds
/// the runs of a driver that died within five seconds.
const _: () = assert!(SILENCE.as_millis() >= 3 * HEARTBEAT.as_millis());
const _: () = assert!(SILENCE.as_millis() + HEARTBEAT.as_millis() < 5_000);
