//! Failures of a provider as errors of the core: the cause, and what to do about it.

use crate::http_date::unix_seconds;
use crate::key::Key;
use crate::quota::quota;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use std::time::Duration;
use stepwright_core::json;
use stepwright_core::model::{ModelError, ModelErrorKind};
use stepwright_core::redact::redact;

/// The longest excerpt of a provider's message in an error, in characters.
const EXCERPT_CHARS_MAX: usize = 400;

/// A failure on its way through the library that speaks the wires.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Failure(pub(crate) ModelError);

/// The provider and the model of a request, for errors that name them.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    /// `openai`.
    pub(crate) provider: &'static str,
    /// The name of the model at the provider.
    pub(crate) model: String,
    /// The variables that its key may stand in.
    pub(crate) key_variables: &'static [&'static str],
    /// `true` if a key was sent.
    pub(crate) key: Option<Key>,
}

impl Speaker {
    /// The error for an answer that is not a success.
    pub(crate) fn refused(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
    ) -> ModelError {
        let said = Said::read(&self.without_key(body));
        let mut error = self.by_status(status, &said, headers);
        error.status = Some(status.as_u16());
        error.retry_after = retry_after(headers).or(said.retry_after);
        error.quota = quota(headers);
        self.redacted(error)
    }

    fn by_status(&self, status: StatusCode, said: &Said, headers: &HeaderMap) -> ModelError {
        let Self { provider, model, .. } = self;
        let told = if said.text.is_empty() { String::new() } else { format!(": {}", said.text) };
        let message = format!("`{provider}` answered {status}{told}");
        let error = |kind| ModelError::new(kind, message.clone());
        match status.as_u16() {
            401 | 403 => error(ModelErrorKind::Auth).with_hint(self.key_hint()),
            // So says Gemini.
            400 if said.is("api_key_invalid") => {
                error(ModelErrorKind::Auth).with_hint(self.key_hint())
            }
            402 => error(ModelErrorKind::Auth).with_hint("the account has no credit: add some"),
            404 if *provider == "ollama" => error(ModelErrorKind::BadRequest)
                .with_hint(format!("get the model with `ollama pull {model}`")),
            404 => error(ModelErrorKind::BadRequest).with_hint(format!(
                "check that `{provider}` has a model `{model}`, and that the base URL is right"
            )),
            408 | 425 => error(ModelErrorKind::Timeout),
            413 => error(ModelErrorKind::BadRequest).with_hint("send less at once"),
            429 if said.is("insufficient_quota") => {
                let mut spent = error(ModelErrorKind::RateLimited)
                    .with_hint("the quota is used up: look at the plan and the billing");
                spent.retryable = false;
                spent
            }
            429 => error(ModelErrorKind::RateLimited),
            300..400 => {
                let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
                error(ModelErrorKind::BadRequest).with_hint(match to {
                    Some(to) => {
                        let to = redact(to);
                        format!("redirects are not followed: set the base URL to `{to}`")
                    }
                    None => "redirects are not followed: set another base URL".to_owned(),
                })
            }
            500.. => error(ModelErrorKind::Overloaded),
            400..500 => error(ModelErrorKind::BadRequest),
            _ => error(ModelErrorKind::Provider),
        }
    }

    /// The error for a success that is no stream of events: a page of a proxy, for one.
    pub(crate) fn wrong_content(&self, content_type: &str, body: &str) -> ModelError {
        if json::parse_frame(body).is_ok_and(|value| value.get("error").is_some()) {
            return self.in_band(body);
        }
        let what = if content_type.is_empty() { "no content type" } else { content_type };
        let said = excerpt(&self.without_key(body));
        let told = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message =
            format!("`{}` answered with `{what}` instead of a stream{told}", self.provider);
        let mut error = ModelError::new(ModelErrorKind::Malformed, message)
            .with_hint("check the base URL, and whether the server there is one for models");
        error.retryable = false;
        self.redacted(error)
    }

    /// The error for a failure that came within the stream, after a success had been announced.
    pub(crate) fn in_band(&self, body: &str) -> ModelError {
        let body = &*self.without_key(body);
        let said = Said::read(body);
        let by_code =
            said.status.filter(|status| status.is_client_error() || status.is_server_error());
        let mut error = if let Some(status) = by_code {
            let mut error = self.by_status(status, &said, &HeaderMap::new());
            error.status = Some(status.as_u16());
            error
        } else {
            self.by_word(&said, body)
        };
        error.retry_after = said.retry_after;
        self.redacted(error)
    }

    fn by_word(&self, said: &Said, body: &str) -> ModelError {
        use ModelErrorKind::{Auth, BadRequest, Overloaded, Provider, RateLimited};
        let words: [(ModelErrorKind, &[&str]); 4] = [
            (RateLimited, &["rate_limit", "rate limit", "quota", "resource_exhausted"]),
            (Auth, &["authentication", "permission", "api_key", "unauthorized"]),
            (BadRequest, &["invalid_request", "context_length", "not_found"]),
            (
                Overloaded,
                &[
                    "overload",
                    "server_error",
                    "api_error",
                    "internal",
                    "unavailable",
                    "timeout",
                    "at capacity",
                ],
            ),
        ];
        let known = words.iter().find(|(_, words)| words.iter().any(|word| said.is(word)));
        let kind = known.map_or(Provider, |(kind, _)| *kind);
        let told = if said.text.is_empty() { excerpt(body) } else { said.text.clone() };
        let message = format!("`{}` failed within its answer: {told}", self.provider);
        let mut error = ModelError::new(kind, message);
        if kind == Auth {
            error.hint = Some(self.key_hint());
        }
        if said.is("insufficient_quota") {
            error.retryable = false;
        }
        error
    }

    /// An error in our own words.
    pub(crate) fn error(&self, kind: ModelErrorKind, message: impl Into<String>) -> ModelError {
        self.redacted(ModelError::new(kind, message))
    }

    fn key_hint(&self) -> String {
        let variables = variables(self.key_variables);
        match &self.key {
            Some(_) => {
                format!("check the key of `{}` ({variables}), and what it may do", self.provider)
            }
            None => format!(
                "no key was sent: one that stands in the environment goes only to the provider's \
                 own address or to that of its base URL variable; give it in code with \
                 `Provider::named(\"{}\")?.base_url(…).api_key(…)`",
                self.provider
            ),
        }
    }

    /// Returns a provider's message without the key. Called before the message is cut, because a
    /// part of a key must be removed too.
    fn without_key(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.redact(text))
    }

    /// Takes the key out of everything that people will read.
    fn redacted(&self, mut error: ModelError) -> ModelError {
        if let Some(key) = &self.key {
            error.message = key.redact(&error.message);
            error.hint = error.hint.map(|hint| key.redact(&hint));
        }
        error
    }
}

/// `A` or `B`, in backticks.
pub(crate) fn variables(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// Members that say what went wrong.
const TEXTS: [&str; 8] = [
    "message",
    "msg",
    "detail",
    "description",
    "error_message",
    "error_msg",
    "status_msg",
    "faultstring",
];

/// The error in a body, in any of the known forms.
struct Said {
    text: String,
    /// Types and codes, in lower case.
    codes: String,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
}

impl Said {
    fn read(body: &str) -> Self {
        let value: Value = json::parse_frame(body).unwrap_or(Value::Null);
        // Gemini wraps its errors in a list.
        let value = value.get(0).unwrap_or(&value);
        // Responses puts a failure into the response that failed.
        let value = value.get("response").unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let text_at =
            |at: &Value, name: &str| at.get(name).and_then(Value::as_str).map(str::to_owned);
        let text = TEXTS
            .iter()
            .find_map(|name| text_at(error, name))
            .or_else(|| error.as_str().map(str::to_owned))
            .or_else(|| TEXTS.iter().find_map(|name| text_at(value, name)))
            .unwrap_or_else(|| if value.is_null() { excerpt(body) } else { String::new() });
        let mut codes = String::new();
        for at in [error, value] {
            for name in ["type", "code", "status"] {
                if let Some(code) = at.get(name).and_then(Value::as_str) {
                    codes.push_str(&code.to_lowercase());
                    codes.push(' ');
                }
            }
        }
        let details = || error.get("details").and_then(Value::as_array).into_iter().flatten();
        for reason in details().filter_map(|detail| detail.get("reason")?.as_str()) {
            codes.push_str(&reason.to_lowercase());
            codes.push(' ');
        }
        let mut delays = details().filter_map(|detail| detail.get("retryDelay")?.as_str());
        Self {
            // Where there is no code, the words are all there is.
            codes: if codes.is_empty() { text.to_lowercase() } else { codes },
            text: excerpt(&text),
            status: [error, value].into_iter().find_map(status),
            retry_after: delays.find_map(|delay| seconds(delay.strip_suffix('s')?)),
        }
    }

    /// `true` if a code or a type has this word.
    fn is(&self, word: &str) -> bool {
        self.codes.contains(word)
    }
}

/// The status of HTTP that an error tells, as a number or as a text.
fn status(error: &Value) -> Option<StatusCode> {
    let mut codes = ["code", "status", "status_code", "http_status"].iter();
    codes.find_map(|name| {
        let code: u16 = match error.get(*name)? {
            Value::String(code) => code.trim().parse().ok()?,
            Value::Number(code) => code.to_string().trim_end_matches(".0").parse().ok()?,
            _ => return None,
        };
        // What is no error is no status of one.
        StatusCode::from_u16(code).ok().filter(|code| code.as_u16() >= 400)
    })
}

/// The beginning of a text, on one line. Of a page, its title.
fn excerpt(text: &str) -> String {
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = title.map_or(text, |(title, _)| title);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// Returns the delay before a retry. A date is compared with the server's own, so no clock is
/// needed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let after = text("retry-after")?;
    seconds(after).or_else(|| {
        let wait = unix_seconds(after)?.saturating_sub(unix_seconds(text("date")?)?);
        Some(Duration::from_secs(wait))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker() -> Speaker {
        Speaker {
            provider: "openai",
            model: "gpt-5-mini".into(),
            key_variables: &["OPENAI_API_KEY"],
            key: Some(Key::new("sk-very-secret")),
        }
    }

    fn headers<const N: usize>(pairs: [(&'static str, &'static str); N]) -> HeaderMap {
        pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn a_date_is_seconds_since_1970() {
        assert_eq!(unix_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(unix_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(unix_seconds("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(unix_seconds("soon"), None);
    }

    #[test]
    fn when_to_try_again_is_read_in_every_form() {
        let read = retry_after;
        assert_eq!(read(&headers([("retry-after", "7")])), Some(Duration::from_secs(7)));
        assert_eq!(read(&headers([("retry-after", "0.5")])), Some(Duration::from_millis(500)));
        let both = headers([("retry-after-ms", "1500"), ("retry-after", "2")]);
        assert_eq!(read(&both), Some(Duration::from_millis(1500)));
        let date = headers([
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
        ]);
        assert_eq!(read(&date), Some(Duration::from_secs(30)));
        assert_eq!(read(&headers([("retry-after", "later")])), None);
        assert_eq!(read(&headers([("retry-after", "-1")])), None);
    }

    #[test]
    fn a_status_has_its_kind_and_says_what_to_do() {
        use ModelErrorKind::{Auth, BadRequest, Overloaded, RateLimited, Timeout};
        let cases = [
            (401, Auth, false),
            (403, Auth, false),
            (400, BadRequest, false),
            (404, BadRequest, false),
            (408, Timeout, true),
            (422, BadRequest, false),
            (429, RateLimited, true),
            (500, Overloaded, true),
            (529, Overloaded, true),
        ];
        for (status, kind, retryable) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let body = r#"{"error": {"message": "no, sk-very-secret", "type": "x"}}"#;
            let error = speaker().refused(status, &HeaderMap::new(), body);
            assert_eq!((error.kind, error.retryable), (kind, retryable), "{status}");
            assert_eq!(error.status, Some(status.as_u16()));
            assert_eq!(error.message, format!("`openai` answered {status}: no, [key]"));
        }
    }

    #[test]
    fn a_spent_quota_is_not_tried_again() {
        let body = r#"{"error": {"message": "You exceeded it", "code": "insufficient_quota"}}"#;
        let error = speaker().refused(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body);
        assert_eq!(error.kind, ModelErrorKind::RateLimited);
        assert!(!error.retryable);
    }

    #[test]
    fn a_failure_within_the_stream_is_told_apart_by_its_code() {
        use ModelErrorKind::{Auth, BadRequest, Overloaded, Provider, RateLimited};
        let cases = [
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, Overloaded),
            (r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#, Overloaded),
            (r#"{"error":{"code":429,"message":"m"}}"#, RateLimited),
            (r#"{"error":{"type":"rate_limit_error","message":"m"}}"#, RateLimited),
            (r#"{"error":{"type":"authentication_error","message":"m"}}"#, Auth),
            (r#"{"error":{"type":"invalid_request_error","message":"m"}}"#, BadRequest),
            (r#"{"response":{"error":{"code":"server_error","message":"m"}}}"#, Overloaded),
            (r#"{"error":"the server is at capacity"}"#, Overloaded),
            (r#"{"error":{"code":"503","message":"m"}}"#, Overloaded),
            (r#"{"error":{"code":"429","message":"m"}}"#, RateLimited),
            (r#"{"error":{"status_code":502.0,"message":"m"}}"#, Overloaded),
            (r#"{"object":"error","code":400,"message":"m"}"#, BadRequest),
            (r#"{"error":{"type":"strange","message":"m"}}"#, Provider),
        ];
        for (body, kind) in cases {
            assert_eq!(speaker().in_band(body).kind, kind, "{body}");
        }
    }

    #[test]
    fn a_page_is_told_by_its_title() {
        let page = "<html><head><title>Bad\n gateway</title></head><body>…</body></html>";
        let error = speaker().wrong_content("text/html", page);
        assert_eq!(error.kind, ModelErrorKind::Malformed);
        assert_eq!(
            error.message,
            "`openai` answered with `text/html` instead of a stream: Bad gateway"
        );
    }
}
