//! `http`: a request over HTTP, and `http_get`, its short form for a page.

mod address;
mod read;

use self::address::Address;
use super::{played, rendered};
use crate::diagnostic::Diagnostics;
use crate::effects;
use crate::format::reader::BuiltinKind;
use crate::format::{Builtin, Computed, Expr, Referring, Text};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::{Granted, Page, Reach, Request, blocking, fetch, refused};
use crate::work::value_of;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};
use stepwright_http::reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use stepwright_http::reqwest::{Method, Url};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "http",
    read: read::http,
    effects: effects::HTTP,
    without: &[],
    form: &read::HTTP,
    about: "A request over HTTP.",
};
pub(super) const GET: BuiltinKind = BuiltinKind {
    key: "http_get",
    read: read::http_get,
    effects: effects::HTTP,
    without: &[],
    form: &read::HTTP_GET,
    about: "A page over HTTP: the short form of `http`.",
};

/// The header with which a server continues the trace of a run.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header that asks a server to recognise a repeated request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Debug)]
struct Http {
    method: Method,
    url: Address,
    query: Option<Pairs>,
    headers: Vec<(HeaderName, Text)>,
    auth: Option<Auth>,
    body: Option<Body>,
    /// The header for the idempotency key.
    idempotency_key: Option<HeaderName>,
    result: Whole,
    timeout: Duration,
    max_bytes: u64,
}

/// The credentials of a request.
#[derive(Debug)]
enum Auth {
    Bearer(Text),
    Basic { user: Text, password: Text },
}

#[derive(Debug)]
enum Body {
    Text(Text),
    Json(Computed),
    Form(Pairs),
}

/// Names with values, for a query or a form.
#[derive(Debug)]
enum Pairs {
    /// A name may be there several times.
    Written(Vec<(String, Text)>),
    /// An expression for an object.
    Computed(Computed),
}

/// The parts of an answer that a step returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Body,
    /// The status, the headers and the body, whatever the status is.
    Full,
}

impl Builtin for Http {
    fn referring(&self) -> Vec<Referring<'_>> {
        let url = self.url.referring().map(Referring::taking_secrets);
        url.into_iter().chain(self.sent()).collect()
    }

    fn gives(&self, _: &dyn Fn(&Expr) -> Shape) -> Shape {
        match self.result {
            Whole::Body => Shape::Unknown,
            Whole::Full => Shape::object_of(vec![
                ("status".to_owned(), Shape::Number),
                ("headers".to_owned(), Shape::Object),
                ("body".to_owned(), Shape::Unknown),
            ]),
        }
    }

    fn check(&self, mistakes: &mut Diagnostics) {
        self.url.check(&self.sent(), mistakes);
    }

    fn details(&self) -> Option<String> {
        let url = self.url.as_written();
        Some(if self.method == Method::GET { url } else { format!("{} {url}", self.method) })
    }

    // A request that may change something is not repeated by itself, unless the server recognises
    // a repetition.
    fn on_interrupted(&self) -> OnInterrupted {
        let only_reads = matches!(self.method, Method::GET | Method::HEAD);
        if only_reads || self.idempotency_key.is_some() {
            OnInterrupted::Retry
        } else {
            OnInterrupted::Ask
        }
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            let request = self.request(OwnedValues::of(input), &cx).await?;
            let address = request.address()?;
            let effect = effects::request(effects::HTTP, request.method.as_str(), &address);
            let _running = cx.begin_effect(&effect).await?;
            if let Some(played) = played(&cx, KIND.key, || request.shown(&address)).await {
                return played;
            }
            let mut page = fetch(request, &cx).await?;
            if let Some(note) = page.note.take() {
                cx.note(note);
            }
            let whole = self.result;
            // A long page keeps its thread busy.
            let content = blocking(move || match whole {
                Whole::Body => page.content(),
                Whole::Full => full(page),
            });
            Ok(content.await?.into())
        })
    }
}

impl Http {
    /// Returns the values that the server gets, besides its address.
    fn sent(&self) -> Vec<Referring<'_>> {
        let query = self.query.iter().flat_map(Pairs::referring);
        let headers = self.headers.iter().map(|(_, text)| text.into());
        let auth: Vec<Referring<'_>> = match &self.auth {
            None => Vec::new(),
            Some(Auth::Bearer(token)) => vec![token.into()],
            Some(Auth::Basic { user, password }) => vec![user.into(), password.into()],
        };
        let body = match &self.body {
            None => Vec::new(),
            Some(Body::Text(text)) => vec![text.into()],
            Some(Body::Json(value)) => value.expressions().into_iter().map(Into::into).collect(),
            Some(Body::Form(pairs)) => pairs.referring(),
        };
        let all = query.chain(headers).chain(auth).chain(body);
        all.map(Referring::taking_secrets).collect()
    }

    /// Renders the request.
    async fn request(&self, values: OwnedValues, cx: &StepContext) -> Result<Request, StepError> {
        let url = self.url.rendered(&values).await?;
        let query = match &self.query {
            Some(pairs) => pairs.given("query", &values).await?,
            None => Vec::new(),
        };
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        for (name, text) in &self.headers {
            let text = rendered(values.clone(), text).await?;
            let value = header_value(name, text.trim())?;
            headers.insert(name.clone(), value);
        }
        match &self.auth {
            None => {}
            Some(Auth::Bearer(token)) => {
                let token = rendered(values.clone(), token).await?;
                let value = header_value(&AUTHORIZATION, &format!("Bearer {}", token.trim()))?;
                headers.insert(AUTHORIZATION, value);
            }
            Some(Auth::Basic { user, password }) => {
                let user = rendered(values.clone(), user).await?;
                let password = rendered(values.clone(), password).await?;
                let both = BASE64_STANDARD.encode(format!("{user}:{password}"));
                headers
                    .insert(AUTHORIZATION, header_value(&AUTHORIZATION, &format!("Basic {both}"))?);
            }
        }
        if cx.is_traced()
            && let Ok(context) = HeaderValue::from_str(cx.trace_context().traceparent())
        {
            headers.entry(TRACEPARENT).or_insert(context);
        }
        if let Some(name) = &self.idempotency_key {
            headers.insert(name.clone(), header_value(name, &printable(&cx.idempotency_key()))?);
        }
        let (kind, body) = match &self.body {
            None => (None, None),
            Some(Body::Text(text)) => {
                (Some("text/plain; charset=utf-8"), Some(rendered(values, text).await?))
            }
            Some(Body::Json(value)) => {
                (Some("application/json"), Some(value_of(value, values).await?.to_string()))
            }
            Some(Body::Form(pairs)) => {
                let pairs = pairs.given("form", &values).await?;
                (Some("application/x-www-form-urlencoded"), Some(encoded(&pairs)))
            }
        };
        if let Some(kind) = kind {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        Ok(Request {
            method: self.method.clone(),
            url,
            query,
            headers,
            body: body.map(String::into_bytes),
            timeout: self.timeout,
            max_bytes: self.max_bytes,
            any_status: self.result == Whole::Full,
            // The author of the file names the address.
            reach: Reach::All,
        })
    }
}

impl Pairs {
    fn referring(&self) -> Vec<Referring<'_>> {
        match self {
            Self::Written(pairs) => pairs.iter().map(|(_, text)| text.into()).collect(),
            Self::Computed(value) => value.expressions().into_iter().map(Into::into).collect(),
        }
    }

    async fn given(
        &self,
        key: &str,
        values: &OwnedValues,
    ) -> Result<Vec<(String, String)>, StepError> {
        match self {
            Self::Written(pairs) => {
                let mut given = Vec::with_capacity(pairs.len());
                for (name, text) in pairs {
                    given.push((name.clone(), rendered(values.clone(), text).await?));
                }
                Ok(given)
            }
            Self::Computed(value) => pairs_of(key, value_of(value, values.clone()).await?),
        }
    }
}

/// Returns the pairs of an object. A list gives a pair for each element, and `null` gives none.
fn pairs_of(key: &str, value: Value) -> Result<Vec<(String, String)>, StepError> {
    let wrong = |what: String| {
        let help = "its members are texts, numbers, booleans, lists of these, or null";
        Err(refused(format!("`{key}` {what}")).with_hint(help))
    };
    let Value::Object(members) = value else {
        return wrong("is not an object of names and values".to_owned());
    };
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        let list = match value {
            Value::Null => Vec::new(),
            Value::Array(list) => list,
            value => vec![value],
        };
        for one in list {
            let text = match one {
                Value::String(text) => text,
                Value::Number(_) | Value::Bool(_) => one.to_string(),
                _ => return wrong(format!("has a value for `{name}` that is not a text")),
            };
            pairs.push((name.clone(), text));
        }
    }
    Ok(pairs)
}

/// Encodes pairs as a form.
fn encoded(pairs: &[(String, String)]) -> String {
    let mut url = Url::parse("http://form/").expect("a constant address is valid");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, StepError> {
    // The value may be a secret, so the message does not repeat it.
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        refused(format!("the header `{name}` cannot have this value"))
            .with_hint("a header has one line, without control characters")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Encodes the characters of a key that a header cannot have.
fn printable(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Returns `{status, headers, body}`. Names of headers are in lower case, and values of one name
/// are joined by commas, as HTTP defines it. Cookies are a list, because their dates have commas.
fn full(page: Page) -> Result<Content, StepError> {
    let status = page.status;
    let mut headers = serde_json::Map::new();
    for (name, value) in &page.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == SET_COOKIE {
            let cookies = headers.entry(name.as_str()).or_insert_with(|| json!([]));
            cookies.as_array_mut().expect("it is a list").push(value.into());
            continue;
        }
        let text = match headers.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.into_owned(),
        };
        headers.insert(name.as_str().to_owned(), text.into());
    }
    let body = page.content()?.to_value();
    Ok(json!({"status": status, "headers": headers, "body": body}).into())
}
