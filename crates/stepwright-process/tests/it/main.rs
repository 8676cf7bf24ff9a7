//! Commands of steps.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![expect(clippy::print_stderr, reason = "a test says that it is skipped")]

mod containers;
mod killed;
mod repositories;
mod sandboxes;
