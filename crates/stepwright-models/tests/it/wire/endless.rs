//! Answers with very many pieces: each costs the same, and whatever limits the answer ends it.

use super::seen::{hello, watch};
use super::server::{Reply, Server};
use super::speech::chat::{self, call_fragment, call_start};
use super::speech::{Event, Script, Wire, anthropic, gemini, ollama, responses};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use stepwright_core::model::{Model, ModelErrorKind, ModelEvent, ModelRequest, ModelStream};
use stepwright_models::guarded;

/// More pieces than are read at once.
const MANY: usize = 2_000;

/// The largest number of events that may come without a break for other tasks.
const AT_ONCE: usize = 64;

/// The beginning of a call, and a fragment of its arguments that says nothing.
fn call(wire: Wire) -> (Vec<Event>, Event) {
    let mut events = wire.events(&Script::call("call_1", "add", &["{\"a\"", " "]));
    let is_fragment = |event: &Event| match wire {
        Wire::Chat => event.data.contains("\"arguments\":\" \""),
        Wire::Responses => event.data.contains("\"delta\":\" \""),
        _ => event.data.contains("\"partial_json\":\" \""),
    };
    let at = events.iter().position(is_fragment).expect("a fragment of white space");
    let fragment = events.remove(at);
    events.truncate(at);
    (events, fragment)
}

fn endless(wire: Wire) -> Reply {
    let (begin, fragment) = call(wire);
    let fragments = wire.bytes(&fragment).repeat(MANY);
    let mut reply = wire.speaks(&begin);
    for _ in 0..40 {
        reply = reply.write(fragments.clone());
    }
    reply.fin()
}

/// A timeout around an answer works only if the answer lets other tasks run.
#[tokio::test]
async fn a_stream_of_fragments_lets_other_tasks_run() {
    for wire in Wire::FRAGMENTED {
        let (begin, _) = call(wire);
        let word = match wire {
            Wire::Chat => call_fragment(Some(0), "1"),
            Wire::Anthropic => anthropic::call_fragment(0, "1"),
            _ => responses::event(
                "function_call_arguments.delta",
                &json!({"output_index": 0, "item_id": "fc_0"}),
                &json!({"delta": "1"}),
            ),
        };
        let reply = wire.speaks(&begin).write(wire.bytes(&word).repeat(MANY)).fin();
        let server = Server::start([reply]).await;
        let mut events = wire.model(&server).stream(hello());
        let (mut at_once, mut most, mut all) = (0, 0, 0);
        poll_fn(|cx| {
            at_once = 0;
            loop {
                match events.poll_next_unpin(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Ready(Some(_)) => {
                        (at_once, all) = (at_once + 1, all + 1);
                        most = most.max(at_once);
                    }
                }
            }
        })
        .await;
        assert!(all > MANY / 2, "{wire:?}: {all} events");
        assert!(most <= AT_ONCE, "{wire:?}: {most} of {all} events came at once");
    }
}

/// A model that says a word whenever it is asked for one, and never ends.
#[derive(Clone, Debug)]
struct Talkative;

impl Model for Talkative {
    fn id(&self) -> &'static str {
        "talkative"
    }
    fn stream(&self, _: ModelRequest) -> ModelStream {
        stream::repeat_with(|| Ok(ModelEvent::TextDelta("word ".into()))).boxed()
    }
}

#[tokio::test]
async fn a_guarded_model_that_never_waits_can_be_stopped() {
    let mut events = guarded(Talkative).stream(hello());
    let mut count = 0;
    let first_break = poll_fn(|cx| {
        while count < MANY {
            match events.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Ready(true),
                Poll::Ready(_) => count += 1,
            }
        }
        Poll::Ready(false)
    });
    assert!(first_break.await, "{count} events came without a break");
    assert!(count <= AT_ONCE, "{count} events came at once");
    let mut request = hello();
    request.options.timeout = Some(Duration::from_millis(50));
    let mut events = guarded(Talkative).stream(request);
    let end = events.by_ref().skip_while(|event| std::future::ready(event.is_ok())).next().await;
    assert_eq!(end.expect("an end").unwrap_err().kind, ModelErrorKind::Timeout);
}

/// The client reads all the time. The server ends only when it has said everything, which is too
/// late.
#[tokio::test]
async fn the_timeout_of_a_request_ends_an_endless_call() {
    for wire in Wire::FRAGMENTED {
        let server = Server::start([endless(wire)]).await;
        let mut request: ModelRequest = hello();
        request.options.timeout = Some(Duration::from_millis(300));
        let seen = watch(wire.model(&server), request, None).await;
        assert_eq!(seen.error().kind, ModelErrorKind::Timeout, "{wire:?}: {}", seen.error());
    }
}

/// Returns an answer of so many calls.
fn calls(wire: Wire, count: usize) -> Vec<Event> {
    let call = |at: usize| match wire {
        Wire::Chat => vec![call_start(Some(at as u64), &format!("call_{at}"), "now")],
        Wire::Anthropic => {
            vec![anthropic::call_start(at, &format!("call_{at}"), "now"), anthropic::block_stop(at)]
        }
        Wire::Gemini => vec![gemini::part(&json!({"functionCall": {"name": "now", "args": {}}}))],
        Wire::Ollama => {
            let call = json!({"function": {"name": "now", "arguments": {}}});
            vec![ollama::message(&json!({"content": "", "tool_calls": [call]}))]
        }
        Wire::Responses => {
            let piece = super::speech::Piece::Call {
                id: format!("call_{at}"),
                name: "now".into(),
                arguments: vec!["{}".into()],
            };
            responses::item_events(at, &piece).0
        }
    };
    let mut events = match wire {
        Wire::Anthropic => vec![anthropic::message_start(false)],
        _ => Vec::new(),
    };
    events.extend((0..count).flat_map(call));
    events.extend(match wire {
        Wire::Chat => vec![chat::finish("tool_calls"), Event::raw("[DONE]")],
        Wire::Anthropic => vec![
            anthropic::message_delta("tool_use"),
            Event::typed(&json!({"type": "message_stop"})),
        ],
        Wire::Gemini => vec![gemini::finish("STOP", false)],
        Wire::Ollama => vec![ollama::done("stop", false)],
        Wire::Responses => {
            vec![responses::end(super::speech::Stop::Calls, false, &Value::Array(Vec::new()))]
        }
    });
    events
}

#[tokio::test]
async fn an_answer_has_a_largest_number_of_calls() {
    for wire in Wire::ALL {
        for (count, is_right) in [(1_000, true), (1_001, false)] {
            let seen = super::seen::ask(wire, wire.speaks(&calls(wire, count))).await;
            match &seen.answer {
                Ok(done) => {
                    assert_eq!(done.turn.tool_calls().count(), count, "{wire:?}");
                    assert!(is_right, "{wire:?}: {count} calls");
                }
                Err(error) => {
                    let is_told = error.message.contains("more than 1000 tool calls");
                    assert!(!is_right && is_told, "{wire:?}, {count}: {error}");
                }
            }
        }
    }
}
