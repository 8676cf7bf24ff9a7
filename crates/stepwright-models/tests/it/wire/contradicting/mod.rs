//! Answers that end well and are not: something behind the end says otherwise, a failure stands in
//! another place or under another name, or content stands where nothing reads it.
//!
//! The table in `docs/models.md` is made of these cases; `CONFORMANCE=overwrite` writes it anew.

pub(crate) mod chat;
pub(crate) mod gemini;
pub(crate) mod messages;
mod ollama;
pub(crate) mod responses;

use serde_json::{Value, json};
use std::fmt::Write as _;
use stepwright_core::model::{Completion, ModelError};
use stepwright_models::fuzzing::read_answer;

/// The text of every answer here.
pub(crate) const TEXT: &str = "The first half of the ans";

/// The result of reading an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Becomes {
    /// It is whole, and nothing is to be said.
    Whole,
    /// It is whole, with a warning that has these words.
    Warned(&'static str),
    /// It is cut off at the longest answer allowed.
    Cut,
    /// It is an error that has these words.
    Error(&'static str),
}

use Becomes::{Cut, Error, Warned, Whole};

pub(crate) fn read(provider: &str, kind: &str, body: &str) -> Result<Completion, ModelError> {
    read_answer(provider, kind, vec![body.as_bytes().to_vec()])
}

/// Judges one answer, and says what is wrong with it.
fn judged(answer: Result<Completion, ModelError>, becomes: Becomes) -> Result<(), String> {
    use stepwright_core::model::StopReason::{EndTurn, Length};
    match (answer, becomes) {
        (Ok(done), Whole) if done.stop == EndTurn && done.warning.is_none() => {}
        (Ok(done), Warned(words))
            if done.stop == EndTurn && done.warning.as_deref().unwrap_or("").contains(words) => {}
        (Ok(done), Cut) if done.stop == Length => {}
        (Err(error), Error(words)) if error.message.contains(words) => return Ok(()),
        (Ok(done), _) => {
            let text = done.turn.text();
            return Err(format!("{:?} {text:?}, warning {:?}", done.stop, done.warning));
        }
        (Err(error), _) => return Err(format!("{:?}: {}", error.kind, error.message)),
    }
    Ok(())
}

/// The fault of an answer, its body as a stream, and the result of reading it.
type Case = (&'static str, String, Becomes);

/// The cases of each wire, the providers that read them, and the content type.
fn all() -> [(&'static str, &'static [&'static str], &'static str, Vec<Case>); 5] {
    let (sse, lines) = ("text/event-stream", "application/x-ndjson");
    let chats = &["openrouter", "openai-chat", "groq", "mistral", "deepseek", "azure"];
    [
        ("Chat", chats, sse, chat::cases()),
        ("Responses", &["openai", "xai"], sse, responses::cases()),
        ("Anthropic", &["anthropic"], sse, messages::cases()),
        ("Gemini", &["google"], sse, gemini::cases()),
        ("Ollama", &["ollama"], lines, ollama::cases()),
    ]
}

#[test]
fn an_answer_that_contradicts_its_end_is_no_answer() {
    let mut wrong = String::new();
    let mut table = String::from("| Wire | An answer with | is |\n|---|---|---|\n");
    for (wire, providers, kind, cases) in all() {
        for (name, body, becomes) in cases {
            for provider in providers {
                if let Err(seen) = judged(read(provider, kind, &body), becomes) {
                    writeln!(wrong, "{provider}, {name}: wanted {becomes:?}\n  seen {seen}")
                        .unwrap();
                }
            }
            let outcome = match becomes {
                Whole => "whole",
                Warned(_) => "whole, with a warning",
                Cut => "cut off: a failure of the step",
                Error(_) => "an error",
            };
            writeln!(table, "| {wire} | {name} | {outcome} |").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    super::ending::written("contradictions", &table);
}

#[test]
fn a_file_of_gemini_is_read() {
    let file =
        json!({"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/x.png"}});
    let end = json!({"finishReason": "STOP"});
    let body = sse(&[gemini::candidate(&json!([{"text": TEXT}, file]), &end)]);
    let parts = read("google", "text/event-stream", &body).unwrap().turn.parts;
    assert!(format!("{parts:?}").contains("https://example.org/x.png"), "{parts:?}");
}

pub(crate) fn sse(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut body, event| {
        match event {
            Value::String(raw) => write!(body, "{raw}\n\n"),
            event => write!(body, "data: {event}\n\n"),
        }
        .unwrap();
        body
    })
}

pub(crate) fn with(value: &Value, members: &Value) -> Value {
    let mut value = value.clone();
    for (name, member) in members.as_object().unwrap() {
        value[name] = member.clone();
    }
    value
}
