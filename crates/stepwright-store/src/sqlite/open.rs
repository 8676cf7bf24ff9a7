//! Opening a database file.

use super::connect::{LOCK_WAIT, connect, reader_without_log};
use super::database::Database;
use super::errors::Failure;
use super::file::DatabaseFile;
use super::read::{Readers, blocking};
use super::schema::{look, migrate};
use super::store::{Sqlite, SqliteBackend};
use super::write::Writer;
use crate::Durability;
use crate::LazyStore;
use crate::watch::Watchers;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_core::StoreError;

/// The longest wait for other processes that open the same file, as long as they make progress.
/// They hold its lock one after the other, and on a busy machine each of them may need a second.
const OPEN_WAIT: Duration = Duration::from_mins(2);

/// The longest pause before the next attempt, for changes that SQLite itself does not wait for.
const OPEN_PAUSE_MAX: Duration = Duration::from_millis(50);

/// The largest log that stays beside the file when its changes are in the file, in bytes.
const LOG_BYTES_KEPT: u32 = 8 * 1024 * 1024;

impl Sqlite {
    /// Opens the file with the default options. Creates it if there is none.
    ///
    /// # Errors
    /// As of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options(path).open().await
    }

    /// Returns options for opening the file.
    pub fn options(path: impl AsRef<Path>) -> SqliteOptions {
        SqliteOptions::new(path.as_ref())
    }
}

/// Options for opening a database; created by [`Sqlite::options`].
///
/// ```
/// # use stepwright_store::{Durability, Sqlite};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("content.db");
/// let store = Sqlite::options(path).durability(Durability::Normal).open().await?;
/// # Ok::<(), stepwright_core::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open` is awaited"]
pub struct SqliteOptions {
    path: PathBuf,
    durability: Durability,
    bytes_max: Option<u64>,
    lock_wait: Duration,
    read_only: bool,
}

impl SqliteOptions {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            durability: Durability::default(),
            bytes_max: None,
            lock_wait: LOCK_WAIT,
            read_only: false,
        }
    }

    /// Sets the durability. The default is [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the maximum size of the file, in bytes: as if the disk were no larger. A file that is
    /// larger already does not grow. The log beside it is not counted.
    ///
    /// ```
    /// # use stepwright_store::Sqlite;
    /// let small = Sqlite::options("content.db").bytes_max(512 * 1024 * 1024);
    /// ```
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }

    /// Sets the time to wait while another process writes to the file, before a call fails. The
    /// default is five seconds.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Opens the file for reading only. It must exist, and its tables must be those of this
    /// version. This program needs no right to write to the file or to its directory: if SQLite
    /// cannot create the files that it uses beside the database, the file must not change while a
    /// call reads it.
    ///
    /// A call that writes fails.
    ///
    /// ```no_run
    /// # use stepwright_store::Sqlite;
    /// # async fn f() -> Result<(), stepwright_core::StoreError> {
    /// let archive = Sqlite::options("/archive/2026.db").read_only().open().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Returns a store that opens the file at its first use, for instance on a disk that is not
    /// there yet. A call fails while it cannot be opened, and the next one tries again.
    ///
    /// ```
    /// # use stepwright_core::store::RunStore as _;
    /// # use stepwright_store::Sqlite;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("content.db");
    /// let store = Sqlite::options(&path).lazy();
    /// assert!(!path.exists());
    /// assert!(store.runs(Default::default()).await?.is_empty());
    /// assert!(path.exists());
    /// # Ok::<(), stepwright_core::StoreError>(())
    /// # }).unwrap();
    /// ```
    pub fn lazy(self) -> LazyStore {
        LazyStore::new(move || self.clone().open())
    }

    /// Opens the file. Creates it if there is none. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be opened, is not a database, belongs to another
    /// program, or was written by a newer version. The error has a hint.
    pub async fn open(self) -> Result<Sqlite, StoreError> {
        let path: Arc<Path> = self.path.as_path().into();
        let shown = path.clone();
        let opened = blocking(&path, move || {
            if self.read_only {
                return self.reading(shown);
            }
            let database =
                self.writer_in_a_crowd().map_err(|error| error.into_error("open", &shown))?;
            let (file, sums) = (DatabaseFile::opened(shown), database.sums);
            let watchers = Arc::<Watchers>::default();
            let readers = Readers::new(file.clone(), sums, self.lock_wait, false);
            let writer = Writer::start(database, file.clone(), watchers.clone(), self.lock_wait)?;
            Ok(Sqlite::new(SqliteBackend { file, sums, readers, writer: Some(writer), watchers }))
        });
        opened.await
    }

    fn reading(&self, path: Arc<Path>) -> Result<Sqlite, StoreError> {
        let file = DatabaseFile::opened(path);
        let (connection, _) = reader_without_log(&file)?;
        let sums = look(&connection, &file.path)
            .map_err(|error: Failure| error.into_error("open", &file.path))?;
        let readers = Readers::new(file.clone(), sums, self.lock_wait, true);
        let watchers = Arc::default();
        Ok(Sqlite::new(SqliteBackend { file, sums, readers, writer: None, watchers }))
    }

    fn writer(&self) -> Result<Database, Failure> {
        let connection =
            connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        connection.busy_timeout(self.lock_wait)?;
        // Reads what is there before it changes anything: a file of another program stays as it is.
        let connection = migrate(connection, &self.path)?;
        write_ahead(&connection)?;
        connection.pragma_update(
            None,
            "synchronous",
            match self.durability {
                Durability::Full => "FULL",
                Durability::Normal => "NORMAL",
            },
        )?;
        if self.durability == Durability::Full {
            // Only macOS has it, where otherwise the disk may keep what it says it wrote.
            connection.pragma_update(None, "fullfsync", true)?;
        }
        // The log is as large as the largest media, and does not stay that large.
        connection
            .pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(()))?;
        // The pages for taking a change back are not kept in a file.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        if let Some(bytes) = self.bytes_max {
            let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page;
            connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
        }
        Ok(connection)
    }
}

/// Readers and the writer do not wait for each other. The file remembers it.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let changed = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", changed).map(drop)
}

impl SqliteOptions {
    /// Opens the file, again and again while other processes that open, write or close it are in
    /// the way. SQLite answers some conflicts without waiting, and a lock that many want may be
    /// free too rarely. A file that does not change is waited for as long as a lock.
    fn writer_in_a_crowd(&self) -> Result<Database, Failure> {
        let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
        let (mut changed, mut seen) = (begun, changes(&self.path));
        loop {
            let error = match self.writer() {
                Err(Failure::Sql(error)) if is_in_the_way(&error) => error,
                opened => return opened,
            };
            let now = changes(&self.path);
            if now != seen {
                (changed, seen) = (Instant::now(), now);
            }
            if changed.elapsed() >= self.lock_wait || begun.elapsed() >= OPEN_WAIT {
                return Err(error.into());
            }
            // Processes that have failed together must not try again together.
            let share = u64::from(std::process::id() % 8 + 1);
            std::thread::sleep(pause + Duration::from_millis(share));
            pause = (pause * 2).min(OPEN_PAUSE_MAX);
        }
    }
}

/// Sizes and times of the files of a database: they differ after a change.
fn changes(path: &Path) -> [Option<(u64, std::time::SystemTime)>; 3] {
    ["", "-wal", "-journal"].map(|end| {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    })
}

fn is_in_the_way(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each connection has its own setting, so that no test from outside sees it.
    #[test]
    fn durability_decides_whether_a_commit_waits_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(&directory.path().join("a.db"));
        let waits = |options: SqliteOptions| {
            let connection = options.writer().unwrap();
            connection.pragma_query_value(None, "synchronous", |row| row.get::<_, u8>(0)).unwrap()
        };
        assert_eq!(waits(options.clone()), 2);
        assert_eq!(waits(options.clone().durability(Durability::Full)), 2);
        assert_eq!(waits(options.durability(Durability::Normal)), 1);
    }
}
