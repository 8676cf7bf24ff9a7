//! The `WebPage` and `Http` toolkits.

use super::{Reach, Request, address, fetch};
use crate::effects;
use crate::kit::{KitTool, mistake, told, with_note};
use crate::readable::html_to_text;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::permission::Effect;
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext};
use stepwright_http::reqwest::Method;
use stepwright_http::reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// The largest page that a tool fetches, in bytes.
pub const FETCHED_BYTES_MAX: u64 = 5 * 1024 * 1024;

/// The largest answer that the model reads without a change, in bytes.
pub const ANSWER_BYTES_MAX: u64 = 200_000;

/// The default time for one request.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// A toolkit with one tool, `read_page`, which fetches a page and gives its readable text.
///
/// It reaches only addresses of the internet, unless [`WebPage::private`] is set: not this machine
/// and not its network, neither directly nor by a name or a redirect.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::WebPage;
/// let agent = Agent::builder("Reader").model("offline")?.tool(WebPage::new()).build()?;
/// assert_eq!(agent.tools()[0].name, "read_page");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the toolkit does nothing until it is given to an agent: `.tool(WebPage::new())`"]
pub struct WebPage {
    timeout: Duration,
    reach: Reach,
}

impl Default for WebPage {
    fn default() -> Self {
        Self::new()
    }
}

impl WebPage {
    /// Creates the toolkit.
    pub fn new() -> Self {
        Self { timeout: HTTP_TIMEOUT, reach: Reach::Public(Arc::default()) }
    }

    /// Sets the time for one page. Default: [`HTTP_TIMEOUT`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets whether the model may reach private addresses. Default: no.
    pub fn private(mut self, on: bool) -> Self {
        self.reach = if on { Reach::All } else { Reach::Public(Arc::default()) };
        self
    }

    /// Allows these servers although their addresses are private: `wiki.internal`, or
    /// `127.0.0.1:8080` for one port.
    pub fn private_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.reach = Reach::Public(hosts.into_iter().map(Into::into).collect());
        self
    }
}

/// A toolkit for HTTP: `http_get`, and with [`Http::acts`] also `http_request` with any method.
///
/// It reaches only addresses of the internet, as [`WebPage`] does.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Http;
/// let agent = Agent::builder("Caller").model("offline")?.tool(Http::new().acts(true)).build()?;
/// assert_eq!(agent.tools()[1].name, "http_request");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the toolkit does nothing until it is given to an agent: `.tool(Http::new())`"]
pub struct Http {
    timeout: Duration,
    reach: Reach,
    acts: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// Creates the toolkit.
    pub fn new() -> Self {
        Self { timeout: HTTP_TIMEOUT, reach: Reach::Public(Arc::default()), acts: false }
    }

    /// Sets the time for one request. Default: [`HTTP_TIMEOUT`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets whether the model may reach private addresses. Default: no.
    pub fn private(mut self, on: bool) -> Self {
        self.reach = if on { Reach::All } else { Reach::Public(Arc::default()) };
        self
    }

    /// Allows these servers although their addresses are private: `wiki.internal`, or
    /// `127.0.0.1:8080` for one port.
    pub fn private_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.reach = Reach::Public(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether the model may send requests that change something. Default: no.
    pub fn acts(mut self, on: bool) -> Self {
        self.acts = on;
        self
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Get {
    /// The address, which begins with https:// or http://.
    url: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sending {
    /// The method: GET, HEAD, POST, PUT, PATCH or DELETE.
    method: String,
    /// The address, which begins with https:// or http://.
    url: String,
    /// Headers.
    headers: Option<BTreeMap<String, String>>,
    /// The body, as a text.
    body: Option<String>,
    /// The body, as a JSON value, in place of `body`.
    json: Option<Value>,
}

/// The methods that a model may use.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

fn check_time(limit: Duration) -> Result<(), Error> {
    if limit.is_zero() {
        return Err(mistake("`timeout` must be greater than zero"));
    }
    Ok(())
}

/// Returns the access of a request with these arguments.
fn access(own: &'static str) -> impl Fn(&Value) -> Option<Effect> + Send + Sync + 'static {
    move |arguments| {
        let url = address(arguments["url"].as_str()?).ok()?;
        let method = arguments["method"].as_str().unwrap_or("GET").to_ascii_uppercase();
        Some(effects::request(effects::HTTP, &method, &url).also(own))
    }
}

impl Toolkit for WebPage {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        check_time(self.timeout)?;
        let tool = FunctionTool::new(
            "read_page",
            "Fetches a web page and gives its readable text, without menus of scripts and styles.",
            move |args: Get, cx: StepContext| {
                let mut request = Request::get(args.url, self.timeout, FETCHED_BYTES_MAX);
                request.reach = self.reach.clone();
                async move {
                    let page = fetch(request, &cx).await.map_err(told)?;
                    let kind = page.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
                    let kind = kind.unwrap_or_default().to_ascii_lowercase();
                    let start = page.text.trim_start().get(..15).unwrap_or_default();
                    let is_html = kind.contains("html")
                        || (kind.is_empty()
                            && start.to_ascii_lowercase().starts_with("<!doctype html"));
                    if !is_html && page.text.contains('\0') {
                        let kind = if kind.is_empty() { "unknown" } else { &kind };
                        let message = format!("the page is no text, but of the type `{kind}`");
                        return Err(ToolError::Failed(message));
                    }
                    let text = if is_html { html_to_text(&page.text) } else { page.text };
                    Ok(with_note(text, page.note))
                }
            },
        );
        Ok(vec![KitTool::with_access(tool.read_only(), access("read_page"))])
    }
}

impl Toolkit for Http {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        check_time(self.timeout)?;
        let Self { timeout, reach, acts } = self;
        let sending = reach.clone();
        let get = FunctionTool::new(
            "http_get",
            "Fetches a page over HTTP and gives its text.",
            move |args: Get, cx: StepContext| {
                let mut request = Request::get(args.url, timeout, ANSWER_BYTES_MAX);
                request.reach = reach.clone();
                async move {
                    let page = fetch(request, &cx).await.map_err(told)?;
                    Ok::<_, ToolError>(with_note(page.text, page.note))
                }
            },
        );
        let mut tools = vec![KitTool::with_access(get.read_only(), access("http_get"))];
        if acts {
            let send = FunctionTool::new(
                "http_request",
                "Sends a request over HTTP. Gives the status and the text of the answer.",
                move |args: Sending, cx: StepContext| {
                    let request = request(args, timeout, sending.clone());
                    async move {
                        let page = fetch(request?, &cx).await.map_err(told)?;
                        let text = with_note(page.text, page.note);
                        Ok::<_, ToolError>(format!("status {}\n\n{text}", page.status))
                    }
                },
            );
            tools.push(KitTool::with_access(send, access("http_request")));
        }
        Ok(tools)
    }
}

fn request(args: Sending, timeout: Duration, reach: Reach) -> Result<Request, ToolError> {
    let wrong = |what: String| ToolError::Arguments(what);
    let method = args.method.to_ascii_uppercase();
    if !METHODS.contains(&&*method) {
        let known = METHODS.join(", ");
        return Err(wrong(format!("`method` is `{}`; it must be one of {known}", args.method)));
    }
    let method = Method::from_bytes(method.as_bytes());
    let mut headers = HeaderMap::new();
    for (name, value) in args.headers.into_iter().flatten() {
        let parsed = (HeaderName::try_from(&*name), HeaderValue::try_from(&*value));
        let (Ok(parsed), Ok(value)) = parsed else {
            return Err(wrong(format!("the header `{name}` is not valid")));
        };
        // The host decides which server answers, and it must be the one that was judged.
        if ["host", "content-length", "transfer-encoding"].contains(&parsed.as_str()) {
            return Err(wrong(format!("the header `{name}` cannot be set")));
        }
        headers.insert(parsed, value);
    }
    let body = match (args.body, args.json) {
        (Some(_), Some(_)) => return Err(wrong("there are both `body` and `json`".into())),
        (Some(body), None) => Some(body.into_bytes()),
        (None, Some(json)) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Some(json.to_string().into_bytes())
        }
        (None, None) => None,
    };
    Ok(Request {
        method: method.map_err(|error| wrong(error.to_string()))?,
        headers,
        body,
        any_status: true,
        reach,
        ..Request::get(args.url, timeout, ANSWER_BYTES_MAX)
    })
}
