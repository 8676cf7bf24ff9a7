//! Tests of the server over loopback.

#![expect(clippy::unwrap_used, reason = "a test fails there")]

mod agentos;
mod client;
mod crash;
mod issuer;
mod jwt;
mod keys;
mod limits;
mod links;
mod media;
mod memories;
mod openai;
mod runs;
mod streams;
mod triggers;
mod world;
