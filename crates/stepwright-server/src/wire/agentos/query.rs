//! The parameters of a request.

use super::fault::Fault;
use crate::state::ServedKind;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

/// The id of the one database.
pub(super) const DB: &str = "stepwright";

/// The parameters of a request. An empty one counts as absent, and one may come several times.
#[derive(Debug)]
pub(super) struct Asked(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Asked {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// Returns a parameter that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| Fault::missing("query", name))
    }

    /// Returns every value of a parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.0.iter().filter(move |(own, value)| own == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a number from 1.
    pub(super) fn count(&self, name: &str, default: usize) -> Result<usize, Fault> {
        match self.get(name).map(|text| (text, text.parse())) {
            None => Ok(default),
            Some((_, Ok(number))) if number >= 1 => Ok(number),
            Some((text, Ok(_))) => {
                let why = "Input should be greater than or equal to 1";
                Err(Fault::invalid("greater_than_equal", "query", name, why, text))
            }
            Some((text, Err(_))) => Err(not_a_number(name, text)),
        }
    }

    /// Returns a time in seconds since 1970.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<u64>, Fault> {
        let text = self.get(name);
        text.map(|text| text.parse().map_err(|_| not_a_number(name, text))).transpose()
    }

    /// Checks the name of the database, if there is one.
    pub(super) fn database(&self) -> Result<(), Fault> {
        match self.get("db_id").filter(|db| *db != DB) {
            Some(db) => Err(Fault::not_found(format!("No database found with id '{db}'"))),
            None => Ok(()),
        }
    }

    /// Returns the kind of sessions. Checks the database too, which all routes of sessions have.
    pub(super) fn kind(&self) -> Result<Option<ServedKind>, Fault> {
        self.database()?;
        let parse = |word| {
            let why = "Input should be 'agent', 'team' or 'workflow'";
            let fault = || Fault::invalid("enum", "query", "type", why, word);
            ServedKind::parse(word).ok_or_else(fault)
        };
        self.get("type").map(parse).transpose()
    }
}

fn not_a_number(name: &str, text: &str) -> Fault {
    let why = "Input should be a valid integer, unable to parse string as an integer";
    Fault::invalid("int_parsing", "query", name, why, text)
}
