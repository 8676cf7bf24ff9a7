//! Every setting of a request on every wire: the members that it adds to the body, its headers, or
//! the error that refuses it before anything is sent. `fixtures/requests.md` holds all of them;
//! `CONFORMANCE=overwrite` writes it anew.

mod capabilities;
mod probes;

use self::probes::{Base, Probe, probes, set_members, tools};
use super::seen::{hello, watch};
use super::server::{Request, Server};
use super::speech::{KEY, MODEL, Script, Wire};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use stepwright_core::model::{AnyModel, Model as _, ModelErrorKind, ModelRequest};
use stepwright_models::Provider;

/// The models that are asked, by provider: one that the model library does not know, and those
/// that it knows to take something else.
static MODELS: [(&str, &[&str]); 24] = [
    ("openai", &[MODEL, "gpt-5-mini"]),
    ("openai-chat", &[MODEL, "gpt-5-mini"]),
    ("anthropic", &[MODEL, "claude-sonnet-4-5", "claude-sonnet-5"]),
    ("google", &[MODEL, "gemini-2.5-flash", "gemini-3-flash-preview"]),
    ("mistral", &[MODEL, "mistral-medium-latest"]),
    ("groq", &[MODEL, "openai/gpt-oss-120b", "meta-llama/llama-4-scout-17b-16e-instruct"]),
    ("deepseek", &[MODEL, "deepseek-v4-flash", "deepseek-chat"]),
    ("xai", &[MODEL, "grok-4.3"]),
    ("openrouter", &[MODEL, "openai/gpt-5-mini"]),
    ("ollama", &[MODEL, "llava"]),
    ("azure", &[MODEL]),
    ("cohere", &[MODEL, "command-a-reasoning-08-2025"]),
    ("doubleword", &[MODEL]),
    ("huggingface", &[MODEL]),
    ("hyperbolic", &[MODEL]),
    ("llamacpp", &[MODEL]),
    ("minimax", &[MODEL]),
    ("mira", &[MODEL]),
    ("moonshot", &[MODEL]),
    ("perplexity", &[MODEL]),
    ("together", &[MODEL]),
    ("venice", &[MODEL]),
    ("xiaomi", &[MODEL]),
    ("zai", &[MODEL]),
];

/// Headers that each request has, or whose value differs from one test to the next.
const USUAL_HEADERS: [&str; 4] = ["content-length", "host", "authorization", "user-agent"];

/// A model of a provider, which a server answers.
struct Asked {
    provider: &'static str,
    model: &'static str,
}

/// The effect of a setting on the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// These members are added or changed, as a JSON Merge Patch, and these headers.
    Sent { body: String, headers: BTreeMap<String, String> },
    /// The request stays as it was.
    Unchanged,
    /// Nothing is sent.
    Refused(String),
}

impl Outcome {
    fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    fn body(&self) -> Option<&str> {
        match self {
            Self::Sent { body, .. } => Some(body),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { body, headers } => {
                let mut parts = Vec::new();
                parts.extend((!body.is_empty()).then(|| format!("`{body}`")));
                parts.extend(
                    headers.iter().map(|(name, value)| format!("header `{name}: {value}`")),
                );
                f.write_str(&parts.join(", "))
            }
            Self::Unchanged => f.write_str("nothing"),
            Self::Refused(message) => write!(f, "refused: {message}"),
        }
    }
}

impl Asked {
    fn all() -> impl Iterator<Item = Self> {
        MODELS.iter().flat_map(|&(provider, models)| {
            models.iter().map(move |&model| Self { provider, model })
        })
    }

    fn id(&self) -> String {
        format!("{}:{}", self.provider, self.model)
    }

    fn wire(&self) -> Wire {
        match self.provider {
            "openai" | "xai" => Wire::Responses,
            "anthropic" => Wire::Anthropic,
            "google" => Wire::Gemini,
            "ollama" => Wire::Ollama,
            _ => Wire::Chat,
        }
    }

    fn at(&self, server: &Server) -> AnyModel {
        let provider = Provider::named(self.provider).unwrap();
        let provider = provider.base_url(server.url(self.wire().base())).api_key(KEY);
        provider.model(self.model).unwrap()
    }

    /// Sends a request, and returns the one that the server got, or the error that refused it.
    async fn send(&self, request: &ModelRequest) -> Result<Request, String> {
        let server = Server::start([self.wire().says(&Script::text(&["Yes."]))]).await;
        let model = self.at(&server);
        // An agent that is built makes the same check.
        let checked = model.check(request);
        let seen = watch(model, request.clone(), None).await;
        let id = self.id();
        match seen.answer {
            Ok(_) => {
                assert!(checked.is_ok(), "{id}: the check refused a request that is sent");
                Ok(server.request())
            }
            Err(error) => {
                assert!(server.requests().is_empty(), "{id}: {error}");
                assert_eq!(error.kind, ModelErrorKind::BadRequest, "{id}: {error}");
                assert!(!error.retryable, "{id}: {error}");
                assert_eq!(checked.unwrap_err().message, error.message, "{id}");
                let message = error.message.replace(&format!("`{id}`"), "MODEL");
                Err(message.replace(&format!("`{}`", self.provider), "PROVIDER"))
            }
        }
    }

    /// Returns the effect of what `probe` sets.
    async fn outcome(&self, probe: &Probe) -> Outcome {
        let plain = match probe.base {
            Base::Hello => hello(),
            Base::Tool => ModelRequest { tools: tools(), ..hello() },
        };
        let got = match self.send(&probe.request).await {
            Ok(got) => got,
            Err(message) => return Outcome::Refused(message),
        };
        let plain = self.send(&plain).await.expect("a request that is refused without the setting");
        assert_eq!(plain.path, got.path, "{}: a setting changes the path", self.id());
        let usual = |name: &str| USUAL_HEADERS.contains(&name);
        let headers = got.headers.iter().filter(|it| !plain.headers.contains(it));
        let headers = headers.filter(|(name, _)| !usual(name)).cloned().collect();
        let body = difference(&plain.body, &got.body);
        let body = body.map_or_else(String::new, |body| body.to_string());
        let sent = Outcome::Sent { body, headers };
        let nothing = Outcome::Sent { body: String::new(), headers: BTreeMap::new() };
        if sent == nothing { Outcome::Unchanged } else { sent }
    }
}

/// Returns the JSON Merge Patch that makes `after` of `before`. `None` if they are equal.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        let mut after = after.clone();
        after.sort_all_objects();
        return (before != &after).then_some(after);
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter_map(|name| {
        let change = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => difference(old, new)?,
            (None, Some(new)) => difference(&Value::Null, new).unwrap_or(Value::Null),
            (_, None) => Value::Null,
        };
        Some((name.clone(), change))
    });
    let changed: Map<String, Value> = changed.collect();
    (!changed.is_empty()).then(|| changed.into())
}

/// Compares a file with what it should be, or writes it anew.
fn compare(text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/requests.md");
    if std::env::var("CONFORMANCE").is_ok_and(|wish| wish == "overwrite") {
        std::fs::write(path, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap();
    for (written, text) in written.lines().zip(text.lines()) {
        assert_eq!(written, text, "{path} is stale: write it with CONFORMANCE=overwrite");
    }
    assert_eq!(written, text, "{path} is stale: write it with CONFORMANCE=overwrite");
}

/// Each setting on each wire is sent in the form that the fixture has, or refused with its error.
#[tokio::test]
async fn every_setting_of_a_request_is_sent_or_refused_on_every_wire() {
    let mut text = String::from(
        "# Requests by setting\n\n\
         Written by a test: `CONFORMANCE=overwrite cargo test -p stepwright-models --all-features \
         --test it settings`.\nEach line has the members of the body that a setting adds or \
         changes (a JSON Merge Patch) and its headers, or the\nerror that refuses the request \
         before it is sent; then the models for which this is so.\n",
    );
    for probe in probes() {
        let mut by_outcome: BTreeMap<Outcome, Vec<String>> = BTreeMap::new();
        for asked in Asked::all() {
            by_outcome.entry(asked.outcome(&probe).await).or_default().push(asked.id());
        }
        write!(text, "\n## {}\n\n", probe.name).unwrap();
        for (outcome, ids) in by_outcome {
            writeln!(text, "* {outcome}: {}", ids.join(", ")).unwrap();
        }
    }
    compare(&text);
}

/// A member of a request that no probe sets would be on no wire that is tested. One that is new
/// does not compile until `set_members` names it, and fails here until a probe sets it.
#[test]
fn every_member_of_a_request_has_a_probe() {
    let probes = probes();
    let names: Vec<&str> = set_members(&hello()).map(|(name, _)| name).collect();
    let is_set = |name: &&str| {
        probes.iter().any(|probe| set_members(&probe.request).any(|it| it == (*name, true)))
    };
    let without: Vec<&str> = names.into_iter().filter(|name| !is_set(name)).collect();
    assert!(without.is_empty(), "no probe sets {without:?}");
}

#[test]
fn every_provider_is_asked() {
    let names = Provider::names().filter(|name| Provider::named(name).unwrap().name() == *name);
    let asked = MODELS.iter().map(|(provider, _)| *provider);
    assert_eq!(names.collect::<BTreeSet<_>>(), asked.collect::<BTreeSet<_>>());
}
