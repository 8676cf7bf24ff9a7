//! Workflows and agents as an MCP server.

mod ask;
mod follow;
mod handler;
mod http;
mod operate;
mod result;
mod service;
mod shared;
mod task;

pub use http::{HttpOptions, MountedMcp, REQUEST_BYTES_MAX, SESSIONS_MAX};
pub use service::McpService;
