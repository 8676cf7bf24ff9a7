//! Sends spans with the HTTP client of the project.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_http::{causes, reqwest};
use tokio::runtime::Handle;

/// The largest answer of a collector that is read, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The reason why the last request failed, if it did. The exporter does not tell.
pub(crate) type LastFailure = Arc<Mutex<Option<String>>>;

/// A client for the exporter. The exporter has a thread of its own without a runtime, so requests
/// run on the runtime of the program.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    last_failure: LastFailure,
}

impl Client {
    pub(crate) fn new(
        runtime: Handle,
        timeout: Duration,
        last_failure: LastFailure,
    ) -> Result<Self, HttpError> {
        let http = stepwright_http::builder()?.timeout(timeout).build()?;
        Ok(Self { http, runtime, last_failure })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.http.clone();
        let sent = self.runtime.spawn(async move { send(&client, request).await }).await;
        let sent = sent.map_err(HttpError::from).flatten();
        let failure = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        sent
    }
}

async fn send(
    client: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let request = reqwest::Request::try_from(request)?;
    let mut answer = client.execute(request).await.map_err(|error| causes(&error))?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| causes(&error))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(response.body(body.into())?)
}
