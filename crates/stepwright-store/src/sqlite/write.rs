//! The one connection that writes, and the thread that commits changes together.
//!
//! A change that comes while nothing else is being written is made on the thread of its caller: to
//! hand it to another thread and back takes longer than many a change. If several come at the same
//! time, the thread makes them, and commits them together.

use super::database::Database;
use super::errors::closed;
use super::file::DatabaseFile;
use super::group::{Change, Group, Waiting};
use crate::backend::{Told, Work};
use crate::watch::Watchers;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use stepwright_core::{ErrorId, StoreError};
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::oneshot;
use tokio::task::coop;

/// The number of looks for the next change before the writer goes to sleep: some 50 µs.
const SPINS_MAX: u32 = 1_000;

/// The largest number of changes that wait for the writer. Then callers wait for a place.
const QUEUE_MAX: usize = 1_024;

/// The interval at which the writer looks for changes of other processes, while there are watchers.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The longest commit after which the next change is made on the thread of its caller. If the disk
/// takes longer, other tasks of that thread would have to wait for it.
const AT_ONCE_MAX: Duration = Duration::from_millis(2);

/// The number of changes that go to the thread after several came at the same time, for they will
/// come again: one wait for the disk serves them all.
const CROWD: usize = 64;

/// A handle to the writer. Dropping it commits what is waiting, and closes the connection.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// The time that a connection waits for the lock of another process.
    lock_wait: Duration,
}

/// The connection that writes, for the thread and for callers.
#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    file: DatabaseFile,
    watchers: Arc<Watchers>,
    /// The number of changes that were given to the thread and are not answered.
    pending: AtomicUsize,
    /// The number of changes that go to the thread before one is made at once again.
    crowd: AtomicUsize,
    /// `true` if the last commit took long.
    slow: AtomicBool,
}

#[derive(Debug)]
struct Desk {
    connection: Database,
    /// The number of commits of other connections, as SQLite counts them.
    seen: Option<i64>,
}

/// A task of the thread.
enum Task {
    Change(Box<dyn Change>),
    /// Looks for changes of other processes.
    Look,
}

impl Desk {
    /// Returns `true` if other connections have committed since the last look.
    fn look(&mut self) -> bool {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut version| version.query_row([], |row| row.get::<_, i64>(0)));
        version.is_ok_and(|version| self.seen.replace(version) != Some(version))
    }
}

impl Shared {
    /// Answers the changes of a group that is committed or has failed.
    fn answer(&self, group: Group<'_>, changed: bool) {
        group.answer(&self.watchers);
        if changed {
            self.watchers.wake_all();
        }
    }

    /// Remembers how long a commit took.
    fn took(&self, since: Instant) {
        self.slow.store(since.elapsed() > AT_ONCE_MAX, Ordering::Relaxed);
    }

    /// Returns `true` if the next change may be made on the thread of its caller.
    fn is_idle(&self) -> bool {
        if self.pending.load(Ordering::Acquire) > 0 || self.slow.load(Ordering::Relaxed) {
            return false;
        }
        let less = |crowd: usize| crowd.checked_sub(1);
        self.crowd.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }

    /// Makes a change on the thread of its caller. Gives it back if that cannot be, because others
    /// write for instance.
    fn at_once(&self, change: Box<dyn Change>, lock_wait: Duration) -> Option<Box<dyn Change>> {
        if !self.is_idle() {
            return Some(change);
        }
        let Ok(mut desk) = self.desk.try_lock() else { return Some(change) };
        let begun = Instant::now();
        let mut group = Group::new(&self.file);
        // To wait for another process is work for the thread.
        let given_back = match desk.connection.busy_timeout(Duration::ZERO) {
            Ok(()) => group.commit_at_once(&mut desk.connection, change),
            Err(_) => Some(change),
        };
        let _ = desk.connection.busy_timeout(lock_wait);
        if given_back.is_some() {
            return given_back;
        }
        self.took(begun);
        let changed = self.watchers.are_there() && desk.look();
        drop(desk);
        self.answer(group, changed);
        None
    }
}

impl Writer {
    pub(super) fn start(
        connection: Database,
        file: DatabaseFile,
        watchers: Arc<Watchers>,
        lock_wait: Duration,
    ) -> Result<Self, StoreError> {
        let mut desk = Desk { connection, seen: None };
        desk.look();
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            file,
            watchers,
            pending: AtomicUsize::default(),
            crowd: AtomicUsize::default(),
            slow: AtomicBool::default(),
        });
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let with = shared.clone();
        let thread = thread::Builder::new()
            .name("stepwright-sqlite".to_owned())
            .spawn(move || run(&with, waiting))
            .map_err(|error| StoreError::Unavailable {
                what: "cannot start the thread that writes to the database".to_owned(),
                source: error.into(),
                hint: None,
                id: ErrorId::THREADS_UNAVAILABLE,
            })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared, lock_wait })
    }

    /// Does `work` in a transaction. When the future is ready, the transaction is committed.
    ///
    /// `work` may fail at any place: nothing of it stays then. It may be done twice, the first time
    /// in vain: another change that was to be committed with it may have failed.
    pub(super) async fn write<W: Work<Database>>(
        &self,
        told: Told,
        work: W,
    ) -> Result<W::Made, StoreError> {
        let shared = &*self.shared;
        shared.file.check_process()?;
        let path = &shared.file.path;
        let (reply, answer) = oneshot::channel();
        let quick = work.is_quick();
        let mut change: Option<Box<dyn Change>> = Some(Box::new(Waiting::new(work, told, reply)));
        if quick {
            change = change.and_then(|change| shared.at_once(change, self.lock_wait));
        }
        if let Some(change) = change {
            let queue = self.queue.as_ref().ok_or_else(|| closed(path))?;
            let place = queue.reserve().await.map_err(|_| closed(path))?;
            shared.pending.fetch_add(1, Ordering::AcqRel);
            place.send(Task::Change(change));
        } else {
            // A task that never waits here would keep the others of its thread waiting.
            coop::consume_budget().await;
        }
        answer.await.map_err(|_| closed(path))?
    }

    /// Looks for changes of other processes until there are no watchers.
    pub(super) fn look_out(&self, watchers: &Arc<Watchers>) {
        if !self.shared.file.opener.is_here() {
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
        // Without this thread, only changes of this process wake a watcher. The next one that
        // watches tries again.
        if thread::Builder::new().name("stepwright-watch".to_owned()).spawn(looking).is_err() {
            watchers.give_up();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.shared.file.opener.is_here() {
            // The thread is the parent's: it would be waited for without end. So is the connection.
            std::mem::forget((self.queue.take(), self.thread.take(), self.shared.clone()));
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

fn run(shared: &Shared, mut waiting: mpsc::Receiver<Task>) {
    // Where there is one processor, the caller needs it.
    let several = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let spins = if several { SPINS_MAX } else { 0 };
    while let Some(task) = next_task(&mut waiting, spins) {
        // Poisoned by a panic in the middle of a transaction: the store is closed.
        let Ok(mut desk) = shared.desk.lock() else { return };
        let mut group = Group::new(&shared.file);
        let mut is_gone = false;
        if let Task::Change(first) = task {
            let begun = Instant::now();
            group.commit(&mut desk.connection, first, || another(&mut waiting));
            shared.took(begun);
            if group.len() > 1 {
                shared.crowd.store(CROWD, Ordering::Relaxed);
            }
            shared.pending.fetch_sub(group.len(), Ordering::AcqRel);
        } else {
            // No commit is ever seen in a file that was deleted or replaced. A watcher that looks
            // gets the error.
            is_gone = shared.file.moved().is_some();
        }
        let changed = shared.watchers.are_there() && (desk.look() || is_gone);
        drop(desk);
        shared.answer(group, changed);
    }
}

/// Returns the next task. A caller that was answered may come back with the next change before
/// this thread has gone to sleep, and to wake it takes longer than many a change.
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

/// Returns the next change that waits already. Looking comes after the commit anyhow.
fn another(waiting: &mut mpsc::Receiver<Task>) -> Option<Box<dyn Change>> {
    loop {
        match waiting.try_recv().ok()? {
            Task::Change(change) => return Some(change),
            Task::Look => {}
        }
    }
}
