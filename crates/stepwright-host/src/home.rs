//! The thread that a run belongs to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

/// Work for the thread of a run. [`Home`] has an example.
pub type Job = Box<dyn FnOnce() + Send>;

/// The thread that drives a run, with a queue of work for it.
///
/// A run may move to a thread of the runtime when it first waits. What must happen on the caller's
/// thread, such as a call of the caller's language, then goes into this queue. The home is the
/// waker of the run as well: work and wakes end the same wait.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use stepwright_host::Home;
/// let home = Arc::new(Home::waiting());
/// home.enter();
/// assert!(home.is_here());
/// let other = home.clone();
/// std::thread::spawn(move || other.push(Box::new(|| println!("on the caller's thread"))));
/// while !home.work() {
///     home.wait(Duration::from_millis(50));
/// }
/// ```
pub struct Home {
    /// The thread that is inside of the driver. 0 if none is.
    driver: AtomicU64,
    jobs: Mutex<VecDeque<Job>>,
    woken: AtomicBool,
    closed: AtomicBool,
    ready: Condvar,
    notify: Option<Notify>,
}

type Notify = Box<dyn Fn() + Send + Sync>;

fn this_thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static MINE: u64 = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    }
    MINE.with(|mine| *mine)
}

impl Home {
    /// Creates a home of a thread that waits with [`Home::wait`].
    pub fn waiting() -> Self {
        Self::new(None)
    }

    /// Creates a home of an event loop. `notify` makes the loop look at it, and may be called on
    /// any thread, with any lock held: it must not wait.
    pub fn notifying(notify: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(Some(Box::new(notify)))
    }

    fn new(notify: Option<Notify>) -> Self {
        let (jobs, ready) = (Mutex::default(), Condvar::new());
        let (woken, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { driver: AtomicU64::new(0), jobs, woken, closed, ready, notify }
    }

    /// Notes that this thread drives the run. Returns `false` if another one does.
    pub fn enter(&self) -> bool {
        let (free, taken) = (Ordering::AcqRel, Ordering::Acquire);
        self.driver.compare_exchange(0, this_thread(), free, taken).is_ok()
    }

    /// Notes that this thread has left the driver.
    pub fn leave(&self) {
        self.driver.store(0, Ordering::Release);
    }

    /// Returns `true` on the thread that drives the run at the moment.
    pub fn is_here(&self) -> bool {
        self.driver.load(Ordering::Acquire) == this_thread()
    }

    /// Adds work for the thread, and wakes it. Drops the work if the home is closed.
    pub fn push(&self, job: Job) {
        {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_closed() {
                return;
            }
            jobs.push_back(job);
        }
        self.notify();
    }

    /// Does the work that is there. Returns `false` if there was none.
    pub fn work(&self) -> bool {
        let mut any = false;
        // Not while the queue is locked: the work may add more.
        while let Some(job) = self.next() {
            job();
            any = true;
        }
        any
    }

    fn next(&self) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Drops the work that is there and that comes, because the thread does not wait any more.
    pub fn close(&self) {
        let left = {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut *jobs)
        };
        drop(left);
    }

    /// Returns `true` if the thread does not wait any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns `true` if it was woken since the last call.
    pub fn take_wake(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Returns `true` if it was woken, and keeps that.
    pub fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Waits until it is woken.
    pub fn wait(&self, at_most: Duration) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_empty() && !self.woken.load(Ordering::Acquire) {
            drop(self.ready.wait_timeout(jobs, at_most));
        }
    }

    /// Returns the waker of the run.
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    fn notify(&self) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(notify) = &self.notify {
            notify();
            return;
        }
        // The lock keeps the wake from falling between the check and the wait.
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner));
        self.ready.notify_all();
    }
}

impl Wake for Home {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("is_here", &self.is_here()).finish_non_exhaustive()
    }
}
