//! Workflow files whose runs are calls of tools, and agents that other agents have as tools.

use super::{Agent, File, Word};
use serde_json::Value;
use std::fmt;

/// A workflow file whose runs are calls.
pub(crate) struct Called {
    /// The path as written.
    pub(crate) path: Word,
    pub(crate) file: Box<File>,
    pub(crate) description: Option<String>,
    /// The name that models see.
    pub(crate) known_as: String,
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Called").field(&self.path.text).finish()
    }
}

impl Called {
    pub(crate) fn known_as(&self) -> &str {
        &self.known_as
    }

    /// Returns the description for the model.
    pub(crate) fn description(&self) -> String {
        let own = self.description.clone().or_else(|| self.file.description.clone());
        own.unwrap_or_default()
    }

    /// Returns the JSON Schema of the input, if it is an object.
    pub(crate) fn parameters(&self) -> Option<Value> {
        self.file.input.clone().filter(|schema| schema["type"] == "object")
    }
}

impl File {
    /// Returns the workflow files that its agents have as tools.
    pub(crate) fn called(&self) -> impl Iterator<Item = &Called> {
        let chosen = self.agents.iter().flat_map(|agent| &agent.tools);
        chosen.filter_map(|chosen| chosen.tool.called())
    }
}

/// An agent of the file that another one has as a tool.
#[derive(Debug)]
pub(crate) struct OtherAgent {
    pub(crate) agent: Word,
    /// Its description for the model, if the tool gives one.
    pub(crate) description: Option<String>,
    /// The name that models see.
    pub(crate) known_as: String,
    /// `true` if it goes on with the conversation, `false` if it answers.
    pub(crate) takes_over: bool,
}

impl Agent {
    /// Returns the agents that this one has as tools.
    pub(crate) fn other_agents(&self) -> impl Iterator<Item = &OtherAgent> {
        self.tools.iter().filter_map(|chosen| chosen.tool.other_agent())
    }
}
