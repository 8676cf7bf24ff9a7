//! HTTP requests to the search service.

use super::{PAGE_BYTES_MAX, SafeSearch, TimeLimit};
use super::{news, page};
use std::error::Error as _;
use std::time::Duration;
use stepwright_core::World;
use stepwright_http::reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, REFERER, RETRY_AFTER};
use stepwright_http::reqwest::{self, Client, RequestBuilder, Response, StatusCode, Url};

/// The addresses of the service.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    /// The results page for browsers without JavaScript.
    pub(super) web: Url,
    /// The results page for other browsers, which contains the token for the news feed.
    pub(super) token: Url,
    /// The news feed.
    pub(super) news: Url,
}

/// A configured search.
pub(super) struct SearchClient {
    pub(super) client: Client,
    pub(super) places: Endpoints,
    pub(super) timeout: Duration,
    pub(super) region: Option<String>,
    pub(super) safety: SafeSearch,
    pub(super) time_limit: Option<TimeLimit>,
}

/// The reason a search failed. Its text tells the model what happened and what may help.
#[derive(Debug)]
pub(super) enum SearchError {
    TooLong(Duration),
    Unreachable(String),
    Refused { after: Option<String> },
    SentOn(String),
    Status(StatusCode),
    TooLarge,
    Unknown(&'static str),
}

impl SearchClient {
    /// Searches the web.
    pub(super) async fn web(
        &self,
        query: &str,
        world: &World,
    ) -> Result<Vec<page::WebResult>, SearchError> {
        let form = [
            ("q", query),
            ("b", ""),
            ("kl", self.region.as_deref().unwrap_or_default()),
            ("df", self.time_limit.map(TimeLimit::letter).unwrap_or_default()),
            ("kp", self.safety.number()),
        ];
        // The query of a URL has the same encoding as a form.
        let place = self.places.web.as_str();
        let form = with_query(&self.places.web, &form);
        let form = form.query().unwrap_or_default().to_owned();
        let request = self.client.post(place).header(ACCEPT, "text/html").header(REFERER, place);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let html = self.within(world, fetch(request)).await?;
        match page::read(&html) {
            page::ResultsPage::Results(results) => Ok(results),
            page::ResultsPage::Nothing => Ok(Vec::new()),
            page::ResultsPage::Challenge => Err(SearchError::Refused { after: None }),
            page::ResultsPage::Unknown => Err(SearchError::Unknown("page of results")),
        }
    }

    /// Searches the news.
    pub(super) async fn news(
        &self,
        query: &str,
        world: &World,
    ) -> Result<Vec<news::NewsArticle>, SearchError> {
        // The timeout covers both requests.
        let feed = self.within(world, async {
            let request = self.client.get(with_query(&self.places.token, &[("q", query)]));
            let html = fetch(request.header(ACCEPT, "text/html")).await?;
            let Some(token) = news::token(&html) else {
                return Err(not_understood(&html, "page with the token"));
            };
            let mut asked = vec![
                ("o", "json"),
                ("noamp", "1"),
                ("q", query),
                ("vqd", token),
                ("l", self.region.as_deref().unwrap_or("wt-wt")),
                ("p", self.safety.number()),
            ];
            asked.extend(self.time_limit.map(|limit| ("df", limit.letter())));
            let request = self.client.get(with_query(&self.places.news, &asked));
            let request = request.header(ACCEPT, "application/json");
            fetch(request.header(REFERER, self.places.token.as_str())).await
        });
        let feed = feed.await?;
        news::read(&feed).ok_or_else(|| not_understood(&feed, "feed of news"))
    }

    async fn within<T>(
        &self,
        world: &World,
        work: impl Future<Output = Result<T, SearchError>>,
    ) -> Result<T, SearchError> {
        world.timeout(self.timeout, work).await.unwrap_or(Err(SearchError::TooLong(self.timeout)))
    }
}

/// Returns the error for an unexpected page, which may be a challenge for robots.
fn not_understood(page: &str, what: &'static str) -> SearchError {
    if page::is_challenge(page) {
        SearchError::Refused { after: None }
    } else {
        SearchError::Unknown(what)
    }
}

fn with_query(place: &Url, query: &[(&str, &str)]) -> Url {
    let mut place = place.clone();
    place.query_pairs_mut().extend_pairs(query);
    place
}

/// Sends a request and returns the text of a successful response.
async fn fetch(request: RequestBuilder) -> Result<String, SearchError> {
    let mut response = request.send().await.map_err(|error| unreachable(&error))?;
    if let Some(failure) = refusal(&response) {
        return Err(failure);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if bytes.len() + chunk.len() > PAGE_BYTES_MAX {
            return Err(SearchError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn refusal(response: &Response) -> Option<SearchError> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    match response.status() {
        StatusCode::OK => None,
        // Clients that send too many requests get a captcha with 202, and later these statuses.
        StatusCode::ACCEPTED
        | StatusCode::FORBIDDEN
        | StatusCode::IM_A_TEAPOT
        | StatusCode::TOO_MANY_REQUESTS => {
            Some(SearchError::Refused { after: header(RETRY_AFTER).map(ToOwned::to_owned) })
        }
        status if status.is_redirection() => {
            Some(SearchError::SentOn(header(LOCATION).unwrap_or("nowhere").to_owned()))
        }
        status => Some(SearchError::Status(status)),
    }
}

fn unreachable(error: &reqwest::Error) -> SearchError {
    // The innermost cause is the clearest: "connection refused", "no such host".
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        why = next.to_string();
        cause = next.source();
    }
    SearchError::Unreachable(why)
}

impl SearchError {
    pub(super) fn text(&self) -> String {
        match self {
            Self::TooLong(limit) => format!(
                "DuckDuckGo did not answer within {limit:?}; search once more, or continue without the results"
            ),
            Self::Unreachable(why) => format!(
                "DuckDuckGo cannot be reached ({why}); searching again now will not help, so \
                 continue without the results"
            ),
            Self::Refused { after } => {
                let again = match after.as_deref().map(str::trim) {
                    Some(seconds) if seconds.parse::<u32>().is_ok() => {
                        format!("for {seconds} seconds")
                    }
                    _ => "for some minutes".to_owned(),
                };
                format!(
                    "DuckDuckGo refuses to search: there were too many requests from this address, \
                     or it takes them for a robot's; do not search again {again}, and continue \
                     with what you know"
                )
            }
            Self::SentOn(place) => format!(
                "DuckDuckGo redirected the search to `{place}` instead of returning results; leave \
                 out words that begin with `!`"
            ),
            Self::Status(status) => format!(
                "DuckDuckGo answered {status} instead of results; search again later, or continue \
                 without the results"
            ),
            Self::TooLarge => format!(
                "DuckDuckGo answered with more than {PAGE_BYTES_MAX} bytes, which were not read; \
                 search for something else, or continue without the results"
            ),
            Self::Unknown(what) => format!(
                "DuckDuckGo answered, but the format of the {what} is unknown, so there may be \
                 results that were not understood; searching again will not help, so continue \
                 without the results"
            ),
        }
    }
}
