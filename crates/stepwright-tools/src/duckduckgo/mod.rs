//! Searching with `DuckDuckGo`: the toolkit, and how it is set up.

mod ask;
mod news;
mod page;

use self::ask::{Failure, Places, Search};
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::tool::{AnyTool, Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, Error, ErrorKind, StepContext};

/// How many results a search gives, unless somebody says otherwise.
pub const RESULTS: usize = 5;

/// The most results of one search: what the first page of news has. The first page of the web has
/// about ten; no other page is asked for.
pub const RESULTS_MAX: usize = 30;

/// How long a search may take, unless somebody says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest query, in characters: no longer ones are taken.
pub const QUERY_CHARS_MAX: usize = 499;

/// The largest page that is read, in bytes. Real ones have about 50 kB.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A toolkit that searches with [DuckDuckGo](https://duckduckgo.com): the web (`web_search`) and the
/// news (`search_news`).
///
/// It needs no key. It reads the pages that are made for browsers without JavaScript, and whoever
/// asks too often is refused for a while: that, and whatever else goes wrong, is told to the model
/// with what it may do. A page that is not understood is a failure and never an empty list.
///
/// Both tools take a `query` and, if the model likes, `max_results`. They give a JSON list of
/// objects with `title`, `url` and `snippet`; news have `date` and `source` as well, where known.
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
#[must_use = "it searches nothing until an agent has it: `.tool(DuckDuckGo::new())`"]
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

/// How much is left out that is not for everybody.
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
    /// Everything of that kind.
    Strict,
    /// Pictures and videos.
    #[default]
    Moderate,
    /// Nothing.
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

/// How old results may be.
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
    /// Both tools, with what is said beside each setting.
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

    /// Says whether there is `web_search`: it is there unless switched off.
    pub fn web(mut self, on: bool) -> Self {
        self.web = on;
        self
    }

    /// Says whether there is `search_news`: it is there unless switched off.
    pub fn news(mut self, on: bool) -> Self {
        self.news = on;
        self
    }

    /// Says how many results there are at the most where the model does not say it: [`RESULTS`]
    /// unless set, and never more than [`RESULTS_MAX`].
    pub fn max_results(mut self, results: usize) -> Self {
        self.max_results = results;
        self
    }

    /// Says how long a search may take: [`TIMEOUT`] unless set.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Says for which region: a country and a language, such as `us-en`. All of them unless set.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Says how much is left out that is not for everybody: [`SafeSearch::Moderate`] unless set.
    pub fn safe_search(mut self, safe_search: SafeSearch) -> Self {
        self.safe_search = safe_search;
        self
    }

    /// Says how old results may be: any age unless set.
    pub fn time_limit(mut self, limit: TimeLimit) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Says which server to ask instead: a mirror, or a server of a test. It is asked for `html/`,
    /// `news.js` and the address itself.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Says how it introduces itself: as `Mozilla/5.0 (compatible; stepwright/…)` unless set.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Says through which HTTP proxy to ask. Unless set, it is the one that the environment names
    /// (`HTTPS_PROXY`), and none for a server on this machine.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Says whether it is set up well. Building an agent with it asks the same.
    ///
    /// # Errors
    /// If it is not; the hint of the error says what to do.
    ///
    /// ```
    /// let error = stepwright_tools::DuckDuckGo::new().region("USA").check().unwrap_err();
    /// assert_eq!(error.to_string(), "`USA` is no region");
    /// assert_eq!(error.hint(), Some("write a country and a language, such as `us-en`"));
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String, hint: &str| Err(mistake(what).with_hint(hint));
        if !self.web && !self.news {
            return wrong("it has neither `web` nor `news`".into(), "leave one of them on");
        }
        if !(1..=RESULTS_MAX).contains(&self.max_results) {
            let what = format!("`max_results` is {}", self.max_results);
            return wrong(what, &format!("set 1 to {RESULTS_MAX}"));
        }
        if self.timeout.is_zero() {
            return wrong("`timeout` is zero".into(), "set how long to wait");
        }
        if let Some(region) = self.region.as_deref().filter(|region| !is_region(region)) {
            let hint = "write a country and a language, such as `us-en`";
            return wrong(format!("`{region}` is no region"), hint);
        }
        self.places().map(|_| ())
    }

    fn places(&self) -> Result<Places, Error> {
        let parse = |url: &str| match Url::parse(url) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(url),
            _ => {
                let base = self.base_url.as_deref().unwrap_or(url);
                let hint = "write one that begins with `https://`";
                Err(mistake(format!("`{base}` is no address of a server")).with_hint(hint))
            }
        };
        let Some(base) = &self.base_url else {
            return Ok(Places {
                web: parse("https://html.duckduckgo.com/html/")?,
                token: parse("https://duckduckgo.com/")?,
                news: parse("https://duckduckgo.com/news.js")?,
            });
        };
        let base = base.trim_end_matches('/');
        Ok(Places {
            web: parse(&format!("{base}/html/"))?,
            token: parse(&format!("{base}/"))?,
            news: parse(&format!("{base}/news.js"))?,
        })
    }

    fn search(&self) -> Result<Search, Error> {
        self.check()?;
        let places = self.places()?;
        let mut client = Client::builder()
            .tls_backend_preconfigured(crate::tls::config().map_err(unusable)?)
            .user_agent(&self.user_agent)
            // A search that is sent on to another server is none of DuckDuckGo's any more.
            .redirect(Policy::none())
            // A connection belongs to the runtime that made it, and the next search may have
            // another one.
            .pool_max_idle_per_host(0);
        if let Some(proxy) = &self.proxy {
            let wrong = |_| mistake(format!("`{proxy}` is no address of a proxy"));
            client = client.proxy(Proxy::all(proxy).map_err(wrong)?);
        } else if is_here(&places.web) {
            client = client.no_proxy();
        }
        Ok(Search {
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
    Error::new(ErrorKind::Definition, what)
}

fn unusable(error: impl std::error::Error) -> Error {
    mistake(format!("there is no way to ask over HTTP: {error}"))
}

/// Whether a server is on this machine.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A country and a language: `us-en`, `hk-tzh`, and `wt-wt` for all of them.
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
                move |wanted: Wanted, cx: StepContext| {
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
                move |wanted: Wanted, cx: StepContext| {
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

// What a model asks for. A comment for readers of the documentation would be told to the model.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The search query: a few words, as one writes them into a search engine.
    query: String,
    /// At most how many results.
    #[schemars(range(min = 1, max = RESULTS_MAX))]
    max_results: Option<usize>,
}

struct Checked {
    query: String,
    results: usize,
}

impl Wanted {
    fn checked(self, results: usize) -> Result<Checked, ToolError> {
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
            let text = format!("`max_results` is {results}, and not 1 to {RESULTS_MAX}");
            return Err(ToolError::Arguments(text));
        }
        Ok(Checked { query, results })
    }
}

/// What the model is told of a search.
fn told<T: Serialize>(
    found: Result<Vec<T>, Failure>,
    wanted: &Checked,
) -> Result<String, ToolError> {
    let mut found = found.map_err(|failure| ToolError::Failed(failure.text()))?;
    if found.is_empty() {
        let query = &wanted.query;
        return Ok(format!("There are no results for `{query}`. Other words may find some."));
    }
    found.truncate(wanted.results);
    serde_json::to_string(&found).map_err(|error| ToolError::Failed(error.to_string()))
}

/// A tool whose model is told how many results there are unless it says so.
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
