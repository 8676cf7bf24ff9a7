//! The spans of runs.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod spans;
