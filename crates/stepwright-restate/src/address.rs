//! The address of a Restate server.

use std::fmt;
use stepwright_http::reqwest::Url;

/// The scheme of addresses.
const SCHEME: &str = "restate://";

/// The port of the ingress of a server, by default.
const INGRESS: u16 = 8080;

/// The port of the admin API of a server, by default.
const ADMIN: u16 = 9070;

/// The reason that a text is not the address of a Restate server.
///
/// ```
/// use stepwright_restate::AddressError;
/// let error: AddressError = stepwright_restate::check("restate://").unwrap_err();
/// assert!(error.to_string().contains("names no host"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

/// Checks an address without asking the server.
///
/// ```
/// assert!(stepwright_restate::check("restate://localhost").is_ok());
/// assert!(stepwright_restate::check("restate://10.0.0.7:8080?admin=10.0.0.8:9070").is_ok());
/// assert!(stepwright_restate::check("http://localhost:8080").is_err());
/// ```
///
/// # Errors
/// If the address is not `restate://HOST[:PORT][?admin=HOST:PORT]`.
pub fn check(address: &str) -> Result<(), AddressError> {
    Address::parse(address).map(drop)
}

/// The two interfaces of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Takes invocations.
    pub(crate) ingress: Url,
    /// Takes registrations.
    pub(crate) admin: Url,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let wrong = |why: &str| {
            AddressError(format!("`{text}` {why}; write `{SCHEME}HOST:PORT?admin=HOST:PORT`"))
        };
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err(wrong("does not begin with `restate://`"));
        };
        let (host, query) = match rest.split_once('?') {
            Some((host, query)) => (host, Some(query)),
            None => (rest, None),
        };
        let host = host.strip_suffix('/').unwrap_or(host);
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong("names no host"));
        }
        let at = |host: &str, port: u16| {
            let url = Url::parse(&format!("http://{host}")).ok();
            let url = url.filter(|url| {
                let is_bare = url.path() == "/" && url.query().is_none();
                is_bare && url.username().is_empty() && url.password().is_none()
            });
            let mut url = url.ok_or_else(|| wrong("has more than a host and a port"))?;
            // The port of HTTP is left out of a URL, also where it was written.
            if url.port().is_none() && !host.ends_with(":80") {
                let _ = url.set_port(Some(port));
            }
            Ok(url)
        };
        let ingress = at(host, INGRESS)?;
        let admin = match query.map(|query| query.strip_prefix("admin=")) {
            None => {
                let mut admin = ingress.clone();
                let _ = admin.set_port(Some(ADMIN));
                admin
            }
            Some(Some(admin)) if !admin.is_empty() => at(admin, ADMIN)?,
            Some(_) => return Err(wrong("has an unknown parameter")),
        };
        Ok(Self { ingress, admin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let Address { ingress, admin } = Address::parse(text).unwrap();
        (ingress.to_string(), admin.to_string())
    }

    #[test]
    fn an_address_names_the_ingress_and_the_admin_api_is_beside_it() {
        let both = |ingress: &str, admin: &str| (ingress.to_owned(), admin.to_owned());
        assert_eq!(parsed("restate://a"), both("http://a:8080/", "http://a:9070/"));
        assert_eq!(parsed("restate://a:1/"), both("http://a:1/", "http://a:9070/"));
        assert_eq!(parsed("restate://a:80"), both("http://a/", "http://a:9070/"));
        assert_eq!(parsed("restate://[::1]:7"), both("http://[::1]:7/", "http://[::1]:9070/"));
        assert_eq!(parsed("restate://a:1?admin=b:2"), both("http://a:1/", "http://b:2/"));
        assert_eq!(parsed("restate://a?admin=b"), both("http://a:8080/", "http://b:9070/"));
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, why) in [
            ("http://a:1", "does not begin with"),
            ("restate://", "names no host"),
            ("restate://:8080", "names no host"),
            ("restate://a/b", "more than a host"),
            ("restate://u:p@a", "more than a host"),
            ("restate://a:x", "more than a host"),
            ("restate://a?admin=", "unknown parameter"),
            ("restate://a?partitions=2", "unknown parameter"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
