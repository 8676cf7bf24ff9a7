//! The tools of an agent.

use super::{Agent, AgentBuilder};
use crate::definition::{MadeTools, Source};
use crate::handoff;
use crate::options::ToolOptions;
use crate::toolkit::{IntoTools, ToolSet, Toolkit};
use stepwright_core::tool::{AnyTool, Tool as _};
use stepwright_core::{Executor as _, StepContext, StepError, StepInput};

impl AgentBuilder {
    /// Adds a tool that the model may call, a toolkit with several, or a source such as an MCP
    /// server, which is asked for its tools when the agent runs.
    pub fn tool<K>(mut self, tool: impl IntoTools<K>) -> Self {
        match tool.into_tools() {
            Ok(set) => self = self.tool_set(set),
            Err(error) => self.toolkit_mistakes.push(match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            }),
        }
        self
    }

    pub(super) fn tool_set(mut self, set: ToolSet) -> Self {
        self.tools.extend(set.tools);
        self.added_instructions.extend(set.instructions);
        self.content = self.content.and(set.content);
        let sources = set.sources.into_iter();
        self.sources.extend(sources.map(|source| Source { source, options: None }));
        self
    }

    /// Adds skills: instructions for kinds of tasks, with files. The model reads their names and
    /// descriptions after the instructions of the agent, and loads a skill when a task needs it.
    /// `stepwright_tools::Skills` reads them from folders with `SKILL.md` files.
    pub fn skills(self, skills: impl Toolkit) -> Self {
        self.tool(skills)
    }

    /// Requires a confirmation for each call of this tool. The run waits for the answer, which may
    /// also change the arguments. The model is told about a rejection.
    ///
    /// A tool can also require this itself: see
    /// [`Tool::requires_confirmation`](stepwright_core::tool::Tool::requires_confirmation).
    pub fn requires_confirmation(mut self, tool: impl Into<String>) -> Self {
        self.confirmed.insert(tool.into());
        self
    }

    /// Adds a tool, a toolkit with several, or a source of tools, with settings that hold for each
    /// of them: see [`ToolOptions`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use stepwright_agent::{Agent, ToolOptions, tool};
    /// /// The weather in a city, now.
    /// #[tool(crate = "stepwright_agent", read_only)]
    /// fn weather(city: String) -> String { format!("it rains in {city}") }
    /// let settings = ToolOptions::new().timeout(Duration::from_secs(10)).retries(2).max_calls(5);
    /// let agent = Agent::builder("A").model("offline")?.tool_with(weather, settings).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "settings are written where they are given")]
    pub fn tool_with<K>(mut self, tool: impl IntoTools<K>, options: ToolOptions) -> Self {
        let (tools, sources) = (self.tools.len(), self.sources.len());
        self = self.tool(tool);
        for tool in &self.tools[tools..] {
            self.tool_options.insert(tool.spec().name.clone(), options.clone());
        }
        for source in &mut self.sources[sources..] {
            source.options = Some(options.clone());
        }
        self
    }

    /// Adds an agent that can take over the conversation. The model gets a tool for it,
    /// `transfer_to_` and the name of the agent; `description` tells when to use it. When it is
    /// called, the other agent goes on with the same messages, and with its own model,
    /// instructions, tools and output schema. Its answer is the answer of the step.
    ///
    /// To ask another agent and go on oneself, use [`Agent::as_tool`].
    ///
    /// ```
    /// use stepwright_agent::Agent;
    /// let billing = Agent::builder("Billing").model("offline")?.build()?;
    /// let desk = Agent::builder("Desk").model("offline")?.handoff(&billing, "Knows invoices.");
    /// assert_eq!(desk.build()?.tools()[0].name, "transfer_to_billing");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn handoff(mut self, agent: &Agent, description: impl AsRef<str>) -> Self {
        let handoff = handoff::to(&agent.definition);
        // A run that goes on must find the same agent.
        let content = serde_json::to_string(&agent.fingerprint()).unwrap_or_default();
        self.content = self.content.with(format!("handoff {}", handoff.tool), content);
        self.tools.push(handoff::as_tool(&handoff, description.as_ref()));
        self.handoffs.push(handoff);
        self
    }

    /// Adds tools that `make` returns when a run of the agent begins, from its input and context:
    /// those that a user may use, for example. It is called again when a run is resumed, and must
    /// then return the same tools: calls are found by their names.
    ///
    /// ```
    /// use stepwright_agent::{Agent, FunctionTool};
    /// use stepwright_core::tool::AnyTool;
    /// let agent = Agent::builder("Clerk").model("offline")?.tools_from(|_input, cx| {
    ///     let user = cx.run().user_id.as_ref().map_or("a guest", |user| user.as_str()).to_owned();
    ///     let who = FunctionTool::new("who", "Names the user.", move |_: NoArguments| {
    ///         let user = user.clone();
    ///         async move { user }
    ///     });
    ///     Ok(vec![AnyTool::new(who.read_only())])
    /// });
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct NoArguments {}
    /// let agent = agent.build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn tools_from<F>(mut self, make: F) -> Self
    where
        F: Fn(&StepInput, &StepContext) -> Result<Vec<AnyTool>, StepError> + Send + Sync + 'static,
    {
        self.made_tools = Some(MadeTools::by(make));
        self
    }

    /// Sets the settings of the tool with this name, in place of earlier ones: see
    /// [`AgentBuilder::tool_with`].
    pub fn tool_options(mut self, tool: impl Into<String>, options: ToolOptions) -> Self {
        self.tool_options.insert(tool.into(), options);
        self
    }

    /// Adds several tools or toolkits of one kind.
    pub fn tools<K, T: IntoTools<K>>(self, tools: impl IntoIterator<Item = T>) -> Self {
        tools.into_iter().fold(self, Self::tool)
    }
}
