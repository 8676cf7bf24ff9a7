//! The address of a Restate server, with the settings of a worker.

use std::fmt;
use std::net::SocketAddr;
use stepwright_http::reqwest::Url;

/// The scheme of addresses.
const SCHEME: &str = "restate://";

/// The form of addresses.
pub(crate) const FORM: &str = concat!(
    "write `restate://HOST:PORT?admin=HOST:PORT&listen=IP:PORT&advertise=URL`, where all but HOST ",
    "can be left out"
);

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
pub struct AddressError {
    address: String,
    /// The mistake, which follows the name of the address.
    pub(crate) why: String,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}; {FORM}", self.address, self.why)
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
/// If the address is not `restate://HOST[:PORT]`, with the parameters that
/// [`RestateDispatcher::new`](crate::RestateDispatcher::new) has.
pub fn check(address: &str) -> Result<(), AddressError> {
    Address::parse(address).map(drop)
}

/// The two interfaces of a server, and the settings of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Takes invocations.
    pub(crate) ingress: Url,
    /// Takes registrations.
    pub(crate) admin: Url,
    /// The address at which a worker listens.
    pub(crate) listen: Option<SocketAddr>,
    /// The URL at which the server calls a worker.
    pub(crate) advertise: Option<String>,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        Self::read(text).map_err(|why| AddressError { address: text.to_owned(), why })
    }

    fn read(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).ok_or("does not begin with `restate://`")?;
        let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = host.strip_suffix('/').unwrap_or(host);
        if host.is_empty() || host.starts_with(':') {
            return Err("names no host".into());
        }
        let ingress = at(host, INGRESS)?;
        let mut admin = ingress.clone();
        let _ = admin.set_port(Some(ADMIN));
        let mut address = Self { ingress, admin, listen: None, advertise: None };
        let mut given: Vec<String> = Vec::new();
        for (key, value) in pairs(query) {
            if given.contains(&key) {
                return Err(format!("has the parameter `{key}` twice"));
            }
            match key.as_str() {
                "admin" => address.admin = at(&value, ADMIN)?,
                "listen" => {
                    let parsed = value.parse().map_err(|_| wrong_value(&key, "IP:PORT", &value));
                    address.listen = Some(parsed?);
                }
                "advertise" if is_web(&value) => address.advertise = Some(value),
                "advertise" => return Err(wrong_value(&key, "http://HOST:PORT", &value)),
                _ => return Err(format!("has the unknown parameter `{key}`")),
            }
            given.push(key);
        }
        match (address.listen, &address.advertise) {
            (Some(listen), None) if listen.ip().is_unspecified() => Err(format!(
                "has `listen={listen}`, where a server of another machine calls no worker: add \
                 `advertise=http://HOST:PORT`"
            )),
            _ => Ok(address),
        }
    }
}

fn wrong_value(key: &str, form: &str, value: &str) -> String {
    format!("has `{key}={value}`, which is not `{key}={form}`")
}

/// Returns the interface of a server at a host.
fn at(host: &str, port: u16) -> Result<Url, String> {
    let url = Url::parse(&format!("http://{host}")).ok();
    let url = url.filter(|url| {
        let is_bare = url.path() == "/" && url.query().is_none();
        is_bare && url.username().is_empty() && url.password().is_none()
    });
    let mut url = url.ok_or("has more than a host and a port")?;
    // The port of HTTP is left out of a URL, also where it was written.
    if url.port().is_none() && !host.ends_with(":80") {
        let _ = url.set_port(Some(port));
    }
    Ok(url)
}

/// Returns the parameters of a query.
fn pairs(query: &str) -> Vec<(String, String)> {
    let Ok(mut url) = Url::parse("http://localhost") else { return Vec::new() };
    url.set_query(Some(query));
    let pairs = url.query_pairs();
    pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

fn is_web(url: &str) -> bool {
    let url = Url::parse(url).ok();
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let Address { ingress, admin, .. } = Address::parse(text).unwrap();
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
    fn an_address_has_the_settings_of_a_worker() {
        let text = "restate://a?listen=0.0.0.0:9080&advertise=http://w2.example:9080&admin=b";
        let Address { listen, advertise, admin, .. } = Address::parse(text).unwrap();
        assert_eq!(listen, Some(SocketAddr::from(([0, 0, 0, 0], 9080))));
        assert_eq!(advertise.as_deref(), Some("http://w2.example:9080"));
        assert_eq!(admin.as_str(), "http://b:9070/");
        let escaped = "restate://a?advertise=https%3A%2F%2Fw%2Fstepwright";
        let advertise = Address::parse(escaped).unwrap().advertise;
        assert_eq!(advertise.as_deref(), Some("https://w/stepwright"));
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
            ("restate://a?admin=", "more than a host"),
            ("restate://a?partitions=2", "unknown parameter `partitions`"),
            ("restate://a?admin=b&admin=c", "`admin` twice"),
            ("restate://a?listen=9080", "is not `listen=IP:PORT`"),
            ("restate://a?advertise=w:9080", "is not `advertise=http://HOST:PORT`"),
            ("restate://a?listen=0.0.0.0:9080", "add `advertise="),
            ("restate://a?listen=[::]:9080", "add `advertise="),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
