//! The database of runs and sessions: a file or a server.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use stepwright::{AnyStore, Error, ErrorId, ErrorKind, Postgres, Sqlite, UserId, WorkflowBuilder};
use stepwright_engine::Runs;

/// The environment variable with the default database.
const VARIABLE: &str = "STEPWRIGHT_DB";

/// The database that `--db` names.
#[derive(Clone)]
pub(crate) enum Database {
    File(PathBuf),
    /// The URL of a server, which may contain a password.
    Server(String),
}

/// An open database.
#[derive(Clone)]
pub(crate) enum Opened {
    File(Sqlite),
    Server(Postgres),
}

impl Database {
    /// Parses a name: a text with `://` is a URL, everything else is a path.
    pub(crate) fn named(name: OsString) -> Self {
        match name.into_string() {
            Ok(address) if address.contains("://") => Self::Server(address),
            Ok(path) => Self::File(path.into()),
            Err(path) => Self::File(path.into()),
        }
    }

    /// Returns the database that the environment names, if it names one.
    pub(crate) fn of_environment() -> Option<Self> {
        std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(Self::named)
    }

    /// Opens the database. Creates the file if it does not exist.
    pub(crate) async fn open(&self) -> Result<Opened, Error> {
        Ok(match self {
            Self::File(path) => Opened::File(Sqlite::open(path).await?),
            Self::Server(address) => Opened::Server(Postgres::connect(address).await?),
        })
    }

    /// Opens an existing database, because a command that only reads must not create a file.
    pub(crate) async fn open_existing(&self) -> Result<Opened, Error> {
        if let Self::File(path) = self
            && !path.exists()
        {
            let what = format!("there is no database `{self}`");
            return Err(Error::new(ErrorKind::Store, what)
                .with_id(ErrorId::DATABASE_MISSING)
                .with_hint("`stepwright run FILE --db DB` makes one"));
        }
        if let Self::File(path) = self
            && path.metadata().is_ok_and(|file| file.is_file() && file.len() == 0)
        {
            let what = format!("the database `{self}` is empty: the file has no bytes");
            let hint =
                "if it had runs, restore a backup; `stepwright run FILE --db DB` starts anew";
            let error = Error::new(ErrorKind::Store, what).with_id(ErrorId::DATABASE_EMPTY);
            return Err(error.with_hint(hint));
        }
        self.open().await
    }
}

impl Opened {
    /// Returns the runs and sessions in it, restricted to `user` if there is one.
    pub(crate) fn runs(&self, user: Option<&UserId>) -> Result<Runs, Error> {
        let runs = Runs::of(match self.clone() {
            Self::File(store) => AnyStore::new(store),
            Self::Server(store) => AnyStore::new(store),
        });
        match user {
            Some(user) => runs.as_user(user),
            None => Ok(runs),
        }
    }

    /// Makes the workflow store its runs here.
    pub(crate) fn beneath(self, builder: WorkflowBuilder) -> WorkflowBuilder {
        match self {
            Self::File(store) => builder.store(store),
            Self::Server(store) => builder.store(store),
        }
    }
}

/// Adds a hint at how to list runs if a run was not found.
pub(crate) fn run_error(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error
            .with_id(ErrorId::RUN_NOT_FOUND)
            .with_hint("`stepwright runs` lists those that are there"),
        _ => error,
    }
}

/// Adds a hint at how to list sessions if a session was not found.
pub(crate) fn session_error(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error
            .with_id(ErrorId::SESSION_NOT_FOUND)
            .with_hint("`stepwright sessions list` lists those that are there"),
        _ => error,
    }
}

impl fmt::Display for Database {
    /// Shows the database without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(address) => match Postgres::options(address).shown() {
                Ok(shown) => f.write_str(&shown),
                Err(_) => f.write_str("a database server"),
            },
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
