//! The endpoints of embedding models.

use crate::catalogue::{Gateway, Wire};
use crate::key::Key;
use crate::provider::Provider;
use crate::registry::{ApiKey, ModelPlace, model};
use crate::unknown::{UnknownModel, unknown_provider};

/// The endpoint of an embedding model: a server with the `/embeddings` of OpenAI.
///
/// ```
/// use stepwright_models::{ModelPlace, embeddings_at};
/// let local = embeddings_at("ollama:nomic-embed-text", ModelPlace::default())?;
/// assert_eq!(local.model, "nomic-embed-text");
/// assert!(local.base_url.ends_with("/v1"));
/// assert!(embeddings_at("anthropic:claude-sonnet-5", ModelPlace::default()).is_err());
/// # Ok::<(), stepwright_models::UnknownModel>(())
/// ```
#[derive(Clone, Debug)]
pub struct EmbeddingsEndpoint {
    /// The address, without `/embeddings`.
    pub base_url: String,
    /// The name of the model.
    pub model: String,
    /// The address of a proxy.
    pub proxy: Option<String>,
    key: Option<Key>,
}

impl EmbeddingsEndpoint {
    /// Returns the key to send. Every caller is a place where it can leak.
    pub fn key(&self) -> Option<&str> {
        self.key.as_ref().map(Key::expose)
    }
}

/// Returns the endpoint of the embedding model that `text` names, as `provider:model`, at a place
/// that another author may have written.
///
/// # Errors
/// If there is no such provider, if it has no embedding models, or if its key is missing.
pub fn embeddings_at(text: &str, place: ModelPlace) -> Result<EmbeddingsEndpoint, UnknownModel> {
    let (name, rest) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    if !Provider::names().any(|known| known == name.trim()) {
        // A model of this process embeds nothing.
        let Err(unknown) = model(text) else { return Err(no_embeddings(text, name)) };
        return Err(match unknown {
            UnknownModel::Provider { .. } => unknown_provider(name, rest, Provider::names()),
            other => other,
        });
    }
    let mut provider = Provider::named(name)?.untrusted();
    if let Some(url) = place.base_url {
        provider = provider.base_url(url);
    }
    if let Some(proxy) = &place.proxy {
        provider = provider.proxy(proxy);
    }
    if let Some(ApiKey(key)) = place.api_key {
        provider = provider.api_key(key);
    }
    let Some(path) = path(provider.wire()) else { return Err(no_embeddings(text, name)) };
    let way = provider.way(rest)?;
    Ok(EmbeddingsEndpoint {
        base_url: format!("{}{path}", way.base_url),
        model: way.name,
        proxy: place.proxy,
        key: way.key,
    })
}

/// Returns the part of the address between that of a provider and `/embeddings`. `None` if the
/// provider has no embeddings in the form of OpenAI.
fn path(wire: Wire) -> Option<&'static str> {
    match wire {
        Wire::OpenAi | Wire::OpenAiChat | Wire::Mistral | Wire::OpenRouter => Some(""),
        Wire::Ollama => Some("/v1"),
        Wire::Gemini => Some("/v1beta/openai"),
        Wire::Gateway(
            Gateway::Cohere | Gateway::Doubleword | Gateway::LlamaCpp | Gateway::Together,
        ) => Some(""),
        _ => None,
    }
}

fn no_embeddings(text: &str, provider: &str) -> UnknownModel {
    let reason = format!(
        "`{provider}` has no embedding models; write `openai:text-embedding-3-small`, \
         `ollama:nomic-embed-text`, or `{{name: \"openai-chat:MODEL\", base_url: …}}` for a \
         server with `/embeddings`"
    );
    UnknownModel::Model { text: text.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, url: &str) -> Result<EmbeddingsEndpoint, UnknownModel> {
        let api_key = Some(ApiKey::new("sk-1"));
        let base_url = Some(url.to_owned());
        embeddings_at(text, ModelPlace { base_url, proxy: None, api_key })
    }

    #[test]
    fn each_provider_has_its_path() {
        for (text, url) in [
            ("openai-chat:m", "http://localhost:1/v1"),
            ("ollama:m", "http://localhost:1/v1/v1"),
            ("google:m", "http://localhost:1/v1/v1beta/openai"),
        ] {
            let endpoint = at(text, "http://localhost:1/v1").unwrap();
            assert_eq!((&*endpoint.base_url, endpoint.key()), (url, Some("sk-1")), "{text}");
            assert!(!format!("{endpoint:?}").contains("sk-1"));
        }
    }

    #[test]
    fn a_provider_without_embeddings_is_told() {
        for text in ["anthropic:claude-sonnet-5", "offline", "groq:m"] {
            let error = at(text, "http://localhost:1").unwrap_err();
            assert!(error.to_string().contains("has no embedding models"), "{error}");
        }
        let error = at("opnai:m", "http://localhost:1").unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean `openai:m`?"));
        assert!(matches!(at("openai", "http://h").unwrap_err(), UnknownModel::NoName { .. }));
    }
}
