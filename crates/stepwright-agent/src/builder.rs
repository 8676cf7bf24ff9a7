//! Agents and their builder.

mod context;
mod mistakes;
mod tools;

use crate::deferred::{self, TOOLS_DEFERRED_ABOVE};
use crate::definition::{
    AgentDefinition, AgentLimits, Handoff, MadeTools, Source, TOOL_CONCURRENCY, TOOL_TIMEOUT,
    TURNS, Upkeep,
};
use crate::into_model::IntoModel;
use crate::options::ToolOptions;
use crate::shape::OutputSchema;
use crate::toolkit::whole;
use crate::{fingerprint, results, turn};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_core::budget::Budget;
use stepwright_core::executor::ExecutorType;
use stepwright_core::guardrail::Guard;
use stepwright_core::model::{AnyModel, Model, ModelOptions, ToolChoice};
use stepwright_core::tool::{AnyTool, Tool, ToolSpec};
use stepwright_core::{
    Error, ErrorKind, Executor, Fingerprint, StepContext, StepError, StepInput, StepOutput,
    WorkflowId,
};
use stepwright_engine::{IntoInput, Run, Workflow};
use stepwright_models::RetryPolicy;
use stepwright_models::guard::IDLE_TIMEOUT;

/// A model with instructions and tools. Cheap to clone and never changed by a run.
///
/// As an executor, the agent sends [`StepInput::message`] to its model and returns the model's
/// final answer. It calls the tools that the model requests, several at once, until the model
/// requests none. Every answer of the model and every tool result is a fact: after a crash,
/// recorded requests and calls are not repeated.
///
/// ```
/// use stepwright_agent::Agent;
/// # use stepwright_testing::model::ScriptedModel;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let model = ScriptedModel::new(["Rust is fast."]);
/// # let asked = model.clone();
/// let agent = Agent::builder("Editor").model(model)?.instructions("Be short.").build()?;
/// let output = agent.run("Programs in Rust take little time.").await?;
/// assert_eq!(output.content.text(), "Rust is fast.");
/// # assert_eq!(asked.requests()[0].instructions.as_deref(), Some("Be short."));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Agent {
    pub(crate) definition: Arc<AgentDefinition>,
    /// The workflow of [`Agent::run`]. The agent inside it has none, so there is no cycle.
    alone: Arc<OnceLock<Workflow>>,
}

impl Agent {
    /// Starts the definition of an agent.
    ///
    /// ```
    /// let agent = stepwright_agent::Agent::builder("Editor")
    ///     .model("offline")?
    ///     .instructions("Summarise in three sentences.")
    ///     .build()?;
    /// assert_eq!(agent.name(), "Editor");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn builder(name: impl Into<String>) -> AgentBuilder {
        AgentBuilder {
            name: name.into(),
            model: None,
            instructions: None,
            added_instructions: Vec::new(),
            tools: Vec::new(),
            sources: Vec::new(),
            confirmed: BTreeSet::new(),
            tool_options: BTreeMap::new(),
            handoffs: Vec::new(),
            made_tools: None,
            toolkit_mistakes: Vec::new(),
            options: ModelOptions::default(),
            tool_choice: ToolChoice::default(),
            output: None,
            guards: Vec::new(),
            content: Fingerprint::default(),
            retry: RetryPolicy::default(),
            budget: None,
            upkeep: Upkeep::default(),
            limits: AgentLimits {
                turns: TURNS,
                tool_timeout: TOOL_TIMEOUT,
                tool_concurrency: TOOL_CONCURRENCY,
                idle: IDLE_TIMEOUT,
                defer_above: TOOLS_DEFERRED_ABOVE,
            },
        }
    }

    /// Returns the agent's name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    pub(crate) fn of(definition: Arc<AgentDefinition>) -> Self {
        Self { definition, alone: Arc::default() }
    }

    /// Returns a run of the agent on its own, outside of a workflow of yours. It has what every
    /// run has: a real clock, a stream of events, sessions, a timeout.
    ///
    /// ```
    /// # use stepwright_agent::Agent;
    /// # use stepwright_testing::model::ScriptedModel;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let model = ScriptedModel::new(["Rust is fast."]);
    /// let agent = Agent::builder("Editor").model(model)?.instructions("Be short.").build()?;
    /// let output = agent.run("Programs in Rust take little time.").await?;
    /// assert_eq!(output.content.text(), "Rust is fast.");
    /// # Ok(()) }
    /// ```
    pub fn run(&self, input: impl IntoInput) -> Run {
        self.workflow().run(input)
    }

    /// Returns the workflow of [`Agent::run`]: its only step is this agent. Use it to continue a
    /// run that waits for a person. It has no store: sessions and waiting runs are kept in the
    /// memory of this process.
    pub fn workflow(&self) -> &Workflow {
        self.alone.get_or_init(|| {
            let builder = Workflow::builder(self.name()).step(Self::of(self.definition.clone()));
            let built = match WorkflowId::from_name(self.name()) {
                Ok(_) => builder.build(),
                // A name without a letter or a digit.
                Err(_) => builder.id("agent").build(),
            };
            built.expect("the name of an agent is checked, and one step has no other mistake")
        })
    }

    /// Returns the agent's model.
    pub fn model(&self) -> &AnyModel {
        &self.definition.model
    }

    /// Returns the specifications of the tools, as the model sees them.
    pub fn tools(&self) -> &[ToolSpec] {
        &self.definition.specs
    }
}

impl Executor for Agent {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn executor_type(&self) -> ExecutorType {
        match &self.definition.team {
            Some(team) if !team.members.is_empty() => ExecutorType::Team,
            _ => ExecutorType::Agent,
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.definition.fingerprint.clone()
    }

    fn asks(&self) -> bool {
        self.definition.asks()
    }

    fn asks_player(&self) -> bool {
        true
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        turn::run(&self.definition, &input, &cx).await
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("name", &self.definition.name)
            .field("model", &self.definition.model.id())
            .field("tools", &self.definition.tools)
            .finish_non_exhaustive()
    }
}

/// The builder of an agent: see [`Agent::builder`].
///
/// ```
/// use std::time::Duration;
/// use stepwright_agent::{Agent, tool};
/// /// The weather in a city, now.
/// #[tool(crate = "stepwright_agent")]
/// fn weather(city: String) -> String { format!("it rains in {city}") }
/// let careful = Agent::builder("Adviser")
///     .model("offline")?
///     .tool(weather)
///     .max_turns(4)
///     .tool_timeout(Duration::from_secs(5));
/// let agent = careful.clone().instructions("Say what to wear.").build()?;
/// assert_eq!(agent.tools()[0].name, "weather");
/// assert!(careful.max_turns(0).build().unwrap_err().to_string().contains("`max_turns` is 0"));
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "an agent is created only by `build`"]
pub struct AgentBuilder {
    name: String,
    model: Option<AnyModel>,
    instructions: Option<String>,
    /// The instructions of toolkits.
    added_instructions: Vec<String>,
    tools: Vec<AnyTool>,
    sources: Vec<Source>,
    confirmed: BTreeSet<String>,
    tool_options: BTreeMap<String, ToolOptions>,
    handoffs: Vec<Handoff>,
    made_tools: Option<MadeTools>,
    /// Errors of toolkits, reported by `build`.
    toolkit_mistakes: Vec<String>,
    options: ModelOptions,
    tool_choice: ToolChoice,
    output: Option<OutputSchema>,
    guards: Vec<Guard>,
    content: Fingerprint,
    retry: RetryPolicy,
    budget: Option<Budget>,
    upkeep: Upkeep,
    limits: AgentLimits,
}

impl AgentBuilder {
    /// Sets the model: `"provider:model"`, a model of your own, or a list of names. Of a list, the
    /// next model answers where one is overloaded, out of quota or not reachable: see
    /// [`Fallback`](stepwright_models::Fallback).
    ///
    /// # Errors
    /// Returns an error if the text names no known model.
    pub fn model<K>(mut self, model: impl IntoModel<K>) -> Result<Self, Error> {
        self.content = model.written().into_iter().fold(self.content, fingerprint::of_address);
        self.model = Some(model.into_model()?);
        Ok(self)
    }

    /// Sets the version of the parts that cannot be compared: the functions of the tools and the
    /// checks of the output. A run that started with another version resumes only if the change is
    /// accepted. The model, instructions, options, limits, tool specifications and output schema
    /// are always compared.
    pub fn version(self, version: impl AsRef<str>) -> Self {
        self.source("version", version)
    }

    /// Adds a named text to the agent's fingerprint, such as the settings of a tool. It is compared
    /// as the instructions are. Use it in programs that build agents from data.
    pub fn source(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        self.content = self.content.with(name, text);
        self
    }

    /// Adds a fingerprint, part of which may be hidden: see [`AgentBuilder::source`] and
    /// [`Fingerprint::with_hidden`].
    pub fn fingerprint(mut self, content: Fingerprint) -> Self {
        self.content = self.content.and(content);
        self
    }

    /// Sets the instructions: the role of the model and how it should behave.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// Sets the type of the agent's output. The model receives the type's JSON Schema, and the step
    /// returns the value as JSON, to be read with
    /// [`Content::parse`](stepwright_core::Content::parse). A model whose answer does not match is
    /// told why and asked once more; after that the step fails.
    ///
    /// ```
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    /// # use stepwright_agent::Agent;
    /// # use stepwright_core::{Executor as _, StepContext, StepInput};
    /// # use stepwright_testing::model::ScriptedModel;
    ///
    /// #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    /// struct City {
    ///     name: String,
    ///     /// The number of people who live there.
    ///     people: u64,
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let model = ScriptedModel::new([r#"{"name": "Bergen", "people": 290000}"#]);
    /// let agent = Agent::builder("Geographer").model(model)?.output::<City>().build()?;
    /// let output = agent.execute(StepInput::of("Bergen"), StepContext::detached("look-up")).await;
    /// let city: City = output.unwrap().content.parse().unwrap();
    /// assert_eq!(city, City { name: "Bergen".into(), people: 290_000 });
    /// # Ok(()) }
    /// ```
    pub fn output<T: DeserializeOwned + JsonSchema>(mut self) -> Self {
        self.output = Some(OutputSchema::of::<T>());
        self
    }

    /// Sets the output schema when it is only known at run time: see [`AgentBuilder::output`].
    /// `check` returns what is wrong with a value.
    pub fn output_schema(
        mut self,
        schema: Value,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.output = Some(OutputSchema::new(schema, check));
        self
    }

    /// Sets the output schema like [`AgentBuilder::output_schema`], with an async check. When the
    /// step times out or the run is cancelled, the future is dropped.
    pub fn output_schema_async<Checked>(
        mut self,
        schema: Value,
        check: impl Fn(Arc<Value>) -> Checked + Send + Sync + 'static,
    ) -> Self
    where
        Checked: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.output = Some(OutputSchema::new_async(schema, check));
        self
    }

    /// Adds a guardrail. Several at one place judge in their order, each one the content that the
    /// one before let through. A refusal fails the step with the class
    /// [`ErrorCode::Guardrail`](stepwright_core::ErrorCode::Guardrail), and is not retried.
    ///
    /// With a guardrail [after](Guard::after) the agent or the model, the text of the model is not
    /// streamed as it arrives: a reader gets it when it has passed.
    ///
    /// ```
    /// use stepwright_agent::Agent;
    /// use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
    /// # use stepwright_testing::model::ScriptedModel;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let model = ScriptedModel::new(["Buy Acme!", "Compare the offers."]);
    /// let neutral = AnyGuardrail::of("neutral", |checked, _| async move {
    ///     match checked.content.text().contains("Acme") {
    ///         true => Ok(GuardVerdict::retry("Name no company.")),
    ///         false => Ok(GuardVerdict::Allow),
    ///     }
    /// });
    /// let agent = Agent::builder("Adviser").model(model)?.guardrail(Guard::after(neutral));
    /// assert_eq!(agent.build()?.run("Which one?").await?.content.text(), "Compare the offers.");
    /// # Ok(()) }
    /// ```
    pub fn guardrail(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Sets the largest number of model requests for one message. Default: [`TURNS`].
    pub fn max_turns(mut self, turns: u32) -> Self {
        self.limits.turns = turns;
        self
    }

    /// Sets the timeout of one tool call. Default: [`TOOL_TIMEOUT`]. When it expires, the model is
    /// told and continues.
    pub fn tool_timeout(mut self, limit: Duration) -> Self {
        self.limits.tool_timeout = limit;
        self
    }

    /// Sets the number of tool calls that may run at once. Default: [`TOOL_CONCURRENCY`].
    pub fn tool_concurrency(mut self, calls: usize) -> Self {
        self.limits.tool_concurrency = calls;
        self
    }

    /// Sets the number of tools above which they are deferred: the model is then told only their
    /// names, and loads those that it needs with [`SEARCH_TOOLS`](crate::SEARCH_TOOLS). Default:
    /// [`TOOLS_DEFERRED_ABOVE`]. [`ToolOptions::defer`] decides for a single tool.
    pub fn defer_tools_above(mut self, tools: usize) -> Self {
        self.limits.defer_above = tools;
        self
    }

    /// Sets how long the model may be silent. Default: [`IDLE_TIMEOUT`].
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.limits.idle = limit;
        self
    }

    /// Sets the retries of a model request that failed before the model said anything. Default: two
    /// retries. A later failure fails the step, which has its own retries.
    pub fn model_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the budget of the agent, for each time that it is executed: for a step with all its
    /// attempts, or for a call of the agent as a tool. Budgets around it hold too.
    ///
    /// ```
    /// use stepwright_core::budget::{AtLimit, Budget};
    /// use stepwright_agent::Agent;
    /// let budget = Budget::default().tokens(20_000).at_limit(AtLimit::WrapUp);
    /// let agent = Agent::builder("Scout").model("offline")?.budget(budget).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sets the options of the model, such as its temperature.
    pub fn options(mut self, options: ModelOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets whether the model may or must call a tool. With [`ToolChoice::Required`], it must call
    /// one before it answers; when it has, it may answer.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = choice;
        self
    }

    /// Builds the agent.
    ///
    /// # Errors
    /// Returns an error if the definition has mistakes. It lists all of them, each with a hint.
    ///
    /// ```
    /// use stepwright_agent::Agent;
    /// let error = Agent::builder("a/b").max_turns(0).build().unwrap_err();
    /// assert!(error.to_string().starts_with("agent `a/b` has 3 mistakes"));
    /// ```
    pub fn build(self) -> Result<Agent, Error> {
        let (mistakes, reads_results) = (self.mistakes(), self.reads_results());
        let content = self.with_context_content(self.content.clone());
        let Some(model) = self.model.filter(|_| mistakes.is_empty()) else {
            let message = match mistakes.as_slice() {
                [only] => format!("agent `{}`: {only}", self.name),
                all => format!(
                    "agent `{}` has {} mistakes:\n  - {}",
                    self.name,
                    all.len(),
                    all.join("\n  - "),
                ),
            };
            return Err(Error::new(ErrorKind::Definition, message));
        };
        let mut specs: Vec<_> = self.tools.iter().map(|tool| tool.spec().clone()).collect();
        specs.extend(reads_results.then(results::spec));
        let asking = self.tools.iter().filter(|tool| tool.requires_confirmation());
        let mut confirmed = self.confirmed;
        confirmed.extend(asking.map(|tool| tool.spec().name.clone()));
        let asking = self.tool_options.iter().filter(|(_, options)| options.is_confirmed());
        confirmed.extend(asking.map(|(name, _)| name.clone()));
        let made_of = fingerprint::AgentParts {
            model: &model,
            instructions: self.instructions.as_deref(),
            tools: &self.tools,
            sources: &self.sources,
            confirmed: &confirmed,
            tool_options: &self.tool_options,
            options: &self.options,
            tool_choice: &self.tool_choice,
            output: self.output.as_ref(),
            guards: &self.guards,
            retry: &self.retry,
            budget: self.budget.as_ref(),
            limits: &self.limits,
        };
        let fingerprint = made_of.fingerprint().and(content);
        let mut definition = AgentDefinition {
            fingerprint,
            deferred: Arc::default(),
            name: self.name.into(),
            model,
            instructions: whole(self.instructions, self.added_instructions),
            tools: self.tools,
            sources: self.sources.into_iter().map(Source::with_own_cache).collect(),
            specs,
            confirmed,
            tool_options: self
                .tool_options
                .into_iter()
                .map(|(name, options)| (name, options.with_own_cache()))
                .collect(),
            handoffs: self.handoffs,
            made_tools: self.made_tools,
            options: self.options,
            tool_choice: self.tool_choice,
            output: self.output,
            guards: self.guards,
            retry: self.retry,
            budget: self.budget,
            upkeep: self.upkeep,
            limits: self.limits,
            team: None,
        };
        definition.deferred = Arc::new(deferred::of(&definition));
        if let Err(error) = deferred::check(&definition) {
            let message = format!("agent `{}`: {}; rename it", definition.name, error.data.message);
            return Err(Error::new(ErrorKind::Definition, message));
        }
        Ok(Agent::of(Arc::new(definition)))
    }

    /// Returns the schema of the output, if there is one.
    pub(crate) fn output_schema_of(&self) -> Option<&OutputSchema> {
        self.output.as_ref()
    }

    /// Returns `true` if the agent has the tool that reads the rest of long results.
    fn reads_results(&self) -> bool {
        let of_sources = self.sources.iter().filter_map(|source| source.options.as_ref());
        let mut all = self.tool_options.values().chain(of_sources);
        all.any(|options| options.limit_of_result().is_some())
    }
}
