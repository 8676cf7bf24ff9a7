//! Tests of the server over loopback.

#![expect(clippy::unwrap_used, reason = "a test fails there")]

mod a2a;
mod agentos;
mod agui;
mod client;
mod crash;
mod emit;
mod issuer;
mod jwt;
mod keys;
mod leaving;
mod limits;
mod links;
mod mcp;
mod media;
mod memories;
mod notifying;
mod openai;
mod openapi;
mod runs;
mod socket;
mod streams;
mod triggers;
mod world;
