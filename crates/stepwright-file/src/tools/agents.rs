//! Agents of the file as tools of others: `agent`, which answers, and `handoff`, which takes the
//! conversation over.

use super::named::tool_name_of;
use crate::effects;
use crate::format::form::{Form, Member, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, OtherAgent, Word};
use crate::system::Granted;
use stepwright_agent::__private::handoff_tool_name;
use stepwright_agent::AgentBuilder;

const DESCRIPTION: Member = key(
    "description",
    &Form::Text,
    "What the agent is good for and when to use it, for the model. By default its own.",
);

pub(super) const AGENT: ToolKind = ToolKind {
    name: "agent",
    shown: "`agent`",
    read: agent,
    effects: effects::NONE,
    settings: &[
        key("agent", &Form::Text, "The agent or the team of this file that answers."),
        key("name", &Form::Text, "The name that models see. By default that of the agent."),
        DESCRIPTION,
    ],
    needs: &["agent"],
};

pub(super) const HANDOFF: ToolKind = ToolKind {
    name: "handoff",
    shown: "`handoff`",
    read: handoff,
    effects: effects::NONE,
    settings: &[
        key("agent", &Form::Text, "The agent of this file that goes on with the conversation."),
        DESCRIPTION,
    ],
    needs: &["agent"],
};

type Read = Option<Box<dyn AgentTool>>;

fn agent(reader: &mut Reader<'_>, word: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    let example = "agent: {agent: expert, description: \"Knows bridges.\"}";
    let (fields, agent) = named(reader, word, fields, example)?;
    let name = fields.word(reader, "name");
    let description = fields.word(reader, "description").map(|word| word.text);
    let known_as = match name {
        Some(name) => reader.tool_name(name)?,
        None => tool_name_of(&agent.text),
    };
    Some(Box::new(OtherAgent { agent, description, known_as, takes_over: false }))
}

fn handoff(reader: &mut Reader<'_>, word: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    let example = "handoff: {agent: billing, description: \"Knows invoices.\"}";
    let (fields, agent) = named(reader, word, fields, example)?;
    let description = fields.word(reader, "description").map(|word| word.text);
    let known_as = handoff_tool_name(&agent.text);
    Some(Box::new(OtherAgent { agent, description, known_as, takes_over: true }))
}

/// Returns the settings, and the agent that they name.
fn named<'f, 'n>(
    reader: &mut Reader<'_>,
    word: &Word,
    fields: Option<&'f mut Fields<'n>>,
    example: &str,
) -> Option<(&'f mut Fields<'n>, Word)> {
    let Some(fields) = fields else {
        let mistake = reader.mistake(word.span, format!("`{}` names no agent", word.text));
        reader.push(mistake.help(format!("write `{example}`")));
        return None;
    };
    let agent = fields.need(reader, "agent", example);
    let agent = agent.and_then(|(_, node)| reader.word(node, "agent"))?;
    Some((fields, agent))
}

impl AgentTool for OtherAgent {
    fn known_as(&self) -> &'static [&'static str] {
        &[]
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.known_as]
    }

    // The agent may have tools that act, and a handoff is no result.
    fn only_reads(&self) -> bool {
        false
    }

    fn other_agent(&self) -> Option<&OtherAgent> {
        Some(self)
    }

    // The builder of the file does it, which knows the other agents.
    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent
    }
}
