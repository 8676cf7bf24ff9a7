//! The memory that a large answer takes: at most three times its size, on every wire and in every
//! form.
//!
//! A process of its own asks, so that its memory is that of the answer alone. It is this test
//! binary again, with the one test that does so.

use super::server::{Reply, Server};
use super::speech::{KEY, MODEL, Script, Wire};
use futures_util::StreamExt as _;
use serde_json::json;
use std::io::Write as _;
use std::process::Command;
use stepwright_core::model::{Model as _, ModelEvent};
use stepwright_models::Provider;

/// The size of an answer, in bytes.
const SIZE: usize = 3 * 1024 * 1024;

/// The memory that an answer may take, as a multiple of its size.
const TIMES_MAX: usize = 3;

/// The text that the answer repeats. It has escapes in JSON, and letters of several bytes.
const PERIOD: &str = "0123456789 \"ab\" \u{e4}\n";

/// A small answer comes first: what it takes, every process takes once.
const SMALL: &str = "hello";

/// The forms in which an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneEvent,
    Events,
    SmallEvents,
    Thought,
    Document,
}

impl Form {
    fn reply(self, wire: Wire, text: &str) -> Reply {
        let pieces = |length: usize| -> Vec<String> {
            let periods = length / PERIOD.len();
            let full = PERIOD.repeat(periods);
            let (count, rest) = (text.len() / full.len(), text.len() % full.len());
            let rest = PERIOD.repeat(rest / PERIOD.len());
            std::iter::repeat_n(full, count).chain((!rest.is_empty()).then_some(rest)).collect()
        };
        let said = |pieces: &[String], is_thought: bool| {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let script = if is_thought {
                Script::thought(&pieces).and_text(&[SMALL])
            } else {
                Script::text(&pieces)
            };
            wire.says(&script)
        };
        match self {
            Self::OneEvent => wire.says(&Script::text(&[text])),
            Self::Events => said(&pieces(4_000), false),
            Self::SmallEvents => said(&pieces(200), false),
            Self::Thought => said(&pieces(4_000), true),
            Self::Document => document(wire, text),
        }
    }
}

fn document(wire: Wire, text: &str) -> Reply {
    let body = match wire {
        Wire::Chat => json!({
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        }),
        Wire::Responses => {
            let part = json!({"type": "output_text", "text": text, "annotations": []});
            let item =
                json!({"type": "message", "id": "m", "role": "assistant", "content": [part]});
            json!({"id": "r", "status": "completed", "output": [item]})
        }
        Wire::Anthropic => json!({
            "type": "message",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
        }),
        Wire::Gemini => json!([{
            "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}],
        }]),
        Wire::Ollama => json!({"message": {"content": text}, "done": true, "done_reason": "stop"}),
    };
    Reply::json(200, &body)
}

/// The memory of this process: what it takes now, or has taken at most.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Asks, and checks each piece and the whole.
async fn ask(wire: Wire, base: &str, periods: usize, is_thought: bool) {
    let provider = Provider::named(wire.provider()).unwrap().base_url(base).api_key(KEY);
    let mut events = provider.model(MODEL).unwrap().stream(super::seen::hello());
    let many = PERIOD.repeat(1_000);
    let is_periodic = |text: &str, begin: usize| {
        let mut rest = text.as_bytes();
        let mut at = begin % PERIOD.len();
        while !rest.is_empty() {
            let length = rest.len().min(many.len() - at);
            let (piece, behind) = rest.split_at(length);
            if piece != &many.as_bytes()[at..at + length] {
                return false;
            }
            (rest, at) = (behind, (at + length) % PERIOD.len());
        }
        true
    };
    let (mut said, mut thought) = (0, 0);
    while let Some(event) = events.next().await {
        let event = match event {
            Err(error) => {
                let said = format!("it said {error}\n");
                std::io::stdout().write_all(said.as_bytes()).unwrap();
                return;
            }
            Ok(event) => event,
        };
        match event {
            ModelEvent::TextDelta(text) => {
                assert!(periods == 0 || is_thought || is_periodic(&text, said), "at {said}");
                said += text.len();
            }
            ModelEvent::ReasoningDelta(text) => {
                assert!(is_periodic(&text, thought), "at {thought}");
                thought += text.len();
            }
            ModelEvent::Done(done) => {
                let length = periods * PERIOD.len();
                let text = done.turn.text();
                if done.turn.tool_calls().next().is_some() {
                    return;
                }
                if periods == 0 || is_thought {
                    assert_eq!(text, SMALL);
                } else {
                    assert!(text.len() == length && is_periodic(&text, 0));
                    assert_eq!(said, length);
                }
                if is_thought {
                    assert_eq!(thought, length);
                }
            }
            _ => {}
        }
    }
}

#[test]
#[ignore = "the process that the test below starts"]
fn the_process_that_asks() {
    let Ok(base) = std::env::var("STEPWRIGHT_TEST_MEMORY_AT") else { return };
    let wire = std::env::var("STEPWRIGHT_TEST_MEMORY_WIRE").unwrap();
    let wire = Wire::ALL.into_iter().find(|known| format!("{known:?}") == wire).unwrap();
    let periods = std::env::var("STEPWRIGHT_TEST_MEMORY_PERIODS").unwrap().parse().unwrap();
    let is_thought = std::env::var("STEPWRIGHT_TEST_MEMORY_THOUGHT").is_ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        ask(wire, &base, 0, false).await;
        let before = memory("VmRSS");
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        ask(wire, &base, periods, is_thought).await;
        let taken = memory("VmHWM").saturating_sub(before);
        writeln!(std::io::stdout(), "it took {taken} bytes").unwrap();
    });
}

/// The memory that the answer took in a process of its own, in bytes.
async fn taken(wire: Wire, form: Form, periods: usize) -> usize {
    let text = PERIOD.repeat(periods);
    taken_by(wire, form.reply(wire, &text), periods, form == Form::Thought).await.0
}

/// The memory that `reply` took in a process of its own, in bytes, and what else the process said.
async fn taken_by(wire: Wire, reply: Reply, periods: usize, is_thought: bool) -> (usize, String) {
    let replies = [wire.says(&Script::text(&[SMALL])), reply];
    let server = Server::start(replies).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "--ignored", "--nocapture", "wire::memory::the_process_that_asks"])
        .env("STEPWRIGHT_TEST_MEMORY_AT", server.url(wire.base()))
        .env("STEPWRIGHT_TEST_MEMORY_WIRE", format!("{wire:?}"))
        .env("STEPWRIGHT_TEST_MEMORY_PERIODS", periods.to_string());
    if is_thought {
        child.env("STEPWRIGHT_TEST_MEMORY_THOUGHT", "1");
    }
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let taken = told.split("it took ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let taken = taken
        .unwrap_or_else(|| panic!("{wire:?}: {told}{}", String::from_utf8_lossy(&output.stderr)));
    (taken, told)
}

/// The most values that the arguments of a call may have.
const ARGUMENTS_VALUES_MAX: usize = 100_000;

/// The memory that such arguments may take: a tree of small objects takes 35 MB.
const ARGUMENTS_BYTES: usize = 180_000_000;

/// The memory of arguments that are refused, as a multiple of their size of 12 MB.
const REFUSED_TIMES_MAX: usize = 6;

/// A tree of values takes far more memory than its text: of objects, some hundred times as much.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_arguments_of_a_call_take_bounded_memory() {
    let mut too_much = Vec::new();
    let call = |wire: Wire, value: &str, count: usize| {
        let values = format!("{value},").repeat(count - 1);
        wire.says(&Script::call("call_1", "add", &[&format!("{{\"a\":[{values}{value}]}}")]))
    };
    for wire in Wire::ALL {
        let allowed = call(wire, "{\"\":0}", ARGUMENTS_VALUES_MAX / 2 - 1);
        let refused = call(wire, "[]", 4_000_000);
        for (name, reply, most, is_refused) in [
            ("objects", allowed, ARGUMENTS_BYTES, false),
            ("12 MB of lists", refused, REFUSED_TIMES_MAX * 12_000_000, true),
        ] {
            let (taken, told) = taken_by(wire, reply, 0, false).await;
            let line = format!("{wire:?}, {name}: {} MB", taken / 1_000_000);
            writeln!(std::io::stdout(), "{line}").unwrap();
            assert_eq!(told.contains("values"), is_refused, "{line}: {told}");
            if taken > most {
                too_much.push(line);
            }
        }
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_large_answer_takes_at_most_three_times_its_size() {
    let size = std::env::var("STEPWRIGHT_TEST_MEMORY_SIZE").ok().and_then(|size| size.parse().ok());
    let periods = size.unwrap_or(SIZE) / PERIOD.len();
    let mut too_much = Vec::new();
    for form in [Form::OneEvent, Form::Events, Form::SmallEvents, Form::Thought, Form::Document] {
        for wire in Wire::ALL {
            let taken = taken(wire, form, periods).await;
            let size = periods * PERIOD.len();
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let times = taken as f64 / size as f64;
            let line = format!("{wire:?} {form:?}: {times:.2} times its size");
            writeln!(std::io::stdout(), "{line}").unwrap();
            if taken > TIMES_MAX * size {
                too_much.push(line);
            }
        }
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}
