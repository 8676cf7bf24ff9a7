//! The database of runs and sessions: a file or a server.

use crate::folders;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
#[cfg(feature = "postgres")]
use stepwright::Postgres;
use stepwright::tools::KeptFiles;
use stepwright::{AnyStore, Error, ErrorId, ErrorKind, Sqlite, UserId, WorkflowBuilder};
use stepwright_engine::Runs;

/// The environment variable with the default database.
pub(crate) const VARIABLE: &str = "STEPWRIGHT_DB";

/// The folder in which a project keeps its runs, beside its workflow files.
const PROJECT: &str = ".stepwright";

/// The database file in the folder of a project or of the user.
const FILE: &str = "runs.db";

/// The scheme of an address that names a SQLite file.
const SQLITE: &str = "sqlite:";

/// The database that `--db` names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    File {
        path: PathBuf,
        /// The time to wait while another process writes, if it is not the default.
        lock_wait: Option<Duration>,
    },
    /// The URL of a server, which may contain a password.
    Server(String),
}

/// An open database.
#[derive(Clone)]
pub(crate) enum Opened {
    File(Sqlite),
    #[cfg(feature = "postgres")]
    Server(Postgres),
}

impl Database {
    /// Parses a name: a text with `://` is a URL, everything else is a path. `sqlite://runs.db` and
    /// `sqlite:runs.db` are paths too, as other programs write them.
    pub(crate) fn named(name: OsString) -> Self {
        match name.into_string() {
            Ok(address) if address.starts_with(SQLITE) => {
                let path = &address[SQLITE.len()..];
                Self::file(path.strip_prefix("//").unwrap_or(path))
            }
            Ok(address) if address.contains("://") => Self::Server(address),
            Ok(path) => Self::file(path),
            Err(path) => Self::file(path),
        }
    }

    /// Returns the database that the environment names, if it names one.
    pub(crate) fn of_environment() -> Option<Self> {
        std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(Self::named)
    }

    fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), lock_wait: None }
    }

    /// Sets the time to wait while another process writes.
    ///
    /// # Errors
    /// Fails for a server.
    pub(crate) fn with_lock_wait(mut self, wait: Option<Duration>) -> Result<Self, Error> {
        match (&mut self, wait) {
            (_, None) => {}
            (Self::File { lock_wait, .. }, wait) => *lock_wait = wait,
            (Self::Server(_), Some(_)) => {
                let what = "`--lock-wait` is for SQLite files, and the database is a server";
                let hint = "leave it out: PostgreSQL locks single rows";
                return Err(Error::usage(what).with_hint(hint));
            }
        }
        Ok(self)
    }

    /// Returns the database of a project or of the user: `.stepwright/runs.db` beside the workflow
    /// file or in the current directory, if that folder exists, and otherwise in the state folder
    /// of the user. `None` if the user has no such folder.
    pub(crate) fn usual(file: Option<&Path>) -> Option<Self> {
        let beside = file.filter(|file| *file != Path::new("-")).and_then(Path::parent);
        let mut projects = [beside, Some(Path::new(""))].into_iter().flatten();
        let project = projects.find_map(|folder| {
            let project = folder.join(PROJECT);
            project.is_dir().then(|| project.join(FILE))
        });
        let file = project.or_else(|| Some(folders::state()?.join(FILE)));
        file.map(Self::file)
    }

    /// Makes the folder of a file that [`Self::usual`] has named. Other users cannot read it.
    pub(crate) fn make_folder(&self) -> std::io::Result<()> {
        let Self::File { path, .. } = self else { return Ok(()) };
        let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
            return Ok(());
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)
    }

    /// Opens the database. Creates the file if it does not exist.
    pub(crate) async fn open(&self) -> Result<Opened, Error> {
        match self {
            Self::File { path, lock_wait } => {
                Ok(Opened::File(open_file(path, *lock_wait, false).await?))
            }
            Self::Server(address) => connect(address).await,
        }
    }

    /// Opens an existing database, because a command that only reads must not create a file.
    pub(crate) async fn open_existing(&self) -> Result<Opened, Error> {
        if let Self::File { path, .. } = self
            && !path.exists()
        {
            let what = format!("there is no database `{self}`");
            return Err(Error::new(ErrorKind::Store, what)
                .with_id(ErrorId::DATABASE_MISSING)
                .with_hint("`stepwright run FILE` makes one, or pass another with `--db DB`"));
        }
        if let Self::File { path, .. } = self
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

    /// Opens an existing database that this program may have no right to write.
    pub(crate) async fn open_to_read(&self) -> Result<Opened, Error> {
        match (self.open_existing().await, self) {
            (Err(error), Self::File { path, lock_wait })
                if error.id() == ErrorId::DATABASE_FORBIDDEN =>
            {
                Ok(Opened::File(open_file(path, *lock_wait, true).await?))
            }
            (opened, _) => opened,
        }
    }
}

async fn open_file(
    path: &Path,
    lock_wait: Option<Duration>,
    read_only: bool,
) -> Result<Sqlite, Error> {
    let mut options = Sqlite::options(path);
    if let Some(wait) = lock_wait {
        options = options.lock_wait(wait);
    }
    if read_only {
        options = options.read_only();
    }
    Ok(options.open().await?)
}

impl Opened {
    /// Returns the runs and sessions in it, restricted to `user` if there is one.
    pub(crate) fn runs(&self, user: Option<&UserId>) -> Result<Runs, Error> {
        let runs = Runs::of(match self.clone() {
            Self::File(store) => AnyStore::new(store),
            #[cfg(feature = "postgres")]
            Self::Server(store) => AnyStore::new(store),
        });
        match user {
            Some(user) => runs.as_user(user),
            None => Ok(runs),
        }
    }

    /// Returns the files that workspaces have kept beside a database in a file.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, reason = "a server keeps none")
    )]
    pub(crate) fn kept_files(&self) -> Option<KeptFiles> {
        match self {
            Self::File(store) => Some(kept_files(store)),
            #[cfg(feature = "postgres")]
            Self::Server(_) => None,
        }
    }

    /// Makes the workflow store its runs here.
    pub(crate) fn beneath(self, builder: WorkflowBuilder) -> WorkflowBuilder {
        match self {
            Self::File(store) => builder.state(kept_files(&store)).store(store),
            #[cfg(feature = "postgres")]
            Self::Server(store) => builder.store(store),
        }
    }
}

fn kept_files(store: &Sqlite) -> KeptFiles {
    let mut files = store.path().as_os_str().to_owned();
    files.push(".files");
    KeptFiles::beneath(files)
}

#[cfg(feature = "postgres")]
async fn connect(address: &str) -> Result<Opened, Error> {
    Ok(Opened::Server(Postgres::connect(address).await?))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "as the one with PostgreSQL")]
async fn connect(_: &str) -> Result<Opened, Error> {
    let what = "this `stepwright` was built without PostgreSQL, and cannot open database servers";
    Err(Error::new(ErrorKind::Store, what)
        .with_id(ErrorId::STORE_LEFT_OUT)
        .with_hint("name a SQLite file, or build `stepwright-cli` with the feature `postgres`"))
}

/// Shows the URL of a server without its password, if the URL is valid.
#[cfg(feature = "postgres")]
fn shown(address: &str) -> Option<String> {
    Postgres::options(address).shown().ok()
}

#[cfg(not(feature = "postgres"))]
fn shown(_: &str) -> Option<String> {
    None
}

#[cfg(feature = "postgres")]
fn without_password(address: &str) -> Option<String> {
    Postgres::options(address).without_password().ok()
}

#[cfg(not(feature = "postgres"))]
fn without_password(_: &str) -> Option<String> {
    None
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

impl Database {
    /// Returns the database as `--db` takes it, without its password.
    pub(crate) fn as_option(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Server(address) => without_password(address).unwrap_or_else(|| self.to_string()),
        }
    }
}

impl fmt::Display for Database {
    /// Shows the database without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Server(address) => {
                f.write_str(&shown(address).unwrap_or_else(|| "a database server".to_owned()))
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_command_without_postgresql_says_so() {
        for address in ["postgres://u:geheim@h/d", "postgresql+psycopg://h/d", "mysql://h/d"] {
            let database = Database::named(address.into());
            let mut opening = pin!(database.open());
            let Poll::Ready(Err(error)) =
                opening.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("`{address}` was opened");
            };
            assert!(error.to_string().contains("built without PostgreSQL"), "{error}");
            assert!(error.hint().unwrap_or_default().contains("SQLite"), "{error:?}");
            assert!(!format!("{error:?} {database}").contains("geheim"));
        }
    }
}
