//! The interface to language models.

use crate::BoxFuture;
use crate::codes::ErrorId;
pub use crate::message::StopReason;
use crate::message::{AssistantTurn, Message, ToolCall, Usage};
use crate::tool::ToolSpec;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A request to a model.
///
/// ```
/// use stepwright_core::message::Message;
/// use stepwright_core::model::{ModelRequest, ToolChoice};
/// let request = ModelRequest {
///     instructions: Some("Answer in one word.".into()),
///     messages: vec![Message::user("What is the capital of Italy?")],
///     ..ModelRequest::default()
/// };
/// assert_eq!(request.tool_choice, ToolChoice::Auto);
/// assert_eq!(request.output_schema, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelRequest {
    /// The system instructions: the role of the model, and rules for its behaviour.
    pub instructions: Option<String>,
    /// The conversation so far. The model answers the last message.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<ToolSpec>,
    /// The names of the tools whose arguments the provider must hold to their schemas.
    pub strict_tools: BTreeSet<String>,
    /// The permission or obligation to call a tool.
    pub tool_choice: ToolChoice,
    /// The JSON Schema that the answer must follow, if there is one.
    pub output_schema: Option<Value>,
    /// The settings of the model.
    pub options: ModelOptions,
}

/// The permission or obligation of a model to call a tool.
///
/// ```
/// use stepwright_core::model::{ModelRequest, ToolChoice};
/// /// The word that a provider has for it.
/// fn word(request: &ModelRequest) -> &'static str {
///     match request.tool_choice {
///         ToolChoice::Auto => "auto",
///         ToolChoice::None => "none",
///         ToolChoice::Required => "any",
///         ToolChoice::One(_) => "tool",
///     }
/// }
/// # assert_eq!(ToolChoice::default(), ToolChoice::Auto);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model may call tools.
    #[default]
    Auto,
    /// The model must not call a tool.
    None,
    /// The model must call at least one tool.
    Required,
    /// The model must call the tool of this name.
    One(String),
}

/// The settings of a model. `None` means the provider's default. If a model does not support a
/// setting, it refuses the request before anything is sent, rather than ignore the setting.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::model::{ModelOptions, ReasoningEffort};
/// let careful = ModelOptions {
///     reasoning_effort: Some(ReasoningEffort::High),
///     timeout: Some(Duration::from_secs(120)),
///     ..ModelOptions::default()
/// };
/// assert_eq!(careful.temperature, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelOptions {
    /// The maximum length of the answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// The sampling temperature, from 0.
    pub temperature: Option<f64>,
    /// The probability mass of nucleus sampling, from 0 to 1.
    pub top_p: Option<f64>,
    /// The texts that end the answer. They are not part of it.
    pub stop: Vec<String>,
    /// The seed of the sampling, for providers that then answer the same as far as they can.
    pub seed: Option<u64>,
    /// The reasoning effort.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The maximum number of tokens of reasoning, for models that take a number instead of an
    /// effort.
    pub reasoning_budget: Option<u32>,
    /// The time for which the provider is asked to cache the input. Most providers cache it for a
    /// short time without being asked.
    pub cache: Option<CacheRetention>,
    /// The tools that the provider itself runs while it answers.
    pub hosted_tools: Vec<HostedTool>,
    /// The way in which the model gets the schema of the answer. `None` for the best way that the
    /// provider has for this model and these tools.
    pub output_mode: Option<OutputMode>,
    /// The timeout of a whole answer, from the request to its end.
    pub timeout: Option<Duration>,
    /// The maximum time without an event from the model. Overrides the default of the guard.
    pub idle_timeout: Option<Duration>,
    /// Parameters that are specific to the provider. They are sent unchanged, and override standard
    /// parameters of the same name.
    pub extra: Map<String, Value>,
    /// HTTP headers to send with each request. They cannot replace those of the key.
    pub headers: BTreeMap<String, String>,
}

/// The amount of reasoning that a model does before it answers.
///
/// ```
/// use stepwright_core::model::ReasoningEffort;
/// let effort: ReasoningEffort = serde_json::from_str(r#""high""#)?;
/// assert_eq!(effort, ReasoningEffort::High);
/// assert_eq!(effort.as_str(), "high");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasoningEffort {
    /// No reasoning, if the model can turn it off.
    None,
    /// The least possible.
    Minimal,
    /// Low effort.
    Low,
    /// Medium effort.
    Medium,
    /// High effort.
    High,
    /// The most possible.
    Max,
}

impl ReasoningEffort {
    /// Returns the name as in files, such as `low` or `high`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Max => "max",
        }
    }
}

/// The way in which a model gets the schema of its answer.
///
/// ```
/// use stepwright_core::model::OutputMode;
/// let mode: OutputMode = serde_json::from_str(r#""tool""#)?;
/// assert_eq!((mode, mode.as_str()), (OutputMode::Tool, "tool"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputMode {
    /// As a parameter of the request. The provider holds the model to it.
    Native,
    /// As the parameters of a tool, whose call is the answer.
    Tool,
    /// Within the instructions.
    Prompt,
}

impl OutputMode {
    /// Returns the name as in files, such as `native` or `tool`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Tool => "tool",
            Self::Prompt => "prompt",
        }
    }
}

/// The time for which a provider keeps the input of a request in its cache.
///
/// ```
/// use stepwright_core::model::CacheRetention;
/// assert_eq!(CacheRetention::Long.as_str(), "long");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CacheRetention {
    /// The provider's usual time, such as five minutes.
    Short,
    /// The longest time that the provider has: an hour, or a day.
    Long,
}

impl CacheRetention {
    /// Returns the name as in files: `short` or `long`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

/// A tool that a provider runs itself while its model answers. The provider charges for it.
///
/// ```
/// use stepwright_core::model::{HostedTool, ModelOptions};
/// let options =
///     ModelOptions { hosted_tools: vec![HostedTool::WebSearch], ..ModelOptions::default() };
/// assert_eq!(options.hosted_tools[0].as_str(), "web_search");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostedTool {
    /// A search of the web.
    WebSearch,
    /// Code that the model writes and the provider executes in a sandbox.
    CodeExecution,
}

impl HostedTool {
    /// Returns the name as in files: `web_search` or `code_execution`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSearch => "web_search",
            Self::CodeExecution => "code_execution",
        }
    }
}

/// An event of a model's answer.
///
/// ```
/// use stepwright_core::model::ModelEvent::{self, Heartbeat, ReasoningDelta, TextDelta};
/// let text = |event: &ModelEvent| match event {
///     TextDelta(piece) => piece.clone(),
///     _ => String::new(),
/// };
/// let thought = ReasoningDelta("Easy.".into());
/// let events = [thought, TextDelta("Ro".into()), Heartbeat, TextDelta("me".into())];
/// assert_eq!(events.iter().map(text).collect::<String>(), "Rome");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "an answer has one `Done`, which programs take apart"
)]
pub enum ModelEvent {
    /// A piece of text.
    TextDelta(String),
    /// A piece of reasoning.
    ReasoningDelta(String),
    /// The start of a tool call.
    ToolCallStart {
        /// The number of the call in this turn, from 0.
        index: usize,
        /// The name of the tool.
        name: String,
    },
    /// A fragment of a call's arguments, to be appended to the earlier fragments.
    ToolArgumentsDelta {
        /// The number of the call in this turn, from 0.
        index: usize,
        /// The fragment of JSON.
        json: String,
    },
    /// A complete tool call.
    ToolCallReady {
        /// The number of the call in this turn, from 0.
        index: usize,
        /// The call.
        call: ToolCall,
    },
    /// The answer begins again: another model of a chain gives it, because one has failed in the
    /// middle. The events before this one no longer count.
    Restarted(Box<ModelError>),
    /// A sign of life without content, so that long reasoning does not hit the idle timeout.
    Heartbeat,
    /// The complete answer. The last event.
    Done(Completion),
}

/// A complete answer.
///
/// ```
/// use stepwright_core::message::{AssistantTurn, Usage};
/// use stepwright_core::model::{Completion, StopReason};
/// let answer = Completion {
///     turn: AssistantTurn::text_only("Rome"),
///     usage: Usage { input_tokens: Some(12), output_tokens: Some(1), ..Usage::default() },
///     ..Completion::default()
/// };
/// assert_eq!((answer.turn.text().as_str(), answer.usage.total_tokens()), ("Rome", 13));
/// assert_eq!(answer.stop, StopReason::EndTurn);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// The output of the model.
    pub turn: AssistantTurn,
    /// The reason that the model stopped.
    pub stop: StopReason,
    /// The token usage.
    pub usage: Usage,
    /// The provider's id of the answer, if it gave one.
    pub response_id: Option<String>,
    /// The provider's id of the request, which its support asks for.
    pub request_id: Option<String>,
    /// A warning for people about an answer that is still used. For example, its stream ended
    /// without an end marker.
    pub warning: Option<String>,
    /// The id of the model that answered, if it is one of several.
    pub model: Option<String>,
    /// The provider's names of its own tools that it used, one for each use.
    pub hosted_tools: Box<[String]>,
    /// The rest of the provider's limits, if it told it.
    pub quota: Option<Box<Quota>>,
}

/// The rest of the limits of a provider, as the headers of its last answer told it.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::model::{Quota, QuotaLeft};
/// let requests = Some(QuotaLeft { left: 0, reset: Duration::from_secs(20) });
/// let quota = Quota { requests, ..Quota::default() };
/// assert!(quota.tokens.is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The rest of the requests.
    pub requests: Option<QuotaLeft>,
    /// The rest of the tokens.
    pub tokens: Option<QuotaLeft>,
}

/// The rest of one limit of a provider.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::model::QuotaLeft;
/// let spent = QuotaLeft { left: 0, reset: Duration::from_secs(6) };
/// assert_eq!((spent.left, spent.reset.as_secs()), (0, 6));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaLeft {
    /// The number that is left.
    pub left: u64,
    /// The time until the limit is reset.
    pub reset: Duration,
}

/// The gate that a chain of models passes before it asks a model after the first. The first one has
/// passed it when the chain is asked.
///
/// ```
/// use stepwright_core::model::{ModelError, ModelRequest, ModelStream, RequestGate};
/// /// Lets each request pass, and reports it.
/// struct Open;
/// impl RequestGate for Open {
///     fn pass(&self, model: &str, _: &ModelRequest, answer: ModelStream) -> ModelStream {
///         println!("asking {model}");
///         answer
///     }
///     fn failed(&self, model: &str, error: &ModelError) {
///         println!("{model} did not answer: {error}");
///     }
/// }
/// ```
pub trait RequestGate: Send + Sync {
    /// Returns the answer, whose request is sent once it may be.
    fn pass(&self, model: &str, request: &ModelRequest, answer: ModelStream) -> ModelStream;

    /// Notes the failure of a model, after which the chain may ask another one.
    fn failed(&self, model: &str, error: &ModelError);
}

/// The class of a [`ModelError`].
///
/// ```
/// use stepwright_core::model::{ModelError, ModelErrorKind};
/// let retryable = |kind| ModelError::new(kind, "refused by the provider").retryable;
/// assert!(retryable(ModelErrorKind::RateLimited));
/// assert!(!retryable(ModelErrorKind::Auth));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelErrorKind {
    /// There were too many requests.
    RateLimited,
    /// The API key is missing, invalid or lacks permission.
    Auth,
    /// The request is invalid. A retry will fail too.
    BadRequest,
    /// The provider is overloaded or has an internal error.
    Overloaded,
    /// The connection failed.
    Transport,
    /// No event arrived in time.
    Timeout,
    /// The answer ended before the model had finished.
    Truncated,
    /// The answer could not be parsed.
    Malformed,
    /// The model refused to answer.
    Refused,
    /// Another error of the provider.
    Provider,
}

impl ModelErrorKind {
    /// Returns the id of errors of this kind.
    pub fn id(self) -> ErrorId {
        match self {
            Self::RateLimited => ErrorId::MODEL_RATE_LIMITED,
            Self::Auth => ErrorId::MODEL_KEY_REFUSED,
            Self::BadRequest => ErrorId::MODEL_REQUEST_INVALID,
            Self::Overloaded => ErrorId::MODEL_OVERLOADED,
            Self::Transport => ErrorId::MODEL_UNREACHABLE,
            Self::Timeout => ErrorId::MODEL_SILENT,
            Self::Truncated => ErrorId::MODEL_BROKE_OFF,
            Self::Malformed => ErrorId::MODEL_ANSWER_MALFORMED,
            Self::Refused => ErrorId::MODEL_REFUSED,
            Self::Provider => ErrorId::MODEL_PROVIDER_FAILED,
        }
    }
}

/// An error of a model.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::model::{ModelError, ModelErrorKind};
/// let error = ModelError {
///     status: Some(429),
///     retry_after: Some(Duration::from_secs(20)),
///     ..ModelError::new(ModelErrorKind::RateLimited, "too many requests")
/// };
/// assert!(error.retryable);
/// assert_eq!(error.to_string(), "too many requests");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// The class of the error.
    pub kind: ModelErrorKind,
    /// `true` if the same request may succeed later.
    pub retryable: bool,
    /// The time to wait before the next try, if the provider gave one.
    pub retry_after: Option<Duration>,
    /// The HTTP status, if the provider answered with an error.
    pub status: Option<u16>,
    /// The message for a person.
    pub message: String,
    /// A hint at what to do, if there is a better one than that of the kind.
    pub hint: Option<String>,
    /// The usage of the failed request, as far as the provider reported it.
    pub usage: Box<Usage>,
    /// The rest of the provider's limits, if it told it.
    pub quota: Option<Box<Quota>>,
}

impl ModelError {
    /// Creates an error of this kind. The kind decides whether it is retryable.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        use ModelErrorKind::{Auth, BadRequest, Provider, Refused};
        let retryable = !matches!(kind, Auth | BadRequest | Refused | Provider);
        let message = message.into();
        let (retry_after, status, hint, usage) = (None, None, None, Box::default());
        Self { kind, retryable, retry_after, status, message, hint, usage, quota: None }
    }

    /// Sets a hint at what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The events of one answer. Dropping the stream cancels the request.
///
/// ```
/// use futures_util::{FutureExt as _, StreamExt as _, stream};
/// use stepwright_core::model::{Completion, ModelEvent, ModelStream};
/// fn rome() -> ModelStream {
///     let done = ModelEvent::Done(Completion::default());
///     stream::iter([ModelEvent::TextDelta("Rome".into()), done]).map(Ok).boxed()
/// }
/// let events: Vec<_> = rome().collect().now_or_never().unwrap();
/// assert!(matches!(&events[..], [Ok(ModelEvent::TextDelta(_)), Ok(ModelEvent::Done(_))]));
/// ```
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ModelError>>;

/// A language model.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use futures_util::{StreamExt as _, stream};
/// use stepwright_core::message::AssistantTurn;
/// # use stepwright_core::message::Message;
/// use stepwright_core::model::{Completion, Model, ModelEvent, ModelRequest, ModelStream};
/// /// Repeats its input.
/// struct Parrot;
/// impl Model for Parrot {
///     fn id(&self) -> &str {
///         "pets:parrot"
///     }
///     fn stream(&self, request: ModelRequest) -> ModelStream {
///         let text = request.messages.last().map(|message| message.text()).unwrap_or_default();
///         let turn = AssistantTurn::text_only(&text);
///         let done = ModelEvent::Done(Completion { turn, ..Completion::default() });
///         stream::iter([Ok(ModelEvent::TextDelta(text)), Ok(done)]).boxed()
///     }
/// }
/// # let messages = vec![Message::user("hello")];
/// # let stream = Parrot.stream(ModelRequest { messages, ..ModelRequest::default() });
/// # let events: Vec<_> = stream.collect().now_or_never().unwrap();
/// # assert_eq!(events[0], Ok(ModelEvent::TextDelta("hello".into())));
/// # assert!(matches!(&events[1], Ok(ModelEvent::Done(done)) if done.turn.text() == "hello"));
/// ```
///
/// # Contract
/// The stream yields deltas, then *exactly one* [`ModelEvent::Done`] or one error, then ends.
/// Dropping the stream cancels the request. An adapter never retries. Wrap implementations in
/// `stepwright_models::guarded`, which enforces the first rule. The agent does this with every
/// model.
pub trait Model: Send + Sync + 'static {
    /// Returns the id in the form `provider:model`, such as `openai:gpt-5-mini`.
    fn id(&self) -> &str;

    /// Returns the ids of all models that a request may go to. They are several for a chain of
    /// models. Permissions, prices and limits belong to each of them.
    fn ids(&self) -> Vec<&str> {
        vec![self.id()]
    }

    /// Requests an answer. Nothing happens until the stream is polled.
    fn stream(&self, request: ModelRequest) -> ModelStream;

    /// Requests an answer from a chain of models, which passes `gate` before each model after the
    /// first. Other models have nothing to pass.
    fn stream_through(&self, request: ModelRequest, _gate: Arc<dyn RequestGate>) -> ModelStream {
        self.stream(request)
    }

    /// Returns a notice that people must see next to every answer, if there is one. For example,
    /// the model is a stand-in and not a language model.
    fn notice(&self) -> Option<&str> {
        None
    }

    /// Checks that the model supports the settings of a request, before anything is sent. An agent
    /// calls this when it is built. A model without the method refuses such a request when it gets
    /// it.
    ///
    /// # Errors
    /// Returns the error of the setting that the model does not have.
    fn check(&self, _request: &ModelRequest) -> Result<(), ModelError> {
        Ok(())
    }
}

/// A type-erased model that is cheap to clone.
///
/// ```
/// use futures_util::FutureExt as _;
/// # use futures_util::{StreamExt as _, stream};
/// # use stepwright_core::message::AssistantTurn;
/// use stepwright_core::message::Message;
/// use stepwright_core::model::{AnyModel, ModelRequest};
/// # use stepwright_core::model::{Completion, Model, ModelError, ModelEvent, ModelStream};
/// # struct Parrot;
/// # impl Model for Parrot {
/// #     fn id(&self) -> &str { "pets:parrot" }
/// #     fn stream(&self, request: ModelRequest) -> ModelStream {
/// #         let turn = AssistantTurn::text_only(request.messages[0].text());
/// #         let done = Completion { turn, ..Completion::default() };
/// #         stream::iter([Ok(ModelEvent::Done(done))]).boxed()
/// #     }
/// # }
/// let model = AnyModel::new(Parrot);
/// let messages = vec![Message::user("hello")];
/// let request = ModelRequest { messages, ..ModelRequest::default() };
/// let answer = model.complete(request).now_or_never().unwrap()?;
/// assert_eq!(answer.turn.text(), "hello");
/// # Ok::<(), ModelError>(())
/// ```
#[derive(Clone)]
pub struct AnyModel(Arc<dyn Model>);

impl AnyModel {
    /// Erases the type of a model.
    pub fn new(model: impl Model) -> Self {
        Self(Arc::new(model))
    }

    /// Requests an answer and waits for its end. Collects [`Model::stream`].
    pub fn complete(
        &self,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<Completion, ModelError>> {
        let mut stream = self.stream(request);
        Box::pin(async move {
            while let Some(event) = stream.next().await {
                if let ModelEvent::Done(completion) = event? {
                    return Ok(completion);
                }
            }
            let message = "the answer ended before the model had finished";
            Err(ModelError::new(ModelErrorKind::Truncated, message))
        })
    }
}

impl Model for AnyModel {
    fn id(&self) -> &str {
        self.0.id()
    }
    fn ids(&self) -> Vec<&str> {
        self.0.ids()
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        self.0.stream(request)
    }
    fn stream_through(&self, request: ModelRequest, gate: Arc<dyn RequestGate>) -> ModelStream {
        self.0.stream_through(request, gate)
    }
    fn notice(&self) -> Option<&str> {
        self.0.notice()
    }
    fn check(&self, request: &ModelRequest) -> Result<(), ModelError> {
        self.0.check(request)
    }
}

impl fmt::Debug for AnyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyModel").field(&self.id()).finish()
    }
}
