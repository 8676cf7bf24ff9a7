//! The `stepwright` command, run as people and scripts run it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod answering;
mod cancelling;
#[cfg(unix)]
mod chat;
mod checking;
mod damage;
mod databases;
mod events;
mod failures;
mod faults;
mod kills;
mod looking;
mod options;
mod output;
#[cfg(unix)]
mod person;
mod resuming;
mod sessions;
mod support;
mod terminals;
