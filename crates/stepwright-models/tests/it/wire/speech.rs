//! One scripted answer, in the words of each wire.

pub(crate) mod anthropic;
pub(crate) mod chat;
pub(crate) mod gemini;
pub(crate) mod ollama;
pub(crate) mod responses;

use super::server::{Reply, Server};
use serde_json::Value;
use stepwright_core::model::AnyModel;
use stepwright_models::Provider;

/// The key that every test model has. No error and no answer may show it. What begins as it does is
/// held back until it is known what follows, and no text of these tests ends in its first letter.
pub(crate) const KEY: &str = "@k-test-a1b2c3d4e5f6";

/// The name of every test model.
pub(crate) const MODEL: &str = "some-model";

/// The wire format of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Chat,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
}

use Wire::{Anthropic, Chat, Gemini, Ollama, Responses};

impl Wire {
    pub(crate) const ALL: [Self; 5] = [Chat, Responses, Anthropic, Gemini, Ollama];

    /// Those whose calls come in fragments, and with identifiers.
    pub(crate) const FRAGMENTED: [Self; 3] = [Chat, Responses, Anthropic];

    /// The name of the provider in the registry.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Chat => "openai-chat",
            Responses => "openai",
            Anthropic => "anthropic",
            Gemini => "google",
            Ollama => "ollama",
        }
    }

    /// Returns the path that follows the address of the server in the base URL.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Chat | Responses => "/v1",
            Anthropic | Gemini | Ollama => "",
        }
    }

    /// Where requests must go.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Chat => "/v1/chat/completions",
            Responses => "/v1/responses",
            Anthropic => "/v1/messages",
            Gemini => "/v1beta/models/some-model:streamGenerateContent?alt=sse",
            Ollama => "/api/chat",
        }
    }

    /// The model at `server`, as a program would name it.
    pub(crate) fn model(self, server: &Server) -> AnyModel {
        let provider = Provider::named(self.provider()).unwrap();
        provider.base_url(server.url(self.base())).api_key(KEY).model(MODEL).unwrap()
    }

    pub(crate) fn content_type(self) -> &'static str {
        if self == Ollama { "application/x-ndjson" } else { "text/event-stream" }
    }

    /// A successful answer without a body yet.
    pub(crate) fn ok(self) -> Reply {
        Reply::new(200, self.content_type())
    }

    /// `script`, as this provider would say it: one element an event.
    pub(crate) fn events(self, script: &Script) -> Vec<Event> {
        match self {
            Chat => chat::events(script),
            Responses => responses::events(script),
            Anthropic => anthropic::events(script),
            Gemini => gemini::events(script),
            Ollama => ollama::events(script),
        }
    }

    /// The bytes of `event` on this wire.
    pub(crate) fn bytes(self, event: &Event) -> Vec<u8> {
        let Event { name, data } = event;
        match (self, name) {
            (Ollama, _) => format!("{data}\n"),
            (_, Some(name)) => format!("event: {name}\ndata: {data}\n\n"),
            (_, None) => format!("data: {data}\n\n"),
        }
        .into_bytes()
    }

    /// `script`, as an answer whose every event is a packet of its own.
    pub(crate) fn says(self, script: &Script) -> Reply {
        self.speaks(&self.events(script))
    }

    /// These events, as an answer.
    pub(crate) fn speaks<'a>(self, events: impl IntoIterator<Item = &'a Event>) -> Reply {
        self.ok().writes(events.into_iter().map(|event| self.bytes(event)))
    }
}

/// One event of a stream, or one line of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn data(value: &Value) -> Self {
        Self { name: None, data: value.to_string() }
    }

    /// An event that is named after its `type`.
    pub(crate) fn typed(value: &Value) -> Self {
        let name = value["type"].as_str().expect("a type").to_owned();
        Self { name: Some(name), data: value.to_string() }
    }

    pub(crate) fn raw(data: &str) -> Self {
        Self { name: None, data: data.into() }
    }
}

/// A piece of an answer, in fragments.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Vec<String>),
    Thought(Vec<String>),
    Call { id: String, name: String, arguments: Vec<String> },
}

/// Why the answer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Calls,
    Length,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) stop: Stop,
    /// `true` if it says what it consumed: always 100 tokens read, of which 40 came from a cache,
    /// and 30 written, of which 12 were thought.
    pub(crate) has_usage: bool,
}

impl Script {
    fn new(piece: Piece, stop: Stop) -> Self {
        Self { pieces: vec![piece], stop, has_usage: false }
    }

    pub(crate) fn text(fragments: &[&str]) -> Self {
        Self::new(Piece::Text(owned(fragments)), Stop::End)
    }

    pub(crate) fn thought(fragments: &[&str]) -> Self {
        Self::new(Piece::Thought(owned(fragments)), Stop::End)
    }

    pub(crate) fn call(id: &str, name: &str, arguments: &[&str]) -> Self {
        Self::new(call(id, name, arguments), Stop::Calls)
    }

    pub(crate) fn and_text(mut self, fragments: &[&str]) -> Self {
        self.pieces.push(Piece::Text(owned(fragments)));
        self
    }

    pub(crate) fn and_call(mut self, id: &str, name: &str, arguments: &[&str]) -> Self {
        self.pieces.push(call(id, name, arguments));
        self.stop = Stop::Calls;
        self
    }

    pub(crate) fn stopped_by(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    pub(crate) fn with_usage(mut self) -> Self {
        self.has_usage = true;
        self
    }
}

fn owned(fragments: &[&str]) -> Vec<String> {
    fragments.iter().map(|&fragment| fragment.to_owned()).collect()
}

fn call(id: &str, name: &str, arguments: &[&str]) -> Piece {
    Piece::Call { id: id.into(), name: name.into(), arguments: owned(arguments) }
}
