//! Gives agents the other agents of the file as tools.

use super::Builder;
use crate::format::Agent as AgentOf;
use stepwright_agent::AgentBuilder;
use stepwright_core::Error;

impl Builder<'_> {
    /// Adds the agents that an agent asks, and those that it hands conversations over to.
    pub(super) fn other_agents(
        &self,
        of: &AgentOf,
        mut builder: AgentBuilder,
    ) -> Result<AgentBuilder, Error> {
        for other in of.other_agents() {
            let known = self.file.agents.iter().find(|agent| agent.name.text == other.agent.text);
            let own = known.and_then(|agent| agent.description.as_deref());
            let description = other.description.as_deref().or(own).unwrap_or_default();
            let agent = self.agent(&other.agent.text)?;
            builder = if other.takes_over {
                builder.handoff(&agent, description)
            } else {
                builder.tool(agent.as_tool(&other.known_as, description))
            };
        }
        Ok(builder)
    }
}
