//! Where runs and sessions are kept: a file, or a server.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use stepwright::{AnyStore, Error, ErrorKind, Postgres, Sqlite, WorkflowBuilder};

/// Names the database where `--db` does not.
const VARIABLE: &str = "STEPWRIGHT_DB";

/// What `--db` names.
#[derive(Clone)]
pub(crate) enum Database {
    File(PathBuf),
    /// By its address, in which there may be a password.
    Server(String),
}

/// A database that was opened.
#[derive(Clone)]
pub(crate) enum Opened {
    File(Sqlite),
    Server(Postgres),
}

impl Database {
    /// Anything that looks like an address is one; everything else is a path.
    pub(crate) fn named(name: OsString) -> Self {
        match name.into_string() {
            Ok(address) if address.contains("://") => Self::Server(address),
            Ok(path) => Self::File(path.into()),
            Err(path) => Self::File(path.into()),
        }
    }

    /// What the environment names, if anything.
    pub(crate) fn of_environment() -> Option<Self> {
        std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(Self::named)
    }

    /// Opens it; a file is made if there is none.
    pub(crate) async fn open(&self) -> Result<Opened, Error> {
        Ok(match self {
            Self::File(path) => Opened::File(Sqlite::open(path).await?),
            Self::Server(address) => Opened::Server(Postgres::connect(address).await?),
        })
    }

    /// Opens what is there: whoever looks for a run makes no file.
    pub(crate) async fn open_existing(&self) -> Result<Opened, Error> {
        if let Self::File(path) = self
            && !path.exists()
        {
            let what = format!("there is no database `{self}`");
            return Err(Error::new(ErrorKind::Store, what)
                .with_hint("`stepwright run FILE --db DB` makes one"));
        }
        self.open().await
    }
}

impl Opened {
    /// As any store, to look into.
    pub(crate) fn store(&self) -> AnyStore {
        match self.clone() {
            Self::File(store) => AnyStore::new(store),
            Self::Server(store) => AnyStore::new(store),
        }
    }

    /// Keeps what the workflow does there.
    pub(crate) fn beneath(self, builder: WorkflowBuilder) -> WorkflowBuilder {
        match self {
            Self::File(store) => builder.store(store),
            Self::Server(store) => builder.store(store),
        }
    }
}

impl fmt::Display for Database {
    /// For people, and without a password.
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
