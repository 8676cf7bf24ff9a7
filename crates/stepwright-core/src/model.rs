//! The seam to language models.

use crate::BoxFuture;
use crate::message::{AssistantTurn, Message, ToolCall, Usage};
use crate::tool::ToolSpec;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is asked of a model.
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
    /// What the model is, and how it shall behave.
    pub instructions: Option<String>,
    /// The conversation so far; the last message is the one to answer.
    pub messages: Vec<Message>,
    /// The tools that it may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it may, must or must not call one.
    pub tool_choice: ToolChoice,
    /// The JSON Schema that the answer must follow, if any.
    pub output_schema: Option<Value>,
    /// Settings of the model.
    pub options: ModelOptions,
}

/// Whether a model may, must or must not call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// It must answer without.
    None,
    /// It must call at least one.
    Required,
}

/// Settings of a model. `None` leaves the provider's own default. What a model cannot do it refuses
/// before anything is sent, rather than leave it out.
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
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// How freely it chooses words, from 0.
    pub temperature: Option<f64>,
    /// How long it may think before it answers.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Whether the provider shall keep what it has read for the next request, where that has to be
    /// asked for. Most providers do so by themselves.
    pub cache: bool,
    /// How long a whole answer may take, from the request to its last word.
    pub timeout: Option<Duration>,
    /// How long the model may be silent, in place of what its guard would allow.
    pub idle_timeout: Option<Duration>,
    /// Parameters of the provider's own, sent as they are beside the others and in place of those
    /// of the same name.
    pub extra: Map<String, Value>,
}

/// How long a model may think before it answers.
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
    /// Not at all, if the model can do without.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    Max,
}

impl ReasoningEffort {
    /// Its name, as in files: `low`, `high`.
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

/// What a model does while it answers.
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
pub enum ModelEvent {
    /// More text.
    TextDelta(String),
    /// More of what it thinks aloud.
    ReasoningDelta(String),
    /// It begins to call a tool.
    ToolCallStart {
        /// Which call of this turn, from 0.
        index: usize,
        /// Which tool.
        name: String,
    },
    /// More of a call's arguments: a fragment, never all so far.
    ToolArgumentsDelta {
        /// Which call of this turn.
        index: usize,
        /// A fragment of JSON.
        json: String,
    },
    /// A call is complete.
    ToolCallReady {
        /// Which call of this turn.
        index: usize,
        /// The call.
        call: ToolCall,
    },
    /// It has nothing to say yet, but it is there: a sign of life, so that thinking for long is not
    /// taken for silence.
    Heartbeat,
    /// It has finished. The last event.
    Done(Completion),
}

/// A finished answer.
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
    /// What it said.
    pub turn: AssistantTurn,
    /// Why it stopped.
    pub stop: StopReason,
    /// What it consumed.
    pub usage: Usage,
    /// What the provider calls this answer, if it said.
    pub response_id: Option<String>,
    /// What the provider calls the request: what its support asks for.
    pub request_id: Option<String>,
    /// A doubt about the answer that does not make it a failure, for a person: that its end was not
    /// announced, for one.
    pub warning: Option<String>,
}

/// Why a model stopped.
///
/// ```
/// use stepwright_core::model::{Completion, StopReason};
/// let answer = Completion { stop: StopReason::Length, ..Completion::default() };
/// let note = match answer.stop {
///     StopReason::Length => "the answer was cut off: raise `max_output_tokens`",
///     _ => "",
/// };
/// assert!(note.starts_with("the answer was cut off"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// It had said what it wanted to say.
    #[default]
    EndTurn,
    /// It waits for its tools.
    ToolCalls,
    /// It reached the longest answer allowed.
    Length,
    /// It would not answer.
    Refused,
    /// Anything else, in the provider's words.
    Other(String),
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
    /// Too many requests.
    RateLimited,
    /// The key is missing, wrong or not allowed to do this.
    Auth,
    /// The request itself is wrong; the same one will fail again.
    BadRequest,
    /// The provider has too much to do, or trouble of its own.
    Overloaded,
    /// The connection failed.
    Transport,
    /// Nothing came for too long.
    Timeout,
    /// The answer ended before the model had finished.
    Truncated,
    /// What came could not be read.
    Malformed,
    /// The model would not answer.
    Refused,
    /// Anything else.
    Provider,
}

/// What went wrong with a model.
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
    /// The class of it.
    pub kind: ModelErrorKind,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When to try again, if the provider said.
    pub retry_after: Option<Duration>,
    /// The status of HTTP that the provider answered with, if it was not a success.
    pub status: Option<u16>,
    /// What happened, for a person.
    pub message: String,
    /// What to do about it, if that is known better than by the kind.
    pub hint: Option<String>,
    /// What the failed request consumed, as far as the provider said before it failed.
    pub usage: Box<Usage>,
}

impl ModelError {
    /// An error of this kind, retryable if its kind usually is.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        use ModelErrorKind::{Auth, BadRequest, Provider, Refused};
        let retryable = !matches!(kind, Auth | BadRequest | Refused | Provider);
        let message = message.into();
        let (retry_after, status, hint, usage) = (None, None, None, Box::default());
        Self { kind, retryable, retry_after, status, message, hint, usage }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The events of one answer. Dropping it cancels the request.
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
/// /// Repeats what it is told.
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
/// Dropping the stream cancels the request. An adapter never retries.
/// Wrap implementations in `stepwright_models::guarded`, which enforces the first of these: the
/// agent does so with every model that it is given.
pub trait Model: Send + Sync + 'static {
    /// `provider:model`, such as `openai:gpt-5-mini`.
    fn id(&self) -> &str;

    /// Asks for an answer. Nothing happens until the stream is polled.
    fn stream(&self, request: ModelRequest) -> ModelStream;

    /// What people must be told about this model beside every answer, if anything: that it is not
    /// a language model, for one.
    fn notice(&self) -> Option<&str> {
        None
    }
}

/// Any model, behind a cheap handle.
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
    /// Puts a model behind a handle.
    pub fn new(model: impl Model) -> Self {
        Self(Arc::new(model))
    }

    /// Asks for an answer and waits for all of it: [`Model::stream`], folded.
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
    fn stream(&self, request: ModelRequest) -> ModelStream {
        self.0.stream(request)
    }
    fn notice(&self) -> Option<&str> {
        self.0.notice()
    }
}

impl fmt::Debug for AnyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyModel").field(&self.id()).finish()
    }
}
