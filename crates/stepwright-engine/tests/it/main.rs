//! The behaviour of the engine, through its public API.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod beside;
mod composition;
mod content;
mod cut;
mod decisions;
mod definition;
mod failure;
mod faults;
mod flow;
mod history;
mod idle;
mod interrupted;
mod loops;
mod matrix;
mod messages;
mod ownership;
mod people;
mod purity;
mod running;
mod runs;
mod sessions;
mod simulation;
mod support;
mod takeup;
