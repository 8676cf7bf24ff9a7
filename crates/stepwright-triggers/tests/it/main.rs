//! Tests of schedules, on a virtual clock.

#![expect(clippy::unwrap_used, reason = "a test fails there")]

mod firing;
mod hooks;
mod notifying;
mod times;
mod world;
