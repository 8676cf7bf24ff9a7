//! The address of a dispatcher.

use crate::database::Database;
use std::fmt;

/// The dispatcher that `--dispatcher` names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DispatcherAddress {
    /// The queue of a PostgreSQL database, which stores the runs too.
    Database(Database),
    /// A dispatcher beside the database of the runs.
    Other {
        scheme: String,
        /// The whole address, which may contain a password.
        address: String,
    },
}

impl DispatcherAddress {
    /// Parses the value of `--dispatcher`.
    ///
    /// # Errors
    /// Fails unless it has a scheme.
    pub(crate) fn parse(address: &str) -> Result<Self, String> {
        match address.split_once("://") {
            Some((scheme, _)) if scheme.starts_with("postgres") => {
                Ok(Self::Database(Database::named(address.into())))
            }
            Some((scheme, _)) if !scheme.is_empty() => {
                Ok(Self::Other { scheme: scheme.to_owned(), address: address.to_owned() })
            }
            _ => Err("a dispatcher is an address such as `postgres://user@host/database`".into()),
        }
    }
}

impl fmt::Display for DispatcherAddress {
    /// Shows the scheme, the host and the port, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(database) => database.fmt(f),
            Self::Other { scheme, address } => {
                let rest = address.split_once("://").map_or("", |(_, rest)| rest);
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = host.rsplit('@').next().unwrap_or_default();
                write!(f, "{scheme}://{host}")
            }
        }
    }
}

impl fmt::Debug for DispatcherAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_database_or_another_engine() {
        let parsed = |address| DispatcherAddress::parse(address).unwrap();
        for database in ["postgres://a@h/d", "postgresql+psycopg://h/d"] {
            assert!(matches!(parsed(database), DispatcherAddress::Database(_)), "{database}");
        }
        let other = parsed("restate://u:geheim@h:8080/?admin=geheim");
        assert_eq!(format!("{other} {other:?}"), "restate://h:8080 restate://h:8080");
        assert!(matches!(other, DispatcherAddress::Other { scheme, .. } if scheme == "restate"));
        for wrong in ["", "runs.db", "://h", "postgres"] {
            assert!(DispatcherAddress::parse(wrong).is_err(), "{wrong}");
        }
    }
}
