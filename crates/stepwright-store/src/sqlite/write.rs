//! The one writer: a thread that takes what is waiting and commits it together.

use super::errors::{Failure, closed, unavailable};
use crate::watch::Watchers;
use rusqlite::{Connection, Error as SqlError};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stepwright_core::StoreError;
use stepwright_core::store::Watched;
use tokio::sync::{mpsc, oneshot};

/// How many changes are committed together at the most. One wait for the disk serves them all; more
/// would make the first of them wait for the last.
const GROUP_MAX: usize = 256;

/// How many changes may wait for the writer. Whoever comes then waits for a place.
const QUEUE_MAX: usize = 1_024;

/// How often it is looked whether other processes have changed something, while somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A handle to the writer. Dropping it commits what is waiting, and closes the connection.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
    path: Arc<Path>,
}

/// What the writer is asked for.
enum Task {
    Change(Box<dyn Change>),
    /// Whether other processes have changed anything.
    Look,
}

/// Whom a change is told.
#[derive(Debug)]
pub(super) enum Told {
    Nobody,
    Those(Watched),
    Everybody,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        path: Arc<Path>,
        watchers: Arc<Watchers>,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let shown = path.clone();
        let thread = thread::Builder::new()
            .name("stepwright-sqlite".to_owned())
            .spawn(move || run(&connection, &shown, &watchers, waiting))
            .map_err(|error| StoreError::Unavailable {
                what: "cannot start the thread that writes to the database".to_owned(),
                source: error.into(),
                hint: None,
            })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), path })
    }

    /// Does `work` in a transaction. When it is ready, the transaction is committed.
    ///
    /// `work` may fail at any place: nothing of it stays then.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        told: Told,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let change = Box::new(Waiting { work: Some(work), made: None, told, reply });
        let queue = self.queue.as_ref().ok_or_else(|| closed(&self.path))?;
        queue.send(Task::Change(change)).await.map_err(|_| closed(&self.path))?;
        answer.await.map_err(|_| closed(&self.path))?
    }

    /// Looks for changes of other processes, until nobody watches any more.
    pub(super) fn look_out(&self, watchers: &Arc<Watchers>) {
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
    fn make(&mut self, connection: &Connection) -> Result<(), Failure>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>, watchers: &Watchers);
}

struct Waiting<T, W> {
    work: Option<W>,
    made: Option<T>,
    told: Told,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W> Change for Waiting<T, W>
where
    W: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn make(&mut self, connection: &Connection) -> Result<(), Failure> {
        if let Some(work) = self.work.take() {
            self.made = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>, watchers: &Watchers) {
        match &self.told {
            Told::Those(watched) if committed.is_ok() => watchers.wake(watched),
            Told::Everybody if committed.is_ok() => watchers.wake_all(),
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
    connection: &Connection,
    path: &Path,
    watchers: &Watchers,
    mut waiting: mpsc::Receiver<Task>,
) {
    // Other than a change of one's own: SQLite counts what others have committed.
    let version =
        || connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
    let mut seen = version().ok();
    while let Some(task) = waiting.blocking_recv() {
        if let Task::Change(first) = task {
            let mut group = Group { path, made: Vec::with_capacity(1), committed: false };
            match group.make(connection, first, &mut waiting) {
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
            && let Ok(version) = version()
            && seen.replace(version) != Some(version)
        {
            watchers.wake_all();
        }
    }
}

/// Changes that are committed together.
struct Group<'a> {
    path: &'a Path,
    made: Vec<(Box<dyn Change>, Result<(), StoreError>)>,
    committed: bool,
}

impl Group<'_> {
    fn make(
        &mut self,
        connection: &Connection,
        first: Box<dyn Change>,
        waiting: &mut mpsc::Receiver<Task>,
    ) -> Result<(), SqlError> {
        let mut next = Some(first);
        // The lock comes first: what arrives while another process has it comes along.
        if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
            self.made.extend(next.map(|change| (change, Ok(()))));
            return Err(error);
        }
        while let Some(change) = next.take() {
            self.one(connection, change)?;
            if self.made.len() < GROUP_MAX {
                next = another(waiting);
            }
        }
        execute(connection, "COMMIT")
    }

    /// Makes one change, or none of it: what is refused does not touch the others.
    fn one(
        &mut self,
        connection: &Connection,
        mut change: Box<dyn Change>,
    ) -> Result<(), SqlError> {
        let outcome = execute(connection, "SAVEPOINT change")
            .map_err(Failure::from)
            .and_then(|()| change.make(connection));
        let kept = match outcome {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => Err(error),
            // A fact that is too long for a row, say. When SQLite has given up the whole
            // transaction (the disk is full), or may have, so do we.
            Err(Failure::Sql(error)) if connection.is_autocommit() || is_grave(&error) => {
                self.made.push((change, Ok(())));
                return Err(error);
            }
            Err(failure) => Err(failure.into_error("write to", self.path)),
        };
        let end = if kept.is_ok() { "RELEASE change" } else { "ROLLBACK TO change" };
        self.made.push((change, kept));
        execute(connection, end)
    }

    /// Nothing of the group was committed. Those that were refused keep their own reasons.
    fn fail(&mut self, error: SqlError) {
        let error = Arc::new(error);
        for (_, outcome) in &mut self.made {
            if outcome.is_ok() {
                *outcome = Err(unavailable("write to", self.path, &error));
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

fn execute(connection: &Connection, command: &str) -> Result<(), SqlError> {
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
