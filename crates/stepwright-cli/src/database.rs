//! Where runs and sessions are kept: a file, or a server.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use stepwright::{Error, Postgres, Sqlite, WorkflowBuilder};

/// What `--db` names.
#[derive(Clone)]
pub(crate) enum Database {
    File(PathBuf),
    /// By its address, in which there may be a password.
    Server(String),
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

    /// Keeps what the workflow does there.
    pub(crate) async fn beneath(&self, builder: WorkflowBuilder) -> Result<WorkflowBuilder, Error> {
        Ok(match self {
            Self::File(path) => builder.store(Sqlite::open(path).await?),
            Self::Server(address) => builder.store(Postgres::connect(address).await?),
        })
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
