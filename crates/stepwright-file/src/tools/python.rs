//! `python`: programs that a model writes.

use crate::effects;
use crate::format::form::{Form, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::Granted;
use stepwright_agent::AgentBuilder;
use stepwright_tools::Python;

pub(super) const KIND: ToolKind = ToolKind {
    name: "python",
    shown: "`python`",
    read,
    effects: effects::PYTHON,
    settings: &[
        key("program", &Form::Text, "The interpreter. By default `python3`."),
        key("timeout", &Form::Duration, "The maximum time of a program."),
    ],
    needs: &[],
};

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn read(
    reader: &mut Reader<'_>,
    name: &Word,
    fields: Option<&mut Fields<'_>>,
) -> Option<Box<dyn AgentTool>> {
    reader.commands_allowed(name.span, "runs programs");
    let mut kit = Python::new();
    if let Some(fields) = fields {
        if let Some(program) = fields.word(reader, "program") {
            kit = kit.program(program.text);
        }
        if let Some(limit) = fields.duration(reader, "timeout") {
            kit = kit.timeout(limit);
        }
    }
    Some(Box::new(kit))
}

impl AgentTool for Python {
    fn known_as(&self) -> &'static [&'static str] {
        &["run_python"]
    }

    fn only_reads(&self) -> bool {
        false
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}
