//! Tests of the SQLite store.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod conformance;
mod faults;
mod groups;
mod reopening;
mod support;
