//! MCP, with a server that misbehaves and with servers of others.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "the helpers of tests are tests")]

mod calls;
mod client;
mod conformance;
mod faults;
mod guarded;
mod lists;
mod logins;
mod others;
mod places;
mod questions;
mod serving;
mod support;
mod watching;
