//! Runs become tests, and tests find what has changed.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod changed;
mod examples;
mod files;
mod fixture;
mod kinds;
mod messages;
mod support;
mod taken;
