//! The `stepwright` command, run as people and scripts run it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod cancelling;
#[cfg(unix)]
mod chat;
mod checking;
mod databases;
mod events;
mod failures;
mod options;
mod output;
mod support;
mod terminals;
