//! Feeds the bytes of an answer into a wire, without a network. For tests and fuzzers.

use crate::Provider;
use crate::rig::Recorded;
use futures_util::StreamExt as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use stepwright_core::message::Message;
use stepwright_core::model::{Completion, ModelError, ModelErrorKind, ModelEvent, ModelRequest};

/// The wires, by the names of their corpora and of a provider that speaks each.
pub const WIRES: [(&str, &str); 5] = [
    ("chat", "openrouter"),
    ("responses", "openai"),
    ("messages", "anthropic"),
    ("gemini", "google"),
    ("ollama", "ollama"),
];

/// The answer of a model of `provider` whose server answered with these pieces of a body.
///
/// # Errors
/// The error that a caller of the model is given.
///
/// # Panics
/// If the reading of the answer waits for anything: there is nothing to wait for.
pub fn read_answer(
    provider: &str,
    content_type: &str,
    pieces: Vec<Vec<u8>>,
) -> Result<Completion, ModelError> {
    let provider = Provider::named(provider)
        .map(|provider| provider.base_url("http://localhost").api_key("sk-fuzzing-0123456789"));
    let model = provider.and_then(|provider| provider.rig_model("recorded"));
    let model = model.expect("a provider that is built in");
    let messages = vec![Message::user("hello")];
    let request = ModelRequest { messages, ..ModelRequest::default() };
    // Each time that other tasks may run stands for a piece or an event.
    let yields = pieces.iter().map(|piece| piece.len() + 1).sum::<usize>() + 1;
    let recorded = Recorded { content_type: content_type.to_owned(), pieces };
    let mut events = model.ask(request, Some(recorded));
    let answer = async {
        while let Some(event) = events.next().await {
            if let ModelEvent::Done(completion) = event? {
                return Ok(completion);
            }
        }
        Err(ModelError::new(ModelErrorKind::Truncated, "the answer ended without its end"))
    };
    let (mut answer, mut cx) = (pin!(answer), Context::from_waker(Waker::noop()));
    for _ in 0..yields {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) {
            return answer;
        }
    }
    panic!("an answer that is there is read without waiting")
}
