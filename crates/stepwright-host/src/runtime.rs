//! The runtime of a binding: owned, ended at exit, and refused after a fork.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime of a program, which begins at its first use.
///
/// ```
/// use std::time::Duration;
/// use stepwright_host::{HostRuntime, RuntimeError};
/// static RUNTIME: HostRuntime = HostRuntime::new();
/// assert!(RUNTIME.handle(1)?.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
/// RUNTIME.end(Duration::from_secs(1));
/// assert!(matches!(RUNTIME.handle(1), Err(RuntimeError::Ended)));
/// # Ok::<(), RuntimeError>(())
/// ```
pub struct HostRuntime {
    /// The process that began it. 0 before, and [`ENDED`] after its end.
    process: AtomicU32,
    runtime: Mutex<Option<Runtime>>,
}

/// Not the id of a process on any platform.
const ENDED: u32 = u32::MAX;

/// The reason that there is no runtime. [`HostRuntime`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeError {
    /// This process was forked after the runtime had begun, so its threads are missing here.
    Forked {
        /// The process in which it began.
        parent: u32,
        /// This process.
        child: u32,
    },
    /// The program is ending.
    Ended,
    /// The threads could not be started.
    Unavailable(String),
}

impl RuntimeError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Forked { .. } => Some(
                "use the start method `spawn` or `forkserver`, \
                 or make the first run after the fork",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked { parent, child } => write!(
                f,
                "process {child} was forked from process {parent} after Stepwright had begun \
                 there; its threads and its stores do not exist in process {child}"
            ),
            Self::Ended => f.write_str("the program is ending, so no run can begin"),
            Self::Unavailable(why) => write!(f, "the runtime could not be started: {why}"),
        }
    }
}

impl std::error::Error for RuntimeError {}

impl HostRuntime {
    /// Creates a runtime that has not begun. Starts no thread.
    pub const fn new() -> Self {
        Self { process: AtomicU32::new(0), runtime: Mutex::new(None) }
    }

    /// Returns the runtime, and begins it with this number of threads if it has not begun.
    ///
    /// # Errors
    /// If the process was forked since it began, or the program is ending.
    pub fn handle(&self, threads: usize) -> Result<Handle, RuntimeError> {
        self.check()?;
        let mut held = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*held {
            return Ok(runtime.handle().clone());
        }
        self.check()?;
        let made = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("stepwright")
            .enable_all()
            .build()
            .map_err(|error| RuntimeError::Unavailable(error.to_string()))?;
        let handle = made.handle().clone();
        *held = Some(made);
        self.process.store(std::process::id(), Ordering::Release);
        Ok(handle)
    }

    /// Fails if this process cannot use it. Takes no lock, which a fork may have left locked.
    ///
    /// # Errors
    /// As [`HostRuntime::handle`].
    pub fn check(&self) -> Result<(), RuntimeError> {
        let (began, here) = (self.process.load(Ordering::Acquire), std::process::id());
        match began {
            0 => Ok(()),
            ENDED => Err(RuntimeError::Ended),
            same if same == here => Ok(()),
            parent => Err(RuntimeError::Forked { parent, child: here }),
        }
    }

    /// Ends the runtime: stops its tasks, and waits at most `patience` for its threads. A forked
    /// child ends nothing.
    pub fn end(&self, patience: Duration) {
        if matches!(self.check(), Err(RuntimeError::Forked { .. })) {
            return;
        }
        self.process.store(ENDED, Ordering::Release);
        let held = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = held {
            runtime.shutdown_timeout(patience);
        }
    }
}

impl Default for HostRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HostRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = self.process.load(Ordering::Relaxed);
        f.debug_struct("HostRuntime").field("process", &process).finish_non_exhaustive()
    }
}
