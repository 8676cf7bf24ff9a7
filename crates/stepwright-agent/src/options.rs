//! The settings of one tool of an agent.

use crate::results::TOOL_TEXT_BYTES_MAX;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::tool::{AnyTool, Tool as _, ToolAnswer, ToolEffect, ToolError};
use stepwright_core::{BoxFuture, OnInterrupted, StepContext, Timestamp};

/// The name of the tool that loads deferred tools: see
/// [`ToolOptions::defer`](crate::ToolOptions::defer). An agent has it if one of its tools is
/// deferred.
///
/// ```
/// assert_eq!(stepwright_agent::SEARCH_TOOLS, "search_tools");
/// ```
pub const SEARCH_TOOLS: &str = "search_tools";

/// The highest number of retries of one call. A service that still fails is down.
pub const TOOL_RETRIES_MAX: u32 = 10;

/// The largest number of answers that the cache of a tool keeps. The oldest one goes first.
pub const CACHE_ENTRIES_MAX: usize = 256;

/// The wait before the first retry of a call. Each further wait is twice as long.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The longest wait before a retry of a call.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

type Before =
    dyn Fn(Value, StepContext) -> BoxFuture<'static, Result<Value, ToolError>> + Send + Sync;

type After =
    dyn Fn(String, StepContext) -> BoxFuture<'static, Result<String, ToolError>> + Send + Sync;

/// The settings of one tool of an agent: see [`AgentBuilder::tool_with`].
///
/// Without settings, a tool has the timeout of its agent, no retries, no limit of calls and no
/// cache.
///
/// ```
/// use std::time::Duration;
/// use stepwright_agent::{Agent, ToolOptions, tool};
/// use stepwright_core::tool::ToolError;
/// /// Fetches a page.
/// #[tool(crate = "stepwright_agent", read_only)]
/// fn page(url: String) -> String { format!("the text of {url}") }
/// let settings = ToolOptions::new()
///     .timeout(Duration::from_secs(10))
///     .retries(2)
///     .max_calls(5)
///     .max_bytes(20_000)
///     .cache(Duration::from_secs(600))
///     .before(|arguments, _| async move {
///         match arguments["url"].as_str() {
///             Some(url) if url.starts_with("https://") => Ok(arguments),
///             _ => Err(ToolError::Failed("only addresses with https:// are allowed".into())),
///         }
///     });
/// let agent = Agent::builder("Reader").model("offline")?.tool_with(page, settings).build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
///
/// [`AgentBuilder::tool_with`]: crate::AgentBuilder::tool_with
#[derive(Clone, Default)]
#[must_use = "the settings have no effect until a tool has them: `.tool_with(tool, options)`"]
pub struct ToolOptions {
    timeout: Option<Duration>,
    retries: u32,
    max_calls: Option<u32>,
    max_bytes: Option<usize>,
    cache: Option<Duration>,
    confirmed: bool,
    deferred: Option<bool>,
    strict: bool,
    before: Vec<Arc<Before>>,
    after: Vec<Arc<After>>,
    answers: Arc<Mutex<VecDeque<Cached>>>,
}

/// An answer that the cache keeps.
struct Cached {
    tool: String,
    user: Option<String>,
    arguments: Value,
    until: Timestamp,
    answer: ToolAnswer,
}

impl ToolOptions {
    /// Creates settings that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the timeout of one call, in place of
    /// [`tool_timeout`](crate::AgentBuilder::tool_timeout). Each retry has the whole time.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how often a call that failed or timed out is tried again before the model reads the
    /// error. Only for tools whose calls can be repeated: read-only and idempotent ones.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the largest number of calls in one run of the agent: from a message to its answer.
    /// Further calls are not made, and the model is told so.
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.max_calls = Some(calls);
        self
    }

    /// Sets the longest part of a result, in bytes, that the model reads at once. It reads on with
    /// the tool [`READ_RESULT`](crate::READ_RESULT), which the agent then has.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Keeps the answers of the tool for this time. A call with the same arguments, by the same
    /// user, then reads the kept answer. Each agent has a cache of its own, in the memory of the
    /// process. Only for read-only tools whose answers depend on nothing else, such as a
    /// [`State`](stepwright_core::State) of the run.
    pub fn cache(mut self, time: Duration) -> Self {
        self.cache = Some(time);
        self
    }

    /// Requires a confirmation for each call: see
    /// [`AgentBuilder::requires_confirmation`](crate::AgentBuilder::requires_confirmation).
    pub fn requires_confirmation(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// Sets whether the tool is deferred: the model is told its name and a line of its description,
    /// and the rest when it loads the tool with [`SEARCH_TOOLS`](crate::SEARCH_TOOLS). What was
    /// loaded is a fact of the run. Without this, a tool is deferred if the agent has many: see
    /// [`defer_tools_above`](crate::AgentBuilder::defer_tools_above).
    pub fn defer(mut self, deferred: bool) -> Self {
        self.deferred = Some(deferred);
        self
    }

    /// Sets whether the provider holds the arguments of each call to the schema of the tool. Models
    /// of providers that do not have this are refused when the agent is built. The schema is sent
    /// in the form that strict tools have: constraints such as a minimum are left to the tool.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Adds a function that sees the arguments of each call first. It returns the arguments to use,
    /// or an error that the model reads in place of an answer. Confirmations and permissions see
    /// the arguments that it returns.
    ///
    /// It runs again when a run is resumed in the middle of a call, so it should have no effects.
    pub fn before<F, W>(mut self, hook: F) -> Self
    where
        F: Fn(Value, StepContext) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        self.before.push(Arc::new(move |arguments, cx| Box::pin(hook(arguments, cx))));
        self
    }

    /// Adds a function that sees the text of each answer before it is recorded. It returns the text
    /// that the model reads, or an error that it reads instead of the answer.
    pub fn after<F, W>(mut self, hook: F) -> Self
    where
        F: Fn(String, StepContext) -> W + Send + Sync + 'static,
        W: Future<Output = Result<String, ToolError>> + Send + 'static,
    {
        self.after.push(Arc::new(move |answer, cx| Box::pin(hook(answer, cx))));
        self
    }

    /// Returns the settings with a cache of their own. The same settings may be those of tools with
    /// one name in several agents, whose answers differ.
    pub(crate) fn with_own_cache(self) -> Self {
        Self { answers: Arc::default(), ..self }
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    pub(crate) fn is_deferred(&self) -> Option<bool> {
        self.deferred
    }

    pub(crate) fn limit_of_time(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn limit_of_calls(&self) -> Option<u32> {
        self.max_calls
    }

    pub(crate) fn limit_of_result(&self) -> Option<usize> {
        self.max_bytes
    }

    /// Returns the wait before the retry with this number, from 1. `None` if there is none.
    pub(crate) fn retry_after(&self, retry: u32) -> Option<Duration> {
        let wait = RETRY_DELAY.saturating_mul(1 << retry.saturating_sub(1).min(16));
        (retry <= self.retries).then_some(wait.min(RETRY_DELAY_MAX))
    }

    /// Returns the arguments after all hooks.
    pub(crate) async fn first(
        &self,
        mut arguments: Value,
        cx: &StepContext,
    ) -> Result<Value, ToolError> {
        for hook in &self.before {
            arguments = hook(arguments, cx.clone()).await?;
        }
        Ok(arguments)
    }

    pub(crate) fn has_before(&self) -> bool {
        !self.before.is_empty()
    }

    /// Returns the answer after all hooks.
    pub(crate) async fn last(
        &self,
        mut answer: ToolAnswer,
        cx: &StepContext,
    ) -> Result<ToolAnswer, ToolError> {
        for hook in &self.after {
            answer.text = hook(answer.text, cx.clone()).await?;
        }
        Ok(answer)
    }

    /// Returns the kept answer to a call, if it is not too old.
    pub(crate) fn kept(
        &self,
        tool: &str,
        arguments: &Value,
        cx: &StepContext,
    ) -> Option<ToolAnswer> {
        self.cache?;
        let (user, now) = (user(cx), cx.world().now());
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answers = answers.iter().rev();
        let is_same =
            |kept: &&Cached| kept.tool == tool && kept.user == user && kept.arguments == *arguments;
        answers.find(is_same).filter(|kept| now < kept.until).map(|kept| kept.answer.clone())
    }

    /// Keeps an answer.
    pub(crate) fn keep(
        &self,
        tool: &str,
        arguments: &Value,
        answer: &ToolAnswer,
        cx: &StepContext,
    ) {
        let Some(time) = self.cache else { return };
        let (user, now) = (user(cx), cx.world().now());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|kept| now < kept.until);
        if answers.len() == CACHE_ENTRIES_MAX {
            answers.pop_front();
        }
        let (tool, arguments, answer) = (tool.to_owned(), arguments.clone(), answer.clone());
        answers.push_back(Cached { tool, user, arguments, until: now.plus(time), answer });
    }

    /// Returns the settings under their names, without those that are not set.
    pub(crate) fn written(&self) -> Map<String, Value> {
        let mut written = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            written.extend(value.map(|value| (name.to_owned(), value)));
        };
        let time = |time: Option<Duration>| time.map(|time| json!(format!("{time:?}")));
        put("timeout", time(self.timeout));
        put("retries", (self.retries > 0).then(|| json!(self.retries)));
        put("max_calls", self.max_calls.map(|calls| json!(calls)));
        put("max_bytes", self.max_bytes.map(|bytes| json!(bytes)));
        put("cache", time(self.cache));
        put("strict", self.strict.then_some(Value::Bool(true)));
        put("defer", self.deferred.map(Value::from));
        written
    }

    /// Returns the mistakes in the settings of `tool`, each with what to do.
    pub(crate) fn mistakes(&self, tool: &AnyTool) -> Vec<String> {
        let name = &tool.spec().name;
        let mut mistakes = Vec::new();
        for (setting, limit) in [("timeout", self.timeout), ("cache", self.cache)] {
            if limit.is_some_and(|limit| limit.is_zero()) {
                mistakes.push(format!("`{setting}` of tool `{name}` must be greater than zero"));
            }
        }
        if self.retries > TOOL_RETRIES_MAX {
            let retries = self.retries;
            mistakes.push(format!(
                "`retries` of tool `{name}` is {retries}; set 0 to {TOOL_RETRIES_MAX}"
            ));
        }
        if self.retries > 0 && !can_repeat(tool) {
            mistakes.push(format!(
                "`retries` of tool `{name}` would repeat a call that may have had its effect; mark \
                 the tool as read-only or idempotent, or leave `retries` out"
            ));
        }
        if self.cache.is_some() && tool.effect() != ToolEffect::ReadOnly {
            mistakes.push(format!(
                "`cache` of tool `{name}` would leave out calls that have an effect; mark the tool \
                 as read-only, or leave `cache` out"
            ));
        }
        if self.max_calls == Some(0) {
            mistakes.push(format!("`max_calls` of tool `{name}` must be at least 1"));
        }
        if let Some(bytes) = self.max_bytes
            && !(1..=TOOL_TEXT_BYTES_MAX).contains(&bytes)
        {
            mistakes.push(format!(
                "`max_bytes` of tool `{name}` is {bytes}; set 1 to {TOOL_TEXT_BYTES_MAX}"
            ));
        }
        mistakes
    }
}

/// Returns `true` if a second call does no harm.
pub(crate) fn can_repeat(tool: &AnyTool) -> bool {
    let policy = tool.on_interrupted().unwrap_or(tool.effect().on_interrupted());
    policy == OnInterrupted::Retry
}

fn user(cx: &StepContext) -> Option<String> {
    cx.run().user_id.as_ref().map(ToString::to_string)
}

impl fmt::Debug for ToolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolOptions")
            .field("settings", &self.written())
            .field("before", &self.before.len())
            .field("after", &self.after.len())
            .finish_non_exhaustive()
    }
}
