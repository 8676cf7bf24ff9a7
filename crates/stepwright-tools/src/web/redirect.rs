//! Redirects. They are followed as browsers do, except that another server gets neither the headers
//! of the step, which may hold a key, nor a request that changes something.

use stepwright_http::reqwest::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE,
    HeaderMap, LOCATION,
};
use stepwright_http::reqwest::{Method, Response, Url};

/// A redirect that an answer asks for.
pub(crate) enum Redirect {
    /// To be followed.
    To {
        url: Url,
        /// `true` if the next request is a GET without a body.
        as_get: bool,
        /// `true` if it goes to another server.
        elsewhere: bool,
    },
    /// To the server of this name, which must not get the request.
    Refused(String),
}

impl Redirect {
    /// Returns the redirect of an answer to a request for `from`. `None` if there is none that can
    /// be followed; then the answer is the result.
    pub(crate) fn of(response: &Response, from: &Url, method: &Method) -> Option<Self> {
        let status = response.status().as_u16();
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let place = response.headers().get(LOCATION)?.to_str().ok()?;
        let url = from.join(place).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let only_reads = matches!(*method, Method::GET | Method::HEAD);
        let as_get = match status {
            303 => !only_reads,
            301 | 302 => *method == Method::POST,
            _ => false,
        };
        let elsewhere = from.origin() != url.origin();
        if elsewhere && !only_reads && !as_get {
            return Some(Self::Refused(url.host_str().unwrap_or_default().to_owned()));
        }
        Some(Self::To { url, as_get, elsewhere })
    }
}

/// Removes the headers of a body that is no longer sent.
pub(crate) fn without_body(headers: &mut HeaderMap) {
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE] {
        headers.remove(name);
    }
}

/// Keeps the headers that cannot hold a secret. A header of any name may hold one.
pub(crate) fn without_secrets(headers: &mut HeaderMap) {
    let kept = [ACCEPT, ACCEPT_LANGUAGE].map(|name| headers.remove(&name).map(|text| (name, text)));
    headers.clear();
    headers.extend(kept.into_iter().flatten().map(|(name, text)| (Some(name), text)));
}
