//! Agents, teams and what they work with, as data.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use stepwright::OnInterrupted;
use stepwright::budgets::Budget;
use stepwright::models::ReasoningEffort;

/// An agent as data.
///
/// ```
/// use stepwright_host::AgentSpec;
/// let spec: AgentSpec = serde_json::from_value(serde_json::json!({
///     "name": "Writer",
///     "model": {"names": ["offline"]},
///     "instructions": "Answer in 2 sentences.",
///     "max_turns": 3,
/// }))?;
/// assert_eq!(spec.max_turns, Some(3));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSpec {
    /// The name.
    pub name: String,
    /// The model.
    pub model: ModelSpec,
    /// The instructions.
    pub instructions: Option<String>,
    /// The function that makes more instructions for a run.
    pub instructions_from: Option<usize>,
    /// Messages, each with the answer that the agent should give.
    pub examples: Vec<(String, String)>,
    /// The tools.
    pub tools: Vec<ToolData>,
    /// The agents that it may hand the conversation to.
    pub handoffs: Vec<HandoffSpec>,
    /// The output, if it is not text.
    pub output: Option<OutputSpec>,
    /// The guardrails.
    pub guardrails: Vec<GuardSpec>,
    /// The documents that it knows.
    pub knowledge: Option<KnowledgeSpec>,
    /// The way in which long conversations are kept short.
    pub compaction: Option<CompactionSpec>,
    /// The summary of its session.
    pub session_summary: Option<SummarySpec>,
    /// The memories of the user of a run.
    pub memory: Option<MemorySpec>,
    /// The largest number of requests for one message.
    pub max_turns: Option<u32>,
    /// The timeout of a tool call, in seconds.
    pub tool_timeout: Option<f64>,
    /// The number of tool calls at a time.
    pub tool_concurrency: Option<usize>,
    /// The number of tools above which the model looks tools up.
    pub defer_tools_above: Option<usize>,
    /// The budget.
    pub budget: Option<Budget>,
    /// The version of the functions.
    pub version: Option<String>,
}

/// A model by name, with its options. The address and the key are given if they are not those of
/// the environment.
///
/// [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSpec {
    /// The names, such as `openai:gpt-5.2`. A further one answers where those before it are down.
    /// `auto` without any.
    pub names: Vec<String>,
    /// The address of the provider.
    pub base_url: Option<String>,
    /// The key.
    pub api_key: Option<String>,
    /// The largest number of tokens of an answer.
    pub max_output_tokens: Option<u64>,
    /// The temperature.
    pub temperature: Option<f64>,
    /// The probability mass of nucleus sampling.
    pub top_p: Option<f64>,
    /// The seed of the sampling.
    pub seed: Option<u64>,
    /// The texts that end an answer.
    pub stop: Vec<String>,
    /// The amount of reasoning.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The timeout of an answer, in seconds.
    pub timeout: Option<f64>,
}

/// The output of an agent: a JSON Schema, and a function that returns what is wrong with a value,
/// or nothing.
///
/// [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// The JSON Schema.
    pub schema: Value,
    /// The function.
    pub check: usize,
}

/// An agent that another one may hand the conversation to. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffSpec {
    /// The agent.
    pub agent: Box<AgentSpec>,
    /// Its purpose, for the model.
    pub description: String,
}

/// A team as data. Its leader has the name of the team. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TeamSpec {
    /// The leader.
    pub leader: AgentSpec,
    /// The members.
    pub members: Vec<MemberSpec>,
    /// The mode: `coordinate`, `route`, `collaborate` or `tasks`.
    pub mode: Option<String>,
    /// The largest number of rounds.
    pub max_rounds: Option<u32>,
    /// The timeout of a member, in seconds.
    pub member_timeout: Option<f64>,
    /// `true` if members read what the others were asked and answered.
    pub share_interactions: bool,
    /// `true` if members read the earlier runs of the session.
    pub share_history: bool,
    /// `true` if members get the message of the user, and not a task.
    pub pass_input: bool,
}

/// A member of a team. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSpec {
    /// The agent or the team.
    pub work: Worker,
    /// The name for the leader. By default it is made of that of the agent.
    #[serde(default)]
    pub name: Option<String>,
    /// The purpose, for the leader.
    pub description: String,
}

/// An agent or a team. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Worker {
    /// An agent.
    Agent(Box<AgentSpec>),
    /// A team.
    Team(Box<TeamSpec>),
}

/// A tool. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ToolData {
    /// A function.
    Function {
        /// The words for the model.
        words: ToolWords,
        /// The function.
        function: usize,
        /// `true` if a person must confirm each call.
        #[serde(default)]
        requires_confirmation: bool,
        /// `true` if calls change nothing.
        #[serde(default)]
        read_only: bool,
        /// The settings of its calls.
        #[serde(default)]
        settings: ToolSettings,
    },
    /// A tool whose calls the caller of the run carries out.
    External {
        /// The words for the model.
        words: ToolWords,
        /// The time until a call must have its result, in seconds.
        #[serde(default)]
        answer_within: Option<f64>,
    },
    /// An agent or a team.
    Worker {
        /// The name of the tool.
        name: String,
        /// Its purpose.
        description: String,
        /// The agent or the team.
        work: Worker,
    },
    /// An MCP server.
    Mcp(Box<McpSpec>),
    /// A toolkit.
    Kit(Kit),
}

/// The words about a tool, for the model. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
pub struct ToolWords {
    /// The name.
    pub name: String,
    /// The purpose.
    pub description: String,
    /// The JSON Schema of the arguments.
    pub parameters: Value,
}

/// The settings of the calls of a tool. Times are in seconds. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolSettings {
    /// The timeout of a call.
    pub timeout: Option<f64>,
    /// The number of retries of a call that failed.
    pub retries: Option<u32>,
    /// The largest number of calls in one execution of the agent.
    pub max_calls: Option<u32>,
    /// The time for which the result of equal arguments is used again.
    pub cache: Option<f64>,
}

/// A toolkit. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Kit {
    /// The web search of `DuckDuckGo`.
    Duckduckgo {
        /// Another server.
        #[serde(default)]
        base_url: Option<String>,
    },
    /// Arithmetic.
    Calculator {},
    /// The files beneath a folder.
    Files {
        /// The folder.
        folder: String,
        /// `true` if they may be written.
        #[serde(default)]
        write: bool,
    },
    /// The texts of web pages.
    WebPage {},
    /// Requests over HTTP.
    Http {},
    /// Articles of Wikipedia.
    Wikipedia {
        /// The language, such as `de`.
        #[serde(default)]
        language: Option<String>,
        /// Another server.
        #[serde(default)]
        base_url: Option<String>,
    },
    /// Programs in Python that the model writes.
    Python {
        /// The interpreter.
        #[serde(default)]
        program: Option<String>,
    },
    /// A database.
    Sql {
        /// A file of `SQLite`, or an address of `PostgreSQL`.
        database: String,
        /// `true` if it may be written.
        #[serde(default)]
        write: bool,
    },
    /// Questions to a person.
    AskUser {},
    /// Instructions in folders.
    Skills {
        /// The folders that hold skills.
        folders: Vec<String>,
    },
}

/// An MCP server. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct McpSpec {
    /// The name.
    pub name: String,
    /// The command with its arguments, if the server is a program.
    pub command: Vec<String>,
    /// The variables of its environment.
    pub env: BTreeMap<String, String>,
    /// The folder that it starts in.
    pub dir: Option<String>,
    /// The address, if the server is reached over HTTP.
    pub url: Option<String>,
    /// The headers of requests.
    pub headers: BTreeMap<String, String>,
    /// The tools that the agent has, as patterns.
    pub only: Option<Vec<String>>,
    /// The tools that it does not have, as patterns.
    pub exclude: Vec<String>,
    /// The text ahead of the names of tools.
    pub prefix: Option<String>,
    /// The tools whose calls a person must confirm, as patterns.
    pub confirm: Vec<String>,
    /// The timeout of a call, in seconds.
    pub timeout: Option<f64>,
    /// The policy for a call that was under way when the process died.
    pub on_interrupted: Option<OnInterrupted>,
    /// `true` if the agent may read the resources of the server.
    pub resources: bool,
}

/// A guardrail at its place. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardSpec {
    /// The place: `before`, `after`, and for agents `before_model`, `after_model`, `before_tool`,
    /// `after_tool`.
    pub at: GuardAt,
    /// The kind of content that it looks for.
    pub check: GuardCheck,
    /// The reaction: `refuse`, `retry` or `rewrite`.
    #[serde(default)]
    pub then: Option<Then>,
    /// `true` if it judges beside the work, and not ahead of it.
    #[serde(default)]
    pub watch: bool,
    /// The number of times that the work is done again.
    #[serde(default)]
    pub retries: Option<u32>,
    /// The tools whose calls it judges. By default all.
    #[serde(default)]
    pub tools: Option<Vec<String>>,
}

/// The place of a guardrail. [`AgentSpec`] has an example.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GuardAt {
    /// Ahead of the agent or the step.
    Before,
    /// After the agent or the step.
    After,
    /// Ahead of each request to the model.
    BeforeModel,
    /// After each answer of the model.
    AfterModel,
    /// Ahead of each tool call.
    BeforeTool,
    /// After each tool call.
    AfterTool,
}

/// The reaction of a guardrail. [`AgentSpec`] has an example.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Then {
    /// The step fails.
    Refuse,
    /// The work is done again.
    Retry,
    /// The finding is replaced.
    Rewrite,
}

/// The kind of content that a guardrail looks for. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum GuardCheck {
    /// A number of characters.
    Length {
        /// The smallest.
        #[serde(default)]
        min: Option<usize>,
        /// The largest.
        #[serde(default)]
        max: Option<usize>,
    },
    /// A regular expression.
    Pattern {
        /// The expression.
        pattern: String,
        /// `true` if it must match, and `false` if it must not.
        #[serde(default)]
        required: bool,
        /// The reason for the error.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Credentials.
    Secrets {},
    /// Personal data.
    PersonalData {
        /// The kinds, such as `email`. All without them.
        #[serde(default)]
        kinds: Vec<String>,
    },
    /// Signs of a prompt injection.
    PromptInjection {},
    /// The opinion of a model.
    Judge {
        /// The rule.
        rule: String,
        /// The model.
        #[serde(default)]
        model: ModelSpec,
    },
    /// A function, which gets the content and returns a verdict as data.
    Function {
        /// The name.
        name: String,
        /// The function.
        function: usize,
    },
}

/// Documents in a file of `SQLite`. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnowledgeSpec {
    /// The file.
    pub file: String,
    /// The embedder. Without one, words are compared by a hash.
    pub embedder: Option<EmbedderSpec>,
    /// The number of passages of an answer.
    pub passages: Option<usize>,
    /// `true` if passages are put into the instructions, and `false` if the agent has a tool to
    /// search for them.
    pub as_context: bool,
}

/// An embedder behind the API of `OpenAI`. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbedderSpec {
    /// The address.
    pub base_url: String,
    /// The model.
    pub model: String,
    /// The key.
    pub api_key: Option<String>,
}

/// The way in which long conversations are kept short. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactionSpec {
    /// The number of tokens above which turns are replaced.
    pub above: u64,
    /// The method.
    #[serde(default)]
    pub by: CompactionBy,
    /// The number of last turns that stay.
    #[serde(default)]
    pub keep: Option<usize>,
    /// The model of the summary. By default that of the agent.
    #[serde(default)]
    pub model: Option<ModelSpec>,
    /// The instructions for the summary.
    #[serde(default)]
    pub instructions: Option<String>,
}

/// The method of a compaction. [`AgentSpec`] has an example.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompactionBy {
    /// A summary takes the place of earlier turns.
    #[default]
    Summary,
    /// Earlier turns are left out.
    Drop,
    /// The results of earlier tool calls are left out.
    ClearToolResults,
}

/// The summary of a session. [`AgentSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SummarySpec {
    /// The number of runs after which it is made anew.
    pub every: Option<u32>,
    /// The key of the session state that holds it.
    pub key: Option<String>,
    /// The model. By default that of the agent.
    pub model: Option<ModelSpec>,
    /// The instructions.
    pub instructions: Option<String>,
}

/// The memories that an agent keeps of the user of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemorySpec {
    /// The way in which memories are made.
    pub by: MemoryBy,
    /// The largest number of memories in the instructions.
    pub known: Option<usize>,
    /// The model that is asked after an answer. By default that of the agent.
    pub model: Option<ModelSpec>,
    /// The instructions about what to remember.
    pub instructions: Option<String>,
}

/// The way in which memories are made.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemoryBy {
    /// The agent has tools for them.
    #[default]
    Tools,
    /// A model is asked after each answer.
    AfterRun,
}
