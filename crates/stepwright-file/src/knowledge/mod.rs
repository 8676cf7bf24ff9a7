//! The knowledge bases that a file declares, and the tools with which agents search them.

#[cfg(feature = "knowledge")]
mod base;
#[cfg(feature = "knowledge")]
mod build;
mod keys;
mod place;
mod read;

#[cfg(feature = "knowledge")]
pub use base::{KnowledgeBase, KnowledgeProgress, KnowledgeUpdated};
pub(crate) use keys::{BASES, SEARCHED};

use crate::format::{AgentTool, Searched};
use crate::system::Granted;
use stepwright_agent::AgentBuilder;

/// The tool that searches a knowledge base, as an agent has it.
#[derive(Debug)]
struct SearchTool(Searched);

impl AgentTool for SearchTool {
    fn known_as(&self) -> &'static [&'static str] {
        &[]
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.0.tool]
    }

    fn searched(&self) -> Option<&Searched> {
        Some(&self.0)
    }

    // The builder of the file does it, which knows the bases.
    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent
    }
}
