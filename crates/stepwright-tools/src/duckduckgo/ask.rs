//! Asking over HTTP.

use super::{PAGE_BYTES_MAX, SafeSearch, TimeLimit};
use super::{news, page};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, REFERER, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use std::error::Error as _;
use std::time::Duration;
use stepwright_core::World;

/// Where to ask.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The page of results for browsers without JavaScript.
    pub(super) web: Url,
    /// The page of results for others, which has the token for the feed.
    pub(super) token: Url,
    /// The feed of news.
    pub(super) news: Url,
}

/// A search that is set up.
pub(super) struct Search {
    pub(super) client: Client,
    pub(super) places: Places,
    pub(super) timeout: Duration,
    pub(super) region: Option<String>,
    pub(super) safety: SafeSearch,
    pub(super) time_limit: Option<TimeLimit>,
}

/// Why there is no answer. Its text is for the model: what happened, and what may help.
#[derive(Debug)]
pub(super) enum Failure {
    TooLong(Duration),
    Unreachable(String),
    Refused { after: Option<String> },
    SentOn(String),
    Status(StatusCode),
    TooLarge,
    Unknown(&'static str),
}

impl Search {
    /// What is found on the web.
    pub(super) async fn web(
        &self,
        query: &str,
        world: &World,
    ) -> Result<Vec<page::Found>, Failure> {
        let form = [
            ("q", query),
            ("b", ""),
            ("kl", self.region.as_deref().unwrap_or_default()),
            ("df", self.time_limit.map(TimeLimit::letter).unwrap_or_default()),
            ("kp", self.safety.number()),
        ];
        // What stands behind the `?` of an address is written like a form.
        let place = self.places.web.as_str();
        let form = with_query(&self.places.web, &form);
        let form = form.query().unwrap_or_default().to_owned();
        let request = self.client.post(place).header(ACCEPT, "text/html").header(REFERER, place);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let html = self.within(world, fetch(request)).await?;
        match page::read(&html) {
            page::Page::Results(results) => Ok(results),
            page::Page::Nothing => Ok(Vec::new()),
            page::Page::Challenge => Err(Failure::Refused { after: None }),
            page::Page::Unknown => Err(Failure::Unknown("page of results")),
        }
    }

    /// What the news say.
    pub(super) async fn news(
        &self,
        query: &str,
        world: &World,
    ) -> Result<Vec<news::News>, Failure> {
        // The timeout is for both requests together.
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
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        world.timeout(self.timeout, work).await.unwrap_or(Err(Failure::TooLong(self.timeout)))
    }
}

/// A page that is not what was asked for may ask whether this is a person.
fn not_understood(page: &str, what: &'static str) -> Failure {
    if page::is_challenge(page) { Failure::Refused { after: None } } else { Failure::Unknown(what) }
}

fn with_query(place: &Url, query: &[(&str, &str)]) -> Url {
    let mut place = place.clone();
    place.query_pairs_mut().extend_pairs(query);
    place
}

/// The text of the answer, if there is one.
async fn fetch(request: RequestBuilder) -> Result<String, Failure> {
    let mut response = request.send().await.map_err(|error| unreachable(&error))?;
    if let Some(failure) = refusal(&response) {
        return Err(failure);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if bytes.len() + chunk.len() > PAGE_BYTES_MAX {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn refusal(response: &Response) -> Option<Failure> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    match response.status() {
        StatusCode::OK => None,
        // Whoever asks too often gets a puzzle for people with 202, and later less polite numbers.
        StatusCode::ACCEPTED
        | StatusCode::FORBIDDEN
        | StatusCode::IM_A_TEAPOT
        | StatusCode::TOO_MANY_REQUESTS => {
            Some(Failure::Refused { after: header(RETRY_AFTER).map(ToOwned::to_owned) })
        }
        status if status.is_redirection() => {
            Some(Failure::SentOn(header(LOCATION).unwrap_or("nowhere").to_owned()))
        }
        status => Some(Failure::Status(status)),
    }
}

fn unreachable(error: &reqwest::Error) -> Failure {
    // The last cause says it: "connection refused", "no such host".
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        why = next.to_string();
        cause = next.source();
    }
    Failure::Unreachable(why)
}

impl Failure {
    pub(super) fn text(&self) -> String {
        match self {
            Self::TooLong(limit) => format!(
                "DuckDuckGo did not answer within {limit:?}; search once more, or go on without"
            ),
            Self::Unreachable(why) => format!(
                "DuckDuckGo cannot be reached ({why}); searching again at once will not help, so \
                 go on without"
            ),
            Self::Refused { after } => {
                let again = match after.as_deref().map(str::trim) {
                    Some(seconds) if seconds.parse::<u32>().is_ok() => {
                        format!("for {seconds} seconds")
                    }
                    _ => "for some minutes".to_owned(),
                };
                format!(
                    "DuckDuckGo refuses to search: there were too many requests from here, or it \
                     takes them for a robot's; do not search again {again}, and go on with what \
                     is known"
                )
            }
            Self::SentOn(place) => format!(
                "DuckDuckGo gave no results but sent the search on to `{place}`; leave out words \
                 that begin with `!`"
            ),
            Self::Status(status) => format!(
                "DuckDuckGo answered {status} instead of results; search again later, or go on \
                 without"
            ),
            Self::TooLarge => format!(
                "DuckDuckGo answered with more than {PAGE_BYTES_MAX} bytes, which were not read; \
                 search for something else, or go on without"
            ),
            Self::Unknown(what) => format!(
                "DuckDuckGo answered, but the {what} has a form that is not known, so there may be \
                 results that were not understood; searching again will not help, so go on without"
            ),
        }
    }
}
