//! An agent as a tool of another.

use crate::builder::Agent;
use serde_json::{Value, json};
use stepwright_core::tool::{Tool, ToolError, ToolSpec};
use stepwright_core::{
    BoxFuture, Executor as _, OnInterrupted, StepContext, StepInput, StepOutput,
};

impl Agent {
    /// This agent as a tool: a model calls it with a message and reads its answer. `description`
    /// says to the model what the agent is good for and when to ask it.
    ///
    /// The agent works under the path of the tool call: its events, its tool calls
    /// (`outer/ask#1/search#1`), its run in [`step_executor_runs`] and what it consumes stand
    /// there.
    /// After a crash it goes on where it was, and none of its models or tools is asked again.
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
    /// let output = writer.execute(StepInput::of("Forth Bridge"),
    /// StepContext::detached("w")).await; assert_eq!(output.unwrap().content.text(), "It holds.");
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

/// An agent as a tool of another: see [`Agent::as_tool`].
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
            let Some(message) = arguments["message"].as_str().filter(|it| !it.trim().is_empty())
            else {
                return Err(ToolError::Arguments("`message` must be a text".into()));
            };
            let answer = self.agent.execute(StepInput::of(message), cx).await;
            let StepOutput { content, .. } = answer.map_err(ToolError::Fatal)?;
            Ok(content.text().into_owned())
        })
    }

    /// It begins again, because what its models and tools answered is recorded; its own tool calls
    /// decide for themselves.
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        Some(OnInterrupted::Retry)
    }

    fn asks(&self) -> bool {
        self.agent.asks()
    }
}
