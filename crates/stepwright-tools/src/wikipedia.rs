//! The `Wikipedia` toolkit: a search without a key.

use crate::effects;
use crate::kit::{KitTool, mistake, told};
use crate::readable::striptags;
use crate::web::{Request, address, fetch};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::permission::Effect;
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext};

/// The largest number of articles of one search.
pub const ARTICLES_MAX: usize = 50;

/// The default number of articles.
const ARTICLES: usize = 5;

/// The longest query, in characters. Wikipedia refuses longer ones.
const QUERY_CHARS_MAX: usize = 300;

/// The largest answer of Wikipedia, in bytes.
const ANSWER_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// The longest article that is given, in characters.
const ARTICLE_CHARS_MAX: usize = 100_000;

/// A toolkit for Wikipedia: `search_wikipedia` finds articles, `read_wikipedia` gives the text of
/// one. It needs no key.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Wikipedia;
/// let wikipedia = Wikipedia::new().language("de").max_results(3);
/// let agent = Agent::builder("Scholar").model("offline")?.tool(wikipedia).build()?;
/// assert_eq!(agent.tools()[0].name, "search_wikipedia");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the toolkit does nothing until it is given to an agent: `.tool(Wikipedia::new())`"]
pub struct Wikipedia {
    language: String,
    max_results: usize,
    timeout: Duration,
    base_url: Option<String>,
}

impl Default for Wikipedia {
    fn default() -> Self {
        Self::new()
    }
}

impl Wikipedia {
    /// Creates the toolkit for the English Wikipedia.
    pub fn new() -> Self {
        Self {
            language: "en".into(),
            max_results: ARTICLES,
            timeout: Duration::from_secs(20),
            base_url: None,
        }
    }

    /// Sets the language by its code, such as `de`. Default: `en`.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// Sets the number of articles if the model does not set one: 5 by default, at most
    /// [`ARTICLES_MAX`].
    pub fn max_results(mut self, results: usize) -> Self {
        self.max_results = results;
        self
    }

    /// Sets the time for one request. Default: 20 seconds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets another server with the same interface, such as another wiki or a test server.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Checks the settings, as building an agent does.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid. The hint of the error says what to do.
    ///
    /// ```
    /// let error = stepwright_tools::Wikipedia::new().language("a/b").check().unwrap_err();
    /// assert_eq!(error.to_string(), "`a/b` is not the code of a language");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let is_code = |c: char| c.is_ascii_lowercase() || c == '-';
        if !(2..=16).contains(&self.language.len()) || !self.language.chars().all(is_code) {
            let error = mistake(format!("`{}` is not the code of a language", self.language));
            return Err(error.with_hint("write one such as `en` or `de`"));
        }
        if !(1..=ARTICLES_MAX).contains(&self.max_results) {
            let error = mistake(format!("`max_results` is {}", self.max_results));
            return Err(error.with_hint(format!("set 1 to {ARTICLES_MAX}")));
        }
        if self.timeout.is_zero() {
            return Err(mistake("`timeout` must be greater than zero"));
        }
        let server = self.server();
        if address(&server).is_err() {
            let error = mistake(format!("`{server}` is not the address of a server"));
            return Err(error.with_hint("write one that begins with `https://`"));
        }
        Ok(())
    }

    fn server(&self) -> String {
        match &self.base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}.wikipedia.org", self.language),
        }
    }

    /// Sends a request to the interface for programs.
    async fn ask(&self, query: &[(&str, String)], cx: &StepContext) -> Result<Value, ToolError> {
        let url = format!("{}/w/api.php", self.server());
        let mut request = Request::get(url, self.timeout, ANSWER_BYTES_MAX);
        let fixed = [("action", "query"), ("format", "json"), ("formatversion", "2")];
        let fixed = fixed.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let query = fixed.chain(query.iter().cloned());
        request.query = query.map(|(name, value)| (name.to_owned(), value)).collect();
        // The author of the workflow names the server.
        let page = fetch(request, cx).await.map_err(told)?;
        let unknown = |why: String| {
            ToolError::Failed(format!("Wikipedia answered in an unknown form: {why}"))
        };
        let answer: Value =
            serde_json::from_str(&page.text).map_err(|error| unknown(error.to_string()))?;
        match answer.get("error") {
            Some(error) => {
                let why = error["info"].as_str().unwrap_or("no reason is given");
                Err(ToolError::Failed(format!("Wikipedia refused the request: {why}")))
            }
            None if answer.is_object() => Ok(answer),
            None => Err(unknown("it is no object".into())),
        }
    }

    async fn search(&self, args: Search, cx: &StepContext) -> Result<String, ToolError> {
        let query = args.query.trim();
        let chars = query.chars().count();
        if !(1..=QUERY_CHARS_MAX).contains(&chars) {
            return Err(ToolError::Arguments(format!(
                "`query` has {chars} characters; it must have 1 to {QUERY_CHARS_MAX}"
            )));
        }
        let results = args.max_results.unwrap_or(self.max_results);
        if !(1..=ARTICLES_MAX).contains(&results) {
            return Err(ToolError::Arguments(format!(
                "`max_results` is {results}; it must be 1 to {ARTICLES_MAX}"
            )));
        }
        let (query, count) = (query.to_owned(), results.to_string());
        let asked = [("list", "search".into()), ("srsearch", query), ("srlimit", count)];
        let answer = self.ask(&asked, cx).await?;
        let Some(found) = answer["query"]["search"].as_array() else {
            let why = "Wikipedia answered in an unknown form: it has no list of articles";
            return Err(ToolError::Failed(why.into()));
        };
        let server = self.server();
        let articles = found.iter().take(results).map(|article| {
            let title = article["title"].as_str().unwrap_or_default();
            let snippet = striptags(article["snippet"].as_str().unwrap_or_default());
            let mut url = address(&server).ok();
            if let Some(url) = &mut url
                && let Ok(mut path) = url.path_segments_mut()
            {
                path.pop_if_empty().push("wiki").push(&title.replace(' ', "_"));
            }
            json!({"title": title, "url": url.map(String::from), "snippet": snippet})
        });
        Ok(Value::Array(articles.collect()).to_string())
    }

    async fn article(&self, args: Article, cx: &StepContext) -> Result<String, ToolError> {
        let title = args.title.trim().to_owned();
        if title.is_empty() || title.contains('|') {
            return Err(ToolError::Arguments("`title` is not the title of an article".into()));
        }
        let asked = [
            ("prop", "extracts".into()),
            ("explaintext", "1".into()),
            ("redirects", "1".into()),
            ("titles", title.clone()),
        ];
        let answer = self.ask(&asked, cx).await?;
        let page = &answer["query"]["pages"][0];
        match page["extract"].as_str().filter(|text| !text.is_empty()) {
            Some(text) => {
                let cut = text.char_indices().nth(ARTICLE_CHARS_MAX);
                Ok(match cut {
                    Some((at, _)) => format!("{}\n[the rest is left out]", &text[..at]),
                    None => text.to_owned(),
                })
            }
            None => Err(ToolError::Failed(format!(
                "there is no article `{title}`; search for its title first"
            ))),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// A few words, as one writes them into a search engine.
    query: String,
    /// At most how many articles.
    #[schemars(range(min = 1, max = ARTICLES_MAX))]
    max_results: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Article {
    /// The title of the article, as a search gave it.
    title: String,
}

impl Toolkit for Wikipedia {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        self.check()?;
        let kit = self.clone();
        let search = FunctionTool::new(
            "search_wikipedia",
            "Searches Wikipedia. Gives a JSON list of articles, each with title, url and snippet.",
            move |args: Search, cx: StepContext| {
                let kit = kit.clone();
                async move { kit.search(args, &cx).await }
            },
        );
        let read = FunctionTool::new(
            "read_wikipedia",
            "Gives the text of an article of Wikipedia.",
            move |args: Article, cx: StepContext| {
                let kit = self.clone();
                async move { kit.article(args, &cx).await }
            },
        );
        let named = |name: &'static str| {
            move |arguments: &Value| {
                Some(effects::called(Effect::call(name, arguments), effects::WIKIPEDIA))
            }
        };
        Ok(vec![
            KitTool::with_access(search.read_only(), named("search_wikipedia")),
            KitTool::with_access(read.read_only(), named("read_wikipedia")),
        ])
    }
}
