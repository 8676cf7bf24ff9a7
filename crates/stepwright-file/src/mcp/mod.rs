//! The MCP servers that a file declares, and the tools that agents get of them.

mod import;
mod keys;
#[cfg(feature = "mcp")]
mod login;
mod oauth;
mod read;
#[cfg(feature = "mcp")]
mod server;

#[cfg(test)]
pub(crate) use keys::SERVER_TOOLS_SHOWN;
pub(crate) use keys::{SERVER_TOOLS, SERVERS};

use crate::format::{AgentTool, Choice, Declaration};
use crate::system::Granted;
use std::sync::Arc;
use stepwright_agent::{AgentBuilder, ToolOptions};

/// The tools of a server, as an agent has them.
#[derive(Debug)]
struct ServerTools {
    declaration: Arc<Declaration>,
    choice: Choice,
    /// The settings of each of them.
    #[cfg_attr(not(feature = "mcp"), allow(dead_code, reason = "read to find mistakes"))]
    options: ToolOptions,
}

impl AgentTool for ServerTools {
    fn known_as(&self) -> &'static [&'static str] {
        &[]
    }

    fn may_have(&self, name: &str) -> bool {
        let prefix = self.choice.prefix.as_ref().or(self.declaration.choice.prefix.as_ref());
        match prefix.map_or(self.declaration.name.text.as_str(), String::as_str) {
            "" => true,
            prefix => name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("__")),
        }
    }

    #[cfg(feature = "mcp")]
    fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder {
        agent.tool_with(self.server(granted), self.options.clone())
    }

    #[cfg(not(feature = "mcp"))]
    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent
    }
}
