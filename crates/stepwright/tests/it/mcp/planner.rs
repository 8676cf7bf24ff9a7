//! The agent of `docs/mcp.md`.

use stepwright::mcp::McpServer;
use stepwright::prelude::*;

pub(super) fn planner() -> Result<Agent, Error> {
    let time = McpServer::command("time", "uvx", ["mcp-server-time"]);
    let github = McpServer::url("github", "https://api.githubcopilot.com/mcp/")
        .header("Authorization", "Bearer …")
        .exclude(["delete_*"])
        .confirm(["create_*"]);
    Agent::builder("Planner").model("offline")?.tool(time).tool(github).build()
}
