//! The address of a database, as users write it.

use crate::errors::Said;
use sqlx::postgres::PgConnectOptions;
use std::path::PathBuf;
use std::time::Duration;
use stepwright_core::{ErrorId, StoreError};

/// The parameters behind `?` that the driver reads.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Parameters of other drivers with the values that ask for no more than what holds here anyhow.
const IDLE: [(&str, &[&str]); 5] = [
    ("channel_binding", &["disable", "prefer"]),
    ("client_encoding", &["utf8", "UTF8", "auto"]),
    ("gssencmode", &["disable", "prefer"]),
    // A server that only reads is refused in any case.
    ("target_session_attrs", &["any", "primary", "read-write"]),
    ("load_balance_hosts", &["disable"]),
];

/// The address of a database. It never shows the password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) connect: PgConnectOptions,
    /// The time to wait for a connection, if the address has one.
    pub(super) connect_timeout: Option<Duration>,
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?parameter=value`. A driver that is named
    /// as well, as in `postgresql+psycopg://`, makes no difference.
    pub(super) fn parse(address: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = address.split_once("://").ok_or_else(|| {
            mistake("it does not begin with `postgres://`", "write `postgres://user@host/database`")
        })?;
        let kind = scheme.split('+').next().unwrap_or_default();
        if !["postgres", "postgresql"].contains(&kind) {
            return Err(mistake(
                format!("it begins with `{scheme}://`"),
                "write `postgres://user@host/database`",
            ));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        // What stands behind such a sign belongs to a password, and must not be shown as a host.
        let behind = path.split_once('/').map_or("", |(_, behind)| behind);
        if rest.contains('#') || behind.contains('@') || query.contains('@') {
            return Err(mistake(
                "it has an `@` or `#` where none can be",
                "write signs such as `@`, `/`, `?` and `#` in a user name or a password with \
                 percent: `%40`, `%2F`, `%3F`, `%23`",
            ));
        }
        let mut kept = Vec::new();
        let mut connect_timeout = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key == "connect_timeout" {
                let seconds = value.parse().map_err(|_| {
                    mistake(
                        "its `connect_timeout` is not a number",
                        "write a whole number of seconds",
                    )
                })?;
                // As PostgreSQL's own library has it: zero is without end.
                connect_timeout = Some(match seconds {
                    0 => Duration::MAX,
                    seconds => Duration::from_secs(seconds),
                });
            } else if PARAMETERS.contains(&key) {
                kept.push(pair);
            } else if !IDLE.iter().any(|(idle, values)| *idle == key && values.contains(&value)) {
                // Its value may be a secret, so it is not repeated.
                return Err(mistake(
                    format!("its parameter `{key}` has no effect here, or not with this value"),
                    format!("leave it out; there are `connect_timeout`, {}", listed()),
                ));
            }
        }
        let (path, user) = without_host(path);
        let query: Vec<&str> = user.iter().map(|pair| &**pair).chain(kept).collect();
        let plain = format!("postgres://{path}?{}", query.join("&"));
        let connect: PgConnectOptions = plain.parse().map_err(|error: sqlx::Error| {
            let said = match &error {
                sqlx::Error::Configuration(error) => error.to_string(),
                error => error.to_string(),
            };
            mistake(said, "write `postgres://user:password@host:port/database`")
        })?;
        // Numbers go over the wire as they are, so the server need not be asked for more digits.
        Ok(Self { connect: connect.extra_float_digits(None), connect_timeout })
    }

    /// The socket's directory, if there is no network between.
    fn socket(&self) -> Option<PathBuf> {
        let host = self.connect.get_host();
        let from_host = || host.starts_with('/').then(|| PathBuf::from(host));
        self.connect.get_socket().cloned().or_else(from_host)
    }

    /// Host, port and database.
    pub(super) fn shown(&self) -> String {
        let (host, port) = (self.connect.get_host(), self.connect.get_port());
        let database = self.database();
        match self.socket() {
            Some(directory) => format!("{}:{port}/{database}", directory.display()),
            None => format!("{host}:{port}/{database}"),
        }
    }

    pub(super) fn user(&self) -> &str {
        self.connect.get_username()
    }

    /// The database; the server takes the name of the user for it if there is none.
    pub(super) fn database(&self) -> &str {
        self.connect.get_database().unwrap_or_else(|| self.user())
    }
}

/// Returns an address without its password.
pub(super) fn without_password(address: &str) -> Result<String, StoreError> {
    Address::parse(address)?;
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match path.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{user}@{host}")
        }
        None => path.to_owned(),
    };
    let query = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password="));
    let query: Vec<&str> = query.collect();
    let sign = if query.is_empty() { "" } else { "?" };
    Ok(format!("{scheme}://{path}{sign}{}", query.join("&")))
}

/// A user in front of no host, as in `anna:secret@/agents?host=/run/postgresql`, becomes a
/// parameter as well: the syntax of addresses on the web does not have that.
fn without_host(path: &str) -> (String, Vec<String>) {
    let (authority, database) = path.split_once('/').unwrap_or((path, ""));
    let Some(user) = authority.strip_suffix('@') else { return (path.to_owned(), Vec::new()) };
    let (user, password) = user.split_once(':').map_or((user, None), |(a, b)| (a, Some(b)));
    // What has a meaning among parameters, and none in front of a host.
    let escaped = |text: &str| text.replace('+', "%2B").replace('&', "%26");
    let pairs = [("user", Some(user)), ("password", password)].into_iter();
    let pairs = pairs.filter_map(|(key, value)| Some(format!("{key}={}", escaped(value?))));
    (format!("/{database}"), pairs.collect())
}

fn listed() -> String {
    PARAMETERS.map(|parameter| format!("`{parameter}`")).join(", ")
}

fn mistake(what: impl Into<String>, hint: impl Into<String>) -> StoreError {
    StoreError::Unavailable {
        what: "cannot read the address of the database".to_owned(),
        source: Box::new(Said(what.into())),
        hint: Some(hint.into()),
        id: ErrorId::ADDRESS_INVALID,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn parse(address: &str) -> Address {
        Address::parse(address).unwrap_or_else(|error| panic!("{address}: {error:?}"))
    }

    fn refusal(address: &str) -> String {
        let Err(error) = Address::parse(address) else { panic!("{address} is taken") };
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn a_driver_in_the_address_makes_no_difference() {
        let schemes = ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg_async"];
        for scheme in schemes {
            let address = parse(&format!("{scheme}://ai:a%40b@db.example:5532/agents"));
            assert_eq!(address.shown(), "db.example:5532/agents");
            assert_eq!(address.user(), "ai");
        }
    }

    #[test]
    fn sockets_are_told_from_hosts() {
        let shown = |address| parse(address).shown();
        assert_eq!(shown("postgres://u@h/d"), "h:5432/d");
        assert_eq!(shown("postgres://u@[::1]:1/d"), "[::1]:1/d");
        assert_eq!(shown("postgres://u@%2Fvar%2Frun%2Fpg/d"), "/var/run/pg:5432/d");
        assert_eq!(shown("postgres:///d?host=/var/run/pg&port=7&user=u"), "/var/run/pg:7/d");
        assert_eq!(shown("postgres://u@h"), "h:5432/u");
        assert_eq!(shown("postgres://a%2Bb+c:x&y@/d?host=/var/run/pg"), "/var/run/pg:5432/d");
        assert_eq!(parse("postgres://a%2Bb+c:x&y@/d?host=/var/run/pg").user(), "a+b+c");
    }

    #[test]
    fn an_address_without_its_password_can_be_used() {
        for (address, shown) in [
            ("postgres://u:geheim@h:5433/d", "postgres://u@h:5433/d"),
            (
                "postgresql+psycopg://u:ge%40heim@h/d?sslmode=require&password=geheim",
                "postgresql+psycopg://u@h/d?sslmode=require",
            ),
            ("postgres://u@%2Fvar%2Frun%2Fpg/d", "postgres://u@%2Fvar%2Frun%2Fpg/d"),
            ("postgres://a%2Bb:geheim@/d?host=/var/run/pg", "postgres://a%2Bb@/d?host=/var/run/pg"),
            ("postgres://h/d", "postgres://h/d"),
        ] {
            let without = without_password(address).unwrap();
            assert_eq!(without, shown);
            assert_eq!(parse(&without).shown(), parse(address).shown());
            assert_eq!(parse(&without).user(), parse(address).user());
        }
    }

    #[test]
    fn parameters_are_read_or_refused_and_never_passed_over() {
        let address = parse("postgres://u@h/d?connect_timeout=3&sslmode=require");
        assert_eq!(address.connect_timeout, Some(Duration::from_secs(3)));
        let require = address.connect.get_ssl_mode();
        assert!(matches!(require, sqlx::postgres::PgSslMode::Require));
        parse("postgres://u@h/d?target_session_attrs=read-write&channel_binding=prefer");
        for (parameter, name) in [
            ("channel_binding=require", "`channel_binding`"),
            ("pasword=geheim", "`pasword`"),
            ("connect_timeout=geheim", "`connect_timeout`"),
            ("sslmode=sometimes", "sometimes"),
        ] {
            let told = refusal(&format!("postgres://u@h/d?{parameter}"));
            assert!(told.contains(name) && !told.contains("geheim"), "{told}");
        }
    }

    #[test]
    fn a_password_that_is_not_written_with_percent_is_refused_and_not_shown() {
        for address in [
            "postgres://u:ge/heim@h/d",
            "postgres://u:ge?heim@h/d",
            "postgres://u:ge#heim@h/d",
            "postgres://u:12/heim@h",
            "u:geheim@h/d",
            "postgres://u:geheim@h:port/d",
            "mysql://u:geheim@h/d",
        ] {
            let told = refusal(address);
            assert!(!told.contains("heim"), "{address}: {told}");
            assert!(told.starts_with("cannot read the address of the database: "), "{told}");
        }
    }
}
