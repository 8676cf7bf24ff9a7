//! Agents used as tools of other agents.

use crate::arguments::check_names;
use crate::builder::Agent;
use serde_json::{Value, json};
use stepwright_core::tool::{Tool, ToolError, ToolSpec};
use stepwright_core::{
    BoxFuture, Executor as _, Fingerprint, OnInterrupted, StepContext, StepInput, StepOutput,
};

impl Agent {
    /// Returns this agent as a tool. A model calls it with a message and reads its answer.
    /// `description` tells the model what the agent is good for and when to ask it.
    ///
    /// The agent runs under the path of the tool call. Its events, tool calls
    /// (`outer/ask#1/search#1`), entry in [`step_executor_runs`] and usage are recorded there.
    /// After a crash it resumes where it stopped and repeats no recorded request or call.
    ///
    /// The [`tool_timeout`](crate::AgentBuilder::tool_timeout) of the outer agent limits the whole
    /// call. If the agent fails, the step of the outer agent fails.
    ///
    /// ```
    /// use stepwright_agent::Agent;
    /// # use stepwright_core::{Executor as _, StepContext, StepInput};
    /// # use stepwright_testing::model::{Reply, ScriptedModel};
    /// # use serde_json::json;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let (inner, outer) = (ScriptedModel::new(["A cantilever bridge."]), ScriptedModel::new([
    /// #     Reply::call("ask_engineer", json!({"message": "What is it?"})), Reply::text("It holds."),
    /// # ]));
    /// let engineer = Agent::builder("Engineer").model(inner)?.build()?;
    /// let writer = Agent::builder("Writer")
    ///     .model(outer)?
    ///     .tool(engineer.as_tool("ask_engineer", "Knows bridges. Ask before you name a type."))
    ///     .build()?;
    /// let input = StepInput::of("Forth Bridge");
    /// let output = writer.execute(input, StepContext::detached("w")).await;
    /// assert_eq!(output.unwrap().content.text(), "It holds.");
    /// # Ok(()) }
    /// ```
    ///
    /// [`step_executor_runs`]: stepwright_core::RunOutput::step_executor_runs
    #[must_use]
    pub fn as_tool(&self, name: impl Into<String>, description: impl Into<String>) -> AgentTool {
        let parameters = json!({
            "type": "object",
            "properties": {
                "message": { "type": "string", "description": "The task or the question." },
            },
            "required": ["message"],
            "additionalProperties": false,
        });
        let spec = ToolSpec { name: name.into(), description: description.into(), parameters };
        AgentTool { spec, agent: self.clone() }
    }
}

/// An agent used as a tool of another agent: see [`Agent::as_tool`].
///
/// ```
/// use stepwright_agent::{Agent, AgentTool};
/// use stepwright_core::tool::Tool as _;
/// let expert = Agent::builder("Expert").model("offline")?.build()?;
/// let ask: AgentTool = expert.as_tool("ask_expert", "Knows bridges.");
/// assert_eq!(ask.spec().parameters["required"][0], "message");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AgentTool {
    spec: ToolSpec,
    agent: Agent,
}

impl Tool for AgentTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            check_names(&self.spec, &arguments)?;
            let Some(message) = arguments["message"].as_str().filter(|it| !it.trim().is_empty())
            else {
                return Err(ToolError::Arguments("`message` must be a non-empty string".into()));
            };
            let answer = self.agent.execute(StepInput::of(message), cx).await;
            let StepOutput { content, .. } = answer.map_err(ToolError::Fatal)?;
            Ok(content.text().into_owned())
        })
    }

    /// Repeats the call: the recorded answers of its models and tools are replayed, and each of its
    /// own tool calls follows its own policy.
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        Some(OnInterrupted::Retry)
    }

    fn fingerprint(&self) -> Fingerprint {
        let content = serde_json::to_string(&self.agent.fingerprint()).unwrap_or_default();
        Fingerprint::default().with("agent", content)
    }

    fn asks(&self) -> bool {
        self.agent.asks()
    }
}
