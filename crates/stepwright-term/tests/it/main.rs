//! The visible output of runs and prompts.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod scenarios;
mod screen;

mod conversation;
mod moving;
mod people;
mod printing;
mod snapshots;
#[cfg(unix)]
mod terminals;
