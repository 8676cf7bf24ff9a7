//! The choice of `auto`: the best model that is available, without a question.

use crate::environment::Environment;
use crate::offline::Offline;
use crate::unknown::UnknownModel;
use stepwright_core::model::{AnyModel, Model, ModelRequest, ModelStream};

/// The variable that says what `auto` is.
const VARIABLE: &str = "STEPWRIGHT_MODEL";

/// Returns the model for `auto` in this environment; `named` finds a model by its text.
pub(crate) fn choose(
    environment: &Environment,
    named: impl Fn(&str) -> Result<AnyModel, UnknownModel>,
) -> Result<AnyModel, UnknownModel> {
    // `auto` itself says nothing.
    if let Some(text) = environment.get(VARIABLE).filter(|text| text != "auto") {
        return named(&text);
    }
    #[cfg(feature = "providers")]
    let why = match providers::choose(environment)? {
        Ok(model) => return Ok(model),
        Err(why) => why,
    };
    #[cfg(not(feature = "providers"))]
    let why = "this program was built without providers".to_owned();
    Ok(AnyModel::new(LastResort::new(&why)))
}

/// The offline model, and why it is that.
struct LastResort {
    notice: String,
}

impl LastResort {
    fn new(why: &str) -> Self {
        let offline = Offline::new();
        let usual = offline.notice().unwrap_or_default();
        Self { notice: format!("{why}, so `auto` is `offline`; {usual}") }
    }
}

impl Model for LastResort {
    fn id(&self) -> &'static str {
        Offline::ID
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        Offline::new().stream(request)
    }
    fn notice(&self) -> Option<&str> {
        Some(&self.notice)
    }
}

#[cfg(feature = "providers")]
mod providers {
    use crate::catalogue::{PROVIDERS, Spec, Wire};
    use crate::environment::Environment;
    use crate::provider::{Provider, ollama_address};
    use crate::transport;
    use crate::unknown::UnknownModel;
    use serde_json::Value;
    use std::sync::mpsc;
    use std::time::Duration;
    use stepwright_core::model::AnyModel;

    /// The longest time for an Ollama to list its models. One that runs on this machine takes
    /// a few milliseconds.
    const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

    /// The longest such list, in bytes.
    const LIST_BYTES_MAX: usize = 1024 * 1024;

    /// The first provider whose key is set, else a model that Ollama has; else why there is none.
    pub(super) fn choose(
        environment: &Environment,
    ) -> Result<Result<AnyModel, String>, UnknownModel> {
        let candidates = PROVIDERS.iter().filter(|spec| has_usual_model(spec));
        for spec in candidates.clone() {
            let provider = Provider::with_environment(spec.name, environment.clone())?;
            if provider.has_key() {
                return provider.model(spec.example).map(Ok);
            }
        }
        let ollama = Provider::with_environment("ollama", environment.clone())?;
        let url = environment.get("OLLAMA_HOST").map(|host| ollama_address(&host));
        let url = url.unwrap_or_else(|| "http://localhost:11434".to_owned());
        Ok(match first_model(&url) {
            Probe::Model(name) => Ok(ollama.model(&name)?),
            Probe::NoModel => Err(format!(
                "no key of a provider is set and the Ollama at {url} has no model that talks"
            )),
            Probe::Silent => {
                let variables = candidates.flat_map(|spec| spec.key_variables).copied();
                let variables = variables.collect::<Vec<_>>().join(", ");
                Err(format!(
                    "no key of a provider is set ({variables}) and no Ollama answers at {url}"
                ))
            }
        })
    }

    /// Not so where a name stands for something that only its owner knows, and where a second
    /// provider has the same key.
    fn has_usual_model(spec: &Spec) -> bool {
        let is_usual = |wire| !matches!(wire, Wire::Azure | Wire::Ollama | Wire::OpenAiChat);
        // Keys of gateways are set for other purposes too, such as `HF_TOKEN`.
        is_usual(spec.wire) && !matches!(spec.wire, Wire::Gateway(_))
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Probe {
        Model(String),
        NoModel,
        Silent,
    }

    /// The first model that talks, of those which the Ollama at `url` has.
    fn first_model(url: &str) -> Probe {
        let (told, answer) = mpsc::channel();
        let list = format!("{url}/api/tags");
        // A thread of its own: this may be called from within a runtime, which cannot wait.
        let asking = std::thread::Builder::new().name("ollama-probe".to_owned());
        let asking = asking.spawn(move || {
            let _ = told.send(fetch(&list));
        });
        // The timeout within should come first; this one is for what it does not cover, such as
        // looking up a name.
        let body = asking.ok().and_then(|_| answer.recv_timeout(PROBE_TIMEOUT * 2).ok()).flatten();
        let Some(models) = body.as_ref().and_then(|body| body.get("models")?.as_array()) else {
            return Probe::Silent;
        };
        let talks = models.iter().filter(|model| !is_for_embeddings(model));
        let mut names = talks.filter_map(|model| model.get("name")?.as_str());
        names.next().map_or(Probe::NoModel, |name| Probe::Model(name.to_owned()))
    }

    fn is_for_embeddings(model: &Value) -> bool {
        let text =
            |pointer: &str| model.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        text("/name").contains("embed") || text("/details/family").contains("bert")
    }

    fn fetch(url: &str) -> Option<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async {
            // Not the shared client: its connections must outlive this runtime.
            let builder = transport::builder().ok()?.timeout(PROBE_TIMEOUT).no_proxy();
            let client = transport::build(builder).ok()?;
            let mut response = client.get(url).send().await.ok()?.error_for_status().ok()?;
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.ok()? {
                body.extend_from_slice(&piece);
                if body.len() > LIST_BYTES_MAX {
                    return None;
                }
            }
            stepwright_core::json::parse_frame_slice(&body).ok()
        })
    }
}

#[cfg(feature = "providers")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// An Ollama that answers every request with this list; gives its address.
    fn ollama(list: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{list}",
            list.len()
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                assert!(request.starts_with(b"GET /api/tags HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    /// An address without a server.
    fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    }

    fn chosen(environment: &Environment) -> AnyModel {
        choose(environment, |text| panic!("unexpected request for `{text}`")).unwrap()
    }

    #[test]
    fn the_first_provider_with_a_key_is_chosen_with_its_usual_model() {
        let keys = [("XAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k"), ("OLLAMA_HOST", "none:1")];
        assert_eq!(chosen(&Environment::of(keys)).id(), "anthropic:claude-sonnet-5");
        let keys = [("GOOGLE_API_KEY", "k"), ("ANTHROPIC_API_KEY", "  ")];
        assert_eq!(chosen(&Environment::of(keys)).id(), "google:gemini-2.5-flash");
    }

    #[test]
    fn the_variable_decides_before_everything_else() {
        let environment = Environment::of([("STEPWRIGHT_MODEL", "ollama:x"), ("XAI_API_KEY", "k")]);
        let named = |text: &str| {
            assert_eq!(text, "ollama:x");
            Ok(AnyModel::new(Offline::new()))
        };
        assert_eq!(choose(&environment, named).unwrap().id(), Offline::ID);
    }

    #[test]
    fn without_a_key_an_ollama_that_answers_is_chosen() {
        let host = ollama(
            r#"{"models": [{"name": "nomic-embed-text:latest"},
                {"name": "minilm", "details": {"family": "bert"}},
                {"name": "qwen3:4b", "details": {"family": "qwen3"}}, {"name": "other"}]}"#,
        );
        let environment = Environment::of([("OLLAMA_HOST", host.as_str())]);
        let model = chosen(&environment);
        assert_eq!(model.id(), "ollama:qwen3:4b");
        assert_eq!(model.notice(), None);
    }

    #[tokio::test]
    async fn an_ollama_is_asked_from_within_a_runtime_too() {
        let host = ollama(r#"{"models": [{"name": "qwen3"}]}"#);
        let environment = Environment::of([("OLLAMA_HOST", host.as_str())]);
        assert_eq!(chosen(&environment).id(), "ollama:qwen3");
    }

    #[test]
    fn with_nobody_there_it_is_offline_and_says_why() {
        let host = nobody();
        let model = chosen(&Environment::of([("OLLAMA_HOST", host.as_str())]));
        assert_eq!(model.id(), Offline::ID);
        let notice = model.notice().unwrap().to_owned();
        assert!(notice.starts_with("no key of a provider is set (OPENAI_API_KEY, "), "{notice}");
        assert!(notice.contains(&format!("no Ollama answers at http://{host}, so ")), "{notice}");
        assert!(notice.contains("not a language model"), "{notice}");
    }

    #[test]
    fn an_ollama_without_models_that_talk_is_told() {
        let host = ollama(r#"{"models": [{"name": "bge-m3", "details": {"family": "bert"}}]}"#);
        let model = chosen(&Environment::of([("OLLAMA_HOST", host.as_str())]));
        assert!(model.notice().unwrap().contains("has no model that talks"));
    }

    #[test]
    fn one_that_takes_the_connection_and_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let model = chosen(&Environment::of([("OLLAMA_HOST", host.as_str())]));
        assert_eq!(model.id(), Offline::ID);
    }
}
