//! The requests of OAuth, by the HTTP client of the project.

use super::policy::Reach;
use bytes::BytesMut;
use http::header::LOCATION;
use rmcp::transport::auth::{
    OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRedirectPolicy,
    OAuthHttpRequest,
};
use std::sync::Arc;
use std::time::Duration;
use stepwright_http::reqwest::{self, Method, Request, Response, Url};

/// The maximum time of a request, unless the SDK says another one.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer of an authorization server, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The number of redirects that a request follows.
const REDIRECTS_MAX: usize = 5;

pub(super) struct Client {
    client: reqwest::Client,
    reach: Reach,
}

impl Client {
    /// Creates the client for the login at an MCP server.
    pub(super) fn new(server: &str) -> Result<Self, String> {
        let server = Url::parse(server).map_err(|error| error.to_string())?;
        let reach = Reach::of(&server);
        let builder = stepwright_http::builder().map_err(|error| error.to_string())?;
        let client = builder.dns_resolver(Arc::new(reach)).build();
        Ok(Self { client: client.map_err(|error| error.to_string())?, reach })
    }

    async fn carried_out(
        &self,
        request: OAuthHttpRequest,
    ) -> Result<http::Response<Vec<u8>>, OAuthHttpClientError> {
        let timeout = request.timeout.unwrap_or(TIMEOUT);
        let follows = request.redirect_policy == OAuthHttpRedirectPolicy::Follow;
        let mut request = Request::try_from(request.request)?;
        for _ in 0..=REDIRECTS_MAX {
            if !self.reach.allows(request.url()) {
                return Err(format!("`{}` is not an address of the internet", request.url()).into());
            }
            let is_get = request.method() == Method::GET;
            let (url, again) = (request.url().clone(), request.try_clone());
            let sent = tokio::time::timeout(timeout, self.client.execute(request));
            let response = sent.await.map_err(|_| format!("no answer within {timeout:?}"))??;
            let target = redirect(&url, &response).filter(|_| follows && is_get);
            let (Some(target), Some(mut next)) = (target, again) else {
                return read(response, timeout).await;
            };
            *next.url_mut() = target;
            request = next;
        }
        Err(format!("more than {REDIRECTS_MAX} redirects").into())
    }
}

impl OAuthHttpClient for Client {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(self.carried_out(request))
    }
}

/// Returns the address that a redirect leads to.
fn redirect(url: &Url, response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.status().is_redirection().then(|| url.join(location).ok()).flatten()
}

async fn read(
    mut response: Response,
    timeout: Duration,
) -> Result<http::Response<Vec<u8>>, OAuthHttpClientError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = BytesMut::new();
    while let Some(chunk) = tokio::time::timeout(timeout, response.chunk()).await?? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = http::Response::new(body.to_vec());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}
