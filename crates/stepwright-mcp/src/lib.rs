//! MCP for Stepwright: the tools of MCP servers for agents, and workflows as an MCP server.
//!
//! ```no_run
//! use stepwright_agent::Agent;
//! use stepwright_mcp::McpServer;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), stepwright_core::Error> {
//! let time = McpServer::command("time", "uvx", ["mcp-server-time"]);
//! let agent = Agent::builder("Clock").model("openai:gpt-5")?.tool(time).build()?;
//! let output = agent.run("How late is it in Bergen?").await?;
//! # Ok(()) }
//! ```

mod answer;
mod call;
mod changes;
mod connection;
mod elicit;
mod events;
mod explained;
mod handler;
mod link;
mod live;
mod names;
mod oauth;
mod patient;
mod read;
mod recipe;
mod runtime;
mod serve;
mod server;
mod settings;
mod stdio;
mod tool;
mod trace;
mod unusable;
mod watch;
mod watched;
mod web;

pub use connection::{START_TIMEOUT, TOOLS_MAX};
pub use link::PARKED_CALL_KEPT;
pub use oauth::{LOGIN_TIMEOUT, OAuth};
pub use serve::{HttpOptions, McpService, MountedMcp, REQUEST_BYTES_MAX, SESSIONS_MAX};
pub use server::{McpServer, SERVER_NAME_BYTES_MAX};
pub use settings::CALL_TIMEOUT;
pub use watch::ResourceWatch;
