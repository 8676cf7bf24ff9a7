//! The interface to dispatchers, which drive runs: a local task, or a distributed engine.

use crate::BoxFuture;
use crate::id::{RunId, WorkflowId};
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The queue of steps and workflows that ask for none, and the one that a worker serves by default.
///
/// ```
/// use stepwright_core::dispatch::{DEFAULT_QUEUE, queue_mistake};
/// assert_eq!(queue_mistake(DEFAULT_QUEUE), None);
/// ```
pub const DEFAULT_QUEUE: &str = "default";

/// The maximum length of the name of a queue, in bytes.
///
/// ```
/// use stepwright_core::dispatch::{QUEUE_BYTES_MAX, queue_mistake};
/// assert!(queue_mistake(&"q".repeat(QUEUE_BYTES_MAX + 1)).is_some());
/// ```
pub const QUEUE_BYTES_MAX: usize = 64;

/// Returns the reason that a text cannot be the name of a queue.
///
/// ```
/// use stepwright_core::dispatch::queue_mistake;
/// assert_eq!(queue_mistake("gpu-a100"), None);
/// assert_eq!(queue_mistake(""), Some("it is empty"));
/// ```
pub fn queue_mistake(name: &str) -> Option<&'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name {
        "" => Some("it is empty"),
        long if long.len() > QUEUE_BYTES_MAX => Some("it is longer than 64 bytes"),
        name if !name.chars().all(is_plain) => {
            Some("it has characters besides ASCII letters, digits, `-`, `_` and `.`")
        }
        _ => None,
    }
}

/// Says that a run waits for a worker of one of these queues.
///
/// ```
/// use stepwright_core::dispatch::awaited;
/// assert_eq!(awaited(&["gpu".into()]), "waits for a worker of queue `gpu`");
/// ```
pub fn awaited(queues: &[Arc<str>]) -> String {
    let names: Vec<String> = queues.iter().map(|name| format!("`{name}`")).collect();
    format!("waits for a worker of queue {}", names.join(" or "))
}

/// The capacity of a worker.
///
/// ```
/// use stepwright_core::dispatch::Limits;
/// let small = Limits { concurrent_runs: 4 };
/// assert!(small.concurrent_runs < Limits::default().concurrent_runs);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of runs that it drives at once. The others wait.
    pub concurrent_runs: usize,
}

impl Default for Limits {
    /// Returns 32 concurrent runs, as in Agno.
    fn default() -> Self {
        Self { concurrent_runs: 32 }
    }
}

/// A request to drive a run.
///
/// ```
/// use stepwright_core::dispatch::{Cause, Wake};
/// use stepwright_core::{RunId, WorkflowId};
/// let wake = Wake {
///     workflow: WorkflowId::new("news")?,
///     run: RunId::new("r-1")?,
///     digest: "4be1".into(),
///     at: None,
///     cause: Cause::Begun,
/// };
/// // Queues that know keys of tasks take one task for each reason.
/// assert_eq!(wake.key(), "r-1:begun");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The workflow of the run.
    pub workflow: WorkflowId,
    /// The run.
    pub run: RunId,
    /// The digest of the definition with which the run is to go on.
    pub digest: Arc<str>,
    /// The time at which the run is due. `None` is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The reason.
    pub cause: Cause,
}

impl Wake {
    /// Returns a key that is the same for the same reason, whichever process tells it. A dispatcher
    /// may drop a wake whose key it has already.
    pub fn key(&self) -> String {
        match &self.cause {
            Cause::Begun => format!("{}:begun", self.run),
            Cause::Due => format!("{}:due:{}", self.run, self.at.unwrap_or_default().0),
            Cause::Found { since, nth } => format!("{}:found:{}:{nth}", self.run, since.0),
            Cause::Asked => format!("{}:asked", self.run),
        }
    }

    /// Returns `true` if a dispatcher may drop the wake when it has one with the same
    /// [`key`](Self::key), even one that was carried out.
    pub fn is_once(&self) -> bool {
        self.cause != Cause::Asked
    }
}

/// The reason of a [`Wake`].
///
/// ```
/// use stepwright_core::dispatch::Cause;
/// fn is_about_time(cause: &Cause) -> bool {
///     *cause == Cause::Due
/// }
/// assert!(is_about_time(&Cause::Due));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The run has begun.
    Begun,
    /// The run waits until the time of the wake.
    Due,
    /// A supervisor found the run without a driver: its driver has died, or a wake was lost.
    Found {
        /// The time of the last change of the run.
        since: Timestamp,
        /// The number of leases that have passed since then.
        nth: u64,
    },
    /// A program asks for the run, and may have asked before.
    Asked,
}

/// The result of driving a run.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::{Timestamp, dispatch::Driven};
/// /// When a dispatcher tries again, if it has to.
/// fn next(driven: Driven, now: Timestamp) -> Option<Timestamp> {
///     match driven {
///         Driven::WaitsUntil(due) => Some(due),
///         Driven::Retry { after } => Some(now.plus(after)),
///         _ => None,
///     }
/// }
/// let after = Duration::from_secs(2);
/// assert_eq!(next(Driven::Retry { after }, Timestamp(500)), Some(Timestamp(2_500)));
/// assert_eq!(next(Driven::WaitsUntil(Timestamp(900)), Timestamp(500)), Some(Timestamp(900)));
/// assert_eq!(next(Driven::Done, Timestamp(500)), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Driven {
    /// The run has ended, successfully or not.
    Done,
    /// The run waits until this time, and uses no resources. Drive it again then.
    WaitsUntil(Timestamp),
    /// The run waits for an answer, and uses no resources. The answer wakes it.
    WaitsForAnswer,
    /// The run waits for a worker of other queues than those of this worker, and uses no resources.
    /// Only a dispatcher with [queues](Dispatcher::has_queues) gets this.
    WaitsForQueue {
        /// The queues. A worker of any of them goes on with the run.
        queues: Vec<Arc<str>>,
        /// The time at which any worker must drive the run, because a deadline passes.
        until: Option<Timestamp>,
    },
    /// This process drives the run already, and its driver finds the reason of the wake.
    UnderWay,
    /// Another driver, perhaps a dead one of another machine, holds the run until its lease ends,
    /// or the store failed.
    Retry {
        /// The time to wait before the next try.
        after: Duration,
    },
    /// This worker cannot drive the run, but another one may: it has no such workflow, another
    /// version of it, or is about to end.
    NotMine {
        /// The reason, for people.
        why: String,
    },
}

/// A definition that a worker drives.
///
/// ```
/// use stepwright_core::dispatch::Served;
/// let (workflow, digest) = ("news".parse()?, "4be1".into());
/// let served = Served { workflow, digest, queue: "default".into() };
/// assert_eq!(served.workflow, "news");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The digest of its definition.
    pub digest: Arc<str>,
    /// The queue in which its runs begin.
    pub queue: Arc<str>,
}

/// Drives a run from the end of its journal. Driving a run is the same as resuming it.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use std::sync::Mutex;
/// use stepwright_core::dispatch::{Cause, Drive, Driven, Served, Wake};
/// use stepwright_core::{BoxFuture, RunId};
/// /// Records the runs that a dispatcher hands over, for tests of the dispatcher.
/// #[derive(Default)]
/// struct Noted(Mutex<Vec<RunId>>);
/// impl Drive for Noted {
///     fn serves(&self) -> Vec<Served> {
///         let (workflow, digest) = ("news".parse().unwrap(), "4be1".into());
///         vec![Served { workflow, digest, queue: "default".into() }]
///     }
///     fn drive<'a>(&'a self, wake: &'a Wake) -> BoxFuture<'a, Driven> {
///         self.0.lock().unwrap().push(wake.run.clone());
///         Box::pin(std::future::ready(Driven::Done))
///     }
/// }
/// # let (noted, run) = (Noted::default(), RunId::new("r-1").unwrap());
/// # let (workflow, digest) = ("news".parse().unwrap(), "4be1".into());
/// # let wake = Wake { workflow, run: run.clone(), digest, at: None, cause: Cause::Begun };
/// # assert_eq!(noted.drive(&wake).now_or_never(), Some(Driven::Done));
/// # assert_eq!(*noted.0.lock().unwrap(), [run]);
/// ```
pub trait Drive: Send + Sync {
    /// Returns the definitions that this worker drives. A dispatcher may use them to choose a
    /// worker: a run of any other is [`Driven::NotMine`].
    fn serves(&self) -> Vec<Served>;

    /// Returns the queues whose steps this worker carries out. Empty stands for all queues, which
    /// is the default.
    fn queues(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Returns the names under which this worker claims runs in their store. A dispatcher that
    /// looks into the store tells by them which runs this worker has left. The default is none.
    fn drivers(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Drives the run of `wake` until it ends, waits, or is lost to another process.
    fn drive<'a>(&'a self, wake: &'a Wake) -> BoxFuture<'a, Driven>;
}

/// A dispatcher: the part of the engine that a distributed system must provide.
///
/// ```
/// # use stepwright_core::world::VirtualClock;
/// use std::{future::ready, sync::{Arc, Mutex}, time::Duration};
/// use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits, Wake};
/// # use stepwright_core::dispatch::{Cause, Served};
/// use stepwright_core::{BoxFuture, Timestamp, World};
/// use tokio_util::sync::CancellationToken;
/// /// A list in memory that is polled once a second. Drives one run at a time.
/// struct List {
///     world: World,
///     waiting: Mutex<Vec<(Timestamp, Wake)>>,
/// }
/// impl Dispatcher for List {
///     fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
///         let at = wake.at.unwrap_or_else(|| self.world.now());
///         self.waiting.lock().unwrap().push((at, wake));
///         Box::pin(ready(Ok(())))
///     }
///     fn serve(
///         self: Arc<Self>,
///         drive: Arc<dyn Drive>,
///         _: Limits,
///         stop: CancellationToken,
///     ) -> BoxFuture<'static, Result<(), DispatchError>> {
///         Box::pin(async move {
///             while !stop.is_cancelled() {
///                 let now = self.world.now();
///                 let due = |(at, _): &mut (Timestamp, Wake)| *at <= now;
///                 let due: Vec<_> = self.waiting.lock().unwrap().extract_if(.., due).collect();
///                 for (_, wake) in due {
///                     let at = match drive.drive(&wake).await {
///                         Driven::Retry { after } => Some(now.plus(after)),
///                         Driven::WaitsUntil(at) => Some(at),
///                         _ => continue,
///                     };
///                     self.wake(Wake { at, ..wake }).await?;
///                 }
///                 self.world.sleep(Duration::from_secs(1)).await;
///             }
///             Ok(())
///         })
///     }
/// }
/// # struct Second(Mutex<u32>, CancellationToken);
/// # impl Drive for Second {
/// #     fn serves(&self) -> Vec<Served> { Vec::new() }
/// #     fn drive<'a>(&'a self, _: &'a Wake) -> BoxFuture<'a, Driven> {
/// #         let mut times = self.0.lock().unwrap();
/// #         *times += 1;
/// #         let driven = match *times {
/// #             1 => Driven::Retry { after: Duration::from_secs(5) },
/// #             _ => { self.1.cancel(); Driven::Done }
/// #         };
/// #         Box::pin(ready(driven))
/// #     }
/// # }
/// # let (clock, stop) = (VirtualClock::default(), CancellationToken::new());
/// # let world = World::new(clock.clone(), 0);
/// # let list = Arc::new(List { world: world.clone(), waiting: Mutex::default() });
/// # let begin = world.now();
/// # let (workflow, run, digest) = ("news".parse()?, "r-1".parse()?, "4be1".into());
/// # let at = Some(begin.plus(Duration::from_secs(3)));
/// # clock.run(list.wake(Wake { workflow, run, digest, at, cause: Cause::Begun }))?;
/// # let drive = Arc::new(Second(Mutex::new(0), stop.clone()));
/// # clock.run(list.serve(drive.clone(), Limits::default(), stop))?;
/// # assert_eq!((*drive.0.lock().unwrap(), world.now().since(begin).as_secs()), (2, 9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Dispatcher: Send + Sync {
    /// Ensures that a live worker drives the run, at [`Wake::at`] or now. The run is driven at
    /// least once, and again after a crash until its drive returns [`Driven::Done`],
    /// [`Driven::WaitsForAnswer`] or [`Driven::UnderWay`].
    ///
    /// The same reason may be told several times, by several processes: see [`Wake::key`]. Waking
    /// a run that is being driven has no effect.
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>>;

    /// Passes runs to `drive` until `stop` is cancelled.
    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>>;

    /// Returns `true` if the dispatcher guarantees that one worker at a time drives a run. Then a
    /// run is taken over at once, without waiting for the lease of a driver that has died: what an
    /// earlier driver still appends is refused. The default is `false`.
    fn drives_one_at_a_time(&self) -> bool {
        false
    }

    /// Returns `true` if the dispatcher has queues: it gives a worker only runs that wait for one
    /// of the worker's [queues](Drive::queues), and runs that begin in one of them. If it has none,
    /// each worker carries out all steps. The default is `false`.
    fn has_queues(&self) -> bool {
        false
    }
}

/// The reason that a run could not be dispatched.
///
/// ```
/// use std::error::Error as _;
/// use stepwright_core::dispatch::DispatchError;
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let what = "run `r-1` could not be queued".into();
/// let error = DispatchError { what, source: Some(refused.into()) };
/// assert_eq!(error.to_string(), "run `r-1` could not be queued");
/// assert_eq!(error.source().unwrap().to_string(), "connection refused");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct DispatchError {
    /// The operation that failed.
    pub what: String,
    /// The cause of the failure.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}
