//! The `DuckDuckGo` toolkit and its settings.

mod ask;
mod news;
mod page;

use self::ask::{Endpoints, SearchClient, SearchError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::tool::{AnyTool, Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, Error, ErrorId, ErrorKind, StepContext};
use stepwright_http::reqwest::{Proxy, Url};

/// The default number of results.
pub const RESULTS: usize = 5;

/// The largest number of results: the size of the first page of news. The first page of web results
/// has about ten; later pages are not requested.
pub const RESULTS_MAX: usize = 30;

/// The default timeout of a search.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest query that the service accepts, in characters.
pub const QUERY_CHARS_MAX: usize = 499;

/// The largest page that is read, in bytes. Real pages have about 50 kB.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A toolkit that searches with [DuckDuckGo](https://duckduckgo.com): the web (`web_search`) and the
/// news (`search_news`).
///
/// It needs no key. It reads the pages made for browsers without JavaScript; clients that send too
/// many requests are refused for a while. The model is told about this and other failures, with a
/// hint. A page with an unknown format is a failure, never an empty list.
///
/// Both tools take a `query` and optionally `max_results`. They return a JSON list of objects with
/// `title`, `url` and `snippet`; news also have `date` and `source`, where known.
///
/// ```
/// use std::time::Duration;
/// use stepwright_agent::Agent;
/// use stepwright_tools::{DuckDuckGo, TimeLimit};
///
/// let search = DuckDuckGo::new()
///     .news(false)
///     .max_results(10)
///     .region("de-de")
///     .time_limit(TimeLimit::Month)
///     .timeout(Duration::from_secs(20));
/// let agent = Agent::builder("Researcher").model("offline")?.tool(search).build()?;
/// # assert_eq!(agent.tools().len(), 1);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the toolkit does nothing until it is given to an agent: `.tool(DuckDuckGo::new())`"]
pub struct DuckDuckGo {
    web: bool,
    news: bool,
    max_results: usize,
    timeout: Duration,
    region: Option<String>,
    safe_search: SafeSearch,
    time_limit: Option<TimeLimit>,
    base_url: Option<String>,
    user_agent: String,
    proxy: Option<String>,
}

/// The filter for adult content.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::{DuckDuckGo, SafeSearch};
/// assert_eq!(SafeSearch::default(), SafeSearch::Moderate);
/// let for_children = DuckDuckGo::new().safe_search(SafeSearch::Strict);
/// # assert!(format!("{for_children:?}").contains("safe_search: Strict"));
/// let agent = Agent::builder("Teacher").model("offline")?.tool(for_children).build()?;
/// assert_eq!(agent.tools()[0].name, "web_search");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SafeSearch {
    /// Filters all adult content.
    Strict,
    /// Filters adult images and videos.
    #[default]
    Moderate,
    /// Filters nothing.
    Off,
}

impl SafeSearch {
    fn number(self) -> &'static str {
        match self {
            Self::Strict => "1",
            Self::Moderate => "-1",
            Self::Off => "-2",
        }
    }
}

/// The largest age of results.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::{DuckDuckGo, TimeLimit};
/// let this_week = DuckDuckGo::new().web(false).time_limit(TimeLimit::Week);
/// # assert!(format!("{this_week:?}").contains("time_limit: Some(Week)"));
/// let agent = Agent::builder("Reporter").model("offline")?.tool(this_week).build()?;
/// assert_eq!(agent.tools()[0].name, "search_news");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl TimeLimit {
    fn letter(self) -> &'static str {
        match self {
            Self::Day => "d",
            Self::Week => "w",
            Self::Month => "m",
            Self::Year => "y",
        }
    }
}

impl Default for DuckDuckGo {
    fn default() -> Self {
        Self::new()
    }
}

impl DuckDuckGo {
    /// Creates a toolkit with both tools and default settings.
    pub fn new() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            web: true,
            news: true,
            max_results: RESULTS,
            timeout: TIMEOUT,
            region: None,
            safe_search: SafeSearch::default(),
            time_limit: None,
            base_url: None,
            user_agent: format!("Mozilla/5.0 (compatible; stepwright/{version})"),
            proxy: None,
        }
    }

    /// Sets whether the kit contains `web_search`. Default: yes.
    pub fn web(mut self, on: bool) -> Self {
        self.web = on;
        self
    }

    /// Sets whether the kit contains `search_news`. Default: yes.
    pub fn news(mut self, on: bool) -> Self {
        self.news = on;
        self
    }

    /// Sets the number of results returned if the model does not request a number. Default:
    /// [`RESULTS`]; at most [`RESULTS_MAX`].
    pub fn max_results(mut self, results: usize) -> Self {
        self.max_results = results;
        self
    }

    /// Sets the timeout of a search. Default: [`TIMEOUT`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the region: a country and a language, such as `us-en`. Default: all regions.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the filter for adult content. Default: [`SafeSearch::Moderate`].
    pub fn safe_search(mut self, safe_search: SafeSearch) -> Self {
        self.safe_search = safe_search;
        self
    }

    /// Sets the largest age of results. Default: any age.
    pub fn time_limit(mut self, limit: TimeLimit) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets another server, such as a mirror or a test server. Requests go to `html/`, `news.js`
    /// and the address itself.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the user agent. Default: `Mozilla/5.0 (compatible; stepwright/…)`.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Sets the HTTP proxy. Default: the one named by the environment (`HTTPS_PROXY`), and none for
    /// a server on this machine.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Checks the settings, as building an agent does.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid. The hint of the error says what to do.
    ///
    /// ```
    /// let error = stepwright_tools::DuckDuckGo::new().region("USA").check().unwrap_err();
    /// assert_eq!(error.to_string(), "`USA` is not a region");
    /// assert_eq!(error.hint(), Some("write a country and a language, such as `us-en`"));
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String, hint: &str| Err(mistake(what).with_hint(hint));
        if !self.web && !self.news {
            return wrong(
                "the toolkit has neither `web` nor `news`".into(),
                "leave one of them on",
            );
        }
        if !(1..=RESULTS_MAX).contains(&self.max_results) {
            let what = format!("`max_results` is {}", self.max_results);
            return wrong(what, &format!("set 1 to {RESULTS_MAX}"));
        }
        if self.timeout.is_zero() {
            return wrong("`timeout` is zero".into(), "set a timeout greater than zero");
        }
        if let Some(region) = self.region.as_deref().filter(|region| !is_region(region)) {
            let hint = "write a country and a language, such as `us-en`";
            return wrong(format!("`{region}` is not a region"), hint);
        }
        self.places().map(|_| ())
    }

    fn places(&self) -> Result<Endpoints, Error> {
        let parse = |url: &str| match Url::parse(url) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(url),
            _ => {
                let base = self.base_url.as_deref().unwrap_or(url);
                let hint = "write one that begins with `https://`";
                Err(mistake(format!("`{base}` is not the address of a server")).with_hint(hint))
            }
        };
        let Some(base) = &self.base_url else {
            return Ok(Endpoints {
                web: parse("https://html.duckduckgo.com/html/")?,
                token: parse("https://duckduckgo.com/")?,
                news: parse("https://duckduckgo.com/news.js")?,
            });
        };
        let base = base.trim_end_matches('/');
        Ok(Endpoints {
            web: parse(&format!("{base}/html/"))?,
            token: parse(&format!("{base}/"))?,
            news: parse(&format!("{base}/news.js"))?,
        })
    }

    fn search(&self) -> Result<SearchClient, Error> {
        self.check()?;
        let places = self.places()?;
        // It follows no redirects: another server no longer belongs to DuckDuckGo.
        let mut client = stepwright_http::builder()
            .map_err(unusable)?
            .user_agent(&self.user_agent)
            // A connection belongs to the runtime that opened it, and the next search may run on
            // another.
            .pool_max_idle_per_host(0);
        if let Some(proxy) = &self.proxy {
            let wrong = |_| mistake(format!("`{proxy}` is not the address of a proxy"));
            client = client.proxy(Proxy::all(proxy).map_err(wrong)?);
        } else if is_here(&places.web) {
            client = client.no_proxy();
        }
        Ok(SearchClient {
            client: client.build().map_err(unusable)?,
            places,
            timeout: self.timeout,
            region: self.region.clone(),
            safety: self.safe_search,
            time_limit: self.time_limit,
        })
    }
}

fn mistake(what: String) -> Error {
    Error::new(ErrorKind::Definition, what).with_id(ErrorId::TOOL_MISCONFIGURED)
}

fn unusable(error: impl std::error::Error) -> Error {
    mistake(format!("the HTTP client cannot be created: {error}"))
}

/// Returns `true` if the server is on this machine.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Returns `true` for a country and a language: `us-en`, `hk-tzh`, or `wt-wt` for all.
fn is_region(region: &str) -> bool {
    let is_word =
        |word: &str| (2..=3).contains(&word.len()) && word.chars().all(|c| c.is_ascii_lowercase());
    region.split_once('-').is_some_and(|(country, language)| is_word(country) && is_word(language))
}

impl Toolkit for DuckDuckGo {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        let (search, results) = (Arc::new(self.search()?), self.max_results);
        let mut tools = Vec::new();
        if self.web {
            let search = search.clone();
            let tool = FunctionTool::new(
                "web_search",
                "Searches the web with DuckDuckGo. Gives a JSON list of pages, each with title, \
                 url and snippet.",
                move |wanted: SearchArguments, cx: StepContext| {
                    let search = search.clone();
                    async move {
                        let wanted = wanted.checked(results)?;
                        told(search.web(&wanted.query, cx.world()).await, &wanted)
                    }
                },
            );
            tools.push(AnyTool::new(SearchTool::new(tool, results)));
        }
        if self.news {
            let tool = FunctionTool::new(
                "search_news",
                "Searches the latest news with DuckDuckGo. Gives a JSON list of articles, each \
                 with title, url, snippet, date and source.",
                move |wanted: SearchArguments, cx: StepContext| {
                    let search = search.clone();
                    async move {
                        let wanted = wanted.checked(results)?;
                        told(search.news(&wanted.query, cx.world()).await, &wanted)
                    }
                },
            );
            tools.push(AnyTool::new(SearchTool::new(tool, results)));
        }
        Ok(tools)
    }
}

// The arguments of both tools. A doc comment here would become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchArguments {
    /// The search query: a few words, as one writes them into a search engine.
    query: String,
    /// At most how many results.
    #[schemars(range(min = 1, max = RESULTS_MAX))]
    max_results: Option<usize>,
}

struct CheckedArguments {
    query: String,
    results: usize,
}

impl SearchArguments {
    fn checked(self, results: usize) -> Result<CheckedArguments, ToolError> {
        let query = self.query.trim().to_owned();
        let chars = query.chars().count();
        if query.is_empty() {
            return Err(ToolError::Arguments("`query` is empty".into()));
        }
        if chars > QUERY_CHARS_MAX {
            let text = format!("`query` has {chars} characters, of at most {QUERY_CHARS_MAX}");
            return Err(ToolError::Arguments(text));
        }
        let results = self.max_results.unwrap_or(results);
        if !(1..=RESULTS_MAX).contains(&results) {
            let text = format!("`max_results` is {results}; it must be 1 to {RESULTS_MAX}");
            return Err(ToolError::Arguments(text));
        }
        Ok(CheckedArguments { query, results })
    }
}

/// Formats the results of a search for the model.
fn told<T: Serialize>(
    found: Result<Vec<T>, SearchError>,
    wanted: &CheckedArguments,
) -> Result<String, ToolError> {
    let mut found = found.map_err(|failure| ToolError::Failed(failure.text()))?;
    if found.is_empty() {
        let query = &wanted.query;
        return Ok(format!("There are no results for `{query}`. Other words may find some."));
    }
    found.truncate(wanted.results);
    serde_json::to_string(&found).map_err(|error| ToolError::Failed(error.to_string()))
}

/// A search tool whose schema states the default number of results.
struct SearchTool {
    spec: ToolSpec,
    tool: FunctionTool,
}

impl SearchTool {
    fn new(tool: FunctionTool, results: usize) -> Self {
        let mut spec = tool.spec().clone();
        let argument = &mut spec.parameters["properties"]["max_results"];
        argument["default"] = json!(results);
        Self { spec, tool }
    }
}

impl Tool for SearchTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }
    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }
    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        self.tool.call(arguments, cx)
    }
}
