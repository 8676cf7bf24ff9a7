//! Knowledge through its public API.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod adding;
mod agents;
mod cutting;
mod lazy;
mod real;
mod searching;
mod servers;
