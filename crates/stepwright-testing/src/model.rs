//! Scripted models, and the contract test for all models.
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

mod contract;
mod reply;

pub use contract::check_stream_contract;
pub use reply::Reply;

use futures_util::StreamExt as _;
use futures_util::stream;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_core::World;
use stepwright_core::message::Message;
use stepwright_core::model::{
    AnyModel, Completion, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream,
};

/// The notice of all models in this module.
pub const NOTICE: &str = "a scripted model for tests, not a language model";

/// The default length of a delta, in characters: short enough for several deltas per sentence, and
/// odd enough to cut words in two.
const CHUNK_CHARS: usize = 7;

type Answer = dyn Fn(&ModelRequest, usize) -> Reply + Send + Sync;

/// The common part of both models. They differ in the source of their replies.
#[derive(Clone)]
struct ModelCore {
    id: Arc<str>,
    chunk_chars: usize,
    delay: Option<(World, Duration)>,
    requests: Arc<Mutex<Vec<ModelRequest>>>,
    answer: Arc<Answer>,
}

impl ModelCore {
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
        let core = self.clone();
        // Run inside the stream: nothing happens until it is polled.
        let events = stream::once(async move {
            let nth = {
                let mut requests = core.requests();
                requests.push(request.clone());
                requests.len()
            };
            let reply = (core.answer)(&request, nth);
            let hangs = reply.hangs();
            let answered = request.messages.iter().filter(|m| matches!(m, Message::Assistant(_)));
            let events = reply.events(answered.count() + 1, core.chunk_chars);
            let delay = core.delay.clone();
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

macro_rules! scripted_model {
    ($model:ident) => {
        impl $model {
            /// Sets the name. The model's id is `scripted:` followed by it.
            #[must_use]
            pub fn named(mut self, name: &str) -> Self {
                self.0.id = format!("scripted:{name}").into();
                self
            }

            /// Sets the length of a delta, in characters.
            #[must_use]
            pub fn chunk_chars(mut self, chars: usize) -> Self {
                self.0.chunk_chars = chars;
                self
            }

            /// Waits for `delay` in this world before every event.
            #[must_use]
            pub fn delay(mut self, world: &World, delay: Duration) -> Self {
                self.0.delay = Some((world.clone(), delay));
                self
            }

            /// Returns all requests so far, in order of arrival.
            pub fn requests(&self) -> Vec<ModelRequest> {
                self.0.requests().clone()
            }

            /// Sends a request and waits for the complete response.
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

/// A model that returns its replies in order. Clones share the script and the record of requests.
///
/// When the script is used up, the model returns an error that says so.
#[derive(Clone)]
pub struct ScriptedModel(ModelCore);

impl ScriptedModel {
    /// Creates a model with this script. For replies of several kinds, use [`Reply`] for all of
    /// them.
    pub fn new<R: Into<Reply>>(script: impl IntoIterator<Item = R>) -> Self {
        let script: Vec<Reply> = script.into_iter().map(Into::into).collect();
        Self(ModelCore::new("replies", move |_, nth| {
            script.get(nth - 1).cloned().unwrap_or_else(|| {
                let replies = script.len();
                let message = format!(
                    "the script has run out: it has {replies} replies, and this is request {nth}; \
                     add a reply, or find out which agent sends one more request"
                );
                // `Provider` is not retried: another request would not help.
                ModelError::new(ModelErrorKind::Provider, message).into()
            })
        }))
    }
}

scripted_model!(ScriptedModel);

/// A model whose reply is computed from the request. Clones share the record of requests.
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
pub struct FunctionModel(ModelCore);

impl FunctionModel {
    /// Creates a model that returns the reply of `answer`.
    pub fn new<R: Into<Reply>>(
        answer: impl Fn(&ModelRequest) -> R + Send + Sync + 'static,
    ) -> Self {
        Self(ModelCore::new("function", move |request, _| answer(request).into()))
    }
}

scripted_model!(FunctionModel);

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
