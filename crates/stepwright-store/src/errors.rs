//! Errors that both databases have.

use std::error::Error as StdError;
use std::fmt;
use stepwright_core::{ErrorId, RunId, SessionId, StoreError};

/// The failure of some work on a connection.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// The store refuses the request.
    Refused(StoreError),
    /// The database failed.
    Sql(E),
}

impl<E> From<StoreError> for Failure<E> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// A cause that is only a text.
#[derive(Debug)]
pub(crate) struct Said(pub(crate) String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Said {}

/// The database is there, and is not one for this program.
pub(crate) fn unusable(
    id: ErrorId,
    database: impl fmt::Display,
    source: String,
    hint: &str,
) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot use the database `{database}`"),
        source: Box::new(Said(source)),
        hint: Some(hint.to_owned()),
        id,
    }
}

/// The row of a run is damaged.
pub(crate) fn corrupt_row(run: &RunId, what: &str) -> StoreError {
    let what = format!("in its row of `runs`: {what}");
    StoreError::Corrupt { run: run.clone(), sequence: 0, path: None, what }
}

/// The row of a run is damaged, and has no name that can be read.
pub(crate) fn unnamed_run(what: &dyn fmt::Display) -> StoreError {
    StoreError::Unavailable {
        what: "the database has a run whose name cannot be read".to_owned(),
        source: Box::new(Said(what.to_string())),
        hint: Some("restore the database from a backup".to_owned()),
        id: ErrorId::ROW_DAMAGED,
    }
}

/// There is no such session.
pub(crate) fn missing(id: &SessionId) -> StoreError {
    StoreError::NotFound(format!("session `{id}`"))
}

/// The session of a run is gone.
pub(crate) fn missing_session_of(run: &RunId) -> StoreError {
    StoreError::NotFound(format!("the session of run `{run}`"))
}

/// There is no such run.
pub(crate) fn missing_run(run: &RunId) -> StoreError {
    StoreError::NotFound(format!("run `{run}`"))
}

/// A row of an inbox is damaged.
pub(crate) fn damaged_signal(
    run: &str,
    signal: &str,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable {
        what: format!("signal `{signal}` in the inbox of run `{run}` is damaged"),
        source: source.into(),
        hint: Some("restore the database from a backup, or delete that row of `inbox`".to_owned()),
        id: ErrorId::ROW_DAMAGED,
    }
}

/// The row of a session is damaged.
pub(crate) fn damaged(
    session: &str,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable {
        what: format!("what is stored of session `{session}` is damaged"),
        source: source.into(),
        hint: Some("restore the database from a backup, or delete the session".to_owned()),
        id: ErrorId::ROW_DAMAGED,
    }
}

/// The row of a memory is damaged.
pub(crate) fn damaged_memory(user: &str, memory: &str, what: String) -> StoreError {
    StoreError::Unavailable {
        what: format!("memory `{memory}` of user `{user}` is damaged"),
        source: Box::new(Said(what)),
        hint: Some("restore the database from a backup, or remove the memory".to_owned()),
        id: ErrorId::ROW_DAMAGED,
    }
}

/// The row of a plan is damaged.
pub(crate) fn damaged_plan(digest: &str, what: String) -> StoreError {
    StoreError::Unavailable {
        what: format!("plan `{digest}` in `plans` is damaged"),
        source: Box::new(Said(what)),
        hint: Some("restore the database from a backup, or delete that row".to_owned()),
        id: ErrorId::ROW_DAMAGED,
    }
}

/// A payload that takes a key to read it.
pub(crate) fn sealed(what: impl fmt::Display, key: &str) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot read {what}: it is sealed with key `{}`", key.escape_debug()),
        source: Box::new(Said("this version cannot open sealed payloads".to_owned())),
        hint: Some("use the newer program that wrote it".to_owned()),
        id: ErrorId::ROW_SEALED,
    }
}
