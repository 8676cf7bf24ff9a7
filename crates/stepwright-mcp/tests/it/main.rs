//! MCP, with a server that misbehaves and with servers of others.

mod calls;
mod faults;
mod others;
mod places;
mod questions;
mod support;
