//! The behaviour of the engine, through its public API.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod after;
mod awaited;
mod beside;
mod branches;
mod composition;
mod content;
mod costs;
mod cut;
mod deadlines;
mod decisions;
mod definition;
mod dispatched;
mod dispatching;
mod failure;
mod faults;
mod flow;
mod futures;
mod guardrails;
mod history;
mod host_state;
mod idle;
mod interrupted;
mod keeping;
mod loops;
mod matrix;
mod media;
mod messages;
mod ownership;
mod people;
mod purity;
mod releasing;
mod run_limits;
mod running;
mod runs;
mod sessions;
mod shapes;
mod shutdown;
mod simulation;
mod sources;
mod streams;
mod support;
mod takeup;
