//! Servers at an address.

use crate::oauth::OAuth;
use crate::unusable::Unusable;
use http::{HeaderName, HeaderValue};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::AuthClient;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpClientTransportConfig,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::permission::{Address, Effect};
use stepwright_http::reqwest::{Client, Url};

/// The number of times that a broken stream of answers is connected again. If the server keeps its
/// answers, nothing is lost; otherwise the calls are.
const RECONNECTS: usize = 5;

/// The delay before the first of them. It doubles each time.
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Reconnects;

impl SseRetryPolicy for Reconnects {
    fn retry(&self, times: usize) -> Option<Duration> {
        (times < RECONNECTS).then(|| RECONNECT_DELAY * (1 << times.min(RECONNECTS)))
    }
}

/// An address that is a server.
#[derive(Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) oauth: Option<OAuth>,
    /// The help for a server that wants a login, in terms of what the user wrote.
    pub(crate) login_help: Option<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A header may hold a key, and so may the query of an address.
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Endpoint")
            .field("url", &self.shown())
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    fn parsed(&self) -> Option<Url> {
        let url = Url::parse(&self.url).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.host_str().is_some()).then_some(url)
    }

    /// Returns the address without its query and its password.
    pub(crate) fn shown(&self) -> String {
        match self.parsed() {
            Some(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or(""), url.path())
            }
            None => self.url.split('?').next().unwrap_or_default().to_owned(),
        }
    }

    /// Removes the query of the address, in which a key may be, from a message of the SDK, and the
    /// types that it names.
    pub(crate) fn cleaned(&self, message: &str) -> String {
        let message = message.rsplit_once("Client error: ").map_or(message, |(_, why)| why);
        let whole = self.parsed().map(|url| url.to_string()).unwrap_or_default();
        let message = message.replace(&self.url, &self.shown());
        if whole.is_empty() { message } else { message.replace(&whole, &self.shown()) }
    }

    /// Returns the mistake in the settings.
    pub(crate) fn mistake(&self) -> Option<String> {
        if self.parsed().is_none() {
            return Some(format!("`{}` is not an address; write `https://…`", self.shown()));
        }
        for (name, value) in &self.headers {
            if HeaderName::try_from(name.as_str()).is_err() {
                return Some(format!("`{name}` cannot name a header"));
            }
            if HeaderValue::try_from(value.as_str()).is_err() {
                return Some(format!(
                    "the value of the header `{name}` has a character that a header cannot have"
                ));
            }
            if self.oauth.is_some() && name.eq_ignore_ascii_case("authorization") {
                let why = "it has both the header `Authorization` and OAuth";
                return Some(format!("{why}; leave one of them out"));
            }
        }
        self.oauth.as_ref().and_then(OAuth::mistake)
    }

    /// Returns the reason why a server that wants a login cannot be used.
    pub(crate) fn needs_login(&self) -> Unusable {
        let (why, usual) = match &self.oauth {
            Some(oauth) if oauth.needs_login() => {
                ("it needs a login: there is no token that it takes", "log in with `log_in`")
            }
            Some(_) => ("it does not take the credentials of the client", "check them"),
            None => (
                "it needs a login, or a token",
                "give a token with `header`, or set `oauth` and log in with `log_in`",
            ),
        };
        let help = self.login_help.as_deref().unwrap_or(usual);
        Unusable::login(format!("{why}; {help}"))
    }

    /// Returns the effect of using the server, for permissions.
    pub(crate) fn effect(&self) -> Effect {
        let url = self.parsed();
        let part = |get: &dyn Fn(&Url) -> String| url.as_ref().map(get).unwrap_or_default();
        Effect::http(Address {
            method: "POST".into(),
            scheme: part(&|url| url.scheme().to_owned()),
            host: part(&|url| url.host_str().unwrap_or_default().to_ascii_lowercase()),
            port: url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default(),
            path: part(&|url| url.path().to_owned()),
            query: url.as_ref().and_then(Url::query).map(ToOwned::to_owned),
        })
    }

    /// Returns the reason why a server whose authorization server gives no token cannot be used.
    pub(crate) fn not_authorized(&self, why: &str) -> Unusable {
        let usual = self.login_help.as_deref().unwrap_or("check the settings of `oauth`");
        Unusable::login(format!("its authorization server gives no token: {why}; {usual}"))
    }

    /// Returns the client of its requests.
    pub(crate) fn client() -> Result<Client, String> {
        let builder = stepwright_http::builder().map_err(|error| error.to_string())?;
        builder.build().map_err(|error| error.to_string())
    }

    /// Returns a client that gives each request its token. `None` without OAuth.
    pub(crate) async fn authorized(&self) -> Result<Option<AuthClient<Client>>, String> {
        let Some(oauth) = &self.oauth else { return Ok(None) };
        let manager = oauth.manager(&self.url).await?;
        Ok(Some(AuthClient::new(Self::client()?, manager)))
    }

    /// Returns the transport of a client.
    pub(crate) fn transport<C>(&self, client: C) -> Result<StreamableHttpClientTransport<C>, String>
    where
        C: StreamableHttpClient + Send + Sync + Clone + 'static,
    {
        let mut headers = HashMap::new();
        for (name, value) in &self.headers {
            let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            else {
                return Err(format!("the header `{name}` is not valid"));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url.clone())
            .custom_headers(headers)
            // A request that an expired session refused has done nothing.
            .reinit_on_expired_session(true);
        config.retry_config = Arc::new(Reconnects);
        Ok(StreamableHttpClientTransport::with_client(client, config))
    }
}
