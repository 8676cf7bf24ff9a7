//! Patterns of addresses, with a method or without: `GET https://api.example.com/v1/*`.

use super::effect::Address;
use super::globs;
use std::fmt;

/// The pattern of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    method: Option<String>,
    scheme: String,
    host: String,
    /// `None` for any port.
    port: Option<u16>,
    path: String,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (method, address) = match text.split_once(char::is_whitespace) {
            Some((method, address)) => (Some(method), address.trim()),
            None => (None, text),
        };
        if let Some(method) = method
            && (method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()))
            && method != "*"
        {
            return Err(format!("`{method}` is not a method in capitals, such as `GET`"));
        }
        let method = method.filter(|method| *method != "*").map(ToOwned::to_owned);
        let not_an_address =
            || format!("`{address}` is not an address such as `https://api.example.com/*`");
        let (scheme, rest) = address.split_once("://").ok_or_else(not_an_address)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(not_an_address());
        }
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/*"),
        };
        if !path.starts_with('/') {
            return Err(not_an_address());
        }
        if authority.contains('@') {
            return Err("an address in a rule has no user".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, "*")) => (host, None),
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().map_err(|_| format!("`{port}` is not a port"))?;
                (host, Some(port))
            }
            _ => (authority, Some(default_port(&scheme))),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let rest = host.strip_prefix("*.").unwrap_or(&host);
        if rest.is_empty() || rest.contains(['*', ' ']) && host != "*" {
            return Err(format!(
                "`{host}` is not a host: `*` stands for all of it, or for its first part as in \
                 `*.example.com`"
            ));
        }
        if !host.is_ascii() {
            return Err(format!("write the host `{host}` in its ASCII form, `xn--…`"));
        }
        let path = path.split('#').next().unwrap_or(path).to_owned();
        if path.split(['/', '?']).any(|part| part == "..") {
            return Err("its path contains `..`".to_owned());
        }
        Ok(Self { method, scheme, host, port, path })
    }

    fn is_for_origin(&self, address: &Address) -> bool {
        let host = address.host.trim_end_matches('.');
        let is_host = match self.host.strip_prefix("*.") {
            _ if self.host == "*" => true,
            Some(rest) => host.strip_suffix(rest).is_some_and(|first| first.ends_with('.')),
            None => host == self.host,
        };
        is_host
            && self.method.as_ref().is_none_or(|method| *method == address.method)
            && self.scheme == address.scheme
            && self.port.is_none_or(|port| port == address.port)
    }

    /// Returns `true` if it matches all forms of the address.
    pub(super) fn covers(&self, address: &Address) -> bool {
        self.is_for_origin(address)
            && forms(address).iter().all(|form| globs::text_matches(&self.path, form))
    }

    /// Returns `true` if it matches any form of the address.
    pub(super) fn touches(&self, address: &Address) -> bool {
        self.is_for_origin(address)
            && forms(address).iter().any(|form| globs::text_matches(&self.path, form))
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// Returns the path and query as sent, and as a server sees them that decodes the path before it
/// resolves dots.
fn forms(address: &Address) -> Vec<String> {
    let query = address.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let mut forms = vec![format!("{}{query}", address.path)];
    let mut path = address.path.clone();
    // Servers and proxies may each decode once.
    for _ in 0..3 {
        let decoded = decoded(&path);
        if decoded == path {
            break;
        }
        forms.push(format!("{}{query}", resolved(&decoded)));
        path = decoded;
    }
    forms.push(format!("{}{query}", resolved(&path)));
    forms
}

fn decoded(path: &str) -> String {
    let (bytes, mut plain, mut at) = (path.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(value) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            plain.push(value);
            at += 3;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn resolved(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    let mut all = path.split('/').skip(1).peekable();
    while let Some(part) = all.next() {
        // `a;b` is `a` with a parameter for some servers.
        let is_last = all.peek().is_none();
        match part.split(';').next().unwrap_or(part) {
            ".." => {
                parts.pop();
                if is_last {
                    parts.push("");
                }
            }
            "." if is_last => parts.push(""),
            "." => {}
            "" if !is_last => {}
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

impl Address {
    /// Returns scheme, host and port.
    ///
    /// ```
    /// # use stepwright_core::permission::Address;
    /// # let (method, scheme, host) = ("GET".into(), "http".into(), "localhost".into());
    /// let address = Address { method, scheme, host, port: 8080, path: "/a".into(), query: None };
    /// assert_eq!(address.origin(), "http://localhost:8080");
    /// ```
    pub fn origin(&self) -> String {
        let Self { scheme, host, port, .. } = self;
        if *port == default_port(scheme) {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, query, .. } = self;
        write!(f, "{method} {}{path}", self.origin())?;
        match query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}
