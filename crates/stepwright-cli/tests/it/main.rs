//! The `stepwright` command, run as people and scripts run it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[cfg(unix)]
mod acting;
mod answering;
mod cancelling;
mod cases;
#[cfg(unix)]
mod chat;
mod checking;
mod clients;
mod configuration;
mod damage;
mod databases;
mod dispatchers;
#[cfg(unix)]
mod doors;
mod event_samples;
mod events;
mod explaining;
mod failures;
mod faults;
#[path = "../../../stepwright-mcp/tests/it/guarded.rs"]
#[allow(dead_code, reason = "shared with the tests of the client")]
mod guarded;
mod interrupting;
mod keeping;
mod kills;
mod knowledge;
mod limits;
mod listening;
mod logins;
mod looking;
mod mcp;
mod media;
mod memories;
mod newcomers;
mod options;
mod output;
mod ownership;
#[cfg(unix)]
mod person;
#[cfg(unix)]
mod places;
mod resuming;
#[cfg(unix)]
mod sandboxes;
mod serving;
mod sessions;
mod starting;
#[cfg(unix)]
mod stopping;
mod support;
mod takingup;
mod terminals;
mod testing;
mod traces;
#[cfg(unix)]
mod watching;
