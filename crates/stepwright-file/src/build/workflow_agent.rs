//! Builds the agent in front of a workflow.

use super::Builder;
use crate::format::FrontAgent;
use stepwright_agent::{WORKFLOW_TIMEOUT, WorkflowAgent};
use stepwright_core::Error;
use stepwright_engine::{Workflow, WorkflowBuilder};

impl Builder<'_> {
    /// Builds the workflow of a file: its steps, or the agent in front of them.
    pub(super) fn whole(&self) -> Result<WorkflowBuilder, Error> {
        match &self.file.workflow_agent {
            Some(front) => self.front(front),
            None => self.workflow(),
        }
    }

    /// Builds a workflow whose only step is the agent, which has the steps of the file as its tool.
    fn front(&self, front: &FrontAgent) -> Result<WorkflowBuilder, Error> {
        let mut steps = Workflow::builder(&self.file.name.text);
        if let Some(description) = &self.file.description {
            steps = steps.description(description);
        }
        let steps = self.of_steps(self.checked(steps)?);
        let steps = self.steps(steps)?.build()?;
        let (of, agent) = self.settings(&front.agent.text)?;
        let mut builder = WorkflowAgent::builder(&steps);
        if let Some(instructions) = &of.instructions {
            builder = builder.instructions(instructions);
        }
        if let Some(runs) = front.history {
            builder = builder.num_history_runs(runs);
        }
        if let Some(schema) = self.file.input.clone().filter(|schema| schema["type"] == "object") {
            builder = builder.parameters(schema);
        }
        let limit = of.limits.tool_timeout.unwrap_or(WORKFLOW_TIMEOUT);
        let assistant = builder.agent(|_| agent.tool_timeout(limit)).build()?;
        self.limit_models(assistant.agent());
        let step = assistant.step();
        let builder = self.named().secrets(self.granted.secrets.clone());
        let builder = self.of_runs(builder);
        Ok(builder.step(step))
    }
}
