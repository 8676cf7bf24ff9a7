//! Workflows and agents as an MCP server.

mod ask;
mod follow;
mod handler;
mod http;
mod operate;
mod service;
mod shared;

pub use http::{HttpOptions, REQUEST_BYTES_MAX};
pub use service::McpService;
