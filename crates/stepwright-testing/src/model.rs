//! Models that say what a script tells them, and the suite that every model must pass.
//!
//! ```
//! use stepwright_core::model::{Model as _, ModelRequest};
//! use stepwright_testing::model::{Reply, ScriptedModel};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let model = ScriptedModel::new([
//!     Reply::call("search", serde_json::json!({"query": "rust"})),
//!     Reply::text("Rust is a language."),
//! ]);
//! let first = model.complete(ModelRequest::default()).await.unwrap();
//! assert_eq!(first.turn.tool_calls().next().unwrap().name, "search");
//! let second = model.complete(ModelRequest::default()).await.unwrap();
//! assert_eq!(second.turn.text(), "Rust is a language.");
//! assert_eq!(model.requests().len(), 2);
//! # }
//! ```

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_core::World;
use stepwright_core::message::{Arguments, AssistantTurn, Message, Part, ToolCall, Usage};
use stepwright_core::model::{
    AnyModel, Completion, Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream,
    StopReason,
};

/// What every model of this module tells people about itself.
pub const NOTICE: &str = "a scripted model for tests, not a language model";

/// One answer of a scripted model: pieces in order, and how it ends.
///
/// ```
/// use stepwright_core::model::{ModelError, ModelErrorKind};
/// use stepwright_testing::model::Reply;
/// let plain = Reply::text("hello");
/// let busy = Reply::from(ModelError::new(ModelErrorKind::Overloaded, "too busy"));
/// let rich = Reply::reasoning("let me look")
///     .and_text("I look it up.")
///     .and_call("search", serde_json::json!({"query": "weather"}))
///     .with_tokens(120, 30);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    parts: Vec<ReplyPart>,
    end: End,
    stop: Option<StopReason>,
    usage: Usage,
}

#[derive(Clone, Debug, PartialEq)]
enum ReplyPart {
    Text(String),
    Reasoning(String),
    Call { name: String, arguments: Arguments },
}

#[derive(Clone, Debug, PartialEq)]
enum End {
    Done,
    Error(ModelError),
    Cut,
    Hang,
}

impl Reply {
    fn empty() -> Self {
        Self { parts: Vec::new(), end: End::Done, stop: None, usage: Usage::default() }
    }

    /// An answer of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::empty().and_text(text)
    }

    /// An answer that begins by thinking aloud.
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self::empty().and_reasoning(text)
    }

    /// An answer that calls a tool.
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::empty().and_call(name, arguments)
    }

    /// An answer that calls a tool with arguments that are not JSON.
    pub fn broken_call(name: impl Into<String>, raw: impl Into<String>) -> Self {
        let mut reply = Self::empty();
        let arguments = Arguments::Invalid(raw.into());
        reply.parts.push(ReplyPart::Call { name: name.into(), arguments });
        reply
    }

    /// Says more.
    #[must_use]
    pub fn and_text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(ReplyPart::Text(text.into()));
        self
    }

    /// Thinks aloud.
    #[must_use]
    pub fn and_reasoning(mut self, text: impl Into<String>) -> Self {
        self.parts.push(ReplyPart::Reasoning(text.into()));
        self
    }

    /// Calls one more tool.
    #[must_use]
    pub fn and_call(mut self, name: impl Into<String>, arguments: Value) -> Self {
        let arguments = Arguments::Json(arguments);
        self.parts.push(ReplyPart::Call { name: name.into(), arguments });
        self
    }

    /// Fails after what was said so far.
    #[must_use]
    pub fn and_error(mut self, error: ModelError) -> Self {
        self.end = End::Error(error);
        self
    }

    /// Ends after what was said so far without saying that it has finished, as a lost connection
    /// does. This breaks the contract of models, on purpose.
    #[must_use]
    pub fn and_cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// Stays silent for ever after what was said so far.
    #[must_use]
    pub fn and_hang(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    /// Says why it stopped; else that follows from whether it calls tools.
    #[must_use]
    pub fn with_stop(mut self, stop: StopReason) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Says how many tokens were read and written; else that is unknown.
    #[must_use]
    pub fn with_tokens(mut self, input: u64, output: u64) -> Self {
        self.usage.input_tokens = Some(input);
        self.usage.output_tokens = Some(output);
        self
    }

    /// The events of this answer: deltas of `chunk_chars` letters, then how it ends.
    fn events(self, turn: usize, chunk_chars: usize) -> Vec<Result<ModelEvent, ModelError>> {
        let mut events = Vec::new();
        let mut parts = Vec::new();
        let mut calls = 0;
        for part in self.parts {
            match part {
                ReplyPart::Text(text) => {
                    events.extend(chunks(&text, chunk_chars).map(ModelEvent::TextDelta));
                    parts.push(Part::Text { text });
                }
                ReplyPart::Reasoning(text) => {
                    events.extend(chunks(&text, chunk_chars).map(ModelEvent::ReasoningDelta));
                    parts.push(Part::Reasoning { text });
                }
                ReplyPart::Call { name, arguments } => {
                    let index = calls;
                    calls += 1;
                    let json = match &arguments {
                        Arguments::Json(value) => value.to_string(),
                        Arguments::Invalid(raw) => raw.clone(),
                    };
                    events.push(ModelEvent::ToolCallStart { index, name: name.clone() });
                    let fragments = chunks(&json, chunk_chars);
                    events.extend(
                        fragments.map(|json| ModelEvent::ToolArgumentsDelta { index, json }),
                    );
                    // The same conversation gives the same identifiers, also after a restart.
                    let call = ToolCall { id: format!("call-{turn}-{calls}"), name, arguments };
                    events.push(ModelEvent::ToolCallReady { index, call: call.clone() });
                    parts.push(Part::ToolCall(call));
                }
            }
        }
        let mut events: Vec<_> = events.into_iter().map(Ok).collect();
        match self.end {
            End::Done => {
                let usual = if calls > 0 { StopReason::ToolCalls } else { StopReason::EndTurn };
                events.push(Ok(ModelEvent::Done(Completion {
                    turn: AssistantTurn { parts, native: None },
                    stop: self.stop.unwrap_or(usual),
                    usage: self.usage,
                })));
            }
            End::Error(error) => events.push(Err(error)),
            End::Cut | End::Hang => {}
        }
        events
    }
}

fn chunks(text: &str, chars: usize) -> impl Iterator<Item = String> {
    let letters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = letters.chunks(chars.max(1)).map(|c| c.iter().collect()).collect();
    pieces.into_iter()
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<ModelError> for Reply {
    fn from(error: ModelError) -> Self {
        Self::empty().and_error(error)
    }
}

/// How many letters a delta has unless the test says otherwise: enough for several deltas a
/// sentence, and odd enough to cut words in two.
const CHUNK_CHARS: usize = 7;

type Answer = dyn Fn(&ModelRequest, usize) -> Reply + Send + Sync;

/// What both models are made of: they differ in where an answer comes from.
#[derive(Clone)]
struct Puppet {
    id: Arc<str>,
    chunk_chars: usize,
    delay: Option<(World, Duration)>,
    requests: Arc<Mutex<Vec<ModelRequest>>>,
    answer: Arc<Answer>,
}

impl Puppet {
    fn new(
        id: &str,
        answer: impl Fn(&ModelRequest, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: format!("scripted:{id}").into(),
            chunk_chars: CHUNK_CHARS,
            delay: None,
            requests: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    fn requests(&self) -> MutexGuard<'_, Vec<ModelRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let puppet = self.clone();
        // Inside the stream: nothing happens until it is polled.
        let events = stream::once(async move {
            let nth = {
                let mut requests = puppet.requests();
                requests.push(request.clone());
                requests.len()
            };
            let reply = (puppet.answer)(&request, nth);
            let hangs = reply.end == End::Hang;
            let answered = request.messages.iter().filter(|m| matches!(m, Message::Assistant(_)));
            let events = reply.events(answered.count() + 1, puppet.chunk_chars);
            let delay = puppet.delay.clone();
            let events = stream::iter(events).then(move |event| {
                let pause = delay.as_ref().map(|(world, delay)| world.sleep(*delay));
                async move {
                    if let Some(pause) = pause {
                        pause.await;
                    }
                    event
                }
            });
            if hangs { events.chain(stream::pending()).boxed() } else { events.boxed() }
        });
        events.flatten().boxed()
    }
}

macro_rules! puppet_model {
    ($model:ident) => {
        impl $model {
            /// Names it: its id is then `scripted:` and this.
            #[must_use]
            pub fn named(mut self, name: &str) -> Self {
                self.0.id = format!("scripted:{name}").into();
                self
            }

            /// Says how many letters a delta has.
            #[must_use]
            pub fn chunk_chars(mut self, chars: usize) -> Self {
                self.0.chunk_chars = chars;
                self
            }

            /// Lets time pass in this world before every event.
            #[must_use]
            pub fn delay(mut self, world: &World, delay: Duration) -> Self {
                self.0.delay = Some((world.clone(), delay));
                self
            }

            /// Every request so far, in the order in which they came.
            pub fn requests(&self) -> Vec<ModelRequest> {
                self.0.requests().clone()
            }

            /// Asks for an answer and waits for all of it.
            pub async fn complete(&self, request: ModelRequest) -> Result<Completion, ModelError> {
                AnyModel::new(self.clone()).complete(request).await
            }
        }

        impl Model for $model {
            fn id(&self) -> &str {
                &self.0.id
            }
            fn stream(&self, request: ModelRequest) -> ModelStream {
                self.0.stream(request)
            }
            fn notice(&self) -> Option<&str> {
                Some(NOTICE)
            }
        }

        impl fmt::Debug for $model {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($model)).field(&self.0.id).finish()
            }
        }
    };
}

/// A model that gives its replies in order. Clones share the script and the record of requests.
///
/// When the script has run out, the answer is an error that says so.
#[derive(Clone)]
pub struct ScriptedModel(Puppet);

impl ScriptedModel {
    /// A model with this script. For replies of several kinds, use [`Reply`] for all of them.
    pub fn new<R: Into<Reply>>(script: impl IntoIterator<Item = R>) -> Self {
        let script: Vec<Reply> = script.into_iter().map(Into::into).collect();
        Self(Puppet::new("replies", move |_, nth| {
            script.get(nth - 1).cloned().unwrap_or_else(|| {
                let replies = script.len();
                let message = format!(
                    "the script has run out: it has {replies} replies, and this is request {nth}; \
                     add a reply, or find out who asks once more"
                );
                // `Provider` is not retried: one more request would not help.
                ModelError::new(ModelErrorKind::Provider, message).into()
            })
        }))
    }
}

puppet_model!(ScriptedModel);

/// A model whose answer is computed from the request. Clones share the record of requests.
///
/// ```
/// use stepwright_core::message::Message;
/// use stepwright_core::model::ModelRequest;
/// use stepwright_testing::model::{FunctionModel, Reply};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let parrot = FunctionModel::new(|request| Reply::text(request.messages[0].text()));
/// let messages = vec![Message::user("hello")];
/// let request = ModelRequest { messages, ..ModelRequest::default() };
/// assert_eq!(parrot.complete(request).await.unwrap().turn.text(), "hello");
/// # }
/// ```
#[derive(Clone)]
pub struct FunctionModel(Puppet);

impl FunctionModel {
    /// A model that answers with what `answer` gives.
    pub fn new<R: Into<Reply>>(
        answer: impl Fn(&ModelRequest) -> R + Send + Sync + 'static,
    ) -> Self {
        Self(Puppet::new("function", move |request, _| answer(request).into()))
    }
}

puppet_model!(FunctionModel);

/// Asks `model` and checks that the answer follows the contract of [`Model`]: deltas, then exactly
/// one `Done` or one error, then the end; and that the deltas add up to what `Done` says.
///
/// Gives what the model answered, so that a test can look closer.
///
/// ```
/// use stepwright_core::model::ModelRequest;
/// use stepwright_testing::model::{ScriptedModel, check_stream_contract};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let model = ScriptedModel::new(["hello"]);
/// check_stream_contract(&model, ModelRequest::default()).await.unwrap();
/// # }
/// ```
///
/// # Panics
/// If the model breaks the contract; the message says how.
pub async fn check_stream_contract(
    model: &dyn Model,
    request: ModelRequest,
) -> Result<Completion, ModelError> {
    let id = model.id().to_owned();
    let mut stream = model.stream(request);
    let mut text = String::new();
    let mut reasoning = String::new();
    let mut fragments: Vec<String> = Vec::new();
    let mut ready: Vec<ToolCall> = Vec::new();
    let answer = loop {
        match stream.next().await {
            None => panic!("`{id}`: the stream ended without `Done` and without an error"),
            Some(Err(error)) => break Err(error),
            Some(Ok(ModelEvent::Done(completion))) => break Ok(completion),
            Some(Ok(ModelEvent::TextDelta(piece))) => text.push_str(&piece),
            Some(Ok(ModelEvent::ReasoningDelta(piece))) => reasoning.push_str(&piece),
            Some(Ok(ModelEvent::ToolCallStart { index, .. })) => {
                assert_eq!(index, fragments.len(), "`{id}`: calls must be numbered from 0");
                fragments.push(String::new());
            }
            Some(Ok(ModelEvent::ToolArgumentsDelta { index, json })) => fragments
                .get_mut(index)
                .unwrap_or_else(|| panic!("`{id}`: arguments of call {index} before its start"))
                .push_str(&json),
            Some(Ok(ModelEvent::ToolCallReady { index, call })) => {
                let written = fragments
                    .get(index)
                    .unwrap_or_else(|| panic!("`{id}`: call {index} is ready before its start"));
                if let (Arguments::Json(value), false) = (&call.arguments, written.is_empty()) {
                    let read: Value = serde_json::from_str(written)
                        .unwrap_or_else(|e| panic!("`{id}`: fragments of call {index}: {e}"));
                    assert_eq!(&read, value, "`{id}`: fragments of call {index} do not add up");
                }
                ready.push(call);
            }
            Some(Ok(_)) => {}
        }
    };
    assert!(stream.next().await.is_none(), "`{id}`: the stream went on after its end");
    if let Ok(completion) = &answer {
        let turn = &completion.turn;
        assert_eq!(text, turn.text(), "`{id}`: the deltas do not add up to the text");
        let calls: Vec<ToolCall> = turn.tool_calls().cloned().collect();
        assert_eq!(ready, calls, "`{id}`: the calls that were ready are not those of the turn");
        let thought = turn.parts.iter().filter_map(|part| match part {
            Part::Reasoning { text } => Some(text.as_str()),
            _ => None,
        });
        // Some providers sum up the reasoning only at the end.
        if !reasoning.is_empty() {
            let thought: String = thought.collect();
            assert_eq!(reasoning, thought, "`{id}`: the deltas do not add up to the reasoning");
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn scripted_answers_follow_the_contract() {
        let failing = ModelError::new(ModelErrorKind::Overloaded, "busy");
        let script = [
            Reply::reasoning("hm, let me think about that").and_text("Some words, and more."),
            Reply::text("I call.").and_call("a", json!({"x": [1, 2, 3]})).and_call("b", json!({})),
            Reply::broken_call("a", "{\"x\": "),
            Reply::text("a beginning").and_error(failing.clone()),
        ];
        for chunk in [1, 3, 1000] {
            let model = ScriptedModel::new(script.clone()).chunk_chars(chunk);
            for _ in 0..3 {
                check_stream_contract(&model, ModelRequest::default()).await.unwrap();
            }
            let answer = check_stream_contract(&model, ModelRequest::default()).await;
            assert_eq!(answer.unwrap_err(), failing);
            let spent = check_stream_contract(&model, ModelRequest::default()).await.unwrap_err();
            assert!(spent.message.contains("4 replies, and this is request 5"), "{spent}");
            assert!(!spent.retryable);
        }
    }

    #[tokio::test]
    #[should_panic(expected = "ended without `Done`")]
    async fn a_cut_answer_breaks_the_contract() {
        let model = ScriptedModel::new([Reply::text("half an ans").and_cut()]);
        let _ = check_stream_contract(&model, ModelRequest::default()).await;
    }
}
