//! Tests of the server over loopback.

#![expect(clippy::unwrap_used, reason = "a test fails there")]

mod agentos;
mod client;
mod crash;
mod keys;
mod leaving;
mod limits;
mod media;
mod memories;
mod openai;
mod runs;
mod socket;
mod streams;
mod triggers;
mod world;
