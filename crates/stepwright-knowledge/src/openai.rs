//! Embeddings by an OpenAI-compatible server.

use crate::embedder::{EmbedError, Embedder};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::time::Duration;
use stepwright_core::{BoxFuture, ErrorId};
use stepwright_http::reqwest::{Client, Response, StatusCode};

/// The longest time of a request for embeddings.
pub const EMBEDDINGS_TIMEOUT: Duration = Duration::from_mins(1);

/// The largest answer of a server, in bytes.
pub const EMBEDDINGS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest part of a server's message in an error, in bytes.
const SAID_BYTES_MAX: usize = 400;

/// An embedder that asks a server with the `/embeddings` of OpenAI: OpenAI itself, Ollama, vLLM,
/// LM Studio, Hugging Face TEI, and many more.
///
/// ```
/// use stepwright_knowledge::{Embedder as _, OpenAiEmbedder};
/// let embedder = OpenAiEmbedder::new("http://localhost:11434/v1", "nomic-embed-text")?;
/// assert_eq!(embedder.id(), "nomic-embed-text");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct OpenAiEmbedder {
    client: Client,
    url: String,
    model: String,
    key: Option<String>,
}

impl OpenAiEmbedder {
    /// Creates an embedder that asks `model` at `base_url`, such as `https://api.openai.com/v1`.
    ///
    /// # Errors
    /// Fails if the address is not one of `http` or `https`, or if TLS cannot be configured.
    pub fn new(
        base_url: impl AsRef<str>,
        model: impl Into<String>,
    ) -> Result<Self, stepwright_core::Error> {
        let base = base_url.as_ref().trim_end_matches('/');
        let refused = |why: String| {
            let message = format!("the address `{base}` of the embedder cannot be used: {why}");
            stepwright_core::Error::usage(message).with_id(ErrorId::HTTP_ADDRESS_REFUSED)
        };
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let hint = "write it with `http://` or `https://`";
            return Err(refused("it is not one of `http` or `https`".into()).with_hint(hint));
        }
        let client = client(None).map_err(refused)?;
        Ok(Self { client, url: format!("{base}/embeddings"), model: model.into(), key: None })
    }

    /// Sets the proxy of its requests, such as `http://proxy.example.org:3128`. Without this, the
    /// environment names the proxy.
    ///
    /// # Errors
    /// Fails if the address is not that of a proxy.
    pub fn proxy(self, url: &str) -> Result<Self, stepwright_core::Error> {
        let client = client(Some(url)).map_err(|why| {
            let message =
                format!("the proxy of the embedder `{}` cannot be used: {why}", self.model);
            stepwright_core::Error::usage(message).with_id(ErrorId::HTTP_ADDRESS_REFUSED)
        })?;
        Ok(Self { client, ..self })
    }

    /// Sets the API key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(json!({"model": self.model, "input": texts}).to_string());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let model = &self.model;
        let response = request.send().await.map_err(|error| {
            let causes = stepwright_http::causes(&error);
            EmbedError::new(
                ErrorId::MODEL_UNREACHABLE,
                format!("the embedder `{model}` cannot be reached: {causes}"),
            )
            .with_hint("check the address of the embedder, and that its server runs")
        })?;
        let status = response.status();
        let body = read(response, model).await?;
        if !status.is_success() {
            return Err(refused(model, status, &body));
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            malformed(model, &format!("its answer is not a list of embeddings: {error}"))
        })?;
        let mut vectors = vec![Vec::new(); texts.len()];
        for Embedding { index, embedding } in answer.data {
            match vectors.get_mut(index) {
                Some(vector) => *vector = embedding,
                None => return Err(malformed(model, &format!("no text has the index {index}"))),
            }
        }
        Ok(vectors)
    }
}

/// Makes the client of an embedder.
fn client(proxy: Option<&str>) -> Result<Client, String> {
    let builder = stepwright_http::builder().map_err(|error| error.to_string())?;
    let mut builder = builder.timeout(EMBEDDINGS_TIMEOUT);
    if let Some(url) = proxy {
        let proxy = stepwright_http::reqwest::Proxy::all(url);
        builder = builder.proxy(proxy.map_err(|error| stepwright_http::causes(&error))?);
    }
    builder.build().map_err(|error| stepwright_http::causes(&error))
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

async fn read(mut response: Response, model: &str) -> Result<Vec<u8>, EmbedError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(more)) if body.len() + more.len() <= EMBEDDINGS_BYTES_MAX => {
                body.extend_from_slice(&more);
            }
            Ok(Some(_)) => {
                let why = format!("its answer is longer than {EMBEDDINGS_BYTES_MAX} bytes");
                return Err(malformed(model, &why));
            }
            Ok(None) => return Ok(body),
            Err(error) => {
                let causes = stepwright_http::causes(&error);
                let message = format!("the embedder `{model}` broke off its answer: {causes}");
                return Err(EmbedError::new(ErrorId::MODEL_BROKE_OFF, message));
            }
        }
    }
}

fn malformed(model: &str, why: &str) -> EmbedError {
    let message = format!("the embedder `{model}` cannot be used: {why}");
    EmbedError::new(ErrorId::MODEL_ANSWER_MALFORMED, message)
        .with_hint("check that the address is that of an OpenAI-compatible server")
}

fn refused(model: &str, status: StatusCode, body: &[u8]) -> EmbedError {
    let said = String::from_utf8_lossy(body);
    let said = &said[..said.floor_char_boundary(SAID_BYTES_MAX.min(said.len()))];
    let message = format!("the embedder `{model}` answered {status}: {}", said.trim());
    match status.as_u16() {
        401 | 403 => EmbedError::new(ErrorId::MODEL_KEY_REFUSED, message)
            .with_hint("check the key of the embedder, and what it may do"),
        429 => EmbedError::new(ErrorId::MODEL_RATE_LIMITED, message).with_hint("try again later"),
        500.. => EmbedError::new(ErrorId::MODEL_OVERLOADED, message).with_hint("try again later"),
        _ => EmbedError::new(ErrorId::MODEL_REQUEST_INVALID, message)
            .with_hint("check the name of the model, and the address of the embedder"),
    }
}

impl Embedder for OpenAiEmbedder {
    fn id(&self) -> &str {
        &self.model
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(self.ask(texts))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

impl fmt::Debug for OpenAiEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a secret, and the key is one.
        f.debug_struct("OpenAiEmbedder").field("model", &self.model).finish_non_exhaustive()
    }
}
