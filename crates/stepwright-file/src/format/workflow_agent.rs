//! The agent in front of a workflow.

use super::Word;
use super::form::{Form, Mapping, key};
use super::reader::{Fields, Reader};
use crate::tree::Yaml;
use stepwright_core::session::HISTORY_RUNS_MAX;

/// The agent in front of the workflow: the name of an agent, or that and the history that it reads.
pub(super) const WORKFLOW_AGENT: Form = Form::Either(&[Form::Text, Form::Mapping(&FRONT)]);

static FRONT: Mapping = Mapping {
    name: "workflow_agent",
    what: "`workflow_agent`",
    required: &[&["agent"]],
    members: &[
        key("agent", &Form::Text, "The agent that speaks for the workflow, by name."),
        key(
            "history",
            &Form::Whole(0, HISTORY_RUNS_MAX as u64),
            "The number of earlier runs of the session that it reads. 5 by default.",
        ),
    ],
};

/// An agent in front of a workflow.
#[derive(Clone, Debug)]
pub(crate) struct FrontAgent {
    pub(crate) agent: Word,
    /// The number of earlier runs that it reads.
    pub(crate) history: Option<u32>,
}

impl Reader<'_> {
    /// Parses `workflow_agent: NAME`, or `workflow_agent: {agent: NAME, history: 10}`.
    pub(super) fn workflow_agent(&mut self, fields: &mut Fields<'_>) -> Option<FrontAgent> {
        let (_, node) = fields.take("workflow_agent")?;
        let Yaml::Map(_) = &node.value else {
            let agent = self.word(node, "workflow_agent")?;
            return Some(FrontAgent { agent, history: None });
        };
        let mut fields = Fields::of(self, node, "`workflow_agent`")?;
        let help = "name an agent of this file: `agent: assistant`";
        let agent = fields.need(self, "agent", help);
        let agent = agent.and_then(|(_, node)| self.word(node, "agent"));
        let history = fields.number(self, "history", (0, HISTORY_RUNS_MAX.into()));
        fields.finish(self);
        let history = history.and_then(|runs| u32::try_from(runs).ok());
        Some(FrontAgent { agent: agent?, history })
    }
}
