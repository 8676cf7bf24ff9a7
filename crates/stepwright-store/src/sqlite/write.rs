//! The one writer: a thread that takes what is waiting and commits it together.

use super::database::{Database, at_once};
use super::errors::{Failure, closed, unavailable};
use super::file::DatabaseFile;
use crate::backend::{Attempt, Told, Work};
use crate::watch::Watchers;
use rusqlite::Error as SqlError;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stepwright_core::StoreError;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::oneshot;

/// How many changes are committed together at the most. One wait for the disk serves them all; more
/// would make the first of them wait for the last.
const GROUP_MAX: usize = 256;

/// How often the writer looks for the next change before it goes to sleep: some 50 µs.
const SPINS_MAX: u32 = 1_000;

/// How many changes may wait for the writer. Whoever comes then waits for a place.
const QUEUE_MAX: usize = 1_024;

/// How often it is looked whether other processes have changed something, while somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A handle to the writer. Dropping it commits what is waiting, and closes the connection.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
    file: DatabaseFile,
}

/// What the writer is asked for.
enum Task {
    Change(Box<dyn Change>),
    /// Whether other processes have changed anything.
    Look,
}

impl Writer {
    pub(super) fn start(
        connection: Database,
        file: DatabaseFile,
        watchers: Arc<Watchers>,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let written = file.clone();
        let thread = thread::Builder::new()
            .name("stepwright-sqlite".to_owned())
            .spawn(move || run(connection, &written, &watchers, waiting))
            .map_err(|error| StoreError::Unavailable {
                what: "cannot start the thread that writes to the database".to_owned(),
                source: error.into(),
                hint: None,
            })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), file })
    }

    /// Does `work` in a transaction. When it is ready, the transaction is committed.
    ///
    /// `work` may fail at any place: nothing of it stays then. It may be done twice, the first time
    /// in vain: another change that was to be committed with it may have failed.
    pub(super) async fn write<W: Work<Database>>(
        &self,
        told: Told,
        work: W,
    ) -> Result<W::Made, StoreError> {
        self.file.check_process()?;
        let path = &self.file.path;
        let (reply, answer) = oneshot::channel();
        let change = Box::new(Waiting { work, made: None, told, reply });
        let queue = self.queue.as_ref().ok_or_else(|| closed(path))?;
        queue.send(Task::Change(change)).await.map_err(|_| closed(path))?;
        answer.await.map_err(|_| closed(path))?
    }

    /// Looks for changes of other processes, until nobody watches any more.
    pub(super) fn look_out(&self, watchers: &Arc<Watchers>) {
        if !self.file.opener.is_here() {
            watchers.give_up();
            return;
        }
        let watched = Arc::downgrade(watchers);
        let queue = self.queue.as_ref().map(mpsc::Sender::downgrade);
        let looking = move || {
            loop {
                thread::sleep(LOOK_EVERY);
                let Some(watchers) = watched.upgrade() else { return };
                if watchers.rest() {
                    return;
                }
                // A full queue has changes in it, and after each the writer looks anyhow.
                match queue.as_ref().and_then(mpsc::WeakSender::upgrade) {
                    Some(queue) => drop(queue.try_send(Task::Look)),
                    None => return,
                }
            }
        };
        // Without it, this process alone is told of its changes; the next who watches tries again.
        if thread::Builder::new().name("stepwright-watch".to_owned()).spawn(looking).is_err() {
            watchers.give_up();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.file.opener.is_here() {
            // The thread is the parent's: it would be waited for without end.
            std::mem::forget((self.queue.take(), self.thread.take()));
            return;
        }
        drop(self.queue.take());
        // The last handle may go with a task that an answer has woken, on the writer's own thread.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// A change that waits, whatever it gives.
trait Change: Send {
    fn make(&mut self, connection: &mut Database) -> Result<(), Failure>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>, watchers: &Watchers);
}

struct Waiting<W: Work<Database>> {
    work: W,
    made: Option<W::Made>,
    told: Told,
    reply: oneshot::Sender<Result<W::Made, StoreError>>,
}

impl<W: Work<Database>> Change for Waiting<W> {
    fn make(&mut self, connection: &mut Database) -> Result<(), Failure> {
        self.made = Some(at_once(self.work.make(connection, Attempt::ONLY))?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>, watchers: &Watchers) {
        match &self.told {
            Told::Those(watched) if committed.is_ok() => watchers.wake(watched),
            Told::All if committed.is_ok() => watchers.wake_all(),
            _ => {}
        }
        // Whoever asked may be gone; the change is made all the same.
        let _ = match (committed, self.made) {
            (Ok(()), Some(made)) => self.reply.send(Ok(made)),
            (Err(error), _) => self.reply.send(Err(error)),
            // Not reached: `make` comes before `answer`. Dropping the reply says `closed`.
            (Ok(()), None) => return,
        };
    }
}

fn run(
    mut connection: Database,
    file: &DatabaseFile,
    watchers: &Watchers,
    mut waiting: mpsc::Receiver<Task>,
) {
    // Other than a change of one's own: SQLite counts what others have committed.
    let version = |connection: &Database| {
        connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0))
    };
    let mut seen = version(&connection).ok();
    // Where there is one processor, whoever is waited for needs it.
    let several = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let spins = if several { SPINS_MAX } else { 0 };
    while let Some(task) = next_task(&mut waiting, spins) {
        if let Task::Change(first) = task {
            let mut group = Group { file, made: Vec::new(), committed: false, apart: false };
            match group.make(&mut connection, first, &mut waiting) {
                Ok(()) => group.committed = true,
                Err(error) => {
                    if !connection.is_autocommit() {
                        let _ = connection.execute_batch("ROLLBACK");
                    }
                    group.fail(error);
                }
            }
            group.answer(watchers);
        }
        if watchers.are_there()
            && let Ok(version) = version(&connection)
            && seen.replace(version) != Some(version)
        {
            watchers.wake_all();
        }
    }
}

/// The next task. Whoever was answered just now may come back with the next change before this
/// thread has gone to sleep, and to wake it takes longer than many a change.
fn next_task(waiting: &mut mpsc::Receiver<Task>, spins: u32) -> Option<Task> {
    for _ in 0..spins {
        match waiting.try_recv() {
            Ok(task) => return Some(task),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
            Err(TryRecvError::Disconnected) => return None,
        }
    }
    waiting.blocking_recv()
}

/// Changes that are committed together.
struct Group<'a> {
    file: &'a DatabaseFile,
    made: Vec<Made>,
    committed: bool,
    /// Whether each change can be taken back alone. That has its price: SQLite keeps every page as
    /// it was before each of them. So it begins when one has to be taken back, with all of them
    /// made once more.
    apart: bool,
}

/// Why nothing of a group was committed.
enum Uncommitted {
    Sql(SqlError),
    /// The file was deleted or replaced.
    Moved(String),
}

impl From<SqlError> for Uncommitted {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// A change, and how it went.
type Made = (Box<dyn Change>, Result<(), StoreError>);

impl Group<'_> {
    fn make(
        &mut self,
        connection: &mut Database,
        first: Box<dyn Change>,
        waiting: &mut mpsc::Receiver<Task>,
    ) -> Result<(), Uncommitted> {
        let mut next = Some(first);
        // The lock comes first: what arrives while another process has it comes along.
        if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
            self.made.extend(next.map(|change| (change, Ok(()))));
            return Err(error.into());
        }
        while let Some(change) = next.take() {
            self.made.push((change, Ok(())));
            let begun = connection.total_changes();
            let kept = self.one(connection, self.made.len() - 1)?;
            if !kept && !self.apart && connection.total_changes() != begun {
                self.once_more(connection)?;
            }
            if self.made.len() < GROUP_MAX {
                next = another(waiting);
            }
        }
        // As late as possible: what is committed to a file that is gone is lost.
        if let Some(why) = self.file.moved() {
            return Err(Uncommitted::Moved(why));
        }
        Ok(execute(connection, "COMMIT")?)
    }

    /// Takes all changes back, and makes them so that each can be taken back alone.
    fn once_more(&mut self, connection: &mut Database) -> Result<(), SqlError> {
        execute(connection, "ROLLBACK")?;
        execute(connection, "BEGIN IMMEDIATE")?;
        self.apart = true;
        (0..self.made.len()).try_for_each(|nth| self.one(connection, nth).map(drop))
    }

    /// Makes one change, and tells whether it is kept. One that is not may have left something
    /// behind, unless the group is apart: what is refused does not touch the others then.
    fn one(&mut self, connection: &mut Database, nth: usize) -> Result<bool, SqlError> {
        if self.apart {
            execute(connection, "SAVEPOINT change")?;
        }
        let (change, outcome) = &mut self.made[nth];
        *outcome = match change.make(connection) {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => Err(error),
            // A fact that is too long for a row, say. When SQLite has given up the whole
            // transaction (the disk is full), or may have, so do we.
            Err(Failure::Sql(error)) if connection.is_autocommit() || is_grave(&error) => {
                return Err(error);
            }
            Err(failure) => Err(failure.into_error("write to", &self.file.path)),
        };
        let kept = outcome.is_ok();
        if self.apart {
            execute(connection, if kept { "RELEASE change" } else { "ROLLBACK TO change" })?;
        }
        Ok(kept)
    }

    /// Nothing of the group was committed. Those that were refused keep their own reasons.
    fn fail(&mut self, why: Uncommitted) {
        let file = self.file;
        let error: Box<dyn Fn() -> StoreError> = match why {
            Uncommitted::Sql(error) => {
                let error = Arc::new(error);
                Box::new(move || unavailable("write to", &file.path, &error))
            }
            Uncommitted::Moved(why) => Box::new(move || file.moved_error(&why)),
        };
        for (_, outcome) in &mut self.made {
            if outcome.is_ok() {
                *outcome = Err(error());
            }
        }
    }

    fn answer(self, watchers: &Watchers) {
        for (change, outcome) in self.made {
            debug_assert!(self.committed || outcome.is_err(), "an answer before the commit");
            change.answer(outcome, watchers);
        }
    }
}

/// The next change that waits already. Looking comes after the commit anyhow.
fn another(waiting: &mut mpsc::Receiver<Task>) -> Option<Box<dyn Change>> {
    loop {
        match waiting.try_recv().ok()? {
            Task::Change(change) => return Some(change),
            Task::Look => {}
        }
    }
}

fn execute(connection: &Database, command: &str) -> Result<(), SqlError> {
    connection.prepare_cached(command)?.raw_execute().map(drop)
}

/// Whether the database itself has trouble, and not what was asked of it.
fn is_grave(error: &SqlError) -> bool {
    use rusqlite::ErrorCode as E;
    matches!(
        error.sqlite_error_code(),
        Some(
            E::DiskFull
                | E::SystemIoFailure
                | E::OutOfMemory
                | E::DatabaseCorrupt
                | E::NotADatabase
                | E::ReadOnly
                | E::DatabaseBusy
                | E::CannotOpen
        )
    )
}
