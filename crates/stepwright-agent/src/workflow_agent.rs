//! An agent in front of a workflow: it answers from the history of the session, or runs the
//! workflow.

use crate::builder::{Agent, AgentBuilder};
use crate::into_model::IntoModel;
use crate::team::mode::{TEAM_ROUNDS, TeamMode, TeamRules};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use stepwright_core::executor::ExecutorType;
use stepwright_core::{
    Error, Executor, Fingerprint, StepContext, StepError, StepInput, StepOutput,
};
use stepwright_engine::{Step, Workflow, WorkflowBuilder};

/// The name of the tool with which a [`WorkflowAgent`] runs its workflow.
///
/// ```
/// assert_eq!(stepwright_agent::RUN_WORKFLOW, "run_workflow");
/// ```
pub const RUN_WORKFLOW: &str = "run_workflow";

/// The default number of earlier runs that a [`WorkflowAgent`] reads.
pub const WORKFLOW_HISTORY_RUNS: u32 = 5;

/// The default timeout of the workflow of a [`WorkflowAgent`].
pub const WORKFLOW_TIMEOUT: Duration = Duration::from_hours(24);

/// The name of the step in which the agent works.
const STEP: &str = "agent";

const INSTRUCTIONS: &str = "You speak for a workflow. Read the earlier runs of this conversation \
     first. Answer yourself what they answer: questions about their results, comparisons of them, \
     and small talk. For anything new, call `run_workflow` once, with a message that says all \
     the workflow needs to know, names and numbers from the conversation too. Its output goes to \
     the user as it is, so write nothing beside the call.";

/// An agent in front of a workflow. For each message it decides whether the history of the session
/// has the answer, or runs the workflow with what the conversation gives.
///
/// If it runs the workflow, the output of the workflow is the output of the run, and the steps are
/// executions beneath the call of the agent: `agent/run_workflow#1/(workflow)/outline`. They
/// stream, pause and resume as in a run of their own.
///
/// ```
/// use stepwright_agent::WorkflowAgent;
/// use stepwright_engine::Workflow;
/// # use serde_json::json;
/// # use stepwright_testing::model::{Reply, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let model = ScriptedModel::new([
/// #     Reply::call("run_workflow", json!({"message": "bridges"})), Reply::text("As I said: 1."),
/// # ]);
/// # async fn outline(topic: String) -> String { format!("1. {topic}") }
/// let plan = Workflow::builder("Plan").description("Plans an article.").step(outline).build()?;
/// let assistant = WorkflowAgent::builder(&plan).model(model)?.build()?;
/// let talk = assistant.workflow().build()?;
/// let first = talk.run("Plan something about bridges").session_id("s").await?;
/// assert_eq!(first.content.text(), "1. bridges");
/// let second = talk.run("What was that?").session_id("s").await?;
/// assert_eq!(second.content.text(), "As I said: 1.");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WorkflowAgent {
    agent: Agent,
    runs: u32,
}

impl WorkflowAgent {
    /// Starts the definition of an agent in front of `workflow`.
    ///
    /// ```
    /// use stepwright_agent::WorkflowAgent;
    /// use stepwright_engine::Workflow;
    /// # async fn outline(topic: String) -> String { topic }
    /// let plan = Workflow::builder("Plan").step(outline).build()?;
    /// let assistant = WorkflowAgent::builder(&plan).model("offline")?.build()?;
    /// assert_eq!(assistant.agent().tools()[0].name, "run_workflow");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn builder(workflow: &Workflow) -> WorkflowAgentBuilder {
        let agent = Agent::builder(workflow.name()).tool_timeout(WORKFLOW_TIMEOUT);
        WorkflowAgentBuilder {
            agent,
            workflow: workflow.clone(),
            instructions: None,
            parameters: None,
            runs: WORKFLOW_HISTORY_RUNS,
        }
    }

    /// Returns the agent, which has the workflow as a tool.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Returns the builder of the workflow whose only step is this agent, with the history of the
    /// session. Give it the store and what else its runs need.
    pub fn workflow(&self) -> WorkflowBuilder {
        Workflow::builder(self.agent.name()).step(self.step())
    }

    /// Returns the step of the agent, with the history of the session, for a workflow of your own.
    ///
    /// ```
    /// use stepwright_agent::WorkflowAgent;
    /// use stepwright_engine::Workflow;
    /// # async fn outline(topic: String) -> String { topic }
    /// let plan = Workflow::builder("Plan").step(outline).build()?;
    /// let assistant = WorkflowAgent::builder(&plan).model("offline")?.build()?;
    /// let talk = Workflow::builder("Talk").step(assistant.step()).build()?;
    /// assert_eq!(talk.name(), "Talk");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn step(&self) -> Step {
        let step = Step::new(STEP, self.clone()).add_workflow_history(self.runs > 0);
        if self.runs > 0 { step.num_history_runs(self.runs) } else { step }
    }
}

impl Executor for WorkflowAgent {
    fn name(&self) -> &str {
        self.agent.name()
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Agent
    }

    fn fingerprint(&self) -> Fingerprint {
        self.agent.fingerprint()
    }

    fn asks(&self) -> bool {
        self.agent.asks()
    }

    fn asks_player(&self) -> bool {
        true
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        self.agent.execute(input, cx).await
    }
}

impl fmt::Debug for WorkflowAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowAgent").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// The builder of an agent in front of a workflow: see [`WorkflowAgent::builder`].
///
/// ```
/// use stepwright_agent::WorkflowAgent;
/// use stepwright_engine::Workflow;
/// # async fn outline(topic: String) -> String { topic }
/// let plan = Workflow::builder("Plan").step(outline).build()?;
/// let assistant = WorkflowAgent::builder(&plan)
///     .model("offline")?
///     .instructions("Be polite.")
///     .num_history_runs(10)
///     .build()?;
/// assert_eq!(assistant.agent().name(), "Plan");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "an agent is created only by `build`"]
pub struct WorkflowAgentBuilder {
    agent: AgentBuilder,
    workflow: Workflow,
    instructions: Option<String>,
    parameters: Option<Value>,
    runs: u32,
}

impl WorkflowAgentBuilder {
    /// Sets the model: see [`AgentBuilder::model`].
    ///
    /// # Errors
    /// Returns an error if the text names no known model.
    pub fn model<K>(mut self, model: impl IntoModel<K>) -> Result<Self, Error> {
        self.agent = self.agent.model(model)?;
        Ok(self)
    }

    /// Sets instructions ahead of those that tell the agent when to run the workflow.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// Sets the number of earlier runs of the session that the agent reads. Default:
    /// [`WORKFLOW_HISTORY_RUNS`]. With 0 it reads none, and runs the workflow for each question.
    pub fn num_history_runs(mut self, runs: u32) -> Self {
        self.runs = runs;
        self
    }

    /// Sets the JSON Schema of the workflow's input, which must be an object: the agent gives its
    /// members. By default it gives a text.
    pub fn parameters(mut self, schema: Value) -> Self {
        self.parameters = Some(schema);
        self
    }

    /// Changes any other setting of the agent.
    pub fn agent(mut self, change: impl FnOnce(AgentBuilder) -> AgentBuilder) -> Self {
        self.agent = change(self.agent);
        self
    }

    /// Builds the agent.
    ///
    /// # Errors
    /// Returns an error if the agent has mistakes, or if the workflow cannot be a tool: see
    /// [`Workflow::as_tool`].
    pub fn build(self) -> Result<WorkflowAgent, Error> {
        let name = self.workflow.name().to_owned();
        let about = self.workflow.description().map(|text| format!(": {text}"));
        let about = about.unwrap_or_default();
        let tool =
            self.workflow.as_tool(RUN_WORKFLOW, format!("Runs the workflow `{name}`{about}"))?;
        let tool = match self.parameters {
            Some(schema) => tool.parameters(schema),
            None => tool,
        };
        let own = self.instructions.map(|text| text + "\n\n").unwrap_or_default();
        let instructions = format!("{own}{INSTRUCTIONS}\n\nThe workflow is `{name}`{about}");
        let agent = self.agent.instructions(instructions).tool(tool).build()?;
        let rules = TeamRules {
            mode: TeamMode::Route,
            members: Vec::new(),
            direct: vec![RUN_WORKFLOW.to_owned()],
            structured: vec![RUN_WORKFLOW.to_owned()],
            rounds: TEAM_ROUNDS,
            shares_interactions: false,
            shares_history: false,
            passes_input: false,
        };
        Ok(WorkflowAgent { agent: agent.leading(rules, Vec::new()), runs: self.runs })
    }
}
