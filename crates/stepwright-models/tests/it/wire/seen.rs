//! A record of what a model did, written down as lines.

use super::server::{Gate, Reply, Server};
use super::speech::Wire;
use futures_util::StreamExt as _;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use stepwright_core::message::{Arguments, Message, ToolCall, Usage};
use stepwright_core::model::{
    Completion, Model, ModelError, ModelEvent, ModelRequest, ModelStream, StopReason,
};
use stepwright_testing::model::check_stream_contract;

type Items = Arc<Mutex<Vec<Result<ModelEvent, ModelError>>>>;

/// A model that remembers what another says, and opens a gate at its first word.
struct Witness<M> {
    model: M,
    items: Items,
    gate: Option<Gate>,
}

impl<M: Model> Model for Witness<M> {
    fn id(&self) -> &str {
        self.model.id()
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        let (items, gate) = (Arc::clone(&self.items), self.gate.clone());
        let remember = move |item: &Result<ModelEvent, ModelError>| {
            if let (Some(gate), false) = (&gate, matches!(item, Ok(ModelEvent::Heartbeat))) {
                gate.open();
            }
            items.lock().unwrap().push(item.clone());
        };
        self.model.stream(request).inspect(remember).boxed()
    }
}

/// A record of what a model did.
#[derive(Debug)]
pub(crate) struct Seen {
    /// A line an event. Identifiers that the provider did not give are `new`.
    pub(crate) lines: Vec<String>,
    pub(crate) answer: Result<Completion, ModelError>,
}

impl Seen {
    /// The error that it ended with.
    pub(crate) fn error(&self) -> &ModelError {
        self.answer.as_ref().expect_err("an error")
    }
}

/// Asks `model`, holds it to its contract, and writes down what it does. The gate opens at the
/// first word.
pub(crate) async fn watch(model: impl Model, request: ModelRequest, gate: Option<Gate>) -> Seen {
    let items = Items::default();
    let witness = Witness { model, items: Arc::clone(&items), gate };
    let answer = check_stream_contract(&witness, request).await;
    let items = items.lock().unwrap();
    // Signs of life come when they come.
    let told = items.iter().filter(|item| !matches!(item, Ok(ModelEvent::Heartbeat)));
    let lines = told.map(line).collect();
    Seen { lines, answer }
}

/// Asks the model of `wire` for an answer to one word, which the server gives with `reply`.
pub(crate) async fn ask(wire: Wire, reply: Reply) -> Seen {
    let server = Server::start([reply]).await;
    let seen = watch(wire.model(&server), hello(), None).await;
    let request = server.request();
    assert_eq!((&*request.method, &*request.path), ("POST", wire.path()));
    seen
}

/// A request of one word.
pub(crate) fn hello() -> ModelRequest {
    ModelRequest { messages: vec![Message::user("hello")], ..ModelRequest::default() }
}

fn line(item: &Result<ModelEvent, ModelError>) -> String {
    match item {
        Ok(ModelEvent::TextDelta(text)) => format!("text {text:?}"),
        Ok(ModelEvent::ReasoningDelta(text)) => format!("thought {text:?}"),
        Ok(ModelEvent::ToolCallStart { index, name }) => format!("call {index} {name}"),
        Ok(ModelEvent::ToolArgumentsDelta { index, json }) => format!("args {index} {json}"),
        Ok(ModelEvent::ToolCallReady { index, call }) => format!("ready {index} {}", told(call)),
        Ok(ModelEvent::Done(done)) => format!("done {}{}", stop(&done.stop), usage(done.usage)),
        Ok(other) => format!("unknown {other:?}"),
        Err(error) => failure(error),
    }
}

fn told(call: &ToolCall) -> String {
    let ToolCall { id, name, arguments } = call;
    // Every identifier that a script gives begins so.
    let id = if id.starts_with("call_") { id } else { "new" };
    match arguments {
        Arguments::Json(value) => format!("{name}#{id} {value}"),
        Arguments::Invalid(raw) => format!("{name}#{id} invalid {raw:?}"),
    }
}

/// `lines`, as they must be on this wire: where it gives calls no identifiers, they are new.
pub(crate) fn lines_on<S: AsRef<str>>(wire: Wire, lines: &[S]) -> Vec<String> {
    let known = |line: &str| match wire {
        Wire::Ollama => {
            let ids = ["#call_1", "#call_2", "#call_3"];
            ids.iter().fold(line.to_owned(), |line, id| line.replace(id, "#new"))
        }
        _ => line.to_owned(),
    };
    lines.iter().map(|line| known(line.as_ref())).collect()
}

fn stop(stop: &StopReason) -> String {
    match stop {
        StopReason::EndTurn => "end".into(),
        StopReason::ToolCalls => "calls".into(),
        StopReason::Length => "length".into(),
        StopReason::Refused => "refused".into(),
        other => format!("{other:?}"),
    }
}

fn usage(usage: Usage) -> String {
    let counts = [
        ("in", usage.input_tokens),
        ("out", usage.output_tokens),
        ("cached", usage.cache_read_tokens),
        ("written", usage.cache_write_tokens),
        ("thought", usage.reasoning_tokens),
    ];
    let mut told = String::new();
    for (name, count) in counts {
        if let Some(count) = count {
            write!(told, " {name}={count}").unwrap();
        }
    }
    told
}

/// Returns the asserted parts of an error: its kind, whether and when to try again.
pub(crate) fn failure(error: &ModelError) -> String {
    let again = if error.retryable { "retryable" } else { "final" };
    let after = error.retry_after.map(|after| format!(" after {after:?}")).unwrap_or_default();
    format!("error {:?} {again}{after}", error.kind)
}

/// Collects what is wrong in a table of cases, so that all of it is told at once.
#[derive(Default)]
pub(crate) struct Verdicts {
    wrong: Vec<String>,
    asked: usize,
}

impl Verdicts {
    /// Compares what a case did with what it should have done.
    pub(crate) fn check<S: AsRef<str>>(&mut self, case: &str, seen: &Seen, expected: &[S]) {
        self.asked += 1;
        let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
        if seen.lines != expected {
            let end = seen.answer.as_ref().err().map(|e| format!("\n  it said: {e}"));
            self.wrong.push(format!(
                "{case}\n  expected:\n    {}\n  seen:\n    {}{}",
                expected.join("\n    "),
                seen.lines.join("\n    "),
                end.unwrap_or_default(),
            ));
        }
    }

    /// Says that something else is wrong with a case, unless `holds`.
    pub(crate) fn that(&mut self, case: &str, holds: bool, otherwise: &str) {
        self.asked += 1;
        if !holds {
            self.wrong.push(format!("{case}: {otherwise}"));
        }
    }
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.asked > 0, "no case was asked");
            assert!(self.wrong.is_empty(), "\n{}\n", self.wrong.join("\n\n"));
        }
    }
}
