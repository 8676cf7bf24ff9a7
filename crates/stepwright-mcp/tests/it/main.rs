//! MCP, with a server that misbehaves and with servers of others.

mod calls;
mod faults;
mod questions;
mod support;
